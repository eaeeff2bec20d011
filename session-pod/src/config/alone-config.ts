import { parseArgs } from "node:util";
import type { EgressContract } from "@wa/schema";
import { z } from "zod";
import { logLevels, type LogLevel } from "../observe/log.ts";

export const aloneUsage = `usage: npm run session -- --device NAME [options]

Runs one session without Kubernetes.
  --device NAME            name of the device; its store is NAME.sqlite unless WA_STORE says otherwise
  --proxy URL              socks5://[USER:PASSWORD@]HOST:PORT or http://[USER:PASSWORD@]HOST:PORT; none: directly.
                           Percent-encode special characters in USER and PASSWORD. The proxy resolves names.
  --qr raw|terminal        how QR codes are shown (default terminal): a drawing on standard error, or the code alone,
                           one line each, on standard output
  --pairing-code +NUMBER   link by a code to type into the phone that has this number, in place of a QR code
  --logout                 connect once, unlink the device, erase its credentials, end
  --port N                 serve /livez, /readyz and /metrics on this port of 127.0.0.1
  --help

Standard output has one JSON object a line: the session's state, whole, whenever it changes. Lines that do not start with {
are QR codes (--qr raw). Standard error has the log. Standard input takes lines such as
  {"send": {"to": "+33612345678", "text": "Hello"}}
SIGTERM, SIGINT and SIGHUP close the connection, write what is left to write, and end within 30 s.

Environment: WA_STORE (sqlite://PATH or postgres://...), WA_KEY_FILE (the store's key, made with mode 600 if missing;
default: the SQLite file's name and .key, or NAME.key), WA_URL (default WhatsApp's), WA_ROOT_KEY (hex), WA_CA_FILE (PEM),
WA_CLIENT_VERSION (such as 2.3000.1043857760), WA_LOG_LEVEL.
`;

/** What a session run alone is told by its flags and environment. */
export interface AloneConfig {
  readonly device: string;
  readonly egress: EgressContract;
  readonly proxyCredentials: { readonly username: string; readonly password: string } | undefined;
  readonly qr: "raw" | "terminal";
  /** E.164; empty: by QR code. */
  readonly pairingNumber: string;
  readonly isLogout: boolean;
  /** Undefined: nothing is served. */
  readonly port: number | undefined;
  readonly storeUrl: string;
  readonly keyFile: string;
  readonly url: string;
  readonly rootKeyHex: string;
  readonly caFile: string | undefined;
  readonly clientVersion: string;
  readonly logLevel: LogLevel;
}

/** The session's own words for a setting that cannot be: the field, what it was, and what is allowed. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

export const e164 = /^\+[1-9][0-9]{6,14}$/;
const allowedNumber = "a number such as +33612345678";
const version = /^[0-9]+\.[0-9]+\.[0-9]+$/;

const Settings = z.object({
  "--device": z.string("a name").regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, "a-z, 0-9 and -, at most 63 characters"),
  "--qr": z.enum(["raw", "terminal"], "raw or terminal").default("terminal"),
  "--pairing-code": z.string().regex(e164, allowedNumber).default(""),
  "--port": z.coerce.number("0 to 65535").int("0 to 65535").min(0, "0 to 65535").max(65_535, "0 to 65535").optional(),
  WA_STORE: z
    .string()
    .regex(/^(sqlite|postgres(ql)?):\/\/./, "sqlite://PATH or postgres://...")
    .optional(),
  WA_KEY_FILE: z.string().min(1, "a path").optional(),
  WA_URL: z.url({ protocol: /^wss?$/, error: "a ws: or wss: URL" }).default("wss://web.whatsapp.com/ws/chat"),
  WA_ROOT_KEY: z
    .string()
    .regex(/^([0-9a-fA-F]{64})?$/, "32 bytes as hex")
    .default(""),
  WA_CA_FILE: z.string().min(1, "a path").optional(),
  WA_CLIENT_VERSION: z.string().regex(version, "three numbers such as 2.3000.1043857760").optional(),
  WA_LOG_LEVEL: z.enum(logLevels, `one of ${logLevels.join(", ")}`).default("info"),
});

/** A setting whose value may hold a password is never shown again. */
const secret = new Set(["WA_STORE", "--proxy"]);

/** Throws {@link ConfigError}. `undefined`: help was asked for. */
export function parseAloneConfig(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): AloneConfig | undefined {
  const flags = parseFlags(argv);
  if (flags.help === true) return undefined;
  const { device, qr, port } = flags;
  const given = {
    ...environment,
    "--device": device,
    "--qr": qr,
    "--port": port,
    "--pairing-code": flags["pairing-code"],
  };
  const parsed = Settings.safeParse(given);
  if (!parsed.success) throw new ConfigError(parsed.error.issues.map((issue) => explain(issue, given)).join("\n"));
  const found = parsed.data;
  const storeUrl = found.WA_STORE ?? `sqlite://${found["--device"]}.sqlite`;
  return {
    ...parseProxy(flags.proxy),
    device: found["--device"],
    qr: found["--qr"],
    pairingNumber: found["--pairing-code"],
    isLogout: flags.logout === true,
    port: found["--port"],
    storeUrl,
    keyFile: found.WA_KEY_FILE ?? defaultKeyFile(storeUrl, found["--device"]),
    url: found.WA_URL,
    rootKeyHex: found.WA_ROOT_KEY,
    caFile: found.WA_CA_FILE,
    clientVersion: found.WA_CLIENT_VERSION ?? "",
    logLevel: found.WA_LOG_LEVEL,
  };
}

function parseFlags(argv: readonly string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  try {
    return parseArgs({
      args: [...argv],
      options: {
        device: text,
        proxy: text,
        qr: text,
        "pairing-code": text,
        logout: flag,
        port: text,
        help: flag,
      },
    }).values;
  } catch (error) {
    throw new ConfigError(error instanceof Error ? error.message : "the flags cannot be read", { cause: error });
  }
}

function explain(issue: z.core.$ZodIssue, given: Readonly<Record<string, string | undefined>>): string {
  const name = String(issue.path[0]);
  const value = given[name];
  const shown = value === undefined ? "not set" : secret.has(name) ? "of another form" : JSON.stringify(value);
  return `${name} is ${shown}, allowed: ${issue.message}`;
}

const defaultKeyFile = (storeUrl: string, device: string): string =>
  storeUrl.startsWith("sqlite://") ? `${storeUrl.slice("sqlite://".length)}.key` : `${device}.key`;

const proxyForms = "--proxy allows socks5://[USER:PASSWORD@]HOST:PORT and http://[USER:PASSWORD@]HOST:PORT";

function parseProxy(text: string | undefined): Pick<AloneConfig, "egress" | "proxyCredentials"> {
  if (text === undefined) return { egress: { kind: "direct" }, proxyCredentials: undefined };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.hostname === "" || !["socks5:", "socks5h:", "http:"].includes(url.protocol))
    throw new ConfigError(proxyForms);
  const protocol = url.protocol === "http:" ? "http" : "socks5";
  // The URL class drops a port that is its scheme's default, as 80 is for http.
  const port = Number(url.port || (protocol === "http" ? 80 : 1_080));
  return { egress: { kind: "proxy", protocol, host: url.hostname, port }, proxyCredentials: credentialsIn(url) };
}

function credentialsIn({ username, password }: URL): AloneConfig["proxyCredentials"] {
  if (username === "") return undefined;
  try {
    return { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  } catch {
    throw new ConfigError(
      "--proxy has a USER or PASSWORD with a % that begins no percent-encoding, allowed: characters percent-encoded, % itself as %25",
    );
  }
}

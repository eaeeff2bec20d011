import { parseArgs } from "node:util";
import { alone, parseMasterKey, storeKey } from "@wa/schema";
import { z } from "zod";
import { ConfigError } from "./alone-config.ts";
import { Recipient } from "./recipient.ts";

export const messagesUsage = `usage: npm run messages -- send --device NAME --to +NUMBER|CHAT --text TEXT
       npm run messages -- read --device NAME [--after N]
       npm run messages -- outbox --device NAME [--after N] [--state STATE]

Sends by a device's outbox and reads its inbox, in the store; the device's session does the rest. One JSON object a line on
standard output: send prints the message's id, read the messages received, oldest first, each with its number for --after, outbox
those to send: what became of each, and why it waits or failed.
  --device NAME            name of the device
  --namespace NAME         its namespace (default ${alone.namespace}: run without Kubernetes)
  --installation ID        the operator's installation id (default ${alone.installation})
  --to +NUMBER|CHAT        a number, or a chat as read prints it
  --text TEXT
  --after N                only messages with a number above N (default 0)
  --state STATE            only messages that are waiting, sent or failed
  --help

Environment: WA_STORE (sqlite://PATH or postgres://...); WA_MASTER_KEY (32 bytes as base64) or WA_MASTER_KEY_FILE (a file
that holds them).
`;

const aDevice = "a name of a-z, 0-9 and -, at most 63 characters";
const anInteger = "a whole number from 0";
const dnsLabel = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

const Common = {
  "--device": z.string(aDevice).regex(dnsLabel, aDevice),
  "--namespace": z.string().regex(dnsLabel, aDevice).default(alone.namespace),
  "--installation": z.string().min(1, "an installation id").default(alone.installation),
  WA_STORE: z
    .string("sqlite://PATH or postgres://...")
    .regex(/^(sqlite|postgres(ql)?):\/\/./, "sqlite://PATH or postgres://..."),
  WA_MASTER_KEY: z.string().optional(),
  WA_MASTER_KEY_FILE: z.string().min(1, "a path").optional(),
};
const After = z.coerce.number(anInteger).int(anInteger).min(0, anInteger).default(0);
/** Words of the outbox, as they are printed and as the store has them. */
const states = ["waiting", "sent", "failed"] as const;
const storedAs = { waiting: "Queued", sent: "Sent", failed: "Failed" } as const;
const aState = "waiting, sent or failed";
const Settings = z.discriminatedUnion(
  "command",
  [
    z.object({
      command: z.literal("send"),
      ...Common,
      "--to": Recipient,
      "--text": z.string("a text").min(1, "a text").max(65_536, "at most 65536 characters"),
    }),
    z.object({ command: z.literal("read"), ...Common, "--after": After }),
    z.object({
      command: z.literal("outbox"),
      ...Common,
      "--after": After,
      "--state": z.enum(states, aState).optional(),
    }),
  ],
  "send, read or outbox",
);

/** Values that are shown to nobody: texts, passwords, keys, people's numbers. */
const secret = new Set(["WA_STORE", "WA_MASTER_KEY", "--text", "--to"]);

export interface MessagesConfig {
  readonly storeUrl: string;
  readonly installation: string;
  readonly namespace: string;
  readonly device: string;
  /** Key of the device in the store. */
  readonly key: string;
  readonly masterKey: Uint8Array;
  readonly command:
    | { readonly kind: "send"; readonly to: string; readonly text: string }
    | { readonly kind: "read"; readonly afterSeq: number }
    | {
        readonly kind: "outbox";
        readonly afterSeq: number;
        readonly states: readonly ("Queued" | "Sent" | "Failed")[];
      };
}

/** Throws {@link ConfigError}. `undefined`: help was asked for. `readFile` gives a file's text. */
export function parseMessagesConfig(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  readFile: (path: string) => string,
): MessagesConfig | undefined {
  const { values, positionals } = parseFlags(argv);
  if (values.help === true) return undefined;
  const flags = Object.fromEntries(Object.entries(values).map(([name, value]) => [`--${name}`, value]));
  const given: Record<string, unknown> = { ...environment, ...flags, command: positionals.join(" ") };
  const parsed = Settings.safeParse(given);
  if (!parsed.success) throw new ConfigError(parsed.error.issues.map((issue) => explain(issue, given)).join("\n"));
  const found = parsed.data;
  const names = { installation: found["--installation"], namespace: found["--namespace"], device: found["--device"] };
  return {
    ...names,
    key: storeKey(names.installation, names.namespace, names.device),
    storeUrl: found.WA_STORE,
    masterKey: masterKeyFrom(found.WA_MASTER_KEY, found.WA_MASTER_KEY_FILE, readFile),
    command: commandOf(found),
  };
}

function commandOf(found: z.output<typeof Settings>): MessagesConfig["command"] {
  switch (found.command) {
    case "send":
      return { kind: "send", to: found["--to"], text: found["--text"] };
    case "read":
      return { kind: "read", afterSeq: found["--after"] };
    case "outbox": {
      const wanted = found["--state"] === undefined ? states : [found["--state"]];
      return { kind: "outbox", afterSeq: found["--after"], states: wanted.map((state) => storedAs[state]) };
    }
    default:
      return found satisfies never;
  }
}

function parseFlags(argv: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        device: text,
        namespace: text,
        installation: text,
        to: text,
        text,
        after: text,
        state: text,
        help: { type: "boolean" },
      },
    });
  } catch (error) {
    throw new ConfigError(error instanceof Error ? error.message : "the flags cannot be read", { cause: error });
  }
}

function masterKeyFrom(
  base64: string | undefined,
  path: string | undefined,
  readFile: (path: string) => string,
): Uint8Array {
  const name = base64 === undefined ? "WA_MASTER_KEY_FILE" : "WA_MASTER_KEY";
  if (base64 === undefined && path === undefined)
    throw new ConfigError("WA_MASTER_KEY and WA_MASTER_KEY_FILE are not set, allowed: one of them");
  try {
    return parseMasterKey(base64 ?? readFile(path ?? ""));
  } catch (error) {
    throw new ConfigError(`${name}: ${error instanceof Error ? error.message : "cannot be read"}`, { cause: error });
  }
}

function explain(issue: z.core.$ZodIssue, given: Readonly<Record<string, unknown>>): string {
  const name = String(issue.path[0]);
  const value = given[name];
  const shown = value === undefined ? "not set" : secret.has(name) ? "of another form" : JSON.stringify(value);
  return `${name} is ${shown}, allowed: ${issue.message}`;
}

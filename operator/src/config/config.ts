import { readFileSync } from "node:fs";
import { z } from "zod";
import { hubPort } from "@wa/schema";
import { caBundleFault } from "./ca-bundle.ts";

const name = z.string().min(1).max(253);
const logLevel = z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]);
const port = z.coerce.number().int().min(0).max(65_535);

/** Environment of the operator; the chart writes it. */
const Env = z
  .object({
    POD_NAME: name,
    POD_NAMESPACE: name,
    INSTALLATION: z.string().max(120).default(""),
    SESSION_IMAGE: z.string().min(1),
    SESSION_IMAGE_PULL_POLICY: z.enum(["Always", "IfNotPresent", "Never"]).default("IfNotPresent"),
    SESSION_IMAGE_PULL_SECRETS: z.string().default(""),
    SESSION_LOG_LEVEL: logLevel.default("info"),
    LOG_LEVEL: logLevel.default("info"),
    HUB_SERVICE: name.default("whatsapp-operator-hub"),
    HUB_PORT: port.default(hubPort),
    METRICS_PORT: port.default(8080),
    LEASE_NAME: name.default("whatsapp-operator"),
    MASTER_KEY_SECRET: name.default("whatsapp-operator-master-key"),
    HUB_CA_SECRET: name.default("whatsapp-operator-hub-ca"),
    STORE_SECRET: z.string().max(253).default(""),
    STORE_SECRET_KEY: name.default("url"),
    DATABASE_SECRET: z.string().max(253).default(""),
    DATABASE_HOST: z.string().default(""),
    DATABASE_PORT: port.default(5432),
    DATABASE_NAME: z.string().min(1).default("whatsapp"),
    DATABASE_USER: z.string().min(1).default("whatsapp"),
    WHATSAPP_URL: z
      .string()
      .regex(/^wss?:\/\/.+/, "must be a ws:// or wss:// URL")
      .default("wss://web.whatsapp.com/ws/chat"),
    WHATSAPP_ROOT_KEY: z
      .string()
      .regex(/^([0-9a-fA-F]{64})?$/, "must be 64 hexadecimal digits or empty")
      .default(""),
    WHATSAPP_CA_FILE: z.string().max(4096).default(""),
    WHATSAPP_CLIENT_VERSION: z
      .string()
      .regex(/^([0-9]+\.[0-9]+\.[0-9]+)?$/, "must be a version such as 2.3000.1043857760 or empty")
      .default(""),
  })
  .superRefine((env, context) => {
    const isOwn = env.DATABASE_SECRET !== "" && env.DATABASE_HOST !== "";
    if ((env.STORE_SECRET !== "") !== isOwn) return;
    context.addIssue({
      code: "custom",
      path: ["STORE_SECRET"],
      message: "set either STORE_SECRET, or DATABASE_SECRET and DATABASE_HOST",
    });
  });

/** Where the URL of the store comes from. */
type StoreSource =
  /** A Secret of the user's, with the whole URL under one key. */
  | { readonly kind: "Url"; readonly secret: string; readonly key: string }
  /** The chart's PostgreSQL, whose password the leader makes at the first start. */
  | {
      readonly kind: "OwnDatabase";
      readonly secret: string;
      readonly host: string;
      readonly port: number;
      readonly database: string;
      readonly user: string;
    };

export interface Config {
  readonly podName: string;
  readonly podNamespace: string;
  /** Prefix of every key in the store. */
  readonly installation: string;
  readonly session: {
    readonly image: string;
    readonly pullPolicy: "Always" | "IfNotPresent" | "Never";
    readonly pullSecrets: readonly string[];
    readonly logLevel: string;
  };
  readonly logLevel: string;
  /** DNS name of the Service in front of the leader's hub. */
  readonly hubHost: string;
  readonly hubPort: number;
  readonly metricsPort: number;
  readonly leaseName: string;
  readonly masterKeySecret: string;
  readonly hubCaSecret: string;
  readonly store: StoreSource;
  readonly whatsapp: {
    readonly url: string;
    readonly rootKeyHex: string;
    readonly caBundle: string;
    readonly clientVersion: string;
  };
}

/** The environment does not say what the operator needs. */
class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** The only reader of the environment, and of the file that it names. @throws {ConfigError} naming every wrong variable, its value and what is allowed. */
export function readConfig(
  env: Readonly<Record<string, string | undefined>>,
  readText: (path: string) => string = (path) => readFileSync(path, "utf8"),
): Config {
  const parsed = Env.safeParse(env);
  if (!parsed.success) throw new ConfigError(parsed.error.issues.map((issue) => wordsOf(issue, env)).join("\n"));
  const found = parsed.data;
  return {
    podName: found.POD_NAME,
    podNamespace: found.POD_NAMESPACE,
    installation: found.INSTALLATION === "" ? `${found.POD_NAMESPACE}/${found.LEASE_NAME}` : found.INSTALLATION,
    session: {
      image: found.SESSION_IMAGE,
      pullPolicy: found.SESSION_IMAGE_PULL_POLICY,
      pullSecrets: found.SESSION_IMAGE_PULL_SECRETS.split(",").filter((secret) => secret !== ""),
      logLevel: found.SESSION_LOG_LEVEL,
    },
    logLevel: found.LOG_LEVEL,
    hubHost: `${found.HUB_SERVICE}.${found.POD_NAMESPACE}.svc`,
    hubPort: found.HUB_PORT,
    metricsPort: found.METRICS_PORT,
    leaseName: found.LEASE_NAME,
    masterKeySecret: found.MASTER_KEY_SECRET,
    hubCaSecret: found.HUB_CA_SECRET,
    store: storeOf(found),
    whatsapp: {
      url: found.WHATSAPP_URL,
      rootKeyHex: found.WHATSAPP_ROOT_KEY,
      caBundle: readCaBundle(found.WHATSAPP_CA_FILE, readText),
      clientVersion: found.WHATSAPP_CLIENT_VERSION,
    },
  };
}

function readCaBundle(path: string, readText: (path: string) => string): string {
  if (path === "") return "";
  const bundle = textOf(path, readText);
  const fault = caBundleFault(bundle);
  if (fault !== undefined) throw new ConfigError(`WHATSAPP_CA_FILE is ${JSON.stringify(path)}: ${fault}`);
  return bundle;
}

function textOf(path: string, readText: (path: string) => string): string {
  try {
    return readText(path);
  } catch (error) {
    const message = error instanceof Error ? error.message : "unknown error";
    throw new ConfigError(`WHATSAPP_CA_FILE is ${JSON.stringify(path)}: the file cannot be read: ${message}`);
  }
}

function storeOf(env: z.infer<typeof Env>): StoreSource {
  if (env.STORE_SECRET !== "") return { kind: "Url", secret: env.STORE_SECRET, key: env.STORE_SECRET_KEY };
  return {
    kind: "OwnDatabase",
    secret: env.DATABASE_SECRET,
    host: env.DATABASE_HOST,
    port: env.DATABASE_PORT,
    database: env.DATABASE_NAME,
    user: env.DATABASE_USER,
  };
}

function wordsOf({ path, message }: z.core.$ZodIssue, env: Readonly<Record<string, string | undefined>>): string {
  const field = path.map(String).join(".");
  const value = env[field];
  return `${field} is ${value === undefined ? "not set" : JSON.stringify(value)}: ${message}`;
}

import { destination, pino, type Logger } from "pino";

export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

/** Fields that could hold a secret are named so, wherever they stand; their values never reach the log. */
const secretFields = ["qr", "pairingCode", "phoneNumber", "password", "key", "jid", "to", "text", "creds"];

/** JSON lines on standard error. */
export function createLog(level: LogLevel): Logger {
  const paths = secretFields.flatMap((name) => [name, `*.${name}`]);
  return pino({ level, base: null, redact: { paths, censor: "[hidden]" } }, destination({ fd: 2, sync: true }));
}

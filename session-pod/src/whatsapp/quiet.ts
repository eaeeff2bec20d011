import "./inflate-limit.ts";

/**
 * Import this before the client library. Its Signal part prints whole session records, private keys included, through
 * `console.info`, and no log level reaches that.
 */
const ignore = (): void => undefined;
Object.assign(console, { log: ignore, info: ignore, warn: ignore, error: ignore, debug: ignore, trace: ignore });

interface QuietLogger {
  level: string;
  child(): QuietLogger;
  trace(): void;
  debug(): void;
  info(): void;
  warn(): void;
  error(): void;
}

/** The library's own log names numbers and keys; what matters of it comes as events. */
export const quietLogger: QuietLogger = {
  level: "silent",
  child: () => quietLogger,
  trace: ignore,
  debug: ignore,
  info: ignore,
  warn: ignore,
  error: ignore,
};

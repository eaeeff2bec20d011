import { pino, type DestinationStream, type Logger } from "pino";

/** JSON lines on standard output. Values that could be a secret are taken out wherever they stand. */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: {
      paths: ["password", "*.password", "*.keyBase64", "*.qr", "*.pairingCode", "*.phoneNumber"],
      censor: "[redacted]",
    },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

import { durationMs, type SessionSpec, type WhatsAppDevice } from "@wa/schema";

/** A device's wishes as its session needs them: durations in milliseconds. */
export function sessionSpecOf({ spec }: WhatsAppDevice): SessionSpec {
  const { pairing, client, connection, reconnect } = spec;
  return {
    pairing: { method: pairing.method, phoneNumber: pairing.phoneNumber, windowMs: durationMs(pairing.window) },
    browser: client.browser,
    clientVersion: client.version,
    connectTimeoutMs: durationMs(connection.connectTimeout),
    keepAliveIntervalMs: durationMs(connection.keepAliveInterval),
    queryTimeoutMs: durationMs(connection.queryTimeout),
    baseDelayMs: durationMs(reconnect.baseDelay),
    maxDelayMs: durationMs(reconnect.maxDelay),
    unpairedAttempts: reconnect.unpairedAttempts,
  };
}

import { durationMs, type SessionSpec, type WhatsAppDevice } from "@wa/schema";
import type { Settings } from "./world.ts";

/** The version that a device is to announce; "Auto" where the client library's own is meant. */
export const announcedVersionOf = (
  { spec }: WhatsAppDevice,
  { clientVersion }: Pick<Settings, "clientVersion">,
): string => (spec.client.version === "Auto" && clientVersion !== "" ? clientVersion : spec.client.version);

/** A device's wishes as its session needs them: durations in milliseconds, its version resolved. */
export function sessionSpecOf(device: WhatsAppDevice, settings: Pick<Settings, "clientVersion">): SessionSpec {
  const { spec } = device;
  const { pairing, client, connection, reconnect } = spec;
  return {
    pairing: { method: pairing.method, phoneNumber: pairing.phoneNumber, windowMs: durationMs(pairing.window) },
    browser: client.browser,
    clientVersion: announcedVersionOf(device, settings),
    connectTimeoutMs: durationMs(connection.connectTimeout),
    keepAliveIntervalMs: durationMs(connection.keepAliveInterval),
    queryTimeoutMs: durationMs(connection.queryTimeout),
    baseDelayMs: durationMs(reconnect.baseDelay),
    maxDelayMs: durationMs(reconnect.maxDelay),
    unpairedAttempts: reconnect.unpairedAttempts,
  };
}

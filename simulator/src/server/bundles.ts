import { ratchetOf, type Context } from "./context.ts";
import type { Account } from "./world.ts";

/** What a key query hands out of a device. */
export interface PublicBundle {
  readonly registrationId: number;
  readonly identity: Buffer;
  readonly signed: { readonly id: number; readonly public: Buffer; readonly signature: Buffer };
  readonly preKey?: { readonly id: number; readonly public: Buffer } | undefined;
}

/** Takes one of the device's one-time keys off the server: it is handed out once. */
export function takeBundle(context: Context, account: Account, deviceId: number): PublicBundle | undefined {
  if (deviceId === 0) {
    const { id, keys, signature } = account.signedPreKey;
    const signed = { id, public: keys.public, signature };
    return {
      registrationId: account.registrationId,
      identity: account.identity.public,
      signed,
      preKey: ratchetOf(context, account).newPreKey(),
    };
  }
  const device = account.devices.get(deviceId);
  if (!device) return undefined;
  const first = device.preKeys.entries().next().value;
  if (first) device.preKeys.delete(first[0]);
  return {
    registrationId: device.registrationId,
    identity: device.identity,
    signed: device.signedPreKey,
    preKey: first && { id: first[0], public: first[1] },
  };
}

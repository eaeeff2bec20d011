import { ratchetOf, type Context } from "./context.ts";
import { node, server } from "../wire/nodes.ts";
import { seconds } from "./replies.ts";
import type { Account, LinkedDevice } from "./world.ts";

/** Clients upload more when they are told of fewer than this. */
const fewPreKeys = 5;

/** What a key query hands out of a device. */
export interface PublicBundle {
  readonly registrationId: number;
  readonly identity: Buffer;
  readonly signed: { readonly id: number; readonly public: Buffer; readonly signature: Buffer };
  readonly preKey?: { readonly id: number; readonly public: Buffer } | undefined;
}

/** Takes one of the device's one-time keys off the server: it is handed out once. */
export function takeBundle(context: Context, account: Account, deviceId: number): PublicBundle | undefined {
  if (!account.standing.isRegistered) return undefined;
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
  if (device.preKeys.size < fewPreKeys) askForPreKeys(context, account, device);
  return {
    registrationId: device.registrationId,
    identity: device.identity,
    signed: device.signedPreKey,
    preKey: first && { id: first[0], public: first[1] },
  };
}

function askForPreKeys(context: Context, account: Account, device: LinkedDevice): void {
  const connection = context.online.get(`${account.phone}:${device.id}`);
  const value = String(device.preKeys.size);
  connection?.send(
    node("notification", { from: server, type: "encrypt", id: connection.newId(), t: seconds() }, [
      node("count", { value }),
    ]),
  );
}

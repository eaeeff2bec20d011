import { bytesOf, childOf, node, preKeyIn, type Node } from "../wire/nodes.ts";
import type { Connection } from "./connection.ts";
import { ratchetOf, type Context } from "./context.ts";
import { encrypted, enqueue } from "./delivery.ts";
import { seconds } from "./replies.ts";
import { parseAddress, pendingKey, pendingOf, phoneJid, type Account } from "./world.ts";

/** Phones give a message up after this many retries; so do clients. */
const mostRetries = 5;

/** A device could not read a message: its sender drops the session, starts a new one and sends the same text under the same id. */
export async function retried(connection: Connection, receipt: Node): Promise<void> {
  const { loggedIn, context } = connection;
  const { id = "", to, participant } = receipt.attrs;
  const address = parseAddress(participant) ?? parseAddress(to);
  if (!loggedIn) return;
  context.counters.device(loggedIn.name).retryReceipts += 1;
  if (address !== undefined && address.device !== 0) return forward(connection, receipt);
  const from = senderOf(context, address?.phone, id);
  if (from === undefined) return;
  await ratchetOf(context, from).exclusively(async () => await resend(connection, { from, id, receipt }));
}

/** Who sent a message: the address alone does not tell when a test made it up. */
function senderOf(context: Context, phone: string | undefined, id: string): Account | undefined {
  const named = phone === undefined ? undefined : context.accounts.of(phone);
  if (named?.sent.has(id) === true) return named;
  return [...context.accounts.all()].find((account) => account.sent.has(id));
}

async function resend(connection: Connection, asked: { from: Account; id: string; receipt: Node }): Promise<void> {
  const { loggedIn, context } = connection;
  const { from, id, receipt } = asked;
  const sent = from.sent.get(id);
  if (!loggedIn || !sent) return;
  const { account, device, name } = loggedIn;
  const retries = sent.retries.get(name) ?? 0;
  if (retries >= mostRetries) return;
  sent.retries.set(name, retries + 1);
  ratchetOf(context, from).forget(name);
  await useSentBundle(context, { from, name, receipt });
  const stanza = await encrypted(context, { from, to: account, device, id, ...sent, retries: retries + 1 });
  // The first copy may be acknowledged already: clients do that before or after they ask again.
  const deliveries = device.pending.has(pendingKey(stanza)) ? 0 : 1;
  enqueue(context, { account, device }, { id, stanza, deliveries, isRetried: true });
}

/** From its second receipt on a device sends keys along; they are newer than the server's. */
async function useSentBundle(context: Context, asked: { from: Account; name: string; receipt: Node }): Promise<void> {
  const keys = childOf(asked.receipt, "keys");
  const registration = bytesOf(childOf(asked.receipt, "registration"));
  if (!keys || registration.length !== 4) return;
  const oneTime = childOf(keys, "key");
  await ratchetOf(context, asked.from).startSession(asked.name, {
    registrationId: registration.readUInt32BE(),
    identity: bytesOf(childOf(keys, "identity")),
    signedPreKey: preKeyIn(childOf(keys, "skey")),
    ...(oneTime && { preKey: preKeyIn(oneTime) }),
  });
}

/** The message came from another companion: that one keeps its text, so the receipt is passed on to it. */
function forward(connection: Connection, receipt: Node): void {
  const { loggedIn, context } = connection;
  const { id = "", to } = receipt.attrs;
  const address = parseAddress(to);
  const pending = loggedIn && pendingOf(loggedIn.device, id, to);
  if (!loggedIn || !address) return;
  if (pending) pending.isRetried = true;
  const content = Array.isArray(receipt.content) ? receipt.content : undefined;
  const from = phoneJid(loggedIn.account.phone, loggedIn.device.id);
  context.online
    .get(`${address.phone}:${address.device}`)
    ?.send(node("receipt", { from, id, type: "retry", t: seconds() }, content));
}

import { randomBytes } from "node:crypto";
import { bytesOf, childOf, childrenOf, node, type Node } from "../wire/nodes.ts";
import { encodedText, padded, textOf } from "../wire/payloads.ts";
import type { Ciphertext } from "../peers/ratchet.ts";
import { takeBundle } from "./bundles.ts";
import { isInPlaceOfUsual, waited, type Connection } from "./connection.ts";
import { ratchetOf, type Context } from "./context.ts";
import { dressed, formOf, isEncrypted, plainDress, type Dress } from "./forms.ts";
import { seconds } from "./replies.ts";
import {
  lidJid,
  parseAddress,
  pendingKey,
  pendingOf,
  phoneJid,
  type Account,
  type LinkedDevice,
  type Pending,
} from "./world.ts";

/** Sends a stanza that waits for its acknowledgement; `isOffline` marks what was kept while the device was away. */
export function deliver(connection: Connection, pending: Pending, isOffline: boolean): void {
  const rule = connection.ruled("delivery");
  if (rule === undefined) return hand(connection, pending, isOffline);
  // Silence here loses this delivery, not the connection; whatever acts, the next login delivers again.
  void waited(rule).then(() => {
    if (rule.action.kind !== "silence") connection.act(rule.action);
    if (!isInPlaceOfUsual(rule.action)) hand(connection, pending, isOffline);
  });
}

function hand(connection: Connection, pending: Pending, isOffline: boolean): void {
  const counters = connection.context.counters.device(connection.loggedIn?.name ?? "");
  counters.messagesDelivered += 1;
  if (pending.deliveries > 0) counters.messagesRedelivered += 1;
  pending.deliveries += 1;
  const { stanza } = pending;
  connection.send(isOffline ? { ...stanza, attrs: { ...stanza.attrs, offline: "0" } } : stanza);
}

/** The device has it: it is not sent again. */
export function acknowledged(connection: Connection, id: string | undefined, address: string | undefined): void {
  const { loggedIn } = connection;
  const pending = id === undefined ? undefined : loggedIn && pendingOf(loggedIn.device, id, address);
  if (!loggedIn || pending === undefined) return;
  loggedIn.device.pending.delete(pendingKey(pending.stanza));
  connection.context.counters.device(loggedIn.name).messagesAcknowledged += 1;
}

/** An acknowledgement with an error ends a message too, unless the device asked for it again: then the new copy waits. */
export function acceptAck(connection: Connection, ack: Node): void {
  const { loggedIn } = connection;
  const { id, error, to } = ack.attrs;
  if (!loggedIn || id === undefined || ack.attrs["class"] !== "message") return;
  if (error === undefined) return acknowledged(connection, id, to);
  const pending = pendingOf(loggedIn.device, id, to);
  if (pending === undefined || pending.isRetried) return;
  loggedIn.device.pending.delete(pendingKey(pending.stanza));
  connection.context.counters.device(loggedIn.name).messagesRefused += 1;
}

/** A peer's text for every companion of an account, each encrypted by the peer's own ratchet. Resolves to the message's id. */
export async function sendText(context: Context, from: Account, to: Account, text: string): Promise<string> {
  return await sendMessage(context, { from, to, message: encodedText(text) });
}

/** As {@link sendText}, of any message; those of an account's phone to its own companions are of the category `peer`. */
export async function sendMessage(
  context: Context,
  sent: Pick<Outgoing, "from" | "to" | "message" | "category"> & { readonly dress?: Dress },
): Promise<string> {
  const { from, to, message, category, dress = plainDress } = sent;
  const id = dress.attrs["id"] ?? randomBytes(10).toString("hex").toUpperCase();
  from.sent.set(id, { message, category, dress, retries: new Map() });
  await ratchetOf(context, from).exclusively(async () => {
    for (const device of to.devices.values()) {
      const stanza = await encrypted(context, { from, to, device, id, message, category, dress, retries: 0 });
      enqueue(context, { account: to, device }, { id, stanza, deliveries: 0, isRetried: false });
    }
  });
  return id;
}

/** Keeps a stanza until the device acknowledges it; one under the same id is replaced, and its deliveries count on. */
export function enqueue(
  context: Context,
  to: { readonly account: Account; readonly device: LinkedDevice },
  fresh: Pending,
): void {
  const { pending } = to.device;
  const key = pendingKey(fresh.stanza);
  fresh.deliveries += pending.get(key)?.deliveries ?? 0;
  pending.set(key, fresh);
  const connection = context.online.get(`${to.account.phone}:${to.device.id}`);
  if (connection?.hasDeliveredOffline === true) deliver(connection, fresh, false);
}

interface Outgoing {
  readonly from: Account;
  readonly to: Account;
  readonly device: LinkedDevice;
  readonly id: string;
  readonly message: Uint8Array;
  readonly category?: "peer" | undefined;
  readonly dress: Dress;
  /** How often the device asked for it again. */
  readonly retries: number;
}

/** The stanza that carries a message to one device. */
export async function encrypted(context: Context, letter: Outgoing): Promise<Node> {
  const { from, id, message, category, dress, retries } = letter;
  const enc = isEncrypted(formOf(dress, retries)) ? await encNode(context, letter) : undefined;
  const attrs = { ...messageAttrs(from.phone, id), ...(category && { category }) };
  return dressed(node("message", attrs), dress, { fromPhone: from.phone, retries, enc, message });
}

async function encNode(context: Context, { from, to, device, message }: Outgoing): Promise<Node> {
  const ratchet = ratchetOf(context, from);
  const name = `${to.phone}:${device.id}`;
  if (!ratchet.hasSession(name)) await startSession(context, from, to, device.id);
  const { type, bytes } = await ratchet.encrypt(name, padded(message));
  return node("enc", { v: "2", type }, bytes);
}

async function startSession(context: Context, from: Account, to: Account, deviceId: number): Promise<void> {
  const bundle = takeBundle(context, to, deviceId);
  if (!bundle) return;
  const { registrationId, identity, signed, preKey } = bundle;
  await ratchetOf(context, from).startSession(`${to.phone}:${deviceId}`, {
    registrationId,
    identity,
    signedPreKey: signed,
    ...(preKey && { preKey }),
  });
}

const messageAttrs = (fromPhone: string, id: string, device = 0) => ({
  from: phoneJid(fromPhone, device),
  sender_lid: lidJid(fromPhone, device),
  id,
  t: seconds(),
  type: "text",
  notify: `Peer ${fromPhone.slice(-2)}`,
});

/** A client's message: the peers' phones decrypt their copies; copies for other companions are passed on as they are. */
export async function acceptMessage(connection: Connection, message: Node): Promise<void> {
  const { loggedIn, context } = connection;
  if (!loggedIn) return;
  context.counters.device(loggedIn.name).messagesReceived += 1;
  const { id = "", to } = message.attrs;
  for (const copy of copiesIn(message)) await passOn(connection, copy);
  connection.send(node("ack", { class: "message", id, from: to, t: seconds() }));
}

interface Copy {
  readonly id: string;
  readonly jid: string | undefined;
  readonly enc: Node;
}

function copiesIn(message: Node): Copy[] {
  const { id = "", to } = message.attrs;
  const single = childrenOf(message, "enc").map((enc) => ({ id, jid: to, enc }));
  const parted = childrenOf(childOf(message, "participants"), "to").flatMap((item) =>
    childrenOf(item, "enc").map((enc) => ({ id, jid: item.attrs["jid"], enc })),
  );
  return [...single, ...parted];
}

async function passOn(connection: Connection, copy: Copy): Promise<void> {
  const { loggedIn, context } = connection;
  const address = parseAddress(copy.jid);
  if (!address || !loggedIn) return;
  const account = context.accounts.of(address.phone);
  if (!account.standing.isRegistered) return;
  if (address.device === 0) return await readByPhone(connection, account, copy);
  const device = account.devices.get(address.device);
  if (!device) return;
  const stanza = node("message", messageAttrs(loggedIn.account.phone, copy.id, loggedIn.device.id), [copy.enc]);
  enqueue(
    context,
    { account, device },
    { id: copy.id, stanza, deliveries: 0, isRetried: false, sender: loggedIn.name },
  );
}

const isCiphertextType = (type: string | undefined): type is Ciphertext["type"] => type === "pkmsg" || type === "msg";

/** Decrypts with the phone's ratchet; what it cannot read it asks for again, as phones do. */
async function readByPhone(connection: Connection, to: Account, copy: Copy): Promise<void> {
  const { loggedIn, context } = connection;
  const type = copy.enc.attrs["type"];
  if (!loggedIn || !isCiphertextType(type)) return;
  try {
    const plain = await ratchetOf(context, to).decrypt(loggedIn.name, { type, bytes: bytesOf(copy.enc) });
    const text = textOf(plain);
    if (text !== undefined && to !== loggedIn.account) read(connection, to, { id: copy.id, text });
  } catch {
    to.retriesAsked += 1;
    connection.send(askAgain(to, copy.id));
  }
}

/** A peer reads each message once, whatever its sender repeats, and says so. */
function read(connection: Connection, to: Account, message: { id: string; text: string }): void {
  const { loggedIn, context } = connection;
  if (!loggedIn) return;
  const { phone: from } = loggedIn.account;
  if (to.inbox.some((each) => each.id === message.id && each.from === from))
    context.counters.device(loggedIn.name).messagesRepeated += 1;
  else to.inbox.push({ ...message, from, fromDevice: loggedIn.device.id, time: new Date().toISOString() });
  connection.send(node("receipt", { from: phoneJid(to.phone), id: message.id, t: seconds() }));
}

const askAgain = (by: Account, id: string): Node =>
  node("receipt", { from: phoneJid(by.phone), id, type: "retry", t: seconds() }, [
    node("retry", { count: "1", id, t: seconds(), v: "1" }),
  ]);

import type { Letter } from "../scenarios/letter.ts";
import type { Connection } from "../server/connection.ts";
import { takeBundle } from "../server/bundles.ts";
import { ratchetOf, type Context } from "../server/context.ts";
import { sendMessage, sendText } from "../server/delivery.ts";
import { removeDevice } from "../server/queries.ts";
import { isExpired, offerPairing } from "../server/registration.ts";
import { encodedMessage, encodedText } from "../wire/payloads.ts";
import { refreshCode, typeCode } from "./code-pairing.ts";

/** A person's act that the phone cannot carry out; the message says why. */
export class PhoneError extends Error {
  override readonly name = "PhoneError";
}

interface QrText {
  readonly ref: string;
  readonly noiseKey: Buffer;
  readonly identity: Buffer;
  readonly advSecret: Buffer;
}

/** `[URL#]REF,NOISE,IDENTITY,ADV[,PLATFORM]`, base64 but for the ref. */
function readQr(text: string): QrText {
  const [ref, noise, identity, adv] = text.trim().split("#").at(-1)?.split(",") ?? [];
  if (ref === undefined || noise === undefined || identity === undefined || adv === undefined)
    throw new PhoneError("body: not a QR text; expected REF,NOISE,IDENTITY,ADV");
  const bytes = (base64: string) => Buffer.from(base64, "base64");
  return { ref, noiseKey: bytes(noise), identity: bytes(identity), advSecret: bytes(adv) };
}

/** A person scans the code that a client shows. */
export async function scan(context: Context, phone: string, text: string): Promise<void> {
  const qr = readQr(text);
  const connection = [...context.waiting].find((each) => each.registration?.refs.includes(qr.ref) === true);
  const registration = connection?.registration;
  if (!connection || !registration || registration.offer || isExpired(registration, qr.ref, Date.now()))
    throw new PhoneError("body: no connection waits with this QR code; it is expired or used");
  const isSame = qr.identity.equals(registration.payload.identity) && qr.noiseKey.equals(connection.clientStatic);
  if (!isSame) throw new PhoneError("body: the QR code's keys are not those of the connection that shows it");
  await offerPairing(connection, context.accounts.of(phone), qr.advSecret);
}

/** A person types a client's code into the phone; when several clients wait for this number, the newest is tried first. */
export async function enterCode(context: Context, phone: string, text: string): Promise<void> {
  const code = text.trim().replace("-", "").toUpperCase();
  const waiting = showingCodes(context, phone);
  for (const connection of waiting) if (await typeCode(connection, context.accounts.of(phone), code)) return;
  throw new PhoneError(`body: none of the ${waiting.length} connections that wait for ${phone} shows this code`);
}

/** Those that show a code for this number and are not linked yet, the newest first. */
function showingCodes(context: Context, phone: string): Connection[] {
  const waiting = [...context.waiting].toReversed().filter((each: Connection) => {
    const { code: pairing, offer } = each.registration ?? {};
    return pairing?.phone === phone && offer === undefined;
  });
  if (waiting.length === 0) throw new PhoneError(`phone: no connection asked to be linked to ${phone} by a code`);
  return waiting;
}

/** The server has the clients that show a code for this number show a new one, by themselves or by somebody's hand. */
export function refreshCodes(context: Context, phone: string, isByHand: boolean): void {
  for (const connection of showingCodes(context, phone)) refreshCode(connection, isByHand);
}

/** A person removes a linked device from the phone's list. */
export function unlink(context: Context, phone: string, deviceId: number): void {
  if (!removeDevice(context, context.accounts.of(phone), deviceId))
    throw new PhoneError(`device: ${phone} has no linked device ${deviceId}`);
}

/** A person writes a text; resolves to its id. */
export async function text(context: Context, from: string, to: string, body: string): Promise<string> {
  const account = context.accounts.of(to);
  if (account.devices.size === 0) throw new PhoneError(`to: ${to} has no linked device`);
  return await sendText(context, context.accounts.of(from), account, body);
}

/** As {@link text}, of a message that differs from the usual as its letter says. */
export async function message(context: Context, from: string, to: string, letter: Letter): Promise<string> {
  const account = context.accounts.of(to);
  if (account.devices.size === 0) throw new PhoneError(`to: ${to} has no linked device`);
  const sender = context.accounts.of(from);
  return await sendMessage(context, { from: sender, to: account, message: bytesIn(letter), dress: letter });
}

function bytesIn({ text: body, message: json, base64 }: Letter): Uint8Array {
  if (body !== undefined) return encodedText(body);
  if (base64 !== undefined) return Buffer.from(base64, "base64");
  try {
    return encodedMessage(json ?? {});
  } catch (error) {
    throw new PhoneError(`message: ${JSON.stringify(json)}: no message of WAProto: ${String(error)}`);
  }
}

/** The phone is installed anew in so far as it lost its sessions: it must ask again for the next message of each device. */
export function forgetSessions(context: Context, phone: string): void {
  ratchetOf(context, context.accounts.of(phone)).forgetAll();
}

/** Strangers ask for the keys of each linked device, and write nothing: what they were given is used up. */
export function takeKeys(context: Context, phone: string, count: number): void {
  const account = context.accounts.of(phone);
  for (const device of account.devices.keys())
    for (let taken = 0; taken < count; taken += 1) takeBundle(context, account, device);
}

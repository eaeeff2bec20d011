import { createCipheriv, createDecipheriv, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { agree, hkdf, newKeyPair, type KeyPair } from "../wire/curve.ts";
import { bytesOf, childOf, node, server, type Node } from "../wire/nodes.ts";
import type { Connection } from "../server/connection.ts";
import { offerPairing } from "../server/registration.ts";
import { seconds } from "../server/replies.ts";
import { parseAddress, type Account } from "../server/world.ts";

const deriveKey = promisify(pbkdf2);
const iterations = 131_072;
const answerWithinMs = 10_000;

/** A client's wish to be linked by a typed code, and the phone's side of it. */
export interface CodePairing {
  readonly phone: string;
  readonly wrappedCompanionEphemeral: Buffer;
  readonly ref: Buffer;
  typed?: Typed;
}

interface Typed {
  readonly account: Account;
  readonly ephemeral: KeyPair;
  readonly companionEphemeral: Buffer;
  readonly settle: (isRight: boolean) => void;
}

/** 80 bytes: salt 32, iv 16, an ephemeral public key under AES-256-CTR with the code's PBKDF2 key. */
async function unwrap(wrapped: Buffer, code: string): Promise<Buffer> {
  const key = await deriveKey(code, wrapped.subarray(0, 32), iterations, 32, "sha256");
  const decipher = createDecipheriv("aes-256-ctr", key, wrapped.subarray(32, 48));
  return Buffer.concat([decipher.update(wrapped.subarray(48)), decipher.final()]);
}

async function wrap(publicKey: Buffer, code: string): Promise<Buffer> {
  const salt = randomBytes(32);
  const iv = randomBytes(16);
  const cipher = createCipheriv("aes-256-ctr", await deriveKey(code, salt, iterations, 32, "sha256"), iv);
  return Buffer.concat([salt, iv, cipher.update(publicKey), cipher.final()]);
}

/** The two queries of a client that pairs by code. */
export async function answerCodePairing(connection: Connection, child: Node | undefined): Promise<Node[] | undefined> {
  const { registration } = connection;
  if (!registration || !child) return undefined;
  if (child.attrs["stage"] === "companion_finish") {
    await finish(connection, child);
    return undefined;
  }
  const ref = randomBytes(24);
  const phone = parseAddress(child.attrs["jid"])?.phone ?? "";
  registration.phone = phone;
  registration.code = {
    phone,
    wrappedCompanionEphemeral: bytesOf(childOf(child, "link_code_pairing_wrapped_companion_ephemeral_pub")),
    ref,
  };
  return [node("link_code_companion_reg", { stage: "companion_hello" }, [node("link_code_pairing_ref", {}, ref)])];
}

/**
 * A person types the code into the phone: its half of the exchange goes to the client, whose answer tells whether the code
 * is the one that the client shows. False also when the client does not answer in time.
 */
export async function typeCode(connection: Connection, account: Account, code: string): Promise<boolean> {
  const pairing = connection.registration?.code;
  if (!pairing) return false;
  const companionEphemeral = await unwrap(pairing.wrappedCompanionEphemeral, code);
  const ephemeral = newKeyPair();
  const wrapped = await wrap(ephemeral.public, code);
  const { promise, resolve: settle } = Promise.withResolvers<boolean>();
  pairing.typed = { account, ephemeral, companionEphemeral, settle };
  const timer = setTimeout(() => settle(false), answerWithinMs);
  if (await connection.staged("typed")) settle(true);
  else connection.send(primaryHello(connection.newId(), { ref: pairing.ref, account, wrapped }));
  return await promise.finally(() => clearTimeout(timer));
}

const primaryHello = (id: string, half: { ref: Buffer; account: Account; wrapped: Buffer }): Node =>
  notification(
    id,
    node("link_code_companion_reg", { stage: "primary_hello" }, [
      node("link_code_pairing_ref", {}, half.ref),
      node("primary_identity_pub", {}, half.account.identity.public),
      node("link_code_pairing_wrapped_primary_ephemeral_pub", {}, half.wrapped),
    ]),
  );

/** The server asks the client for a new code: the one that it shows is worth nothing any more. */
export function refreshCode(connection: Connection, isByHand: boolean): void {
  const pairing = connection.registration?.code;
  if (!connection.registration || !pairing) return;
  delete connection.registration.code;
  const attrs = { stage: "refresh_code", force_manual_refresh: String(isByHand) };
  const refresh = node("link_code_companion_reg", attrs, [node("link_code_pairing_ref", {}, pairing.ref)]);
  connection.send(notification(connection.newId(), refresh));
}

const notification = (id: string, child: Node): Node =>
  node("notification", { from: server, type: "link_code_companion_reg", id, t: seconds() }, [child]);

/** The client's key bundle opens only if the same code was typed; then pairing goes on as after a scan. */
async function finish(connection: Connection, child: Node): Promise<void> {
  const typed = connection.registration?.code?.typed;
  if (!typed) return;
  const shared = agree(typed.ephemeral.private, typed.companionEphemeral);
  const bundle = openBundle(shared, bytesOf(childOf(child, "link_code_pairing_wrapped_key_bundle")));
  typed.settle(bundle !== undefined);
  if (!bundle) return;
  const companionIdentity = bundle.subarray(0, 32);
  const identityShared = agree(typed.account.identity.private, companionIdentity);
  const secrets = Buffer.concat([shared, identityShared, bundle.subarray(64, 96)]);
  await offerPairing(connection, typed.account, hkdf(secrets, 32, { info: "adv_secret" }));
}

/** Companion identity 32, account identity 32, random 32; undefined when the shared key is another. */
function openBundle(shared: Buffer, sealed: Buffer): Buffer | undefined {
  const key = hkdf(shared, 32, { salt: sealed.subarray(0, 32), info: "link_code_pairing_key_bundle_encryption_key" });
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(32, 44));
    decipher.setAuthTag(sealed.subarray(-16));
    return Buffer.concat([decipher.update(sealed.subarray(44, -16)), decipher.final()]);
  } catch {
    return undefined;
  }
}

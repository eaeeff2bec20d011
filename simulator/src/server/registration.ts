import { randomBytes } from "node:crypto";
import { bytesOf, childOf, node, server, type Node } from "../wire/nodes.ts";
import { isCountersigned, signDeviceIdentity, type RegistrationPayload } from "../wire/payloads.ts";
import type { CodePairing } from "../phone/code-pairing.ts";
import type { Connection } from "./connection.ts";
import { failure, seconds } from "./replies.ts";
import { lidJid, phoneJid, type Account, type LinkedDevice } from "./world.ts";

/** Six codes, 60 s for the first and 20 s for each other; then the client gives up by itself. */
const refCount = 6;
const firstRefMs = 60_000;
const nextRefMs = 20_000;
/** A code may be scanned in its last moment. */
const scanGraceMs = 5_000;
const refBytes = 90;
const restartAfterMs = 20;

/** A connection that wants to become a device. */
export interface Registration {
  readonly payload: RegistrationPayload;
  readonly refs: readonly string[];
  readonly sinceMs: number;
  /** Set once a phone has scanned or typed. */
  phone?: string;
  code?: CodePairing;
  offer?: {
    readonly iqId: string;
    readonly details: Buffer;
    readonly account: Account;
    readonly deviceId: number;
    readonly keyIndex: number;
  };
}

/** Whether a code that the connection was given can no longer be on a screen. */
export function isExpired(registration: Registration, ref: string, nowMs: number): boolean {
  const lastsMs = firstRefMs + registration.refs.indexOf(ref) * nextRefMs + scanGraceMs;
  return nowMs > registration.sinceMs + lastsMs;
}

export function startRegistration(connection: Connection, payload: RegistrationPayload): void {
  const refs = Array.from({ length: refCount }, () => `2@${randomBytes(refBytes).toString("base64")}`);
  connection.registration = { payload, refs, sinceMs: Date.now() };
  connection.context.waiting.add(connection);
  connection.context.counters.qrRefs += refs.length;
  const children = refs.map((ref) => node("ref", {}, Buffer.from(ref)));
  connection.send(
    node("iq", { from: server, type: "set", id: connection.newId(), xmlns: "md" }, [node("pair-device", {}, children)]),
  );
}

/** Offers the device its new identity, signed by the account; the client answers with its own signature. */
export async function offerPairing(connection: Connection, account: Account, advSecret: Buffer): Promise<void> {
  const registration = connection.registration;
  if (!registration) return;
  registration.phone = account.phone;
  if (await connection.staged("scanned")) return;
  account.keyIndex += 1;
  const deviceId = account.nextDeviceId++;
  const linked = { identity: account.identity, rawId: account.rawId, keyIndex: account.keyIndex, ...account.standing };
  const { blob, details } = signDeviceIdentity(linked, { identity: registration.payload.identity, advSecret });
  const iqId = connection.newId();
  registration.offer = { iqId, details, account, deviceId, keyIndex: account.keyIndex };
  connection.send(
    node("iq", { from: server, type: "set", id: iqId, xmlns: "md", t: seconds() }, [
      node("pair-success", {}, [
        node("device-identity", {}, blob),
        node("device", { jid: phoneJid(account.phone, deviceId), lid: lidJid(account.phone, deviceId) }),
        node("platform", { name: "android" }),
      ]),
    ]),
  );
}

/** The client's answer to the offer: checks its signature, stores the device, and asks for the restart. */
export async function acceptPairing(connection: Connection, iq: Node): Promise<void> {
  const { registration, context } = connection;
  const offer = registration?.offer;
  if (!registration || !offer || iq.attrs["id"] !== offer.iqId || iq.attrs["type"] !== "result") return;
  const countersignature = bytesOf(childOf(childOf(iq, "pair-device-sign"), "device-identity"));
  const expected = {
    details: offer.details,
    companionIdentity: registration.payload.identity,
    accountIdentity: offer.account.identity.public,
  };
  if (!isCountersigned(countersignature, expected)) return connection.refuse(failure("401"));
  const device: LinkedDevice = {
    id: offer.deviceId,
    noiseKey: connection.clientStatic,
    identity: registration.payload.identity,
    registrationId: registration.payload.registrationId,
    signedPreKey: registration.payload.signedPreKey,
    keyIndex: offer.keyIndex,
    preKeys: new Map(),
    pending: new Map(),
  };
  offer.account.devices.set(device.id, device);
  context.counters.pairings += 1;
  connection.isFor(`${offer.account.phone}:${device.id}`);
  connection.record.outcome = "paired";
  context.waiting.delete(connection);
  if (await connection.staged("paired")) return;
  connection.send(node("stream:error", { code: "515" }));
  setTimeout(() => connection.close(), restartAfterMs).unref();
}

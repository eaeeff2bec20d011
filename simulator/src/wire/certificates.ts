import { proto } from "@whiskeysockets/baileys";
import { newKeyPair, sign, type KeyPair } from "./curve.ts";

/** What the server proves itself with: a root, and a chain from it to the static key. */
export interface ServerIdentity {
  readonly root: KeyPair;
  readonly noiseStatic: KeyPair;
  readonly certificateChain: Buffer;
}

/** What a client may find wrong with a chain. */
export const chainFaults = ["expired", "not-yet-valid", "undated", "unknown-root", "other-key"] as const;
export const certificates = ["leaf", "intermediate"] as const;

/** A chain with one fault; of the root and the static key there is one certificate each that can have it. */
export interface ChainFault {
  readonly fault: (typeof chainFaults)[number];
  /** Which of the two is expired, not yet valid or without dates. */
  readonly certificate: (typeof certificates)[number];
}

type Details = proto.CertChain.NoiseCertificate.IDetails;

const dayS = 86_400;
/** Long before and after any test; clients compare with their own clock (whatsmeow since April 2026). */
const validForS = 3_650 * dayS;

function validity(fault: ChainFault["fault"] | undefined, nowS: number): Details {
  switch (fault) {
    case "expired":
      return { notBefore: nowS - validForS, notAfter: nowS - dayS };
    case "not-yet-valid":
      return { notBefore: nowS + dayS, notAfter: nowS + validForS };
    case "undated":
      return {};
    default:
      return { notBefore: nowS - dayS, notAfter: nowS + validForS };
  }
}

function certificate(issuer: KeyPair, details: Details): proto.CertChain.INoiseCertificate {
  const encoded = proto.CertChain.NoiseCertificate.Details.encode(details).finish();
  return { details: encoded, signature: sign(issuer.private, encoded) };
}

/** Root, intermediate and leaf for the static key: each signs the next. */
export function certificateChain(
  { root, noiseStatic }: Pick<ServerIdentity, "root" | "noiseStatic">,
  nowS: number,
  wrong?: ChainFault,
): Buffer {
  const intermediate = newKeyPair();
  const datesOf = (which: ChainFault["certificate"]): Details =>
    validity(wrong?.certificate === which ? wrong.fault : undefined, Math.floor(nowS));
  const issuer = wrong?.fault === "unknown-root" ? newKeyPair() : root;
  const key = wrong?.fault === "other-key" ? newKeyPair().public : noiseStatic.public;
  const chain = proto.CertChain.encode({
    intermediate: certificate(issuer, {
      serial: 1,
      issuerSerial: 0,
      key: intermediate.public,
      ...datesOf("intermediate"),
    }),
    leaf: certificate(intermediate, { serial: 2, issuerSerial: 1, key, ...datesOf("leaf") }),
  });
  return Buffer.from(chain.finish());
}

export function newServerIdentity(nowS: number): ServerIdentity {
  const keys = { root: newKeyPair(), noiseStatic: newKeyPair() };
  return { ...keys, certificateChain: certificateChain(keys, nowS) };
}

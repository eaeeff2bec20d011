import { proto } from "@whiskeysockets/baileys";
import { describe, expect, it } from "vitest";
import { certificateChain, chainFaults, newServerIdentity, type ChainFault } from "./certificates.ts";
import { isSignedBy, newKeyPair } from "./curve.ts";

const nowS = 1_790_000_000;
const identity = newServerIdentity(nowS + 0.5);
type Certificate = proto.CertChain.INoiseCertificate | null | undefined;
const detailsOf = (certificate: Certificate) =>
  proto.CertChain.NoiseCertificate.Details.toObject(
    proto.CertChain.NoiseCertificate.Details.decode(certificate?.details ?? new Uint8Array()),
    { longs: Number },
  );
const isSigned = (issuer: Uint8Array, certificate: Certificate) =>
  isSignedBy(issuer, certificate?.details ?? Buffer.of(), certificate?.signature ?? Buffer.of());

/** What a client would say of a chain that stands on that root. */
function faultsOf(chain: Buffer): string[] {
  const { intermediate, leaf } = proto.CertChain.decode(chain);
  const [between, last] = [detailsOf(intermediate), detailsOf(leaf)];
  const dates = { intermediate: between, leaf: last };
  const ofDates = Object.entries(dates).flatMap(([name, { notBefore = 0, notAfter = 0 }]) => [
    ...(notBefore > nowS ? [`${name} not-yet-valid`] : []),
    ...(notAfter < nowS ? [`${name} ${notAfter === 0 ? "undated" : "expired"}`] : []),
  ]);
  return [
    ...ofDates,
    ...(isSigned(identity.root.public, intermediate) ? [] : ["unknown-root"]),
    ...(isSigned(between["key"], leaf) ? [] : ["leaf unsigned"]),
    ...(identity.noiseStatic.public.equals(last["key"]) ? [] : ["other-key"]),
  ];
}

describe("the certificate chain", () => {
  it("goes from the root by an intermediate to the server's static key, each signed by the one before it", () => {
    const { intermediate, leaf } = proto.CertChain.decode(identity.certificateChain);
    const between = detailsOf(intermediate);
    expect(between).toMatchObject({ serial: 1, issuerSerial: 0 });
    expect(detailsOf(leaf)).toMatchObject({ serial: 2, issuerSerial: 1 });
    expect(isSigned(newKeyPair().public, intermediate)).toBe(false);
    expect(isSigned(identity.root.public, leaf)).toBe(false);
  });

  it("has nothing wrong with it, now and for years", () => {
    expect(faultsOf(identity.certificateChain)).toEqual([]);
    const last = detailsOf(proto.CertChain.decode(identity.certificateChain).leaf);
    expect(last["notAfter"] - nowS).toBeGreaterThan(365 * 86_400);
  });

  it.each(
    chainFaults.flatMap((fault) => (["leaf", "intermediate"] as const).map((certificate) => ({ fault, certificate }))),
  )("has one fault when it is asked for: %o", (wrong: ChainFault) => {
    const isOfDates = ["expired", "not-yet-valid", "undated"].includes(wrong.fault);
    const expected = isOfDates ? `${wrong.certificate} ${wrong.fault}` : wrong.fault;
    expect(faultsOf(certificateChain(identity, nowS, wrong))).toEqual([expected]);
  });
});

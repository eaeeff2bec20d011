import "reflect-metadata";
import type { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

/** A certificate authority: PEM texts as its Secret holds them. */
export interface Authority {
  readonly certificatePem: string;
  readonly keyPem: string;
}

const signing = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const dayMs = 24 * 3_600_000;
const authorityDays = 3_650;
const serverDays = 90;
/** Clocks of nodes differ. */
const backdateMs = 3_600_000;

const newKeys = async (): Promise<webcrypto.CryptoKeyPair> =>
  await crypto.subtle.generateKey(signing, true, ["sign", "verify"]);

async function pemOf(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

const validity = (days: number) => ({
  notBefore: new Date(Date.now() - backdateMs),
  notAfter: new Date(Date.now() + days * dayMs),
});

/** The hub's own CA, made once an installation. */
export async function newAuthority(): Promise<Authority> {
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: "CN=whatsapp-operator hub CA",
    ...validity(authorityDays),
    keys,
    signingAlgorithm: signing,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  });
  return { certificatePem: certificate.toString("pem"), keyPem: await pemOf(keys.privateKey) };
}

/** A server certificate for these DNS names; its process makes a new one long before it ends. */
export async function newServerCertificate(authority: Authority, names: readonly string[]): Promise<Authority> {
  const issuer = new x509.X509Certificate(authority.certificatePem);
  const pkcs8 = x509.PemConverter.decodeFirst(authority.keyPem);
  const signingKey = await crypto.subtle.importKey("pkcs8", pkcs8, signing, false, ["sign"]);
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: "CN=whatsapp-operator hub",
    issuer: issuer.subject,
    ...validity(serverDays),
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: signing,
    extensions: [new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: "dns", value })))],
  });
  return { certificatePem: certificate.toString("pem"), keyPem: await pemOf(keys.privateKey) };
}

const serial = (): string =>
  Buffer.from(crypto.getRandomValues(new Uint8Array(16)))
    .toString("hex")
    .replace(/^[89a-f]/, "1");

/** A new server certificate every day: timers of Node end at 24 days, and a leader may live for years. */
export const renewAfterMs = dayMs;

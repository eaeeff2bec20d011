import { X509Certificate } from "node:crypto";

const certificate = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;
const begin = /-----BEGIN CERTIFICATE-----/g;
const allowed = "allowed are PEM certificates, each from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----";

/**
 * What is wrong with certificates to trust; undefined: nothing. Text around them is allowed, as OpenSSL and the bundles of
 * distributions have it. Found here, because each session would fail with OpenSSL's words for it otherwise.
 */
export function caBundleFault(bundle: string): string | undefined {
  if (bundle.includes("PRIVATE KEY-----"))
    return `it holds a private key, which every session pod would be told; ${allowed}`;
  const found = bundle.match(certificate) ?? [];
  if (found.length === 0) return `it holds no certificate; ${allowed}`;
  if (found.length !== bundle.match(begin)?.length) return `a certificate in it is cut off; ${allowed}`;
  const wrong = found.findIndex((pem) => !isCertificate(pem));
  return wrong < 0 ? undefined : `certificate ${wrong + 1} of ${found.length} cannot be read; ${allowed}`;
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

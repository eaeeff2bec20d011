import { once } from "node:events";
import { isIP, type Socket } from "node:net";
import { connect, createSecureContext, getCACertificates, type SecureContext, type TLSSocket } from "node:tls";

/** Made once: parsing all roots takes longer than a handshake. `caPem` is trusted in addition to them. */
export function trustContext(caPem: string | undefined): SecureContext {
  return createSecureContext({ ca: [...getCACertificates("default"), ...(caPem === undefined ? [] : [caPem])] });
}

/** Starts TLS on a connected socket; the name is sent and the certificate checked against it. */
export function startTls(socket: Socket, host: string, secureContext: SecureContext): TLSSocket {
  const secure = connect({
    socket,
    secureContext,
    host,
    // RFC 6066: no address literals in the server name.
    servername: isIP(host) === 0 ? host : "",
    ALPNProtocols: ["http/1.1"],
  });
  secure.on("error", () => undefined);
  return secure;
}

export async function secured(socket: TLSSocket): Promise<void> {
  await once(socket, "secureConnect");
}

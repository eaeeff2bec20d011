import type { Cause } from "@wa/schema";
import { describe, expect, it } from "vitest";
import { causeOf, type Disconnect } from "./causes.ts";

const webSocket = (inner: string, statusCode = 408): Disconnect => ({
  statusCode,
  message: `WebSocket Error (${inner})`,
});
const failure = (statusCode: number): Disconnect => ({ statusCode, message: "Connection Failure" });
const streamError = (statusCode: number, tag = "unknown", type?: string): Disconnect => ({
  statusCode,
  message: `Stream Errored (${tag})`,
  data: { tag, type },
});
const upgrade = (status: number, isProxied = false): Disconnect => ({
  statusCode: status,
  message: `the upgrade was answered with HTTP ${status}`,
  upgrade: { status, isProxied },
});
const codeRefused = (pairingRefusal: number): Disconnect => ({ message: "no pairing code", pairingRefusal });
const egress = (phase: "dns" | "tcp" | "proxy" | "tls", code: string, isProxied: boolean): Disconnect => ({
  ...webSocket(code),
  egress: { phase, code, isProxied },
});

const rows: readonly (readonly [string, Disconnect, Cause])[] = [
  ["a refused port, as the library says it", webSocket("connect ECONNREFUSED 127.0.0.1:1"), "NetworkLoss"],
  ["a reset in the upgrade", webSocket("read ECONNRESET"), "NetworkLoss"],
  ["an end in the upgrade", webSocket("socket hang up"), "NetworkLoss"],
  ["an unknown name", webSocket("getaddrinfo ENOTFOUND web.whatsapp.com"), "NetworkLoss"],
  ["an upgrade that hangs", webSocket("Opening handshake has timed out"), "NetworkLoss"],
  ["garbage in place of HTTP", webSocket("Parse Error: Expected HTTP/", 500), "NetworkLoss"],
  ["a self-signed certificate", webSocket("self-signed certificate", 500), "TlsFault"],
  ["an expired certificate", webSocket("certificate has expired", 500), "TlsFault"],
  [
    "a certificate of another name",
    webSocket("Hostname/IP does not match certificate's altnames: Host: x"),
    "TlsFault",
  ],
  ["TLS to a port without", webSocket("write EPROTO 00:error:0A00010B:SSL routines"), "TlsFault"],
  ["an upgrade answered 401", upgrade(401), "EgressBlocked"],
  ["an upgrade answered 403", upgrade(403), "EgressBlocked"],
  ["an upgrade answered 429", upgrade(429), "EgressBlocked"],
  ["an upgrade answered 407 by something in the way", upgrade(407), "ProxyFault"],
  ["an upgrade answered 301, which is not WhatsApp's", upgrade(301), "EgressBlocked"],
  ["an upgrade answered 400, which is not WhatsApp's", upgrade(400), "EgressBlocked"],
  ["an upgrade answered 404, which is not WhatsApp's", upgrade(404), "EgressBlocked"],
  ["an upgrade answered 408, which is not WhatsApp's", upgrade(408), "EgressBlocked"],
  ["an upgrade answered 500", upgrade(500), "ServerBusy"],
  ["an upgrade answered 502", upgrade(502), "ServerBusy"],
  ["an upgrade answered 503", upgrade(503), "ServerBusy"],
  ["an upgrade answered 504", upgrade(504), "ServerBusy"],
  ["a page in place of the upgrade", upgrade(200), "EgressBlocked"],
  ["a portal's redirection", upgrade(302), "EgressBlocked"],
  ["a portal that names itself", upgrade(511), "EgressBlocked"],
  ["an upgrade that a box in the way does not know", upgrade(426), "EgressBlocked"],
  ["a page in place of the upgrade, through a proxy", upgrade(200, true), "ProxyFault"],
  ["a redirection through a proxy", upgrade(307, true), "ProxyFault"],
  ["an upgrade answered 400 through a proxy", upgrade(400, true), "ProxyFault"],
  ["a portal behind a proxy", upgrade(511, true), "ProxyFault"],
  ["a server's error through a proxy", upgrade(503, true), "ServerBusy"],
  ["the edge's refusal through a proxy", upgrade(429, true), "EgressBlocked"],
  ["an answer without a status", upgrade(0), "EgressBlocked"],
  ["no pairing code: too many", codeRefused(429), "PairingLimited"],
  ["no pairing code: not this number", codeRefused(400), "NumberRefused"],
  ["no pairing code: a server's error", codeRefused(500), "ServerBusy"],
  ["no ServerHello", { statusCode: 408, message: "Timed Out" }, "NetworkLoss"],
  ["an end after the ClientHello", { statusCode: 428, message: "Connection Terminated" }, "NetworkLoss"],
  ["a garbage ServerHello", { message: "invalid wire type 7 at offset 3" }, "ProtocolStall"],
  ["a cut ServerHello", { message: "index out of range: 10 + 64 > 20" }, "ProtocolStall"],
  ["another issuer's certificate", { statusCode: 400, message: "certification match failed" }, "ProtocolStall"],
  ["failure 400", failure(400), "BadRequest"],
  ["failure 401", failure(401), "LoggedOut"],
  ["failure 402", failure(402), "TempBanned"],
  ["failure 403", failure(403), "Locked"],
  ["failure 405", failure(405), "ClientOutdated"],
  ["failure 406", failure(406), "Banned"],
  ["failure 409", failure(409), "BadUserAgent"],
  ["failure 411", failure(411), "MultiDeviceMismatch"],
  ["failure 412", failure(412), "Unknown"],
  ["failure 413", failure(413), "AuthTokenRefused"],
  ["failure 414", failure(414), "AuthTokenRefused"],
  ["failure 415", failure(415), "AccountNotFound"],
  ["failure 418", failure(418), "ClientUnknown"],
  ["failure 500, also the one without a reason", failure(500), "ServerBusy"],
  ["failure 501", failure(501), "ServerBusy"],
  ["failure 503", failure(503), "ServerBusy"],
  ["stream error 515", streamError(515, "restart required"), "RestartRequired"],
  ["stream error 503", streamError(503), "ServerBusy"],
  ["stream error 500", streamError(500), "ProtocolStall"],
  ["stream error 516, as after too many messages", streamError(516), "SpamSuspected"],
  ["stream error: device removed", streamError(401, "conflict", "device_removed"), "LoggedOut"],
  ["stream error: replaced", streamError(440, "conflict", "replaced"), "Replaced"],
  ["stream error: not well formed", streamError(500, "xml-not-well-formed"), "ProtocolStall"],
  ["stream error: ack", streamError(500, "ack"), "ProtocolStall"],
  ["the end of the stream", { statusCode: 428, message: "Connection Terminated by Server" }, "NetworkLoss"],
  ["silence while open", { statusCode: 408, message: "Connection was lost" }, "NetworkLoss"],
  ["our own deadline", { statusCode: 408, message: "no answer within 30000 ms" }, "NetworkLoss"],
  ["nobody scanned", { statusCode: 408, message: "QR refs attempts ended" }, "QrExpired"],
  ["a pairing with a wrong HMAC", { statusCode: 500, message: "Invalid account signature" }, "ProtocolStall"],
  ["a phone too old", { statusCode: 411, message: "Multi-device beta not joined" }, "MultiDeviceMismatch"],
  ["our own logout", { statusCode: 401, message: "Intentional Logout" }, "Stopped"],
  ["a fault of the library", { message: "session fault: Unsupported state" }, "SessionFault"],
  ["a reset that a write meets", { message: "session fault: write ECONNRESET" }, "NetworkLoss"],
  ["a code nobody knows", { statusCode: 499, message: "something else" }, "Unknown"],
  ["dialer, direct: name", egress("dns", "ENOTFOUND", false), "NetworkLoss"],
  [
    "dialer, direct: refused; one session cannot tell a block from an outage",
    egress("tcp", "ECONNREFUSED", false),
    "NetworkLoss",
  ],
  ["dialer, direct: certificate", egress("tls", "CERT_HAS_EXPIRED", false), "TlsFault"],
  ["dialer, proxy: its name", egress("dns", "ENOTFOUND", true), "ProxyFault"],
  ["dialer, proxy: its port closed", egress("tcp", "ECONNREFUSED", true), "ProxyFault"],
  ["dialer, proxy: it refuses", egress("proxy", "NotAllowed", true), "ProxyFault"],
  ["dialer, proxy: wrong password", egress("proxy", "407", true), "ProxyFault"],
  ["dialer, proxy: bad gateway", egress("proxy", "502", true), "ProxyFault"],
  ["dialer, proxy: it hangs", egress("proxy", "Timeout", true), "ProxyFault"],
  ["dialer, proxy: the server's certificate behind it", egress("tls", "CERT_HAS_EXPIRED", true), "TlsFault"],
  ["a proxy agent's own words", webSocket("Socks5 proxy rejected connection - NotAllowed", 500), "ProxyFault"],
  ["a CONNECT cut short", webSocket("Proxy connection ended before receiving CONNECT response", 500), "ProxyFault"],
];

describe("causeOf", () => {
  it.each(rows)("%s", (_words, disconnect, cause) => {
    expect(causeOf(disconnect)).toBe(cause);
  });
});

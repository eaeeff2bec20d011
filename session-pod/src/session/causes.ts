import type { Cause } from "@wa/schema";

/** How a connection ended, in plain values: what the client library, the dialer or our own deadlines gave. */
export interface Disconnect {
  readonly statusCode?: number | undefined;
  readonly message: string;
  /** System code, `<failure>` reason or tag of the stream error's child. */
  readonly data?:
    | {
        readonly code?: string | undefined;
        readonly reason?: string | undefined;
        readonly tag?: string | undefined;
        readonly type?: string | undefined;
      }
    | undefined;
  /** Where on the way out it failed, if the dialer said so. */
  readonly egress?:
    | { readonly phase: "dns" | "tcp" | "proxy" | "tls"; readonly code: string; readonly isProxied: boolean }
    | undefined;
  /** HTTP status of a refused upgrade, and whether it came through a proxy. */
  readonly upgrade?: { readonly status: number; readonly isProxied: boolean } | undefined;
  /** The server gave no pairing code: its code for why. */
  readonly pairingRefusal?: number | undefined;
}

interface Rule {
  readonly cause: Cause;
  readonly when: (disconnect: Disconnect) => boolean;
}

const failure =
  (...reasons: readonly number[]) =>
  ({ statusCode, message }: Disconnect): boolean =>
    message === "Connection Failure" && statusCode !== undefined && reasons.includes(statusCode);

const streamError =
  (...codes: readonly number[]) =>
  ({ statusCode, message }: Disconnect): boolean =>
    message.startsWith("Stream Errored") && statusCode !== undefined && codes.includes(statusCode);

const says =
  (...texts: readonly string[]) =>
  ({ message }: Disconnect): boolean =>
    texts.some((text) => message.includes(text));

const networkCodes = /\b(ECONNRESET|ECONNABORTED|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)\b/;
const tlsTexts = ["certificate", "altnames", "EPROTO", "SSL", "TLS"];
const refusedByEdge = [401, 403, 429, 451];
/** Of 5xx, the one that a portal answers with and no server of its own (RFC 6585, 6). */
const portalStatus = 511;

/** WhatsApp answers an upgrade with 101, refuses it by its edge, or has an error of its own; all else is somebody's on the way. */
const isOfTheWay = (status: number): boolean => status < 500 || status === portalStatus;

const refusedCode =
  (...codes: readonly number[]) =>
  ({ pairingRefusal }: Disconnect): boolean =>
    pairingRefusal !== undefined && codes.includes(pairingRefusal);

/**
 * First match wins. Codes alone are ambiguous: 408 is a refused port, a lost name, a timeout and an unscanned QR; 500 is a
 * server, a proxy and a certificate. Names of the server's reasons are whatsmeow's (ConnectFailureReason).
 */
const rules: readonly Rule[] = [
  { cause: "PairingLimited", when: refusedCode(429) },
  { cause: "NumberRefused", when: refusedCode(400, 401, 403, 404, 406) },
  { cause: "ServerBusy", when: ({ pairingRefusal }) => pairingRefusal !== undefined },
  { cause: "Stopped", when: says("Intentional Logout") },
  { cause: "QrExpired", when: says("QR refs attempts ended") },
  { cause: "ClientOutdated", when: failure(405) },
  { cause: "BadUserAgent", when: failure(409) },
  { cause: "LoggedOut", when: failure(401) },
  { cause: "TempBanned", when: failure(402) },
  { cause: "Locked", when: failure(403) },
  { cause: "Banned", when: failure(406) },
  { cause: "BadRequest", when: failure(400) },
  { cause: "AuthTokenRefused", when: failure(413, 414) },
  { cause: "AccountNotFound", when: failure(415) },
  { cause: "ClientUnknown", when: failure(418) },
  { cause: "MultiDeviceMismatch", when: ({ statusCode }) => statusCode === 411 },
  { cause: "LoggedOut", when: ({ data }) => data?.tag === "conflict" && data.type === "device_removed" },
  {
    cause: "Replaced",
    when: ({ statusCode, data }) => statusCode === 440 || (data?.tag === "conflict" && data.type === "replaced"),
  },
  { cause: "RestartRequired", when: streamError(515) },
  { cause: "ServerBusy", when: failure(500, 501, 503) },
  { cause: "ServerBusy", when: streamError(503) },
  { cause: "LoggedOut", when: streamError(401) },
  { cause: "SpamSuspected", when: streamError(516) },
  { cause: "ProtocolStall", when: streamError(500) },
  {
    cause: "ProtocolStall",
    when: says("Invalid account signature", "certification match failed", "invalid wire type", "index out of range"),
  },
  { cause: "Unknown", when: says("Connection Failure", "Stream Errored") },
  {
    cause: "ProxyFault",
    when: ({ egress }) => egress?.phase === "proxy" || (egress?.isProxied === true && egress.phase !== "tls"),
  },
  { cause: "TlsFault", when: ({ egress }) => egress?.phase === "tls" },
  { cause: "NetworkLoss", when: ({ egress }) => egress !== undefined },
  { cause: "EgressBlocked", when: ({ upgrade }) => upgrade !== undefined && refusedByEdge.includes(upgrade.status) },
  { cause: "ProxyFault", when: ({ upgrade }) => upgrade?.status === 407 },
  { cause: "ProxyFault", when: ({ upgrade }) => upgrade?.isProxied === true && isOfTheWay(upgrade.status) },
  { cause: "EgressBlocked", when: ({ upgrade }) => upgrade !== undefined && isOfTheWay(upgrade.status) },
  { cause: "ServerBusy", when: ({ upgrade }) => upgrade !== undefined },
  { cause: "ProxyFault", when: says("Socks5", "SOCKS", "Proxy connection", "proxy") },
  { cause: "TlsFault", when: says(...tlsTexts) },
  { cause: "NetworkLoss", when: ({ statusCode }) => statusCode === 408 || statusCode === 428 },
  { cause: "NetworkLoss", when: says("WebSocket Error") },
  // A reset that a write meets before the socket tells of its end.
  { cause: "NetworkLoss", when: ({ message }) => networkCodes.test(message) },
  { cause: "SessionFault", when: ({ statusCode }) => statusCode === undefined },
];

/** What a disconnect means for the device. */
export function causeOf(disconnect: Disconnect): Cause {
  return rules.find((rule) => rule.when(disconnect))?.cause ?? "Unknown";
}

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
  /** HTTP status of a refused upgrade. */
  readonly upgradeStatus?: number | undefined;
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

/**
 * First match wins. Codes alone are ambiguous: 408 is a refused port, a lost name, a timeout and an unscanned QR; 500 is a
 * server, a proxy and a certificate. Names of the server's reasons are whatsmeow's (ConnectFailureReason).
 */
const rules: readonly Rule[] = [
  { cause: "Stopped", when: says("Intentional Logout") },
  { cause: "QrExpired", when: says("QR refs attempts ended") },
  { cause: "ClientOutdated", when: failure(405) },
  { cause: "BadUserAgent", when: failure(409) },
  { cause: "LoggedOut", when: failure(401) },
  { cause: "TempBanned", when: failure(402) },
  { cause: "Locked", when: failure(403) },
  { cause: "Banned", when: failure(406) },
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
  { cause: "ProtocolStall", when: streamError(500, 516) },
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
  {
    cause: "EgressBlocked",
    when: ({ upgradeStatus }) => upgradeStatus !== undefined && refusedByEdge.includes(upgradeStatus),
  },
  { cause: "ProxyFault", when: ({ upgradeStatus }) => upgradeStatus === 407 },
  { cause: "ServerBusy", when: ({ upgradeStatus }) => upgradeStatus !== undefined },
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

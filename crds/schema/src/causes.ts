/** What a disconnect means for a device. The mapping from the server's and library's codes stands in the session pod. */
export const causes = [
  "ClientOutdated",
  "BadUserAgent",
  "LoggedOut",
  "Locked",
  "TempBanned",
  "Banned",
  "Replaced",
  "RestartRequired",
  "ServerBusy",
  "ProtocolStall",
  "MultiDeviceMismatch",
  "QrExpired",
  "EgressBlocked",
  "ProxyFault",
  "TlsFault",
  "NetworkLoss",
  "SessionFault",
  "Stopped",
  "Unknown",
] as const;
export type Cause = (typeof causes)[number];

/**
 * What follows for the session: at once, after a backoff, at a time that the server named, when a newer client version is
 * known, when a person asks for pairing again, or when a person suspends and resumes.
 */
export type Recovery = "AtOnce" | "Backoff" | "AtExpiry" | "NewerClient" | "PairAgain" | "SuspendResume";

export interface CauseFacts {
  readonly recovery: Recovery;
  /** Who has to act before the device can work again. */
  readonly actor: "nobody" | "phone owner" | "platform team" | "whoever deployed the other copy";
  readonly advice: string;
}

/** One row a cause: the docs' table and every `.status.lastDisconnect.advice` come from here. */
export const causeFacts: Readonly<Record<Cause, CauseFacts>> = {
  ClientOutdated: {
    recovery: "NewerClient",
    actor: "platform team",
    advice:
      "WhatsApp refuses this client version for every device and address. Set a newer one in spec.client.version or in the chart's whatsapp.clientVersion; another egress does not help.",
  },
  BadUserAgent: {
    recovery: "SuspendResume",
    actor: "platform team",
    advice:
      "WhatsApp refuses the browser that the device announces. Use the default spec.client.browser, then suspend and resume.",
  },
  LoggedOut: {
    recovery: "PairAgain",
    actor: "phone owner",
    advice:
      "The phone unlinked this device. Set the annotation whatsapp-operator.io/pair-requested-at to a new value and scan the new code.",
  },
  Locked: {
    recovery: "SuspendResume",
    actor: "phone owner",
    advice:
      "The account is locked or its phone is gone. Open WhatsApp on the phone and follow it, then suspend and resume.",
  },
  TempBanned: {
    recovery: "AtExpiry",
    actor: "phone owner",
    advice:
      "The account is banned for a time. One attempt follows when the ban ends; send less and to people who know you.",
  },
  Banned: {
    recovery: "SuspendResume",
    actor: "phone owner",
    advice: "The account is banned. Ask for a review in WhatsApp on the phone; after it, suspend and resume.",
  },
  Replaced: {
    recovery: "SuspendResume",
    actor: "whoever deployed the other copy",
    advice: "The same credentials connected somewhere else. Stop that copy first, then suspend and resume this device.",
  },
  RestartRequired: {
    recovery: "AtOnce",
    actor: "nobody",
    advice: "WhatsApp asked for a restart, as it does after pairing. Nothing to do.",
  },
  ServerBusy: {
    recovery: "Backoff",
    actor: "nobody",
    advice: "WhatsApp's server answered with an error of its own. The session tries again by itself.",
  },
  ProtocolStall: {
    recovery: "Backoff",
    actor: "platform team",
    advice:
      "WhatsApp ended the stream over something it or the client library did not understand. Retried; report it if it repeats.",
  },
  MultiDeviceMismatch: {
    recovery: "SuspendResume",
    actor: "phone owner",
    advice: "The phone's WhatsApp is too old for linked devices. Update it, then suspend and resume.",
  },
  QrExpired: {
    recovery: "PairAgain",
    actor: "phone owner",
    advice:
      "Nobody scanned the code in time. Set the annotation whatsapp-operator.io/pair-requested-at to a new value and scan within the window.",
  },
  EgressBlocked: {
    recovery: "Backoff",
    actor: "platform team",
    advice: "WhatsApp's edge refused the connection from this address. Try the device on another member.",
  },
  ProxyFault: {
    recovery: "Backoff",
    actor: "platform team",
    advice:
      "The proxy did not carry the connection. Check its host, port and credentials; the session tries again on the same endpoint.",
  },
  TlsFault: {
    recovery: "Backoff",
    actor: "platform team",
    advice:
      "The server's certificate was not accepted. Check whatsapp.caBundle and what intercepts TLS on this way out.",
  },
  NetworkLoss: {
    recovery: "Backoff",
    actor: "nobody",
    advice:
      "The path to WhatsApp failed. The session tries again by itself; many at once on one endpoint point to that endpoint.",
  },
  SessionFault: {
    recovery: "Backoff",
    actor: "platform team",
    advice: "The client library failed in this session. Retried; report it with the session pod's log if it repeats.",
  },
  Stopped: { recovery: "AtOnce", actor: "nobody", advice: "The session was stopped on purpose." },
  Unknown: {
    recovery: "Backoff",
    actor: "platform team",
    advice: "A code that is not in the table of causes. Retried; report it with statusCode and message.",
  },
};

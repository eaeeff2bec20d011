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
  "BadRequest",
  "AuthTokenRefused",
  "AccountNotFound",
  "ClientUnknown",
  "SpamSuspected",
  "Flapping",
  "PasskeyRequired",
  "LinkStalled",
  "PairingLimited",
  "NumberRefused",
] as const;
/** Those that an operator knows which does not say which it knows: the first release's. */
export const causesOfFirstRelease: readonly string[] = causes.slice(0, causes.indexOf("Unknown") + 1);
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
      "Nobody scanned or typed the code in time. Set the annotation whatsapp-operator.io/pair-requested-at to a new value and link the device within the window.",
  },
  EgressBlocked: {
    recovery: "Backoff",
    actor: "platform team",
    advice:
      "WhatsApp's edge, or something on the way to it such as a portal, refused the connection from this address. See what answers there; try the device on another member.",
  },
  ProxyFault: {
    recovery: "Backoff",
    actor: "platform team",
    advice:
      "The proxy did not carry the connection. Check its host, port, credentials and filters, which may answer in WhatsApp's place; the session tries again on the same endpoint.",
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
  BadRequest: {
    recovery: "Backoff",
    actor: "platform team",
    advice:
      "WhatsApp calls the login malformed (400). Retried ever more slowly; use the default spec.client, and report it if it repeats.",
  },
  AuthTokenRefused: {
    recovery: "Backoff",
    actor: "platform team",
    advice:
      "WhatsApp refused an authentication token as expired (413) or invalid (414). Retried ever more slowly; if it repeats, link the device anew.",
  },
  AccountNotFound: {
    recovery: "Backoff",
    actor: "phone owner",
    advice:
      "WhatsApp knows no such account or device (415). See on the phone whether the account is registered and the device is linked; if not, link it anew.",
  },
  ClientUnknown: {
    recovery: "Backoff",
    actor: "platform team",
    advice: "WhatsApp does not know this kind of client (418). Use the default spec.client; report it if it repeats.",
  },
  SpamSuspected: {
    recovery: "Backoff",
    actor: "platform team",
    advice:
      "WhatsApp ended the stream as it does after too many messages (516). Send less, and to people who know you; the session comes back ever more slowly.",
  },
  Flapping: {
    recovery: "Backoff",
    actor: "platform team",
    advice:
      "Connection after connection is ended soon; the message says by what. Look at what closes them: a proxy or NAT that drops idle tunnels, or WhatsApp itself. Starts are spread over the hour until they last.",
  },
  PasskeyRequired: {
    recovery: "PairAgain",
    actor: "phone owner",
    advice:
      "This account wants its passkey before it links a device, and that is not supported yet. See on the phone whether the passkey can be taken off the account (Settings, Account, Passkeys), or link another account; then set the annotation whatsapp-operator.io/pair-requested-at to a new value.",
  },
  LinkStalled: {
    recovery: "PairAgain",
    actor: "phone owner",
    advice:
      "The code was used, and WhatsApp then asked for a step of linking that is not supported; the message names it. Set the annotation whatsapp-operator.io/pair-requested-at to a new value to try again; report the step if it repeats.",
  },
  PairingLimited: {
    recovery: "PairAgain",
    actor: "phone owner",
    advice:
      "WhatsApp gives this number no more pairing codes for now. Wait some hours, a day if it repeats, before you set the annotation whatsapp-operator.io/pair-requested-at to a new value; each try prolongs it.",
  },
  NumberRefused: {
    recovery: "PairAgain",
    actor: "platform team",
    advice:
      "WhatsApp gives no pairing code for spec.pairing.phoneNumber. Check that it is the account's full number with its country code, then set the annotation whatsapp-operator.io/pair-requested-at to a new value.",
  },
};

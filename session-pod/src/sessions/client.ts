import type { SessionReport, SessionSpec } from "@wa/schema";
import type { Disconnect } from "../session/causes.ts";
import type { SendFault } from "../session/send-faults.ts";
import type { Dialer, GenerationStore, Missing, OutboxMessage } from "./ports.ts";

/** What the sessions need of the client library; `whatsapp/` implements it and no shape of the library's leaves that folder. */

export type Identity = NonNullable<SessionReport["identity"]>;
export type Browser = SessionSpec["browser"];

/** The server gave no pairing code. */
export class PairingRefusedError extends Error {
  override readonly name = "PairingRefusedError";
  /** The server's, such as 429 for too many. */
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** What became of a blob of history. Refused: more than the caps allow. Dropped: too many waited. */
export type HistoryResult = "Read" | "Refused" | "Failed" | "Dropped";

export type ClientEvent =
  /** The server takes pairings now; with the method PairingCode this is the moment to ask for one. */
  | { readonly kind: "qr"; readonly code: string }
  /** The server accepted the login; preparations follow before `open`. */
  | { readonly kind: "accepted" }
  /** A step of linking that the library does not take, in the server's words. */
  | { readonly kind: "linkStage"; readonly stage: string }
  /** The phone linked the device; its credentials are committed or on their way, and the server asks for a restart next. */
  | { readonly kind: "paired"; readonly identity: Identity }
  | { readonly kind: "open"; readonly identity: Identity }
  /** A message is in the inbox, or was there already. */
  | { readonly kind: "received"; readonly isRedelivery: boolean }
  /** A message whose content is not here. */
  | { readonly kind: "unread"; readonly missing: Missing }
  | { readonly kind: "history"; readonly result: HistoryResult }
  /** The server has the message, or refuses it. */
  | { readonly kind: "acknowledged"; readonly messageId: string; readonly fault?: SendFault }
  /** The server named another number for the recipient; the message goes there. */
  | { readonly kind: "readdressed"; readonly messageId: string }
  /** The server keeps the account from something, until then where it says so; or from nothing any more. */
  | { readonly kind: "restricted"; readonly as: "ReachoutTimelock" | "NewChatsRefused"; readonly untilMs?: number }
  | { readonly kind: "unrestricted" }
  /** Somebody else owns the device; the connection is cut and nothing was told to the server. */
  | { readonly kind: "fenceLost" }
  | ClosedEvent;

export interface ClosedEvent {
  readonly kind: "closed";
  readonly disconnect: Disconnect;
  /** End of a temporary ban, in the server's own words. */
  readonly expire?: string | undefined;
  /** Site of the server that answered. */
  readonly location?: string | undefined;
}

export interface OpenRequest {
  /** ws: or wss: URL of the server. */
  readonly url: string;
  /** Three numbers, such as 2.3000.1043857760. */
  readonly version: string;
  readonly connectTimeoutMs: number;
  readonly keepAliveIntervalMs: number;
  readonly queryTimeoutMs: number;
  readonly store: GenerationStore;
  readonly dialer: Dialer;
  /** Whether a proxy carries the connection: decides whom a failed dial accuses. */
  readonly isProxied: boolean;
  /** Never called after `close` or `terminate`. */
  readonly onEvent: (event: ClientEvent) => void;
}

/** A message did not leave. */
export class SendError extends Error {
  override readonly name = "SendError";
  readonly fault: SendFault;
  constructor(fault: SendFault, options?: ErrorOptions) {
    super(fault.message, options);
    this.fault = fault;
  }
}

/** One connection. */
export interface ClientSocket {
  /**
   * Resolves once the server took the code; rejects with PairingRefusedError where it does not.
   *
   * @param phoneNumber digits, with or without a leading +
   */
  requestPairingCode(phoneNumber: string): Promise<string>;
  /** Resolves once the message is on its way; its fate comes as `acknowledged`. Throws {@link SendError}. */
  send(message: OutboxMessage): Promise<void>;
  /** Unlinks the device; resolves when the server confirmed it. */
  logOut(): Promise<void>;
  /** Says goodbye, and cuts the connection after two seconds. */
  close(): Promise<void>;
  /** Cuts the connection at once and tells the server nothing. */
  terminate(): void;
}

/** A device's credentials in memory: one object for the life of the process, shared by its sockets one after another. */
export interface ClientDevice {
  readonly isPaired: boolean;
  /** The server has accepted a login with these credentials. */
  readonly hasLoggedIn: boolean;
  readonly identity: Identity | undefined;
  /** Chosen when the device was made; a linked device keeps it until it is linked anew. */
  readonly browser: Browser;
  open(request: OpenRequest): ClientSocket;
}

export interface ClientLibrary {
  /** The version that the library itself would announce. */
  readonly defaultVersion: string;
  /** A new, unlinked device. */
  create(browser: Browser): ClientDevice;
  /** A linked device from what a commit stored. Throws if the bytes are no credentials. */
  restore(stored: Uint8Array): ClientDevice;
}

import type { Agent } from "node:http";
import type { Agent as HttpsAgent } from "node:https";
import type { Duplex } from "node:stream";
import type { Dispatcher } from "undici";
import type { DataKey, DeviceReason, EndpointReason, ObservedAddress } from "@wa/schema";

/** What the sessions need of the store, of the way out and of WhatsApp's socket; each folder beside this one implements one. */

/** Key of a device in the store: installation/namespace/name. Alone: alone/alone/name. */
export type DeviceKey = string;

export interface ClaimRequest {
  readonly device: DeviceKey;
  readonly epoch: number;
  /** The pod's UID: the same owner may claim the same epoch again, after a container restart. */
  readonly owner: string;
  readonly dataKeys: readonly DataKey[];
}

export type ClaimResult =
  | { readonly kind: "Granted"; readonly claim: Claim }
  | { readonly kind: "Refused"; readonly storedEpoch: number };

/** A value as the client library hands it over: already serialised, not yet encrypted. */
export interface StoredValue {
  readonly type: string;
  readonly id: string;
  readonly value: Uint8Array;
}

export interface ValueKey {
  readonly type: string;
  readonly id: string;
}

/** Of a message received. */
interface MessageHead {
  /** Stanza id; unique per chat and sender, so that a redelivery is recognised. */
  readonly messageId: string;
  /** As the server addressed it: a person's chat has two addresses, and each device one of its own. */
  readonly chat: string;
  readonly sender: string;
  readonly timestampMs: number;
  /** The other address of each, by number or by hidden number, where it is known. */
  readonly chatAlias?: string | undefined;
  readonly senderAlias?: string | undefined;
}

/**
 * Why the content of a message is not here. `AskedAgain`: it does not decrypt, and its sender was asked for another copy; `GivenUp`:
 * nobody is asked any more. `Unavailable`: the server has none for linked devices. `NotSupported`: of no kind that is read here.
 */
export type Missing = "AskedAgain" | "GivenUp" | "Unavailable" | "NotSupported";

/** A message of which only the head is known. */
export interface UnreadMessage extends MessageHead {
  readonly missing: Missing;
}

export interface InboxMessage extends MessageHead {
  /** Encoded WAProto Message, padding removed. */
  readonly plaintext: Uint8Array;
}

export interface OutboxMessage {
  readonly messageId: string;
  /** Address at WhatsApp (JID). */
  readonly to: string;
  readonly text: string;
}

/** A text that is to be sent now. */
export interface DueMessage extends OutboxMessage {
  /** Tries that failed before. */
  readonly attempts: number;
}

/** What became of a text of the outbox; `Queued`: it waits for another try. */
export type OutboxFate = { readonly messageId: string } & (
  | { readonly state: "Sent" }
  | { readonly state: "Failed"; readonly error: string }
  | {
      readonly state: "Queued";
      readonly error: string;
      readonly attempts: number;
      /** Milliseconds since 1970. */
      readonly notBeforeMs: number;
    }
);

/** One transaction. All of it is stored or nothing. */
export interface Commit {
  readonly creds?: Uint8Array;
  readonly puts?: readonly StoredValue[];
  readonly deletes?: readonly ValueKey[];
  readonly inbox?: readonly InboxMessage[];
  /** Messages without content; each stays until the inbox has its content. */
  readonly unread?: readonly UnreadMessage[];
  /** Outbox rows whose fate is known now. */
  readonly outbox?: readonly OutboxFate[];
  /** Outbox rows that go to another address than they were made for: the server named it. */
  readonly readdressed?: readonly OutboxMessage[];
}

/** Ownership of one device in the store. Every method throws StoreUnavailableError while the database cannot be reached. */
export interface Claim {
  readonly device: DeviceKey;
  readonly epoch: number;
  readonly incarnation: number;
  /** Reads the device row: is this claim still the newest one? Asked before every connect and before a logout. */
  stillOwned(): Promise<boolean>;
  /** Has somebody claimed the device since? False where the store has no row of it, or an older one. */
  isSuperseded(): Promise<boolean>;
  /** Closes the current generation's handle, if any, and opens the next one's: late writes of a dead socket go nowhere. */
  openGeneration(): GenerationStore;
  readCreds(): Promise<Uint8Array | undefined>;
  /** LoggedOut: credentials and keys move to the archive, never erased; the device is unpaired afterwards. */
  archive(reason: string): Promise<void>;
  /** After a logout that WhatsApp confirmed: nothing of the device's credentials stays. */
  erase(): Promise<void>;
}

/** The store as one socket sees it. */
export interface GenerationStore {
  readonly generation: number;
  /** Waits while the database is away; rejects only with FenceLostError or GenerationClosedError. */
  get(type: string, ids: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>>;
  /** As `get`; one transaction in flight a session, later calls merge into the next. */
  commit(commit: Commit): Promise<void>;
  /** Plaintext of a message that was committed before, for a redelivery. */
  readInbox(chat: string, sender: string, messageId: string): Promise<Uint8Array | undefined>;
  /** Text of a message that was sent, for a retry receipt after a restart. */
  readOutbox(messageId: string): Promise<OutboxMessage | undefined>;
  close(): void;
}

export class StoreUnavailableError extends Error {
  override readonly name = "StoreUnavailableError";
}
/** A newer claim exists: whoever sees this must end its socket and tell the server nothing. */
export class FenceLostError extends Error {
  override readonly name = "FenceLostError";
}
export class GenerationClosedError extends Error {
  override readonly name = "GenerationClosedError";
}
/** The store holds another installation's canary, or a newer schema: nothing was written. */
export class StoreRefusedError extends Error {
  override readonly name = "StoreRefusedError";
  readonly reason: "MasterKeyMismatch" | "SchemaTooNew";
  constructor(reason: "MasterKeyMismatch" | "SchemaTooNew", message: string) {
    super(message);
    this.reason = reason;
  }
}

export interface OutboxQuestion extends Pick<Claim, "device" | "epoch"> {
  /** How many of its messages are under way: so many more are looked at, and those are left out. */
  readonly underWay?: ReadonlySet<string>;
}

export interface Store extends AsyncDisposable {
  claim(request: ClaimRequest): Promise<ClaimResult>;
  /** Messages to send now, oldest first, of all devices given: polled once a second for the whole pod. */
  pendingOutbox(devices: readonly OutboxQuestion[]): Promise<ReadonlyMap<DeviceKey, readonly DueMessage[]>>;
  /** Whether the database answers now; for readiness and for the entitlement of a pod whose link is down. */
  ping(): Promise<void>;
}

/** A store whose login may be replaced under its claims: what is under way ends on the connections of before. */
export interface RenewableStore extends Store {
  /**
   * Takes up another login of the very same database; `OtherStore`: the URL names another one, and nothing has changed.
   * Throws StoreUnavailableError where the login cannot be used; nothing has changed then either.
   */
  relogin(url: string): Promise<{ readonly kind: "Taken" } | { readonly kind: "OtherStore"; readonly message: string }>;
}

/** Where a connection attempt failed on its way out. */
const egressPhases = ["dns", "tcp", "proxy", "tls"] as const;
export type EgressPhase = (typeof egressPhases)[number];

/** `code`: a system code such as ECONNREFUSED, a SOCKS reply such as NotAllowed, an HTTP status of a CONNECT, or Timeout. Never credentials. */
export class EgressError extends Error {
  override readonly name = "EgressError";
  readonly phase: EgressPhase;
  readonly code: string;
  constructor(phase: EgressPhase, code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.phase = phase;
    this.code = code;
  }
}

/** Why the way out cannot be used yet, such as `MeasuringAddress`. */
export interface EgressProblem {
  readonly reason: DeviceReason;
  readonly message: string;
}

/** What the endpoint lacks as well. */
export interface MissingLogin extends EgressProblem {
  readonly reason: DeviceReason & EndpointReason;
}

/** A proxy's login as far as others than the dialer may know it. */
export type ProxyLogin =
  | { readonly kind: "Missing"; readonly problem: MissingLogin }
  /** `fingerprint` tells one login from another; empty: the way out takes none. */
  | { readonly kind: "Present"; readonly fingerprint: string };

/** One way out for every byte of a pod. All paths of the client library go through `connect`. */
export interface Dialer {
  connect(
    target: { readonly host: string; readonly port: number; readonly tls: boolean },
    options?: { readonly timeoutMs?: number },
  ): Promise<Duplex>;
  /** Agents that report each stream they open, so that a session can cork and terminate its own. */
  webSocketAgent(onStream: (stream: Duplex) => void): Agent | HttpsAgent;
  readonly fetchAgent: HttpsAgent;
  readonly dispatcher: Dispatcher;
  /** Asks the echo endpoints through this dialer which address the outside sees; the first that answers counts. */
  observeIP(echoUrls: readonly string[]): Promise<ObservedAddress>;
  close(): Promise<void>;
}

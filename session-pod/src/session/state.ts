import type { Assignment, Bucket, Cause, DeviceReason, SessionReport } from "@wa/schema";
import type { Disconnect } from "./causes.ts";
import type { Restriction } from "./restrictions.ts";

type Identity = NonNullable<SessionReport["identity"]>;

/** Everything a session remembers between events. Instants are milliseconds since the epoch. */
export interface SessionState {
  readonly assignment: Assignment;
  readonly phase: Phase;
  /** Number of the last question to the store or the server: the answer to an older one is dropped. */
  readonly run: number;
  readonly egress: PodEgress;
  /** When the store last confirmed the claim, by the monotonic clock. */
  readonly storeHeardMs: number;
  /** Of the newest connection; 0 before the first. */
  readonly generation: number;
  /** The version that the newest connection told the server. */
  readonly announcedVersion: string;
  readonly isPaired: boolean;
  /** The server has accepted these credentials: it heard that the device was linked. */
  readonly hasLoggedIn: boolean;
  /** Credentials of a lost link are being put away; nothing starts before they are. */
  readonly archiving?: { readonly thenBegin: boolean };
  /** Starts of the last hour, oldest first, by the monotonic clock. */
  readonly startsMs: readonly number[];
  /** When the last restart was made that waited for nothing, by the monotonic clock. */
  readonly restartedMs?: number;
  /** The present connection linked the device: the restart that follows is part of it. */
  readonly hasJustPaired: boolean;
  /** What was seen of a scan, or of a code that was typed, that did not become a link. */
  readonly linkStage?: string;
  /** Failed attempts in a row; a connection that worked for a while begins them anew. */
  readonly failures: number;
  /** Before the last attempt. */
  readonly lastDelayMs: number;
  /** Those of them that got as far as WhatsApp's server: a way out that carries nothing says nothing about the pairing. */
  readonly failuresAtServer: number;
  /** A QR or pairing code was shown since the window opened. */
  readonly hasShownCode: boolean;
  /** End of the pairing window; open from the first code on. */
  readonly windowEndsMs?: number;
  readonly codesShown: number;
  readonly qr?: NonNullable<SessionReport["qr"]>;
  readonly pairingCode?: NonNullable<SessionReport["pairingCode"]>;
  readonly identity?: Identity;
  readonly connectedSinceMs?: number;
  /** The same instant by the monotonic clock. */
  readonly openedMs?: number;
  readonly nextAttemptMs?: number;
  readonly lastDisconnect?: NonNullable<SessionReport["lastDisconnect"]>;
  /** Absent: the server has said nothing of it. */
  readonly restriction?: Restriction;
}

/** What the pod knows of its way out. */
export interface PodEgress {
  /** Why it cannot be used yet, such as `MeasuringAddress`. */
  readonly problem?: { readonly reason: DeviceReason; readonly message: string } | undefined;
  readonly observedIP?: string | undefined;
}

/** Why the store has not given the device to this session; asked again by itself. */
export type StoreTrouble =
  | { readonly kind: "StoreUnavailable"; readonly message: string }
  | { readonly kind: "StoreRefused"; readonly reason: DeviceReason; readonly message: string };

export type Phase =
  /** The device is being claimed; `trouble`: what the last try met. */
  | { readonly kind: "Claiming"; readonly trouble?: StoreTrouble }
  /** Another claim is newer. Ends with an assignment of a higher epoch. */
  | { readonly kind: "ClaimRefused"; readonly storedEpoch: number }
  | { readonly kind: "WaitingForGrant"; readonly bucket: Bucket; readonly stage: WaitingStage }
  | { readonly kind: "Connecting" }
  | { readonly kind: "AwaitingPairing" }
  | { readonly kind: "Connected"; readonly logout?: LogoutStage }
  | { readonly kind: "BackingOff"; readonly bucket: Bucket }
  | { readonly kind: "Resting"; readonly as: "Hibernated" | "LoggedOut" | "Blocked" | "Released" | "LogoutDone" };

/** The store is asked before the wait for a start and before the start: an owner of before must not push out the new one. */
export type WaitingStage =
  | { readonly kind: "EgressUnready" }
  /** `endMs`: the grant is due, and void from this instant of the monotonic clock on. */
  | { readonly kind: "AskingStore"; readonly endMs?: number; readonly storeAway?: StoreAway }
  | { readonly kind: "Queued" };

/** What the last question met; it is asked again by itself. */
export interface StoreAway {
  readonly message: string;
}

/** `Confirmed`: the server knows the device no more; its credentials are being erased. */
export type LogoutStage =
  | { readonly kind: "AskingStore"; readonly storeAway?: StoreAway }
  | { readonly kind: "Told" }
  | { readonly kind: "Confirmed" };

export type ClaimAnswer =
  | {
      readonly kind: "Owned";
      readonly isPaired: boolean;
      readonly hasLoggedIn: boolean;
      readonly identity?: Identity | undefined;
    }
  | { readonly kind: "ClaimRefused"; readonly storedEpoch: number }
  | StoreTrouble;

export type OwnershipAnswer =
  | { readonly kind: "Owned" | "Lost" }
  | { readonly kind: "StoreUnavailable"; readonly message: string };

export type SessionEvent =
  | { readonly kind: "start" }
  /** The same device, assigned anew: a raised epoch is claimed, all else applies from the next connection on. */
  | { readonly kind: "assigned"; readonly assignment: Assignment }
  | { readonly kind: "claimAnswered"; readonly run: number; readonly answer: ClaimAnswer }
  | { readonly kind: "ownershipAnswered"; readonly run: number; readonly answer: OwnershipAnswer }
  /** The store confirmed the claim to somebody who asked for all sessions. */
  | { readonly kind: "storeHeard" }
  | { readonly kind: "storeRetryDue" }
  | { readonly kind: "egressChanged"; readonly egress: PodEgress }
  /** The grant's time has come; it is void from `endMs` of the monotonic clock on. */
  | { readonly kind: "granted"; readonly endMs: number }
  | { readonly kind: "dialed"; readonly generation: number }
  | { readonly kind: "qr"; readonly code: string }
  | { readonly kind: "pairingCode"; readonly code: string; readonly validMs: number }
  | { readonly kind: "paired"; readonly identity: Identity }
  /** The server began a step of linking that the client library does not take. */
  | { readonly kind: "linkStage"; readonly stage: string }
  | { readonly kind: "open"; readonly identity: Identity }
  | Closed
  /** We end the connection ourselves, at once: a fault in it, or nobody vouches for it any more. */
  | { readonly kind: "cut"; readonly disconnect: Disconnect }
  /** Somebody else has claimed the device, and the connection is still there. */
  | { readonly kind: "superseded" }
  /** Somebody else owns the device; the connection is gone. */
  | { readonly kind: "fenceLost" }
  /** The server keeps the account from something, until then by its clock; the connection stays. */
  | {
      readonly kind: "restricted";
      readonly as: Exclude<Restriction["kind"], "None">;
      readonly untilMs?: number | undefined;
    }
  | { readonly kind: "unrestricted" }
  | { readonly kind: "restrictionDue" }
  | { readonly kind: "retryDue" }
  | { readonly kind: "windowEnded" }
  | { readonly kind: "proxyLoginChanged" }
  | { readonly kind: "archived"; readonly run: number; readonly outcome: Stored }
  | { readonly kind: "logoutAnswered"; readonly run: number; readonly isConfirmed: boolean }
  | { readonly kind: "erased"; readonly run: number; readonly outcome: Stored }
  /** The device is to be let go: nothing begins any more, and `stop` follows when the socket is closed. */
  | { readonly kind: "stopping" }
  | { readonly kind: "stop" };

export interface Closed {
  readonly kind: "closed";
  readonly disconnect: Disconnect;
  /** End of a temporary ban, in the server's own words. */
  readonly expire?: string | undefined;
  readonly location?: string | undefined;
}

/** `Lost`: the device is somebody else's, and nothing was written. */
type Stored = "Stored" | "Lost";

export type Effect =
  /** Claims the device once the last socket is closed; answered by `claimAnswered`. */
  | { readonly kind: "claim"; readonly run: number }
  /** Answered by `ownershipAnswered`. */
  | { readonly kind: "askOwnership"; readonly run: number }
  /** Sends `storeRetryDue` after this long. */
  | { readonly kind: "retryStoreIn"; readonly delayMs: number }
  /** No timer and no place in the queue outlasts this. */
  | { readonly kind: "dropPlans" }
  /** Takes a place in the queue; answered by `granted`. */
  | { readonly kind: "requestGrant"; readonly bucket: Bucket }
  /** Answered by `dialed`, or `closed` where no socket could be made. */
  | { readonly kind: "connect" }
  | { readonly kind: "closeSocket" }
  /** Ends the socket without a word to the server. */
  | { readonly kind: "terminateSocket" }
  /** Sends `retryDue` after this long. */
  | { readonly kind: "wakeIn"; readonly delayMs: number }
  /** Sends `windowEnded` at the end of the pairing window. */
  | { readonly kind: "endWindowIn"; readonly delayMs: number }
  /** Sends `restrictionDue` after this long, or sooner where no timer goes so far. */
  | { readonly kind: "endRestrictionIn"; readonly delayMs: number }
  | { readonly kind: "clearWaits" }
  /** Answered by `archived`. */
  | { readonly kind: "archiveCredentials"; readonly run: number; readonly reason: Cause }
  /** Unlinks at the server; answered by `logoutAnswered`. */
  | { readonly kind: "logOut"; readonly run: number }
  /** Answered by `erased`. */
  | { readonly kind: "eraseCredentials"; readonly run: number }
  | { readonly kind: "count"; readonly what: "qr" }
  | { readonly kind: "count"; readonly what: "start"; readonly bucket: Bucket }
  | { readonly kind: "count"; readonly what: "disconnect"; readonly cause: Cause };

/** An effect whose answer takes its time, and names the run that it is for. */
export type Question = Extract<Effect, { readonly run: number }>;

/** Which event ends each wait. */
export const endOfWait = {
  retryStoreIn: "storeRetryDue",
  wakeIn: "retryDue",
  endWindowIn: "windowEnded",
  endRestrictionIn: "restrictionDue",
} as const;

/** What a step needs beside state and event: time and chance as arguments. */
export interface Circumstances {
  readonly nowMs: number;
  /** The monotonic clock. */
  readonly uptimeMs: number;
  /** In [0, 1). */
  readonly random: number;
}

export type Step = readonly [SessionState, readonly Effect[]];

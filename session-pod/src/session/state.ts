import type { Bucket, Cause, SessionReport, SessionSpec } from "@wa/schema";
import type { Disconnect } from "./causes.ts";

/** Everything a session remembers between events. Instants are milliseconds since the epoch. */
export interface SessionState {
  readonly phase: Phase;
  readonly isPaired: boolean;
  /** The server has accepted these credentials: it heard that the device was linked. */
  readonly hasLoggedIn: boolean;
  readonly desired: "Running" | "LoggedOut";
  /** Failed attempts in a row. */
  readonly failures: number;
  /** Those of them that got as far as WhatsApp's server: a way out that carries nothing says nothing about the pairing. */
  readonly failuresAtServer: number;
  /** A QR or pairing code was shown since the window opened. */
  readonly hasShownCode: boolean;
  /** End of the pairing window; open from the first code on. */
  readonly windowEndsMs?: number;
  readonly codesShown: number;
  readonly qr?: NonNullable<SessionReport["qr"]>;
  readonly pairingCode?: NonNullable<SessionReport["pairingCode"]>;
  readonly identity?: NonNullable<SessionReport["identity"]>;
  readonly connectedSinceMs?: number;
  readonly nextAttemptMs?: number;
  readonly lastDisconnect?: NonNullable<SessionReport["lastDisconnect"]>;
}

/** `Idle` has no socket and nothing planned; the rest states of the link's report are `resting` with a name. */
type Phase =
  | { readonly kind: "WaitingForGrant"; readonly bucket: Bucket }
  | { readonly kind: "Connecting" }
  | { readonly kind: "AwaitingPairing" }
  | { readonly kind: "Connected" }
  | { readonly kind: "BackingOff"; readonly bucket: Bucket }
  | { readonly kind: "Resting"; readonly as: "Hibernated" | "LoggedOut" | "Blocked" | "Released" | "LogoutDone" };

export type SessionEvent =
  | { readonly kind: "started"; readonly isPaired: boolean; readonly hasLoggedIn: boolean }
  /** The grant's time has come. */
  | { readonly kind: "granted" }
  | { readonly kind: "qr"; readonly code: string }
  | { readonly kind: "pairingCode"; readonly code: string; readonly validMs: number }
  | { readonly kind: "paired"; readonly identity: NonNullable<SessionReport["identity"]> }
  | { readonly kind: "open"; readonly identity: NonNullable<SessionReport["identity"]> }
  | {
      readonly kind: "closed";
      readonly disconnect: Disconnect;
      readonly expireMs?: number | undefined;
      readonly location?: string | undefined;
      readonly clientVersion: string;
    }
  | { readonly kind: "retryDue" }
  | { readonly kind: "windowEnded" }
  | { readonly kind: "proxyLoginChanged" }
  | { readonly kind: "loggedOut" }
  | { readonly kind: "stop" };

export type Effect =
  | { readonly kind: "requestGrant"; readonly bucket: Bucket }
  | { readonly kind: "connect" }
  | { readonly kind: "closeSocket" }
  /** Sends `retryDue` after this long. */
  | { readonly kind: "wakeIn"; readonly delayMs: number }
  /** Sends `windowEnded` at the end of the pairing window. */
  | { readonly kind: "endWindowIn"; readonly delayMs: number }
  | { readonly kind: "archiveCredentials"; readonly reason: Cause }
  /** Archives the credentials, then begins as an unlinked device, with `started`. */
  | { readonly kind: "startAfresh"; readonly reason: Cause }
  /** Unlinks at the server, erases the credentials, then sends `loggedOut`. */
  | { readonly kind: "logOut" }
  | { readonly kind: "eraseCredentials" }
  | { readonly kind: "count"; readonly what: "qr" | "disconnect"; readonly cause?: Cause };

/** What a step needs beside state and event: time and chance as arguments. */
export interface Circumstances {
  readonly spec: SessionSpec;
  readonly nowMs: number;
  /** In [0, 1). */
  readonly random: number;
}

export type Step = readonly [SessionState, readonly Effect[]];

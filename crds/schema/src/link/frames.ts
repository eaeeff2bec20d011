import { z } from "zod";
import { boundedEpoch, maxEpoch } from "../epoch.ts";
import { observedAddress } from "../observed-address.ts";
import { clipped, printable } from "../text.ts";
import { LastDisconnect } from "../v1alpha1/whatsapp-device.ts";

/** Version of this protocol; a peer of another one is refused with a clear reason. */
export const linkVersion = 1;

/** A device by name, and by UID: a re-created device of the same name is another one. */
export const DeviceRef = z.object({ namespace: z.string(), name: z.string(), uid: z.string() });
export type DeviceRef = z.infer<typeof DeviceRef>;

/** Start budgets: logins and registrations apart; the restart that WhatsApp asks for after pairing is counted, never delayed. */
export const buckets = ["login", "registration", "restart"] as const;
export const Bucket = z.enum(buckets);
export type Bucket = z.infer<typeof Bucket>;

/**
 * A list that a pod sends. Its length is looked at before anything in it: two million faults found in one frame would stop the
 * operator for as long as its Lease lasts.
 */
const listOf = <Item extends z.ZodType>(item: Item, most: number) => z.array(z.unknown()).max(most).pipe(z.array(item));
/** Twice as many as the largest session pod has sessions. */
const mostSessions = 1_000;
/** Starts of the largest session pod of the first release while no leader answered for a day; newer pods tell those that may count. */
const mostSelfGranted = 100_000;

/** Addresses as a pod tells them. What is none is left out: an echo's odd answer must not cost a pod its link. */
const Addresses = z
  .array(z.unknown())
  .max(16)
  .transform((told) => {
    const addresses = told.flatMap((text) => (typeof text === "string" ? (observedAddress(text) ?? []) : []));
    return [...new Set(addresses)];
  });

/** Text that a status holds: what is longer is cut, because one account's long name must not cost its whole pod the link. */
const cut = (most: number) => z.string().transform((text) => clipped(text, most));
/** Text that is worth nothing when it is cut: too long, it is refused. What a terminal would obey is no part of it. */
const whole = (most: number) => z.string().max(most).transform(printable);
/** As the API server takes it in a status. */
const Instant = z.iso.datetime().max(40);

/** What no honest store holds counts as not told: one odd row must not cost its pod the link. */
const StoredEpoch = z
  .number()
  .transform((told): number | undefined => (told === boundedEpoch(told) ? told : undefined));

export const sessionStates = [
  "Claiming",
  "ClaimRefused",
  "StoreUnavailable",
  "StoreRefused",
  "EgressUnready",
  "WaitingForGrant",
  "Connecting",
  "AwaitingPairing",
  "Connected",
  "BackingOff",
  "Hibernated",
  "LoggedOut",
  "Blocked",
  "Released",
  "LogoutDone",
] as const;
export type SessionStateName = (typeof sessionStates)[number];

/** All that a session pod says of one session, whole every time (level-based). Instants are RFC 3339. */
export const SessionReport = z.object({
  device: DeviceRef,
  epoch: z.number().transform(boundedEpoch),
  state: z.enum(sessionStates),
  /** One CamelCase word for why it is in this state, where there is more than one (`MasterKeyMismatch`, `ProxySecretMissing`). */
  reason: z.string().optional(),
  message: z.string().optional(),
  /** With ClaimRefused: the epoch that the store holds. */
  storedEpoch: StoredEpoch.optional(),
  paired: z.boolean(),
  generation: z.int().default(0),
  qr: z.object({ code: whole(1024), attempt: z.int(), expiresAt: Instant }).optional(),
  pairingCode: z.object({ code: whole(16), expiresAt: Instant }).optional(),
  identity: z.object({ jid: whole(128), lid: whole(128), pushName: cut(128), platform: cut(64) }).optional(),
  connectedSince: Instant.optional(),
  observedIP: z
    .string()
    .transform((text): string | undefined => observedAddress(text))
    .optional(),
  clientVersion: cut(32).optional(),
  /** The browser stored with the credentials differs from the spec's and wins until a relink. */
  browserDiffers: z.boolean().default(false),
  attempt: z.int().default(0),
  nextAttemptAt: Instant.optional(),
  lastDisconnect: LastDisconnect.omit({ advice: true })
    .extend({
      time: Instant,
      expiresAt: Instant.optional(),
      message: cut(512).default(""),
      location: cut(32).optional(),
      clientVersion: cut(32).optional(),
    })
    .optional(),
  /** What WhatsApp keeps the account from; `kind` `None`: from nothing any more. Absent: not known. */
  restriction: z.object({ kind: cut(64), since: Instant, until: Instant.optional() }).optional(),
  /** The pair-requested-at value that this session was opened for. */
  pairRequestedAt: z.string().optional(),
});
export type SessionReport = z.infer<typeof SessionReport>;

/** What a session needs to know of its device; durations in milliseconds. */
export const SessionSpec = z.object({
  pairing: z.object({ method: z.enum(["QRCode", "PairingCode"]), phoneNumber: z.string(), windowMs: z.int() }),
  browser: z.object({ os: z.string(), name: z.string(), version: z.string() }),
  /** A version such as 2.3000.1043857760; "Auto": the client library's own. */
  clientVersion: z.string(),
  connectTimeoutMs: z.int(),
  keepAliveIntervalMs: z.int(),
  queryTimeoutMs: z.int(),
  baseDelayMs: z.int(),
  maxDelayMs: z.int(),
  unpairedAttempts: z.int(),
});
export type SessionSpec = z.infer<typeof SessionSpec>;

/** A key for this device's values alone, derived from the installation's master key; 32 bytes as base64. */
export const DataKey = z.object({ keyId: z.string(), keyBase64: z.string() });
export type DataKey = z.infer<typeof DataKey>;

export const Assignment = z.object({
  device: DeviceRef,
  epoch: z.int().min(0).max(maxEpoch),
  /** The first one encrypts; all decrypt. */
  dataKeys: z.array(DataKey).min(1),
  spec: SessionSpec,
  /** LoggedOut: connect once, unlink at WhatsApp, erase the credentials, report LogoutDone. */
  desired: z.enum(["Running", "LoggedOut"]),
  pairRequestedAt: z.string().default(""),
});
export type Assignment = z.infer<typeof Assignment>;

export const Grant = z.object({
  device: DeviceRef,
  bucket: Bucket,
  nonce: z.string(),
  /** From the frame's arrival on: the start is due after this long and allowed for `validForMs` from then. */
  startInMs: z.int(),
  validForMs: z.int(),
});
export type Grant = z.infer<typeof Grant>;

/** What a pod of a later release than the first understands; a word that this release does not know changes nothing. */
export const podAbilities = {
  /** A second welcome over a standing link is understood, and another login of the same store taken up without an end. */
  storeLogin: "store-login",
  /** It voids a grant that was on its way for too long, by the age of the last ping that was answered before it. */
  lateGrants: "late-grants",
} as const;

export const podFrameKinds = ["hello", "session", "grant-request", "egress"] as const;

export const PodFrame = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("hello"),
    version: z.int(),
    endpoint: z.string(),
    pod: z.object({ namespace: z.string(), name: z.string(), uid: z.string(), node: z.string() }),
    sessions: listOf(SessionReport, mostSessions),
    /**
     * Starts that the pod made by itself while no leader answered; charged to the ledgers before anything is granted. What lies in
     * the future counts as now, what is older than any window as nothing. By `id` the hub acknowledges; absent: a first release's.
     */
    selfGranted: listOf(
      z.object({ device: DeviceRef, bucket: Bucket, agoMs: z.int(), id: z.string().max(32).optional() }),
      mostSelfGranted,
    ).default([]),
    /** What this pod understands beyond the first release; {@link podAbilities} and words of later ones. */
    abilities: listOf(z.string().max(32), 32).default([]),
  }),
  z.object({ kind: z.literal("session"), session: SessionReport }),
  z.object({
    kind: z.literal("grant-request"),
    /** The pod's whole queue; what is no longer in it is cancelled. */
    requests: listOf(z.object({ device: DeviceRef, bucket: Bucket }), mostSessions),
  }),
  z.object({
    kind: z.literal("egress"),
    observedIPs: Addresses,
    /** `ProxySecretMissing`, `ProxySecretKeyMissing`, `EchoFailed`. */
    problem: z.object({ reason: z.string(), message: z.string() }).optional(),
    /** `StoreChanged`, `StoreLoginRefused`: the pod works with the store of before, not with the one it was told last. */
    store: z.object({ reason: cut(64), message: cut(512) }).optional(),
  }),
]);
export type PodFrame = z.infer<typeof PodFrame>;

export const Welcome = z.object({
  kind: z.literal("welcome"),
  version: z.int(),
  /** The leader's Lease transitions; a frame of a lower term is dropped. */
  term: z.int(),
  /** Ids of the hello's `selfGranted` starts that stand in the ledgers: the pod need not tell them again. Absent: a first release's hub. */
  charged: z.array(z.string()).optional(),
  /** Prefix of every key in the store. */
  installation: z.string(),
  /** Without the newline that a file of it ends with. */
  store: z.object({ url: z.string().trim() }),
  /** Encrypts the store's canary; 32 bytes as base64. */
  canaryKeyBase64: z.string(),
  /** Causes that this operator has words for; one of 0.1 does not say, and takes no others than its own. */
  causes: z.array(z.string().max(64)).max(1_000).optional(),
  whatsapp: z.object({
    url: z.string(),
    rootKeyHex: z.string().default(""),
    caBundle: z.string().default(""),
    /** For pods that resolve Auto themselves, as those of 0.1 did; empty: the client library's own. */
    clientVersion: z.string().default(""),
  }),
});
export type Welcome = z.infer<typeof Welcome>;

export const AssignFrame = z.object({
  kind: z.literal("assign"),
  term: z.int(),
  egressIPEndpoints: z.array(z.string()).default([]),
  /** Whole: a session that is not in it is released. */
  assignments: z.array(Assignment),
});
export type AssignFrame = z.infer<typeof AssignFrame>;

export const HubFrame = z.discriminatedUnion("kind", [
  Welcome,
  /** Dial again: this operator does not lead, or the token of this link has ended or its pod is gone. */
  z.object({ kind: z.literal("not-leader") }),
  /** The hub does not accept this pod or frame, and says why in words. */
  z.object({ kind: z.literal("refused"), reason: z.string(), message: z.string() }),
  AssignFrame,
  z.object({ kind: z.literal("grant"), term: z.int(), grants: z.array(Grant) }),
]);
export type HubFrame = z.infer<typeof HubFrame>;

import { causes, type Cause } from "./causes.ts";

interface ReasonFacts {
  readonly means: string;
  /** What a person does; empty: nothing, it passes or is as wished. */
  readonly act: string;
}
type Facts = Readonly<Record<string, ReasonFacts>>;

const describePod = "`kubectl describe pod` of the pod in `.status.assignment.pod`";
const mendPool = "Mend the pool, or let `spec.egress.pool` name another.";
const trustOperator = "Let its image and the operator's be of one release; delete the pod to have it made anew.";
const giveSecret = "Create or mend the Secret that the member's `credentialsSecretRef` names, in the pool's namespace.";

/** Every reason of a device's conditions but causes; the docs' table and the type of what code may say come from here. */
export const deviceReasons = {
  PoolNotFound: {
    means: "no EgressPool of that name in its namespace",
    act: "Create the pool, or mend `spec.egress.pool`.",
  },
  PoolEmpty: { means: "the pool has no members", act: mendPool },
  NoEndpoint: {
    means: "no node carries the labels that the pool's members ask for, or the pool is a moment old",
    act: "Label a node, or mend the member's `nodeSelector`.",
  },
  NoActiveEndpoint: { means: "every way out of the pool drains or is disabled", act: mendPool },
  NoEndpointMatches: {
    means: "no way out of the pool carries the labels that the device asks for",
    act: "Mend `spec.egress.selector` or the members' `labels`.",
  },
  CapacityFull: {
    means:
      "every way out that matches has as many devices as it may; the message names the address and the pool that share it",
    act: "Add a member, raise `capacity.maxSessions`, or delete or suspend unlinked devices. Where another pool leaves by the address, take another way out.",
  },
  EndpointMissing: { means: "its EgressEndpoint is being made, perhaps again after somebody deleted it", act: "" },
  EndpointNameTaken: {
    means: "another pool, or the member's former proxy, holds the endpoint's name",
    act: "Name the member differently, or wait until the old one is empty.",
  },
  EndpointDeleted: { means: "its way out is gone for good; it leaves for another", act: "" },
  PoolChanged: { means: "the spec names another pool; it leaves once its session has ended", act: "" },
  SelectorChanged: { means: "the spec asks for other labels; it leaves once its session has ended", act: "" },
  NodeDeleted: {
    means: "its node's object was deleted",
    act: "Nothing, unless the message names `failover: Never`: allow failover, or bring the node back.",
  },
  MemberDisabled: { means: "its member is Disabled; it leaves once its session has ended", act: "" },
  IsolationChanged: { means: "`spec.isolation` asks for another pod; it leaves once its session has ended", act: "" },
  FormerDevice: { means: "a deleted device of its name is still being released", act: "Wait: 35 s at most." },
  PodNameTaken: {
    means: "a pod that the operator did not create has its session pod's name",
    act: "Find out whose it is; delete it.",
  },
  LinkRefused: {
    means: "the operator refuses what its session pod says; the message names the field",
    act: trustOperator,
  },
  QuotaExceeded: {
    means: "a ResourceQuota refuses its session pod",
    act: "Raise the quota, or put more devices into a pod.",
  },
  PodCreateRefused: {
    means: "the API server refuses its session pod; the message quotes it",
    act: "Pod security, admission webhooks, limits: mend what the message names.",
  },
  EndpointCreateRefused: {
    means: "the API server refuses an EgressEndpoint of its pool; the message quotes it",
    act: "Admission webhooks, policies, quotas: mend what the message names; it is tried again every 15 s.",
  },
  WriteRefused: {
    means: "the API server refuses a write of the operator; the message says which, and quotes it",
    act: "Admission webhooks, policies, the operator's rights: mend what the message names; it is tried again every 15 s.",
  },
  PodStarting: { means: "its session pod is not ready; the message has the pod's own reason", act: `${describePod}.` },
  SessionStarting: { means: "its session pod is there and has not reported yet", act: "" },
  SessionPodSilent: {
    means: "its session pod has no link to the operator; the session may work",
    act: `${describePod}, then the pod's log and its node.`,
  },
  Claiming: { means: "its session takes it in the store", act: "" },
  ClaimRefused: { means: "the store knows a newer owner; the next attempt goes above it", act: "" },
  Restarting: { means: "its session has ended and starts anew", act: "" },
  StoreUnavailable: { means: "the store does not answer", act: "Look at the database, and at the way to it." },
  StoreRefused: { means: "the store refuses this installation", act: "The message says why." },
  MasterKeyMismatch: {
    means: "the store was written with another master key; nothing is written",
    act: "Restore the Secret that belongs to this database: [Backup and restore](../backup-and-restore.md).",
  },
  SchemaTooNew: { means: "a newer version has changed the store's tables", act: "Run session pods of that version." },
  CredentialsUnreadable: {
    means: "the stored credentials cannot be parsed",
    act: "Report it with the session pod's log; a copy of the store may help, and so does linking anew under another name.",
  },
  EgressUnready: { means: "its way out cannot be used yet", act: "The message says why." },
  MeasuringAddress: {
    means: "`egressIPEndpoints` have not answered yet, nor failed",
    act: "If it stays: are those servers reachable by this way out?",
  },
  ProxySecretMissing: { means: "the proxy's Secret does not exist", act: giveSecret },
  ProxySecretKeyMissing: { means: "the proxy's Secret lacks a key", act: giveSecret },
  WaitingForGrant: {
    means: "starts per address are limited; `.status.connection.nextAttemptAt` says when it is its turn",
    act: "Wait, spread devices over more members, or raise `startLimits`.",
  },
  Connecting: { means: "an attempt runs", act: "" },
  BackingOff: { means: "an attempt failed; the next follows", act: "" },
  AwaitingPairing: {
    means: "a code waits for the phone",
    act: "Scan `.status.qr.code`, or type `.status.pairingCode.code`.",
  },
  Connected: { means: "it works", act: "" },
  Hibernated: {
    means: "nobody scanned in time",
    act: "Set the annotation `whatsapp-operator.io/pair-requested-at` to a new value.",
  },
  Blocked: { means: "another attempt would not help", act: "`.status.lastDisconnect.advice`." },
  Suspended: { means: "`spec.suspend` is true", act: "Set it to false to resume." },
  Uninstalled: { means: "the operator was uninstalled", act: "Install it again, with the same name and namespace." },
  LoggingOut: {
    means: "it is unlinked at WhatsApp before it goes; 10 minutes at most",
    act: "To end it at once, the annotation `whatsapp-operator.io/force-delete=true`.",
  },
  Deleted: { means: "it is being deleted, and another finalizer holds it", act: "Look at `metadata.finalizers`." },
  Assigned: { means: "it has its place; the message says which", act: "" },
  Paired: { means: "a phone has linked it", act: "" },
  NotPaired: { means: "no phone has linked it yet", act: "" },
  NotKnownYet: { means: "its session has not looked for credentials yet", act: "" },
  BrowserDiffers: {
    means: "it was linked with another `spec.client.browser`, which it goes on announcing",
    act: "Link it anew, if it matters.",
  },
  ReachoutTimelock: {
    means: "WhatsApp lets the account write to nobody new, until `.status.restriction.until`",
    act: "Stop writing to people who did not write first; those who know the account can be answered. Each try prolongs it.",
  },
  NewChatsRefused: {
    means: "WhatsApp refused a text to somebody new (463) and did not say until when",
    act: "As for `ReachoutTimelock`. It is taken to be over a day after the last refusal.",
  },
  Restricted: { means: "a restriction that only a newer session pod knows by name", act: "The message says which." },
  NotRestricted: { means: "WhatsApp keeps the account from nothing that is known", act: "" },
  NotProbed: { means: "nobody measures this yet", act: "" },
  NotReconciling: { means: "the operator has nothing to do for it", act: "" },
  NotStalled: { means: "nothing waits for a change by somebody", act: "" },
} as const satisfies Facts;

export const poolReasons = {
  EndpointsReady: { means: "at least one way out is ready", act: "" },
  PoolEmpty: { means: "`spec.members` is empty", act: "Add a member." },
  NoEndpoint: { means: "no node carries the labels of a member's `nodeSelector`", act: "Label a node." },
  NoEndpointReady: { means: "none of its ways out is ready", act: "`kubectl get ege` and their `Ready` conditions." },
  EndpointNameTaken: deviceReasons.EndpointNameTaken,
  EndpointCreateRefused: deviceReasons.EndpointCreateRefused,
  WriteRefused: deviceReasons.WriteRefused,
  InUse: { means: "it is deleted and devices use it", act: "Delete them, or let them name another pool." },
  NotReconciling: deviceReasons.NotReconciling,
  NotStalled: deviceReasons.NotStalled,
} as const satisfies Facts;

export const endpointReasons = {
  Linked: { means: "its session pods answer", act: "" },
  Idle: { means: "it takes devices and has no session pod yet", act: "" },
  NotLinked: {
    means: "none of its session pods has a link to the operator",
    act: "`kubectl describe pod`, then its log.",
  },
  LinkRefused: {
    means: "the operator refuses what a session pod says; the message names the field",
    act: trustOperator,
  },
  PodNameTaken: {
    means: "a pod that the operator did not create has the name of one of its session pods",
    act: deviceReasons.PodNameTaken.act,
  },
  QuotaExceeded: { means: "a ResourceQuota refuses a session pod", act: deviceReasons.QuotaExceeded.act },
  PodCreateRefused: {
    means: "the API server refuses a session pod; the message quotes it",
    act: deviceReasons.PodCreateRefused.act,
  },
  WriteRefused: deviceReasons.WriteRefused,
  ProxyFault: {
    means: "every session that tried found the proxy at fault",
    act: "Check the proxy's host, port and Secret; sessions go on trying.",
  },
  Draining: { means: "its member is Draining: it keeps its devices and takes none", act: "" },
  Disabled: { means: "its member is Disabled: it runs none", act: "" },
  Orphaned: { means: "no member names it any more; it goes when it is empty", act: "" },
  NodeDeleted: { means: "its node was deleted; its devices leave", act: "" },
  EgressUnready: { means: "its session pod reports a fault of the way out", act: "The message says which." },
  StoreChanged: {
    means: "it works; the store's Secret names another host or database, which a session pod takes at its next start",
    act: "[Another password, another database](../install.md#another-password-another-database).",
  },
  StoreLoginRefused: {
    means: "it works with the login of before; the one that the store's Secret holds now is not accepted",
    act: "Give the database the Secret's login, or the Secret the database's; the pod goes on trying.",
  },
  ProxySecretMissing: { means: "the proxy's Secret does not exist", act: giveSecret },
  ProxySecretKeyMissing: { means: "the proxy's Secret lacks a key", act: giveSecret },
  EchoFailed: {
    means: "no server of `egressIPEndpoints` answered; its devices run, and budgets are kept by endpoint",
    act: "Mend the pool's `egressIPEndpoints`, or what keeps this way out from them.",
  },
} as const satisfies Facts;

export type DeviceReason = keyof typeof deviceReasons | Cause;
export type PoolReason = keyof typeof poolReasons;
export type EndpointReason = keyof typeof endpointReasons;

const deviceWords: ReadonlySet<string> = new Set([...Object.keys(deviceReasons), ...causes]);
/** Of a peer of another version, or of an old status, any word may come. */
export const isDeviceReason = (word: string): word is DeviceReason => deviceWords.has(word);
export const isEndpointReason = (word: string): word is EndpointReason => word in endpointReasons;

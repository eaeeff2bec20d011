import { causeFacts, isDeviceReason, type DeviceStatus, type SessionReport, type WhatsAppDevice } from "@wa/schema";
import { conditionsFor, phaseOf, type Situation } from "./phases.ts";
import type { Placement } from "./place.ts";
import { pairRequestOf, restOf } from "./rest.ts";
import { conditionOf, setConditions, type Wanted } from "./set-conditions.ts";
import type { Now } from "./world.ts";

interface Next {
  readonly placement: Placement;
  readonly situation: Situation;
  readonly report: SessionReport | undefined;
  readonly now: Now;
}

/** The whole status, computed anew; only what nobody can report again is taken over from the found one. */
export function nextStatus(device: WhatsAppDevice, next: Next): DeviceStatus {
  const { placement, situation, report, now } = next;
  const found = device.status;
  const paired = pairedCondition(device, next);
  const isAwaiting = report?.state === "AwaitingPairing";
  const status: DeviceStatus = {
    observedGeneration: device.metadata.generation,
    phase: phaseOf(situation, paired.status === "True"),
    conditions: [],
    assignment: placement.assignment,
    qr: isAwaiting ? report.qr : undefined,
    pairingCode: isAwaiting ? report.pairingCode : undefined,
    identity: paired.status === "False" ? undefined : (report?.identity ?? found.identity),
    connection: report === undefined ? undefined : connectionOf(report),
    lastDisconnect: lastDisconnectOf(device, next),
    restriction: restrictionOf(device, next),
    pairRequestedAt: pairRequestedAtOf(device, situation),
  };
  return {
    ...status,
    conditions: setConditions(
      found.conditions,
      wanted(status, situation, paired),
      device.metadata.generation,
      now.date,
    ),
  };
}

/** What an uninstalled operator leaves behind: no claim of a session, and every memory that the next installation needs. */
export function unattendedStatus(device: WhatsAppDevice, now: Now): DeviceStatus {
  if (restOf(device) !== undefined || device.status.phase === "Suspended") return device.status;
  const message =
    "the operator was uninstalled; credentials stay in the store, and it connects again once one is installed";
  return nextStatus(device, {
    placement: { assignment: device.status.assignment },
    situation: { name: "Unattended", reason: "Uninstalled", message },
    report: undefined,
    now,
  });
}

/** Nothing new is known of the session; only generation and assignment move. */
export function keptStatus(device: WhatsAppDevice, { assignment }: Placement): DeviceStatus {
  const { generation } = device.metadata;
  const conditions = device.status.conditions.map((condition) => ({ ...condition, observedGeneration: generation }));
  return { ...device.status, observedGeneration: generation, conditions, assignment };
}

function wanted(status: DeviceStatus, situation: Situation, paired: Wanted): Wanted[] {
  const { endpoint = "", pod = "" } = status.assignment ?? {};
  const simple = conditionsFor(situation, `endpoint ${endpoint}, session pod ${pod}`);
  const { Ready, Scheduled, Connected, Reconciling, Stalled } = simple;
  const healthy: Wanted = { type: "EgressHealthy", status: "Unknown", reason: "NotProbed" };
  return [
    Ready,
    Scheduled,
    paired,
    Connected,
    healthy,
    clientCondition(status),
    restrictedCondition(status),
    Reconciling,
    Stalled,
  ];
}

/** True is never claimed: nothing here knows the current version. */
function clientCondition({ lastDisconnect, phase }: DeviceStatus): Wanted {
  if (phase === "Connected" || phase === "AwaitingPairing" || lastDisconnect?.cause !== "ClientOutdated")
    return { type: "ClientCurrent", status: "Unknown", reason: "NotProbed" };
  const refused = lastDisconnect.clientVersion ?? "the client library's own";
  return {
    type: "ClientCurrent",
    status: "False",
    reason: "ClientOutdated",
    message: `WhatsApp refused version ${refused}. ${causeFacts.ClientOutdated.advice}`,
  };
}

/** What a session of before knew of a lock that has not ended is taken over; a new one hears of it with the next refusal. */
function restrictionOf(device: WhatsAppDevice, { report, now }: Next): DeviceStatus["restriction"] {
  const known = report?.restriction ?? device.status.restriction;
  if (known === undefined || known.kind === "None") return undefined;
  const isOver = known.until !== undefined && Date.parse(known.until) <= now.date.getTime();
  const isOfBefore = report !== undefined && report.restriction === undefined;
  return isOver || (isOfBefore && known.until === undefined) ? undefined : known;
}

function restrictedCondition({ restriction }: DeviceStatus): Wanted {
  const type = "Restricted";
  if (restriction === undefined) return { type, status: "False", reason: "NotRestricted" };
  const { kind, since, until } = restriction;
  const reason = isDeviceReason(kind) ? kind : "Restricted";
  const end = until === undefined ? "WhatsApp did not say until when" : `until ${until}`;
  const message = `${kind} since ${since}, ${end}: write to nobody who did not write first; others can be answered`;
  return { type, status: "True", reason, message };
}

/** States in which the session has read the credentials, or found that there are none. */
const knowsPairing: ReadonlySet<string> = new Set([
  "WaitingForGrant",
  "Connecting",
  "AwaitingPairing",
  "Connected",
  "BackingOff",
  "Hibernated",
  "LoggedOut",
  "Blocked",
]);

function pairedCondition(device: WhatsAppDevice, { situation, report }: Next): Wanted {
  const type = "Paired";
  if (situation.name === "Hibernated" || situation.name === "LoggedOut")
    return { type, status: "False", reason: situation.name, message: situation.message };
  if (report !== undefined && knowsPairing.has(report.state)) return reportedPairing(report);
  const found = conditionOf(device.status, type);
  if (found === undefined)
    return { type, status: "Unknown", reason: "NotKnownYet", message: "the session has not looked yet" };
  const leavesRest = restOf(device) !== undefined && found.status === "False" && situation.name !== "Suspended";
  return leavesRest
    ? { type, status: "False", reason: "NotPaired", message: "a new pairing window opens" }
    : {
        type,
        status: found.status,
        reason: isDeviceReason(found.reason) ? found.reason : "NotKnownYet",
        message: found.message,
      };
}

function reportedPairing(report: SessionReport): Wanted {
  const type = "Paired";
  if (!report.paired)
    return { type, status: "False", reason: "NotPaired", message: "no phone has linked this device yet" };
  if (!report.browserDiffers) return { type, status: "True", reason: "Paired" };
  const message =
    "spec.client.browser differs from the browser stored at pairing; the stored one is used until the device is linked anew";
  return { type, status: "True", reason: "BrowserDiffers", message };
}

function connectionOf(report: SessionReport): DeviceStatus["connection"] {
  const { connectedSince, observedIP, clientVersion, attempt, nextAttemptAt } = report;
  return { since: connectedSince, observedIP, clientVersion, attempt, nextAttemptAt };
}

function lastDisconnectOf(device: WhatsAppDevice, { situation, report }: Next): DeviceStatus["lastDisconnect"] {
  if (report?.lastDisconnect !== undefined)
    return { ...report.lastDisconnect, advice: causeFacts[report.lastDisconnect.cause].advice };
  const found = device.status.lastDisconnect;
  const isResumed = device.status.phase === "Suspended" && situation.name !== "Suspended";
  return isResumed && found !== undefined && blocks(found.cause) ? undefined : found;
}

const blocks = (cause: keyof typeof causeFacts): boolean =>
  causeFacts[cause].recovery === "SuspendResume" || causeFacts[cause].recovery === "NewerClient";

/** At rest the request that was honoured last stays; a device that runs honours the newest. */
function pairRequestedAtOf(device: WhatsAppDevice, { name }: Situation): string | undefined {
  const isResting = name === "Hibernated" || name === "LoggedOut" || name === "Suspended";
  const request = pairRequestOf(device);
  return isResting || request === "" ? device.status.pairRequestedAt : request;
}

import { causeFacts, type DeviceStatus, type WhatsAppDevice } from "@wa/schema";
import type { Note } from "./action.ts";
import type { Situation, SituationName } from "./phases.ts";
import { conditionOf } from "./set-conditions.ts";

/** Events that a change of status is worth. The code to scan is never among the words. No situation: nothing new is known. */
export function notesOn(device: WhatsAppDevice, next: DeviceStatus, situation?: Situation): Note[] {
  const found = device.status;
  return [
    assignedNote(found, next),
    phaseNote(found, next),
    disconnectNote(found, next, situation?.field),
    troubleNote(found, next),
    hindranceNote(found, next, situation?.name),
  ].filter((note) => note !== undefined);
}

function assignedNote(found: DeviceStatus, next: DeviceStatus): Note | undefined {
  const endpoint = next.assignment?.endpoint ?? "";
  if (endpoint === "" || endpoint === found.assignment?.endpoint) return undefined;
  return {
    type: "Normal",
    reason: "Assigned",
    message: `leaves by endpoint ${endpoint}, session pod ${next.assignment?.pod ?? ""}`,
  };
}

function phaseNote(found: DeviceStatus, next: DeviceStatus): Note | undefined {
  if (found.phase === next.phase) return undefined;
  const ready = conditionOf(next, "Ready");
  const message = ready?.message ?? "";
  switch (next.phase) {
    case "AwaitingPairing":
      return { type: "Normal", reason: "AwaitingPairing", message };
    case "Connected":
      return { type: "Normal", reason: "Connected", message };
    case "Hibernated":
    case "Suspended":
      return { type: "Normal", reason: next.phase, message };
    case "LoggedOut":
    case "Blocked":
      return {
        type: "Warning",
        reason: next.phase === "Blocked" ? (ready?.reason ?? "Blocked") : "LoggedOut",
        message,
      };
    default:
      return undefined;
  }
}

/** Ends that are part of a normal life are no news. */
const quiet: ReadonlySet<string> = new Set(["RestartRequired", "Stopped", "QrExpired"]);

function disconnectNote(found: DeviceStatus, next: DeviceStatus, field?: string): Note | undefined {
  const ended = next.lastDisconnect;
  if (ended === undefined || ended.time === found.lastDisconnect?.time || quiet.has(ended.cause)) return undefined;
  if (next.phase === "LoggedOut" || next.phase === "Blocked") return undefined;
  const { advice } = causeFacts[ended.cause];
  return { type: "Warning", reason: ended.cause, message: field === undefined ? advice : `${advice} (${field})` };
}

/** An endpoint that is being made is no trouble: every new pool has a moment without one. */
function troubleNote(found: DeviceStatus, next: DeviceStatus): Note | undefined {
  const now = conditionOf(next, "Scheduled");
  if (now?.status !== "False" || next.phase !== "Pending" || now.reason === "EndpointMissing") return undefined;
  if (conditionOf(found, "Scheduled")?.reason === now.reason) return undefined;
  return { type: "Warning", reason: now.reason, message: now.message };
}

/** It has its place and yet cannot begin, for a reason that somebody may have to mend. */
const hindrances: ReadonlySet<SituationName> = new Set(["EgressUnready", "StoreRefused", "StoreUnavailable"]);

function hindranceNote(found: DeviceStatus, next: DeviceStatus, situation?: SituationName): Note | undefined {
  const ready = conditionOf(next, "Ready");
  if (situation === undefined || ready === undefined) return undefined;
  if (!hindrances.has(situation) && ready.reason !== "LinkRefused") return undefined;
  if (conditionOf(found, "Ready")?.reason === ready.reason) return undefined;
  return { type: "Warning", reason: ready.reason, message: ready.message };
}

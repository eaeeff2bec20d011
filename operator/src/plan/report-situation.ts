import { causeFacts, isDeviceReason, type DeviceReason, type SessionReport, type WhatsAppDevice } from "@wa/schema";
import type { Situation, SituationName } from "./phases.ts";
import type { Rest } from "./rest.ts";

const words = {
  Claiming: ["Starting", "Claiming", "the session claims the device in the store"],
  ClaimRefused: ["Starting", "ClaimRefused", "the store holds a newer claim; the next epoch goes above it"],
  StoreUnavailable: ["StoreUnavailable", "StoreUnavailable", "the store does not answer; the session waits"],
  StoreRefused: ["StoreRefused", "StoreRefused", "the store refuses this installation"],
  EgressUnready: ["EgressUnready", "EgressUnready", "the way out is not usable yet"],
  WaitingForGrant: ["WaitingForGrant", "WaitingForGrant", "waits for its turn: attempts per address are limited"],
  Connecting: ["Connecting", "Connecting", "an attempt to connect runs"],
  AwaitingPairing: [
    "AwaitingPairing",
    "AwaitingPairing",
    "scan .status.qr.code with WhatsApp on the phone, Linked devices",
  ],
  Connected: ["Connected", "Connected", "connected to WhatsApp"],
  BackingOff: ["BackingOff", "BackingOff", "waits before the next attempt"],
  Hibernated: ["Hibernated", "Hibernated", "nobody scanned in time"],
  LoggedOut: ["LoggedOut", "LoggedOut", "the phone unlinked this device"],
  Blocked: ["Blocked", "Blocked", "stopped: another attempt would not help"],
  Released: ["Starting", "Restarting", "the session has ended and starts anew"],
  LogoutDone: ["Starting", "Restarting", "the session has ended and starts anew"],
} as const satisfies Readonly<Record<SessionReport["state"], readonly [SituationName, DeviceReason, string]>>;

/** A session pod's own word, as situation. */
export function ofReport(report: SessionReport, device: WhatsAppDevice): Situation {
  const [name, word, sentence] = words[report.state];
  return { name, reason: reasonOf(report, word), message: messageOf(report, device) ?? sentence };
}

/** At rest and while backing off the cause says more than the state. */
function reasonOf(report: SessionReport, word: DeviceReason): DeviceReason {
  const shown = report.reason ?? (showsCause(report) ? report.lastDisconnect?.cause : undefined) ?? word;
  return isDeviceReason(shown) ? shown : word;
}

const showsCause = (report: SessionReport): boolean => report.state === "BackingOff" || report.state === "Blocked";

function messageOf(report: SessionReport, device: WhatsAppDevice): string | undefined {
  if (report.message !== undefined && report.message !== "") return report.message;
  switch (report.state) {
    case "WaitingForGrant":
      return report.nextAttemptAt === undefined
        ? undefined
        : `${words.WaitingForGrant[2]}; starts at ${report.nextAttemptAt}`;
    case "AwaitingPairing":
      return device.spec.pairing.method === "PairingCode" ? typeTheCode : undefined;
    case "BackingOff":
    case "Blocked":
    case "LoggedOut":
    case "Hibernated":
      return causeMessage(report);
    default:
      return undefined;
  }
}

const typeTheCode = "type .status.pairingCode.code on the phone: Linked devices, Link with phone number instead";

function causeMessage({ lastDisconnect }: SessionReport): string | undefined {
  if (lastDisconnect === undefined) return undefined;
  const { advice } = causeFacts[lastDisconnect.cause];
  return lastDisconnect.message === "" ? advice : `${lastDisconnect.message}. ${advice}`;
}

/** The situation of a device that stays at rest, as its status already tells it. */
export function ofRest(device: WhatsAppDevice, rest: Rest): Situation {
  const cause = device.status.lastDisconnect?.cause;
  const advice = cause === undefined ? "" : causeFacts[cause].advice;
  const before = device.status.conditions.find(({ type }) => type === "Ready");
  if (before !== undefined && device.status.phase === rest)
    return { name: rest, reason: isDeviceReason(before.reason) ? before.reason : rest, message: before.message };
  return { name: rest, reason: rest, message: advice === "" ? words[rest][2] : advice };
}

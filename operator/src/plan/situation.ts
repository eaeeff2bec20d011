import type { SessionReport, WhatsAppDevice } from "@wa/schema";
import type { Situation } from "./phases.ts";
import { podSituation } from "./pod-situation.ts";
import { ofReport } from "./report-situation.ts";
import { reportOf, takeoverAfterMs } from "./takeover.ts";
import { ownerOf, type Now, type PodLink, type World } from "./world.ts";

export type Reading =
  /** The owner's word, or what the world says without it. */
  | { readonly kind: "Now"; readonly situation: Situation; readonly report: SessionReport | undefined }
  /** Too early to say anything else than what status says: the hub has only just begun to listen. */
  | { readonly kind: "Keep"; readonly waitMs: number };

/** Where a device that shall run stands, by its owner's report, else by its pod. `device` carries the assignment decided in this pass. */
export function readSession(device: WhatsAppDevice, world: World, now: Now): Reading {
  const link = world.links.get(ownerOf(device));
  const report = reportOf(device, world);
  if (report !== undefined && link?.isConnected === true)
    return { kind: "Now", situation: ofReport(report, device), report };
  if (!hasFallenSilent(device, link, report))
    return { kind: "Now", situation: podSituation(device, world), report: undefined };
  const waitMs = (link?.lastHeardMs ?? world.leaderSinceMs) + takeoverAfterMs - now.monotonicMs;
  if (waitMs > 0) return { kind: "Keep", waitMs };
  return { kind: "Now", situation: silent(device), report: undefined };
}

/** It has an owner and a session by status, no link, and nobody released it. */
function hasFallenSilent(
  device: WhatsAppDevice,
  link: PodLink | undefined,
  report: SessionReport | undefined,
): boolean {
  const isOwned = ownerOf(device) !== "";
  return (
    isOwned && link?.isConnected !== true && report?.state !== "Released" && withSession.has(device.status.phase ?? "")
  );
}

/** Phases that describe a session. */
const withSession: ReadonlySet<string> = new Set(["Connected", "AwaitingPairing", "Connecting", "Reconnecting"]);

const silent = ({ status }: WhatsAppDevice): Situation => ({
  name: "Silent",
  reason: "SessionPodSilent",
  message: `the session pod ${status.assignment?.pod ?? ""} has no link to the operator; its session may still work`,
});

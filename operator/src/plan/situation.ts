import { takeoverAfterMs, type SessionReport, type WhatsAppDevice } from "@wa/schema";
import type { Situation } from "./phases.ts";
import { linkRefused, podSituation } from "./pod-situation.ts";
import { ofReport } from "./report-situation.ts";
import { proxyField } from "./proxy-words.ts";
import { conditionOf } from "./set-conditions.ts";
import { reportOf } from "./takeover.ts";
import { endpointOf, ownerOf, type Now, type PodLink, type World } from "./world.ts";

export type Reading =
  /** The owner's word, or what the world says without it. */
  | { readonly kind: "Now"; readonly situation: Situation; readonly report: SessionReport | undefined }
  /** Too early to say anything else than what status says: the hub has only just begun to listen. */
  | { readonly kind: "Keep"; readonly waitMs: number };

/**
 * Where a device that shall run stands, by its owner's report, else by its pod. `device` carries the assignment decided in this
 * pass; of a run that begins with it there is nothing to keep.
 */
export function readSession(device: WhatsAppDevice, isNewRun: boolean, world: World, now: Now): Reading {
  const link = world.links.get(ownerOf(device));
  const report = reportOf(device, world);
  const is = (situation: Situation): Reading => ({ kind: "Now", situation, report: undefined });
  if (link?.isConnected === true)
    return report === undefined
      ? is(podSituation(device, world))
      : { kind: "Now", situation: withField(ofReport(report, device), device, world), report };
  if (isNewRun || ownerOf(device) === "" || report?.state === "Released") return is(podSituation(device, world));
  return withoutLink(device, link, world, now) ?? is(podSituation(device, world));
}

function withField(situation: Situation, device: WhatsAppDevice, world: World): Situation {
  const endpoint = endpointOf(device, world);
  const field = endpoint === undefined ? undefined : proxyField(situation.reason, endpoint, world);
  return field === undefined ? situation : { ...situation, message: `${situation.message} (${field})`, field };
}

/** The owner has a session by status, and does not answer; undefined: there was no session to fall silent. */
function withoutLink(device: WhatsAppDevice, link: PodLink | undefined, world: World, now: Now): Reading | undefined {
  const waitMs = (link?.lastHeardMs ?? world.leaderSinceMs) + takeoverAfterMs - now.monotonicMs;
  if (waitMs > 0 && withSession.has(device.status.phase ?? "")) return { kind: "Keep", waitMs };
  return wasConnected(device) ? { kind: "Now", situation: silent(device, link), report: undefined } : undefined;
}

/** Phases that describe a session. */
const withSession: ReadonlySet<string> = new Set(["Connected", "AwaitingPairing", "Connecting", "Reconnecting"]);

/** And nobody has said since that it is not. */
const wasConnected = ({ status }: WhatsAppDevice): boolean =>
  (conditionOf(status, "Connected")?.status ?? "False") !== "False";

function silent({ status }: WhatsAppDevice, link: PodLink | undefined): Situation {
  const pod = status.assignment?.pod ?? "";
  if (link?.refusal !== undefined) return { name: "Silent", ...linkRefused(pod, link.refusal) };
  const message = `the session pod ${pod} has no link to the operator; its session may still work`;
  return { name: "Silent", reason: "SessionPodSilent", message };
}

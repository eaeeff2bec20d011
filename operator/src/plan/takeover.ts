import { takeoverAfterMs, type SessionReport, type SessionStateName, type WhatsAppDevice } from "@wa/schema";
import { ownerOf, wishKey, type Facts, type Now, type PodLink } from "./world.ts";

/** States in which a session holds no socket and opens none by itself. */
const withoutSocket: ReadonlySet<SessionStateName> = new Set<SessionStateName>([
  "ClaimRefused",
  "Hibernated",
  "LoggedOut",
  "Blocked",
  "Released",
  "LogoutDone",
]);

/** Whether the epoch's owner has certainly let go; else how long until it must have. */
export type Takeover = { readonly isAllowed: true } | { readonly isAllowed: false; readonly waitMs: number };

const allowed: Takeover = { isAllowed: true };
const after = (waitMs: number): Takeover => (waitMs <= 0 ? allowed : { isAllowed: false, waitMs });

/**
 * May another pod (or another epoch) take the device? Only the owner's own word or its lease counts: a node that is
 * NotReady, a deletionTimestamp or a vanished pod object prove nothing about its sockets.
 */
export function takeoverOf(device: WhatsAppDevice, world: Facts, now: Now): Takeover {
  const owner = ownerOf(device);
  if (owner === "") return afterFormerSelf(device, world, now);
  const link = world.links.get(owner);
  // Nothing heard since this process leads: a pod that lives redials within seconds.
  if (link === undefined) return after(world.leaderSinceMs + takeoverAfterMs - now.monotonicMs);
  const report = reportOf(device, world);
  if (report !== undefined && withoutSocket.has(report.state)) return allowed;
  if (!link.isConnected) return after(link.lastHeardMs + takeoverAfterMs - now.monotonicMs);
  const older = link.sessions.get(device.metadata.uid);
  if (older !== undefined && !withoutSocket.has(older.state)) return { isAllowed: false, waitMs: takeoverAfterMs };
  return after(lastWish(owner, device, world) + takeoverAfterMs - now.monotonicMs);
}

/** The pod runs no such session now; a wish that is still on its way could start one. */
const lastWish = (owner: string, device: WhatsAppDevice, world: Facts): number =>
  world.memory.lastWishedMs.get(wishKey(owner, device.metadata.uid)) ?? world.leaderSinceMs;

/** A deleted device of the same name shares the credentials: its session has to be gone before this one starts. */
function afterFormerSelf(device: WhatsAppDevice, world: Facts, now: Now): Takeover {
  const { namespace, name, uid } = device.metadata;
  const isFormer = (session: SessionReport): boolean =>
    session.device.name === name && session.device.uid !== uid && !withoutSocket.has(session.state);
  let waitMs = 0;
  for (const link of world.links.values()) {
    if (link.namespace !== namespace) continue;
    const untilMs = link.lastHeardMs + takeoverAfterMs;
    if ([...link.sessions.values()].some(isFormer)) waitMs = Math.max(waitMs, untilMs - now.monotonicMs);
    // A pod that is told what to run lets go of all else within seconds: later on it is a pod that lies.
    if ([...(link.former?.sessions.values() ?? [])].some(isFormer))
      waitMs = Math.max(waitMs, Math.min(untilMs, formerUntilMs(link)) - now.monotonicMs);
  }
  return after(waitMs);
}

const formerUntilMs = ({ former }: PodLink): number => (former?.sinceMs ?? 0) + takeoverAfterMs;

/** What the owner says of this epoch; words about an older one are history. */
export function reportOf(device: WhatsAppDevice, world: Facts): SessionReport | undefined {
  const assignment = device.status.assignment;
  if (assignment === undefined || assignment.podUID === "") return undefined;
  const report = world.links.get(assignment.podUID)?.sessions.get(device.metadata.uid);
  return report?.epoch === assignment.epoch ? report : undefined;
}

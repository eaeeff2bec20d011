import type { WhatsAppDevice } from "@wa/schema";
import { planDevice } from "../src/plan/device.ts";
import { conditionOf } from "../src/plan/set-conditions.ts";
import type { World } from "../src/plan/world.ts";
import { aDevice, assignment, now } from "./builders.ts";

/** A device that the proxy's pod owns. */
export const running = (over: { spec?: object; status?: object; metadata?: object } = {}): WhatsAppDevice =>
  aDevice({ ...over, status: { phase: "Scheduled", assignment: assignment(), ...over.status } });

/** Phase, and the conditions that people look at as `status/reason`, of the planned status. */
export function reasonsOf(device: WhatsAppDevice, world: World, at = now) {
  const { status } = planDevice(device, world, at);
  const of = (type: string) => {
    const found = status && conditionOf(status, type);
    return found && `${found.status}/${found.reason}`;
  };
  return {
    phase: status?.phase,
    ready: of("Ready"),
    scheduled: of("Scheduled"),
    reconciling: of("Reconciling"),
    stalled: of("Stalled"),
  };
}

import type { DeviceStatus, WhatsAppDevice } from "@wa/schema";
import { perform } from "../act/perform.ts";
import { writeStatus } from "../act/status.ts";
import { isNotFound } from "../kube/api-error.ts";
import { isSame } from "../kube/patch.ts";
import type { Reconciled } from "../kube/workers.ts";
import { planDevice } from "../plan/device.ts";
import type { Plan } from "../plan/action.ts";
import { mustLead, type Context } from "./context.ts";

/** One visit to one device. */
export async function reconcileDevice(key: string, context: Context): Promise<Reconciled> {
  const first = planOf(key, context);
  if (first === undefined) return {};
  const { device, plan } = first;
  // A place is taken from everybody else: decided again, alone, on what the one before has written.
  const takesPlace = !isSame(plan.status?.assignment, device.status.assignment) && plan.status !== undefined;
  return await (takesPlace ? context.seats.run(async () => await again(key, context)) : carryOut(first, context));
}

async function again(key: string, context: Context): Promise<Reconciled> {
  const planned = planOf(key, context);
  return planned === undefined ? {} : await carryOut(planned, context);
}

interface Planned {
  readonly device: WhatsAppDevice;
  readonly plan: Plan<DeviceStatus>;
}

function planOf(key: string, { view, clock }: Context): Planned | undefined {
  const world = view.snapshot();
  const device = world.devices.get(key);
  return device === undefined ? undefined : { device, plan: planDevice(device, world, clock()) };
}

async function carryOut({ device, plan }: Planned, context: Context): Promise<Reconciled> {
  mustLead(context);
  for (const action of plan.actions) if (action.kind !== "Note") await perform(action, context.actor);
  const next = plan.status;
  if (next !== undefined && !(await write(device, next, context))) return {};
  // After the write: an Event about a status that was refused would be told twice.
  for (const action of plan.actions) if (action.kind === "Note") await perform(action, context.actor);
  if (next !== undefined) context.metrics.observeDevice(device.status, next);
  return plan.recheckAfterMs === undefined ? {} : { requeueAfterMs: plan.recheckAfterMs };
}

/** False: the device has gone meanwhile. */
async function write(device: WhatsAppDevice, next: DeviceStatus, { view, actor }: Context): Promise<boolean> {
  const noting = {
    patchStatus: async (...args: Parameters<typeof actor.devices.patchStatus>) => {
      const written = await actor.devices.patchStatus(...args);
      view.wroteDevice(written);
      return written;
    },
  };
  try {
    await writeStatus(noting, device, next);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

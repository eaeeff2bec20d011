import type { DeviceStatus, WhatsAppDevice } from "@wa/schema";
import { writeStatus } from "../act/status.ts";
import { isNotFound } from "../kube/api-error.ts";
import { isSame } from "../kube/patch.ts";
import type { Reconciled } from "../kube/workers.ts";
import { planDevice } from "../plan/device.ts";
import { sooner, targetOf, type Plan } from "../plan/action.ts";
import { keyOf } from "../plan/world.ts";
import { actAll, refusedRecheckMs, tellAll, whileWriting } from "./act.ts";
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

async function carryOut(planned: Planned, context: Context): Promise<Reconciled> {
  mustLead(context);
  const { metadata } = planned.device;
  const target = targetOf("WhatsAppDevice", metadata);
  const isRefused = await actAll(planned.plan.actions, target, context);
  const { device, plan } = isRefused ? (planOf(keyOf(metadata), context) ?? planned) : planned;
  const next = plan.status;
  const written = next === undefined ? "Written" : await write(device, next, context);
  if (written === "Gone") return {};
  if (written === "Refused") return { requeueAfterMs: refusedRecheckMs };
  await tellAll(plan.actions, context);
  if (next !== undefined) context.metrics.observeDevice(device.status, next);
  const requeueAfterMs = sooner(plan.recheckAfterMs, isRefused ? refusedRecheckMs : undefined);
  return requeueAfterMs === undefined ? {} : { requeueAfterMs };
}

async function write(
  device: WhatsAppDevice,
  next: DeviceStatus,
  context: Context,
): Promise<"Written" | "Gone" | "Refused"> {
  const { view, actor } = context;
  const noting = {
    patchStatus: async (...args: Parameters<typeof actor.devices.patchStatus>) => {
      const written = await actor.devices.patchStatus(...args);
      view.wroteDevice(written);
      return written;
    },
  };
  const target = targetOf("WhatsAppDevice", device.metadata);
  try {
    const isRefused = await whileWriting(target, async () => void (await writeStatus(noting, device, next)), context);
    return isRefused ? "Refused" : "Written";
  } catch (error) {
    if (isNotFound(error)) return "Gone";
    throw error;
  }
}

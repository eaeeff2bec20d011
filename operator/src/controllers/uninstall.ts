import { finalizers, labels, labelValues, type WhatsAppDevice } from "@wa/schema";
import type { Logger } from "pino";
import { setFinalizers } from "../act/objects.ts";
import { writeStatus } from "../act/status.ts";
import { isConflict, isNotFound } from "../kube/api-error.ts";
import { resource, type Resource } from "../kube/resource.ts";
import { unattendedStatus } from "../plan/device-status.ts";
import type { Now } from "../plan/world.ts";
import { deviceKind, endpointKind, podKind, poolKind } from "../world/kinds.ts";
import { UninstallLeave, type UninstallOptions } from "./uninstall-leave.ts";

/**
 * What the chart's post-delete hook does, once the operator is gone: our finalizers, session pods and endpoints go, so that nothing
 * hangs, and no device claims to be connected. Nothing is unlinked at WhatsApp; no credential and no spec is touched.
 * @throws {UninstallRefusedError} where an operator is there; it has removed nothing that this operator does not make anew
 */
export async function uninstall(options: UninstallOptions, now: Now): Promise<"Removed" | "LeftToAnother"> {
  const { transport, logger } = options;
  const held = await UninstallLeave.wait(options);
  if (held === undefined) return "LeftToAnother";
  await using leave = held;
  const ours: readonly string[] = Object.values(finalizers);
  await release(resource(transport, deviceKind), ours, logger);
  await release(resource(transport, poolKind), ours, logger);
  await leave.confirm();
  await deletePods(options, leave);
  await leave.confirm();
  await deleteEndpoints(options, leave);
  await leave.confirm();
  await leaveUnattended(resource(transport, deviceKind), now);
  return "Removed";
}

async function deletePods({ transport, logger }: UninstallOptions, leave: UninstallLeave): Promise<void> {
  const pods = resource(transport, podKind);
  const labelSelector = `${labels.component}=${labelValues.sessionPod}`;
  for (const pod of await listOrNone(pods, labelSelector)) {
    // A label alone does not make a pod ours.
    if (pod.nonce === "") continue;
    logger.info({ pod: `${pod.namespace}/${pod.name}` }, "deleting session pod");
    leave.mustHold();
    await pods.delete(pod, { uid: pod.uid });
  }
}

async function deleteEndpoints({ transport, logger }: UninstallOptions, leave: UninstallLeave): Promise<void> {
  const endpoints = resource(transport, endpointKind);
  for (const { metadata } of await listOrNone(endpoints)) {
    logger.info({ endpoint: `${metadata.namespace}/${metadata.name}` }, "deleting endpoint");
    leave.mustHold();
    await endpoints.delete(metadata, { uid: metadata.uid });
  }
}

async function leaveUnattended(devices: Resource<WhatsAppDevice>, now: Now): Promise<void> {
  for (const device of await listOrNone(devices))
    await writeStatus(devices, device, unattendedStatus(device, now)).catch((error: unknown) => {
      // Deleted, or written by somebody: an operator that is there again knows better.
      if (!isNotFound(error) && !isConflict(error)) throw error;
    });
}

interface Held {
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly resourceVersion: string;
    readonly finalizers: readonly string[];
  };
}

async function release<T extends Held>(kind: Resource<T>, ours: readonly string[], logger: Logger): Promise<void> {
  for (const { metadata } of await listOrNone(kind)) {
    const others = metadata.finalizers.filter((finalizer) => !ours.includes(finalizer));
    if (others.length === metadata.finalizers.length) continue;
    logger.info({ kind: kind.kind.kind, name: `${metadata.namespace}/${metadata.name}` }, "removing finalizer");
    await setFinalizers(kind, metadata, others).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  }
}

/** The CRDs may be gone already. */
async function listOrNone<T>(kind: Resource<T>, labelSelector?: string): Promise<readonly T[]> {
  try {
    return await kind.list(labelSelector === undefined ? {} : { labelSelector });
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
}

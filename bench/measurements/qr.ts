import { setTimeout as delay } from "node:timers/promises";
import type { WhatsAppDevice } from "@wa/schema";
import type { Row } from "../src/result.ts";
import { Fleet } from "../stage/fleet.ts";
import type { Measurement } from "../stage/measurement.ts";
import { openPlace, type Place } from "../stage/place.ts";
import { repeated, rowOf, timed } from "../stage/rows.ts";
import { say } from "../stage/say.ts";

const rounds = 25;

export const qr: Measurement = {
  title: "From apply to a QR code in the status",
  how: `A device is applied server-side through one HTTP connection, without kubectl's own start, and a watch shows when its status has
a code. \`Running\`: another device is connected in the same session pod. \`To be created\`: a \`Dedicated\` device, whose pod has to be
made. Without \`CLUSTER\`, containers are processes that a small kubelet of the tests starts within 20 ms of the pod's creation;
with it the same is measured on a cluster of kind, where scheduler, kubelet and containerd take their part.`,
  measure,
};

async function measure(): Promise<readonly Row[]> {
  await using place = await openPlace();
  await using fleet = await Fleet.start({ ...place, maxDevicesPerPod: 10 });
  say("a connected device");
  await fleet.link(["anchor"]);
  const running = await repeated(rounds, async (round) => await oneDevice(fleet, `running-${round}`, "Shared"));
  say("pods to be created");
  const created = await repeated(rounds, async (round) => await oneDevice(fleet, `created-${round}`, "Dedicated"));
  say("bare pods and writes");
  const bare = await repeated(rounds, async (round) => await barePod(place, `bare-${round}`));
  const writes = await repeated(rounds, async (round) => await bareWrite(fleet, round));
  return [
    rowOf("apply → QR in status, session pod running", {
      unit: "ms",
      samples: running.map(({ qrMs }) => qrMs),
      goals: [
        { of: "p50", atMost: 300 },
        { of: "p95", atMost: 800 },
      ],
    }),
    rowOf("of it, apply → device assigned to a pod", {
      unit: "ms",
      samples: running.map(({ assignedMs }) => assignedMs),
    }),
    rowOf("apply → QR in status, pod to be created", {
      unit: "ms",
      samples: created.map(({ qrMs }) => qrMs),
      goals: [{ of: "p50", atMost: 2_500 }],
    }),
    rowOf("of it, apply → device assigned to a pod", {
      unit: "ms",
      samples: created.map(({ assignedMs }) => assignedMs),
    }),
    rowOf("a bare pod: create → its process runs", { unit: "ms", samples: bare }),
    rowOf("a bare write: patch of a device → its watch shows it", { unit: "ms", samples: writes }),
  ];
}

async function oneDevice(
  fleet: Fleet,
  name: string,
  isolation: "Shared" | "Dedicated",
): Promise<{ readonly assignedMs: number; readonly qrMs: number }> {
  const beganMs = performance.now();
  const assigned = fleet.devices.untilOne(name, "assigned", ({ status }) => status.assignment !== undefined);
  const shown = fleet.devices.untilOne(name, "a QR code", ({ status }) => status.qr !== undefined);
  await fleet.shop.applyDevice(name, { isolation });
  const [assignedAtMs, shownAtMs] = await Promise.all([assigned, shown]);
  const pod = fleet.devices.get(name)?.status.assignment?.pod ?? "";
  await fleet.delete(name);
  // An empty pod stays for a minute; two dozen of them would be company for the next.
  if (isolation === "Dedicated") await fleet.shop.deletePod(pod);
  await delay(isolation === "Dedicated" ? 500 : 100);
  return { assignedMs: assignedAtMs - beganMs, qrMs: shownAtMs - beganMs };
}

/** Prints when its process began, in milliseconds since 1970. */
const birth = "console.log('began', performance.timeOrigin)";

async function barePod({ transport, namespace, nodeSelector, image, logOf }: Place, name: string): Promise<number> {
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const securityContext = { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } };
  const container = { name: "bare", image, imagePullPolicy: "IfNotPresent", command: ["node", "-e", birth] };
  const spec = { restartPolicy: "Never", terminationGracePeriodSeconds: 0, nodeSelector, securityContext };
  const createdMs = Date.now();
  const body = { apiVersion: "v1", kind: "Pod", metadata: { name }, spec: { ...spec, containers: [container] } };
  await transport.call({ method: "POST", path, body });
  const deadlineMs = performance.now() + 60_000;
  while (performance.now() < deadlineMs) {
    const began = /began (\S+)/.exec(await logOf(name))?.[1];
    if (began !== undefined) {
      await transport.call({ method: "DELETE", path: `${path}/${name}`, body: { gracePeriodSeconds: 0 } });
      return Number(began) - createdMs;
    }
    await delay(100);
  }
  throw new Error(`pod ${name} printed nothing`);
}

async function bareWrite({ shop, devices }: Fleet, round: number): Promise<number> {
  const isShown = devices.untilOne(
    "anchor",
    "annotated",
    ({ metadata }: WhatsAppDevice) => metadata.annotations["bench/round"] === String(round),
  );
  return await timed(async () => {
    await shop.patchDevice("anchor", { metadata: { annotations: { "bench/round": String(round) } } });
    await isShown;
  });
}

import type { Row } from "../src/result.ts";
import { Fleet, namesOf } from "../stage/fleet.ts";
import { install } from "../stage/installation.ts";
import type { Measurement } from "../stage/measurement.ts";
import { entrypoint, start } from "../stage/program.ts";
import { repeated, rowOf } from "../stage/rows.ts";
import { say } from "../stage/say.ts";
import { setTimeout as delay } from "node:timers/promises";

const rounds = 20;
const devices = 20;
/** Between two crashes; a login a moment after the last is not what is measured. */
const restMs = 1_000;

export const restart: Measurement = {
  title: "A session pod's container restarts",
  how: `Twenty paired devices in one session pod. Its process is killed and started again as a kubelet does it, without the kubelet's own
back-off; time runs from the start of the new process until the status of the last of the twenty says Connected, with a connection
that is younger than the process.`,
  measure,
};

async function measure(): Promise<readonly Row[]> {
  await using installation = await install();
  const kubelet = installation.runPods();
  await using fleet = await Fleet.start({
    ...installation,
    transport: installation.server.transport,
    maxDevicesPerPod: devices,
  });
  const names = namesOf("device", devices);
  say("twenty devices");
  await fleet.link(names);
  const times = await repeated(rounds, async () => {
    await delay(restMs);
    const sinceMs = Date.now();
    await kubelet.crash();
    const startedMs = kubelet.containers[0]?.startedMs ?? 0;
    const isBack = (name: string): boolean => {
      const { phase, connection } = fleet.devices.get(name)?.status ?? {};
      return phase === "Connected" && Date.parse(connection?.since ?? "") >= sinceMs;
    };
    const first = fleet.devices.until("one is back", () => names.some(isBack));
    const last = fleet.devices.until("all are back", () => names.every(isBack));
    return { firstMs: (await first) - startedMs, lastMs: (await last) - startedMs };
  });
  const samplesOf = (code: readonly string[]) => repeated(rounds, async () => await untilExit(code));
  const modules = rowOf("the session pod's program loads all its modules, and ends for want of an environment", {
    unit: "ms",
    samples: await samplesOf(entrypoint("session-pod")),
  });
  return [
    rowOf("session pod's process starts → all 20 devices Connected", {
      unit: "ms",
      samples: times.map(({ lastMs }) => lastMs),
      goals: [{ of: "p50", atMost: 3_000 }],
      cause: `loading the modules takes ${Math.round(modules.measured.p50)} ms of it here, and checking the server's certificate chain twenty times, in the client library's JavaScript, about half a second`,
    }),
    rowOf("of it, process starts → first device Connected", {
      unit: "ms",
      samples: times.map(({ firstMs }) => firstMs),
    }),
    rowOf("Node starts and ends", { unit: "ms", samples: await samplesOf([process.execPath, "-e", ""]) }),
    modules,
  ];
}

async function untilExit(command: readonly string[]): Promise<number> {
  await using program = start(command);
  await program.exited;
  return performance.now() - program.startedMs;
}

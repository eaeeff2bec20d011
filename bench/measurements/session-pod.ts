import { setTimeout as delay } from "node:timers/promises";
import type { Kubelet } from "../../operator/test/kubelet.ts";
import type { Row } from "../src/result.ts";
import { Fleet, namesOf } from "../stage/fleet.ts";
import type { Measurement } from "../stage/measurement.ts";
import { install } from "../stage/installation.ts";
import { start } from "../stage/program.ts";
import { repeated, rowOf } from "../stage/rows.ts";
import { say } from "../stage/say.ts";
import { cpuSecondsOf, memoryOf } from "../stage/usage.ts";

export const sessionPod: Measurement = {
  title: "A session pod at rest: memory and CPU",
  how: `One pool of \`maxDevicesPerPod: 100\` on a real API server with the real operator; the session pod is its image's
compiled program as a process, with PostgreSQL as its store, its link to the hub and its metrics page, which is read every 15 s.
Memory is resident memory (VmRSS) in MB of a million bytes, read every second. Its own pages and those of shared libraries count
alike. CPU is user and system time of all threads over windows of 10 s.`,
  measure,
};

const scrapeMs = 15_000;
const settleMs = 20_000;
const windows = 9;
const windowMs = 10_000;

/** By what a profile and several runs showed. */
const memoryCause =
  "Node with the client library alone takes 102 MB, the program's other modules 15; what stays of the burst of pairing differs from run to run, 128 to 136 MB in all";
const cpuCause =
  "the client library's pings take half of it (3.3 a second), most of that what Node does to take a key that is a buffer and to make an error for each deadline; 0.9 to 1.2 % from run to run";

async function measure(): Promise<readonly Row[]> {
  await using installation = await install();
  const kubelet = installation.runPods();
  await using fleet = await Fleet.start({
    ...installation,
    transport: installation.server.transport,
    maxDevicesPerPod: 100,
  });
  const names = namesOf("device", 100);
  const bare = await baselines();
  say("one device");
  await fleet.link(names.slice(0, 1));
  await using scraping = scrape(kubelet);
  await delay(settleMs);
  const one = rowOf("resident memory, 1 idle paired device", {
    unit: "MB",
    samples: await memorySamples(kubelet),
    goals: [{ of: "max", atMost: 135 }],
    cause: memoryCause,
  });
  say("99 more");
  await fleet.link(names.slice(1));
  await delay(settleMs);
  say(`idle CPU over ${(windows * windowMs) / 1_000} s`);
  const cpu = rowOf("idle CPU, 100 paired devices", {
    unit: "% of a core",
    samples: await cpuSamples(kubelet),
    goals: [{ of: "p50", atMost: 1 }],
    cause: cpuCause,
  });
  const hundred = rowOf("resident memory, 100 idle devices, all paired by this process a minute or two ago", {
    unit: "MB",
    samples: await memorySamples(kubelet),
    goals: [{ of: "max", atMost: 220 }],
  });
  say("container restarted");
  const sinceMs = Date.now();
  await kubelet.crash();
  await fleet.devices.until("all connected again", (devices) =>
    names.every((name) => Date.parse(devices.get(name)?.status.connection?.since ?? "") > sinceMs),
  );
  await delay(settleMs);
  const again = rowOf("resident memory, 100 idle devices, after a restart of the container", {
    unit: "MB",
    samples: await memorySamples(kubelet),
    goals: [{ of: "max", atMost: 220 }],
  });
  // One may meet the restart itself.
  if (scraping.failures() > 1) throw new Error(`${scraping.failures()} scrapes failed`);
  return [one, hundred, again, cpu, ...bare];
}

const onlyPid = ({ containers }: Kubelet): number => {
  const [only, ...others] = containers;
  if (only === undefined || others.length > 0) throw new Error(`${containers.length} session pods, not one`);
  return only.pid;
};

const memorySamples = async (kubelet: Kubelet): Promise<readonly number[]> =>
  await repeated(20, async () => {
    await delay(500);
    return (await memoryOf(onlyPid(kubelet))).nowMB;
  });

const cpuSamples = async (kubelet: Kubelet): Promise<readonly number[]> =>
  await repeated(windows, async () => {
    const [beforeS, beganMs] = [await cpuSecondsOf(onlyPid(kubelet)), performance.now()];
    await delay(windowMs);
    return ((await cpuSecondsOf(onlyPid(kubelet))) - beforeS) / ((performance.now() - beganMs) / 100_000);
  });

/** Reads the pod's metrics page as Prometheus would. */
function scrape(kubelet: Kubelet): AsyncDisposable & { failures(): number } {
  const stopped = new AbortController();
  let failures = 0;
  const work = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      const port = [...kubelet.log.matchAll(/"port":(\d+)/g)].at(-1)?.[1];
      await fetch(`http://127.0.0.1:${port}/metrics`)
        .then(async (response) => await response.text())
        .catch(() => failures++);
      await delay(scrapeMs, undefined, { signal: stopped.signal }).catch(() => undefined);
    }
  };
  const working = work();
  return {
    failures: () => failures,
    [Symbol.asyncDispose]: async () => {
      stopped.abort();
      await working;
    },
  };
}

async function baselines(): Promise<readonly Row[]> {
  const wait = "setInterval(() => {}, 1000)";
  const [bare, library] = [
    await memoryAtRest(wait),
    await memoryAtRest(`await import("@whiskeysockets/baileys"); ${wait}`),
  ];
  return [
    rowOf("resident memory of Node alone", { unit: "MB", samples: bare }),
    rowOf("resident memory of Node with the client library imported", { unit: "MB", samples: library }),
  ];
}

async function memoryAtRest(code: string): Promise<readonly number[]> {
  await using program = start([process.execPath, "--input-type=module", "-e", code]);
  await delay(3_000);
  return await repeated(3, async () => (await memoryOf(program.pid)).nowMB);
}

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { podPaths, type EgressContract } from "@wa/schema";
import { childEnvironment } from "./child-environment.ts";
import { until } from "./until.ts";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

export interface PodFolders extends AsyncDisposable {
  readonly root: string;
  /** Writes what Kubernetes would mount. */
  write(path: string, text: string): Promise<void>;
}

/** The folders of a pod, which outlive its containers. */
export async function podFolders(): Promise<PodFolders> {
  const root = await mkdtemp(join(tmpdir(), "wa-pod-"));
  for (const folder of [podPaths.tokenFolder, podPaths.stateFolder, podPaths.proxyFolder])
    await mkdir(join(root, folder), { recursive: true });
  const write = async (path: string, text: string): Promise<void> => await writeFile(join(root, path), text);
  await write(podPaths.token, "token-1\n");
  return { root, write, [Symbol.asyncDispose]: async () => await rm(root, { recursive: true, force: true }) };
}

export interface PodOptions {
  readonly root: string;
  readonly hubUrl: string;
  readonly hubCaPem: string;
  readonly egress?: EgressContract;
  readonly environment?: Readonly<Record<string, string>>;
}

export interface PodProcess extends AsyncDisposable {
  readonly pid: number;
  readonly log: () => string;
  /** Where it serves its metrics and probes, once it does. */
  url(): Promise<string>;
  /** Reads one value of its metrics page; 0 where the page has none of that name and labels. */
  metric(name: string): Promise<number>;
  /** Sends a signal and resolves to the exit code, null where the signal itself ended it. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<number | null>;
  readonly exited: Promise<number | null>;
}

/** One container of a session pod: the real program in a process of its own. */
export function startPod({ root, hubUrl, hubCaPem, egress, environment }: PodOptions): PodProcess {
  const flags = ["--conditions=source", "--disable-warning=ExperimentalWarning", main];
  const child = spawn(process.execPath, [...flags, "--root", root, "--http-port", "0"], {
    env: {
      ...childEnvironment,
      WA_HUB_URL: hubUrl,
      WA_HUB_CA: hubCaPem,
      WA_ENDPOINT: "direct-default",
      WA_EGRESS: JSON.stringify(egress ?? { kind: "direct" }),
      WA_POD_NAME: "direct-default-0",
      WA_POD_NAMESPACE: "shop",
      WA_POD_UID: "pod-uid-1",
      WA_NODE_NAME: "node-1",
      ...environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += String(chunk)));
  const exited = exitOf(child);
  const end = async (signal: "SIGTERM" | "SIGKILL"): Promise<number | null> => {
    child.kill(signal);
    return await exited;
  };
  const url = async (): Promise<string> =>
    await until("the port", () => {
      const port = /"port":(?<port>\d+)/.exec(text)?.groups?.["port"];
      return port === undefined ? undefined : `http://127.0.0.1:${port}`;
    });
  return {
    pid: child.pid ?? 0,
    log: () => text,
    url,
    metric: async (name) => valueOf(name, await (await fetch(`${await url()}/metrics`)).text()),
    exited,
    end,
    [Symbol.asyncDispose]: async () => void (await end("SIGKILL")),
  };
}

const valueOf = (name: string, page: string): number =>
  Number(
    page
      .split("\n")
      .find((line) => line.startsWith(`${name} `))
      ?.split(" ")
      .at(-1) ?? 0,
  );

async function exitOf(child: ChildProcess): Promise<number | null> {
  await once(child, "close");
  return child.exitCode;
}

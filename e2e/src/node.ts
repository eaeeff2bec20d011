import { kubectl } from "./kubectl.ts";
import { PodView } from "./pod.ts";
import { sh } from "./shell.ts";

/** What is done to a node from outside, by Docker: nobody in the cluster is asked. */
const onNode = async (node: string, ...command: readonly string[]): Promise<string> =>
  await sh("docker", ["exec", "--privileged", node, ...command]);

export async function podOf(namespace: string, name: string): Promise<PodView> {
  return PodView.parse(JSON.parse(await kubectl("get", "pod", name, "-n", namespace, "-o", "json")));
}

/** Kills the first container's processes as the kernel's out-of-memory killer would. */
export async function killContainer(pod: PodView): Promise<void> {
  const id = pod.status.containerStatuses[0]?.containerID.replace("containerd://", "") ?? "";
  if (id === "") throw new Error(`${pod.metadata.name} has no container yet`);
  await onNode(pod.spec.nodeName, "ctr", "-n", "k8s.io", "task", "kill", "-s", "SIGKILL", id);
}

/** Packets from one pod that a rule of iptables counts, before any address is rewritten. */
export class PacketCounters implements AsyncDisposable {
  readonly #node: string;
  readonly #rules = new Map<string, readonly string[]>();

  constructor(node: string) {
    this.#node = node;
  }

  /** @param match conditions of iptables, such as `-s 10.0.0.1 -p udp` */
  async add(name: string, match: readonly string[]): Promise<void> {
    this.#rules.set(name, match);
    await onNode(this.#node, "iptables", "-t", "raw", "-A", "PREROUTING", ...this.#rule(name, match));
  }

  async count(name: string): Promise<number> {
    const listing = await onNode(this.#node, "iptables", "-t", "raw", "-L", "PREROUTING", "-v", "-x", "-n");
    const line = listing.split("\n").find((each) => each.includes(`/* ${this.#id(name)} */`));
    if (line === undefined) throw new Error(`no counter ${name} on ${this.#node}`);
    return Number(line.trim().split(/\s+/)[0]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [name, match] of this.#rules)
      await onNode(this.#node, "iptables", "-t", "raw", "-D", "PREROUTING", ...this.#rule(name, match));
    this.#rules.clear();
  }

  #rule(name: string, match: readonly string[]): readonly string[] {
    return [...match, "-m", "comment", "--comment", this.#id(name)];
  }

  #id = (name: string): string => `wa-test-${name}`;
}

/** Empties the volumes that a namespace of before had claimed, and gives them free for others. */
export async function freeVolumesOf(namespace: string): Promise<void> {
  const path = `jsonpath={range .items[?(@.spec.claimRef.namespace=="${namespace}")]}{.metadata.name} {.spec.hostPath.path}{"\\n"}{end}`;
  const volumes = (await kubectl("get", "pv", "-o", path)).trim().split("\n").filter(Boolean);
  const node = (await kubectl("get", "node", "-l", "egress", "-o", "jsonpath={.items[0].metadata.name}")).trim();
  for (const [name = "", folder = ""] of volumes.map((line) => line.split(" "))) {
    await onNode(node, "find", folder, "-mindepth", "1", "-delete");
    await kubectl("patch", "pv", name, "--type=json", "-p", '[{"op": "remove", "path": "/spec/claimRef"}]');
  }
}

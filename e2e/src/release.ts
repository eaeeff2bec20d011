import { join } from "node:path";
import { z } from "zod";
import { kubectl } from "./kubectl.ts";
import { sh, until } from "./shell.ts";

/** One installation of the chart, with its own PostgreSQL and a simulator in the place of WhatsApp. */
export interface Installation {
  readonly release: string;
  /** The namespace of all that it consists of. */
  readonly system: string;
  /** Folder of its chart. */
  readonly chart: string;
  /** Of its images. */
  readonly tag: string;
}

/** That of this working tree: the one that stories share. */
export const shared: Installation = {
  release: "wa",
  system: "wa-system",
  chart: join(import.meta.dirname, "../../charts/whatsapp-operator"),
  tag: "dev",
};
export const { system } = shared;
export const deployment = `deploy/${shared.release}-whatsapp-operator`;
const patienceS = 300;
const inTime = ["--wait", "--timeout", `${patienceS}s`] as const;

/** What clients have to know of a server that is not WhatsApp's. */
export interface ServerKeys {
  readonly rootKeyHex: () => Promise<string>;
  readonly caPem: () => Promise<string>;
}

/** @param host name under which the cluster's containers and proxies reach the simulator */
export async function install(host: string, simulator: ServerKeys, one = shared): Promise<void> {
  const values = {
    whatsapp: {
      url: `wss://${host}:8443/ws/chat`,
      rootKey: await simulator.rootKeyHex(),
      caBundle: await simulator.caPem(),
    },
    images: { tag: one.tag },
    postgresql: { enabled: true },
  };
  const where = ["--namespace", one.system, "--create-namespace", ...inTime, "-f", "-"];
  await sh("helm", ["upgrade", "--install", one.release, one.chart, ...where], JSON.stringify(values));
}

/** As docs/install.md has it: what was set stays, but for the images. */
export async function upgrade(one: Installation): Promise<void> {
  const values = ["--reset-then-reuse-values", "--set", `images.tag=${one.tag}`];
  await sh("helm", ["upgrade", one.release, one.chart, "--namespace", one.system, ...values, ...inTime]);
}

/** To what was there before the last upgrade. */
export async function rollback(one: Installation): Promise<void> {
  await sh("helm", ["rollback", one.release, "--namespace", one.system, ...inTime]);
}

export async function uninstall(one = shared): Promise<void> {
  await sh("helm", ["uninstall", one.release, "--namespace", one.system, ...inTime]);
}

const OperatorEnv = z.array(z.object({ name: z.string(), value: z.string().optional() }));

/** Runs the messages command as a pod where database and master key are, and resolves to what it printed. */
export async function messages(namespace: string, ...args: readonly string[]): Promise<string> {
  return (await allMessages(shared, namespace, [args])).join("");
}

const atOnce = 4;
const failed = "the messages command failed";

/** As {@link messages}, many commands in one pod; resolves to what each printed. */
export async function allMessages(
  one: Installation,
  namespace: string,
  commands: readonly (readonly string[])[],
): Promise<readonly string[]> {
  const { installation, env } = await messageSettings(one);
  const name = `messages-${crypto.randomUUID().slice(0, 8)}`;
  const image = `whatsapp-session-pod:${one.tag}`;
  const where = ["--namespace", namespace, "--installation", installation];
  const runs = commands.map((args, place) => {
    const line = ["messages", ...args, ...where].map((arg) => `'${arg.replaceAll("'", `'\\''`)}'`).join(" ");
    return `{ ${line} || echo "${failed}"; } > /tmp/${place} 2>&1 &${place % atOnce === atOnce - 1 ? " wait" : ""}`;
  });
  const script = [...runs, "wait", ...commands.map((_args, place) => `cat /tmp/${place}; printf '\\0'`)].join("\n");
  const container = { name: "messages", image, imagePullPolicy: "IfNotPresent", command: ["sh", "-c", script], env };
  const overrides = JSON.stringify({ spec: { containers: [container] } });
  try {
    await kubectl("run", name, "-n", one.system, `--image=${image}`, "--restart=Never", `--overrides=${overrides}`);
    await until(`${commands.length} messages commands to end`, async () => {
      const now = await kubectl("get", "pod", name, "-n", one.system, "-o", "jsonpath={.status.phase}");
      return now === "Succeeded" || now === "Failed" ? now : undefined;
    });
    const printed = (await kubectl("logs", name, "-n", one.system)).split("\0").slice(0, -1);
    const wrong = printed.findIndex((text) => text.includes(failed));
    if (wrong !== -1 || printed.length !== commands.length)
      throw new Error(`messages ${commands[wrong]?.[0] ?? ""}: ${printed[wrong] ?? `${printed.length} answers`}`);
    return printed;
  } finally {
    await kubectl("delete", "pod", name, "-n", one.system, "--wait=false");
  }
}

async function messageSettings(one: Installation): Promise<{ installation: string; env: readonly object[] }> {
  const path = "jsonpath={.items[0].spec.template.spec.containers[0].env}";
  const labels = "app.kubernetes.io/name=whatsapp-operator";
  const env = OperatorEnv.parse(JSON.parse(await kubectl("get", "deploy", "-n", one.system, "-l", labels, "-o", path)));
  const value = (name: string): string => env.find((item) => item.name === name)?.value ?? "";
  const secretKey = (name: string, key: string) => ({ valueFrom: { secretKeyRef: { name, key } } });
  const account = `${value("DATABASE_USER") || "whatsapp"}:$(DATABASE_PASSWORD)`;
  const database = `${value("DATABASE_HOST")}:5432/${value("DATABASE_NAME") || "whatsapp"}`;
  return {
    installation: value("INSTALLATION"),
    env: [
      { name: "DATABASE_PASSWORD", ...secretKey(value("DATABASE_SECRET"), "password") },
      { name: "WA_STORE", value: `postgres://${account}@${database}` },
      { name: "WA_MASTER_KEY", ...secretKey(value("MASTER_KEY_SECRET"), "key") },
    ],
  };
}

/** The pod that leads now; empty while none does. */
export async function leader(one = shared): Promise<string> {
  const path = "jsonpath={.items[*].metadata.name}";
  const names = await kubectl("get", "pod", "-n", one.system, "-l", "whatsapp-operator.io/leader=true", "-o", path);
  return names.trim().split(" ")[0] ?? "";
}

export async function operatorMetrics(one = shared): Promise<string> {
  const path = `/api/v1/namespaces/${one.system}/pods/${await leader(one)}:8080/proxy/metrics`;
  return await kubectl("get", "--raw", path);
}

/** One answer of the chart's own database, asked inside its pod. */
export async function askDatabase(sql: string): Promise<string> {
  const pod = `${shared.release}-whatsapp-operator-postgresql-0`;
  const psql = ["psql", "-h", "/tmp", "-U", "postgres", "-d", "whatsapp", "-Atc", sql];
  return (await kubectl("exec", "-n", system, pod, "--", ...psql)).trim();
}

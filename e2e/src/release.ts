import { join } from "node:path";
import { z } from "zod";
import { kubectl } from "./kubectl.ts";
import { sh, until } from "./shell.ts";

/** One installation of the chart, with its own PostgreSQL and a simulator in the place of WhatsApp. */
const release = "wa";
export const system = "wa-system";
export const deployment = `deploy/${release}-whatsapp-operator`;
const sessionImage = "whatsapp-session-pod:dev";
const chart = join(import.meta.dirname, "../../charts/whatsapp-operator");
const patienceS = 300;

/** What clients have to know of a server that is not WhatsApp's. */
export interface ServerKeys {
  readonly rootKeyHex: () => Promise<string>;
  readonly caPem: () => Promise<string>;
}

/** @param host name under which the cluster's containers and proxies reach the simulator */
export async function install(host: string, simulator: ServerKeys): Promise<void> {
  const values = {
    whatsapp: {
      url: `wss://${host}:8443/ws/chat`,
      rootKey: await simulator.rootKeyHex(),
      caBundle: await simulator.caPem(),
    },
    images: { tag: "dev" },
    postgresql: { enabled: true },
  };
  const where = ["--namespace", system, "--create-namespace", "--wait", "--timeout", `${patienceS}s`];
  await sh("helm", ["upgrade", "--install", release, chart, ...where, "-f", "-"], JSON.stringify(values));
}

export async function uninstall(): Promise<void> {
  await sh("helm", ["uninstall", release, "--namespace", system, "--wait", "--timeout", `${patienceS}s`]);
}

const OperatorEnv = z.array(z.object({ name: z.string(), value: z.string().optional() }));

/** Runs the messages command as a pod where database and master key are, and resolves to what it printed. */
export async function messages(namespace: string, ...args: readonly string[]): Promise<string> {
  const { installation, env } = await messageSettings();
  const name = `messages-${crypto.randomUUID().slice(0, 8)}`;
  const container = {
    name: "messages",
    image: sessionImage,
    imagePullPolicy: "IfNotPresent",
    command: ["messages", ...args, "--namespace", namespace, "--installation", installation],
    env,
  };
  const overrides = JSON.stringify({ spec: { containers: [container] } });
  try {
    await kubectl("run", name, "-n", system, `--image=${sessionImage}`, "--restart=Never", `--overrides=${overrides}`);
    const phase = await until(`messages ${args[0] ?? ""} to end`, async () => {
      const now = await kubectl("get", "pod", name, "-n", system, "-o", "jsonpath={.status.phase}");
      return now === "Succeeded" || now === "Failed" ? now : undefined;
    });
    const printed = await kubectl("logs", name, "-n", system);
    if (phase === "Failed") throw new Error(`messages ${args[0] ?? ""}: ${printed.trim()}`);
    return printed;
  } finally {
    await kubectl("delete", "pod", name, "-n", system, "--wait=false");
  }
}

async function messageSettings(): Promise<{ installation: string; env: readonly object[] }> {
  const path = "jsonpath={.items[0].spec.template.spec.containers[0].env}";
  const labels = "app.kubernetes.io/name=whatsapp-operator";
  const env = OperatorEnv.parse(JSON.parse(await kubectl("get", "deploy", "-n", system, "-l", labels, "-o", path)));
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
export async function leader(): Promise<string> {
  const path = "jsonpath={.items[*].metadata.name}";
  const names = await kubectl("get", "pod", "-n", system, "-l", "whatsapp-operator.io/leader=true", "-o", path);
  return names.trim().split(" ")[0] ?? "";
}

export async function operatorMetrics(): Promise<string> {
  const path = `/api/v1/namespaces/${system}/pods/${await leader()}:8080/proxy/metrics`;
  return await kubectl("get", "--raw", path);
}

/** One answer of the chart's own database, asked inside its pod. */
export async function askDatabase(sql: string): Promise<string> {
  const pod = `${release}-whatsapp-operator-postgresql-0`;
  const psql = ["psql", "-h", "/tmp", "-U", "postgres", "-d", "whatsapp", "-Atc", sql];
  return (await kubectl("exec", "-n", system, pod, "--", ...psql)).trim();
}

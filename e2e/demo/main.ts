import { join } from "node:path";
import { WhatsAppDevice } from "@wa/schema";
import { SimulatorClient } from "@wa/simulator";
import QRCode from "qrcode";
import { say, sh, show, until } from "./shell.ts";

/**
 * The main job on a real cluster, as a person would do it. The cluster, the images and the containers outside are there
 * when this starts; `manifests/cluster/demo.sh` sees to that.
 */
const root = join(import.meta.dirname, "../..");
const namespace = "wa-demo";
const release = "wa";
const system = "wa-system";
const phones = { "support-fr": "33612345601", "support-de": "49151234602", "support-pt": "351912345603" } as const;
const friend = "33698765432";

const kubectl = async (...args: readonly string[]) => await sh("kubectl", args);

async function install(simulatorAddress: string, simulator: SimulatorClient): Promise<void> {
  say("installing the chart with its own PostgreSQL");
  const values = {
    whatsapp: {
      url: "wss://wa-demo-simulator:8443/ws/chat",
      rootKey: await simulator.rootKeyHex(),
      caBundle: await simulator.caPem(),
    },
    images: { tag: "dev" },
    postgresql: { enabled: true },
  };
  const chart = join(root, "charts/whatsapp-operator");
  await sh(
    "helm",
    [
      "upgrade",
      "--install",
      release,
      chart,
      "--namespace",
      system,
      "--create-namespace",
      "--wait",
      "--timeout",
      "5m",
      "-f",
      "-",
    ],
    JSON.stringify(values),
  );
  say(`the simulator stands at ${simulatorAddress}, outside the cluster`);
}

async function applySamples(): Promise<void> {
  say(`applying manifests/samples/demo to namespace ${namespace}`);
  const made = await kubectl("create", "namespace", namespace, "--dry-run=client", "-o", "yaml");
  await sh("kubectl", ["apply", "-f", "-"], made);
  show(await kubectl("apply", "-n", namespace, "-f", join(root, "manifests/samples/demo")));
}

async function device(name: string): Promise<WhatsAppDevice> {
  return WhatsAppDevice.parse(JSON.parse(await kubectl("get", "wad", name, "-n", namespace, "-o", "json")));
}

async function link(simulator: SimulatorClient, name: string, phone: string, isShown: boolean): Promise<void> {
  const linked = async () => ((await device(name)).status.phase === "Connected" ? "" : undefined);
  const code = await until(
    `the QR of ${name} in its status`,
    async () => (await device(name)).status.qr?.code ?? (await linked()),
  );
  if (code === "") return say(`${name} is connected already: its credentials were kept, so nothing has to be scanned`);
  if (isShown) show(await QRCode.toString(code, { type: "terminal", small: true }));
  say(`the phone ending in ${phone.slice(-2)} scans it`);
  await simulator.scan(phone, code);
}

/** Runs the messages command inside the release's namespace, where database and master key are. */
async function messages(...args: readonly string[]): Promise<string> {
  say(`messages ${args[0] ?? ""} as a pod in ${system}, where database and master key are`);
  const settings = await messageSettings();
  const overrides = {
    spec: {
      containers: [
        {
          name: "messages",
          image: "whatsapp-session-pod:dev",
          imagePullPolicy: "IfNotPresent",
          command: ["messages", ...args, "--namespace", namespace, "--installation", settings.installation],
          env: settings.env,
        },
      ],
    },
  };
  const name = `messages-${Date.now()}`;
  try {
    await kubectl(
      "run",
      name,
      "-n",
      system,
      "--image=whatsapp-session-pod:dev",
      "--restart=Never",
      `--overrides=${JSON.stringify(overrides)}`,
    );
    await until("its end", async () => {
      const phase = await kubectl("get", "pod", name, "-n", system, "-o", "jsonpath={.status.phase}");
      return phase === "Succeeded" || phase === "Failed" ? phase : undefined;
    });
    return await kubectl("logs", name, "-n", system);
  } finally {
    await kubectl("delete", "pod", name, "-n", system, "--wait=false");
  }
}

async function messageSettings(): Promise<{ installation: string; env: readonly object[] }> {
  const env = JSON.parse(
    await kubectl(
      "get",
      "deploy",
      "-n",
      system,
      "-l",
      "app.kubernetes.io/name=whatsapp-operator",
      "-o",
      "jsonpath={.items[0].spec.template.spec.containers[0].env}",
    ),
  );
  const value = (name: string): string => env.find((item: { name: string }) => item.name === name)?.value ?? "";
  const secretKey = (name: string, key: string) => ({ valueFrom: { secretKeyRef: { name, key } } });
  return {
    installation: value("INSTALLATION"),
    env: [
      { name: "DATABASE_PASSWORD", ...secretKey(value("DATABASE_SECRET"), "password") },
      {
        name: "WA_STORE",
        value: `postgres://${value("DATABASE_USER") || "whatsapp"}:$(DATABASE_PASSWORD)@${value("DATABASE_HOST")}:5432/${value("DATABASE_NAME") || "whatsapp"}`,
      },
      { name: "WA_MASTER_KEY", ...secretKey(value("MASTER_KEY_SECRET"), "key") },
    ],
  };
}

async function exchangeTexts(simulator: SimulatorClient): Promise<void> {
  const text = `Bonjour from the cluster, ${new Date().toISOString()}`;
  await messages("send", "--device", "support-fr", "--to", `+${friend}`, "--text", text);
  await until("the friend's phone to decrypt it", async () =>
    (await simulator.messages(friend)).find((message) => message.text === text),
  );
  say(`the friend's phone decrypted: ${JSON.stringify(text)}`);
  const answer = `Bien reçu, ${Date.now()}`;
  await simulator.text(friend, phones["support-fr"], answer);
  const inbox = await until("the answer in the device's inbox", async () => {
    const lines = await messages("read", "--device", "support-fr");
    return lines.includes(answer) ? lines : undefined;
  });
  say(`the device's inbox holds ${inbox.trim().split("\n").length} message(s), the newest: ${JSON.stringify(answer)}`);
}

/** The address that the status names must be the one that the simulator saw. */
async function checkAddresses(simulator: SimulatorClient): Promise<void> {
  const { connections } = await simulator.stats();
  for (const [name, phone] of Object.entries(phones)) {
    const seen = connections.findLast((connection) => connection.device?.startsWith(`${phone}:`) === true)?.source;
    const { status } = await device(name);
    if (seen === undefined || seen !== status.connection?.observedIP)
      throw new Error(`${name}: status says ${status.connection?.observedIP}, the simulator saw ${seen}`);
    say(`${name} leaves by ${seen}, as the simulator saw it`);
  }
}

async function metrics(): Promise<string> {
  const pod = (
    await kubectl(
      "get",
      "pod",
      "-n",
      system,
      "-l",
      "whatsapp-operator.io/leader=true",
      "-o",
      "jsonpath={.items[0].metadata.name}",
    )
  ).trim();
  const text = await kubectl("get", "--raw", `/api/v1/namespaces/${system}/pods/${pod}:8080/proxy/metrics`);
  return text
    .split("\n")
    .filter((line) => /^whatsapp_(devices|sessions|qr_issued_total|grants_total)/.test(line) && !line.endsWith(" 0"))
    .join("\n");
}

async function main(): Promise<void> {
  const address = process.argv[2] ?? "";
  const simulator = new SimulatorClient(`http://${address}:8080`);
  await install(address, simulator);
  await applySamples();
  let isFirst = true;
  for (const [name, phone] of Object.entries(phones)) {
    await link(simulator, name, phone, isFirst);
    isFirst = false;
  }
  say("kubectl wait --for=condition=Ready wad --all");
  await kubectl("wait", "--for=condition=Ready", "wad", "--all", "-n", namespace, "--timeout=120s");
  show(await kubectl("get", "wad,ege", "-n", namespace, "-o", "wide"));
  await checkAddresses(simulator);
  await exchangeTexts(simulator);
  show(`Some of the operator's metrics:\n${await metrics()}`);
  show(`The cluster stays up. Next, with KUBECONFIG=${process.env["KUBECONFIG"] ?? ""}:
  kubectl -n ${namespace} describe wad support-pt
  kubectl -n ${namespace} patch wad support-fr --type merge -p '{"spec":{"suspend":true}}'
  curl -X POST 'http://${address}:8080/phone/unlink?phone=${phones["support-de"]}&device=1'
  make demo-down`);
}

await main();

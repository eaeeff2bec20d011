import { join } from "node:path";
import { WhatsAppDevice } from "@wa/schema";
import { SimulatorClient } from "@wa/simulator";
import QRCode from "qrcode";
import { kubectl } from "../src/kubectl.ts";
import { addressOf } from "../src/outside.ts";
import { install, messages, operatorMetrics, system } from "../src/release.ts";
import { sh } from "../src/shell.ts";
import { say, show, watch } from "./say.ts";

/**
 * The main job on a real cluster, as a person would do it. The cluster, the images and the containers outside are there
 * when this starts; `manifests/cluster/demo.sh` sees to that.
 */
const root = join(import.meta.dirname, "../..");
const namespace = "wa-demo";
const phones = { "support-fr": "33612345601", "support-de": "49151234602", "support-pt": "351912345603" } as const;
const friend = "33698765432";

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
  const code = await watch(
    `the QR of ${name} in its status`,
    async () => (await device(name)).status.qr?.code ?? (await linked()),
  );
  if (code === "") return say(`${name} is connected already: its credentials were kept, so nothing has to be scanned`);
  if (isShown) show(await QRCode.toString(code, { type: "terminal", small: true }));
  say(`the phone ending in ${phone.slice(-2)} scans it`);
  await simulator.scan(phone, code);
}

async function exchangeTexts(simulator: SimulatorClient): Promise<void> {
  const text = `Bonjour from the cluster, ${new Date().toISOString()}`;
  say(`messages send and read, as pods in ${system}`);
  await messages(namespace, "send", "--device", "support-fr", "--to", `+${friend}`, "--text", text);
  await watch("the friend's phone to decrypt it", async () =>
    (await simulator.messages(friend)).find((message) => message.text === text),
  );
  say(`the friend's phone decrypted: ${JSON.stringify(text)}`);
  const answer = `Bien reçu, ${Date.now()}`;
  await simulator.text(friend, phones["support-fr"], answer);
  const inbox = await watch("the answer in the device's inbox", async () => {
    const lines = await messages(namespace, "read", "--device", "support-fr");
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
  return (await operatorMetrics())
    .split("\n")
    .filter((line) => /^whatsapp_(devices|sessions|qr_issued_total|grants_total)/.test(line) && !line.endsWith(" 0"))
    .join("\n");
}

async function main(): Promise<void> {
  const place = process.argv[2] ?? "wa-demo";
  const address = await addressOf(`${place}-simulator`);
  const simulator = new SimulatorClient(`http://${address}:8080`);
  say("installing the chart with its own PostgreSQL");
  await install(`${place}-simulator`, simulator);
  say(`the simulator stands at ${address}, outside the cluster`);
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

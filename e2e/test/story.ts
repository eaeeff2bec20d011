import { SimulatorClient } from "@wa/simulator";
import { afterAll, afterEach, beforeAll, inject } from "vitest";
import { kubectl } from "../src/kubectl.ts";
import { Namespace } from "../src/namespace.ts";
import { addressOf } from "../src/outside.ts";
import { system } from "../src/release.ts";

/** What a story is told with: a namespace of its own on the shared cluster, and the simulator that judges. */
export interface Story {
  readonly simulator: SimulatorClient;
  readonly namespace: Namespace;
  /** Address of one of the proxies outside. Places are counted by address, so a story about counts has one to itself. */
  readonly proxyAddress: (number: number) => Promise<string>;
  readonly nodeAddress: (node: string) => Promise<string>;
  /** A phone number of five to fifteen digits that nobody else has. */
  readonly phone: () => string;
  /** A pool's member; `secret` names the one that holds the proxy's login. */
  readonly proxyMember: (number: number, more?: object, secret?: string) => object;
  readonly echoes: readonly string[];
}

/** Sets the story up before the file's tests, shows the cluster when one fails, and takes all away after them. */
export function tell(name: string): Story {
  const simulator = new SimulatorClient(inject("simulatorUrl"));
  const place = inject("place");
  const run = crypto.randomUUID().slice(0, 6);
  let namespace: Namespace | undefined;
  let phones = 0;
  const first = Number.parseInt(run, 16) % 900_000;
  beforeAll(async () => {
    namespace = await Namespace.create(`${name}-${run}`, inject("apiUrl"), simulator);
  });
  afterEach(async ({ task }) => {
    if (task.result?.state === "fail") await show(`${name}-${run}`);
  });
  afterAll(async () => {
    await namespace?.delete();
  });
  return {
    simulator,
    get namespace() {
      if (namespace === undefined) throw new Error("the story has not begun");
      return namespace;
    },
    proxyAddress: async (number) => await addressOf(`${place}-socks-${number}`),
    nodeAddress: addressOf,
    phone: () => `336${String(first).padStart(6, "0")}${String(phones++).padStart(2, "0")}`,
    proxyMember: (number, more = {}, secret = "proxy-login") => ({
      name: `proxy-${number}`,
      labels: { way: "proxy" },
      proxy: {
        protocol: "socks5",
        host: `${place}-socks-${number}`,
        port: 1080,
        credentialsSecretRef: { name: secret },
      },
      ...more,
    }),
    echoes: [`http://${place}-simulator:8080/ip`],
  };
}

/** What a person would look at first. */
async function show(namespace: string): Promise<void> {
  const looks: readonly (readonly string[])[] = [
    ["get", "wad,ege,pods", "-n", namespace, "-o", "wide"],
    ["get", "events", "-n", namespace, "--sort-by=.metadata.creationTimestamp"],
    ["logs", "-n", namespace, "-l", "whatsapp-operator.io/endpoint", "--tail=40", "--prefix"],
    ["logs", "-n", system, "-l", "whatsapp-operator.io/leader=true", "--tail=60"],
  ];
  for (const look of looks) {
    const seen = await kubectl(...look).catch((error: unknown) => String(error));
    process.stderr.write(`\n$ kubectl ${look.join(" ")}\n${seen}\n`);
  }
}

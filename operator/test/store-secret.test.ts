import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { freePort, startApiServer, type ApiServer } from "./api-server.ts";
import { Shop } from "./cluster.ts";
import { commandsUnder, runCommand } from "./docs-commands.ts";
import { eventually } from "./eventually.ts";
import { helloOf, LinkDialer } from "./link-dialer.ts";
import { OperatorProcess } from "./operator-process.ts";
import { podToken } from "./pod-token.ts";
import { operatorPod, seed, storeSecret, system } from "./seed.ts";

/** The operator's process, and a Secret of the store's that somebody rotates. The test plays the session pod. */
let server: ApiServer;
let operator: OperatorProcess;
let shop: Shop;
let hubPort: number;
const first = "postgres://wa:one@db.example:5432/wa";
const second = "postgres://wa:two@db.example:5432/wa";

beforeAll(async () => {
  server = await startApiServer();
  await server.applyCrds();
  await seed(server, `${first}\n`);
  shop = new Shop(server.transport, await server.createNamespace());
  hubPort = await freePort();
  operator = new OperatorProcess({
    KUBECONFIG: server.kubeconfig,
    POD_NAME: operatorPod,
    POD_NAMESPACE: system,
    SESSION_IMAGE: "session:1",
    STORE_SECRET: storeSecret,
    HUB_PORT: String(hubPort),
    METRICS_PORT: "0",
  });
  await shop.applyPool();
  await shop.applyDevice("ann");
});
afterAll(async () => {
  await operator[Symbol.asyncDispose]();
  await server.stop();
});

const secretPath = `/api/v1/namespaces/${system}/secrets/${storeSecret}`;
const secretHolds = async (url: string): Promise<void> =>
  void (await shop.call("PATCH", secretPath, { data: { url: Buffer.from(url).toString("base64") } }));

async function sessionPod() {
  let uid = "";
  await eventually(async () => {
    uid = (await shop.endpoint()).status.pods[0]?.uid ?? "";
    expect(uid).not.toBe("");
  }, 30_000);
  const place = { namespace: shop.namespace, name: "eu-px-0", uid };
  return { place, token: await podToken(server.transport, place) };
}

async function caPem(): Promise<string> {
  const path = `/api/v1/namespaces/${system}/secrets/whatsapp-operator-hub-ca`;
  const { data } = z.object({ data: z.object({ "tls.crt": z.string() }) }).parse(await shop.call("GET", path));
  return Buffer.from(data["tls.crt"], "base64").toString("utf8");
}

describe("a rotated Secret of the store", () => {
  it("reaches a linked session pod without a restart, and what it says of it stands on the endpoint", async () => {
    const { place, token } = await sessionPod();
    const dialer = await new LinkDialer({
      port: hubPort,
      caPem: await caPem(),
      namespace: shop.namespace,
      token,
    }).opened();
    dialer.say({ ...helloOf(place), abilities: ["store-login"] });
    const urls = () => dialer.frames.flatMap((frame) => (frame.kind === "welcome" ? [frame.store.url] : []));
    await eventually(() => expect(urls()).toEqual([first]), 20_000);
    await secretHolds("");
    await eventually(() => expect(operator.log).toContain("holds nothing under its key url"), 30_000);
    await secretHolds(`${second}\n`);
    await eventually(() => expect(urls()).toEqual([first, second]), 30_000);
    const [rotate = ""] = commandsUnder("docs/install.md", "Another password, another database");
    await runCommand(server, rotate);
    const third = "postgres://user:other@db.example.org:5432/whatsapp";
    await eventually(() => expect(urls()).toEqual([first, second, third]), 30_000);
    expect(dialer.closed).toBe(false);
    dialer.say({ kind: "egress", observedIPs: [], store: { reason: "StoreLoginRefused", message: "refused (28P01)" } });
    await eventually(async () => {
      const ready = (await shop.endpoint()).status.conditions.find(({ type }) => type === "Ready");
      expect(ready).toMatchObject({
        status: "True",
        reason: "StoreLoginRefused",
        message: "session pod eu-px-0: refused (28P01)",
      });
    }, 20_000);
    for (const secret of [":one@", ":two@", ":other@"]) expect(operator.log).not.toContain(secret);
    dialer.end();
  });
});

import { expect, it } from "vitest";
import { messages } from "../src/release.ts";
import { until } from "../src/shell.ts";
import { tell } from "./story.ts";

/** The main job: YAML in, QR in status, a device connected by its own way out, texts both ways. */
const story = tell("first-session");
const ways = {
  "by-node": { phone: story.phone(), selector: { matchLabels: { way: "node" } } },
  "by-proxy": { phone: story.phone(), selector: { matchLabels: { way: "proxy" } } },
};

it("links a device by a node and one by a proxy, over TLS, each by the address that the outside saw", async () => {
  const { namespace, simulator, proxyMember, echoes } = story;
  const node = { name: "node-b", labels: { way: "node" }, nodePool: { nodeSelector: { egress: "b" } } };
  await namespace.applyPool({ egressIPEndpoints: echoes, members: [node, proxyMember(1)] });
  for (const [name, { selector }] of Object.entries(ways))
    await namespace.applyDevice(name, { egress: { pool: "eu", selector } });
  for (const [name, { phone }] of Object.entries(ways)) await namespace.link(name, phone);
  const expected = { "by-node": await story.nodeAddress("wa-test-worker2"), "by-proxy": await story.proxyAddress(1) };
  for (const [name, address] of Object.entries(expected)) {
    const { status } = await namespace.device(name);
    expect(status.connection?.observedIP, name).toBe(address);
    expect(status.qr, `a linked device shows no QR: ${name}`).toBeUndefined();
  }
  for (const [name, { phone }] of Object.entries(ways)) {
    const { connections } = await simulator.stats(phone);
    expect(connections.length, "a registration, then a login").toBeGreaterThanOrEqual(2);
    for (const { source, isTls } of connections)
      expect({ source, isTls }).toEqual({ source: expected[name === "by-node" ? "by-node" : "by-proxy"], isTls: true });
  }
});

it("carries texts both ways: what the peer decrypted was put into the outbox, and the other way round", async () => {
  const { namespace, simulator, phone } = story;
  const friend = phone();
  for (const [name, way] of Object.entries(ways)) {
    const [there, back] = [`there ${crypto.randomUUID()}`, `back ${crypto.randomUUID()}`];
    await messages(namespace.name, "send", "--device", name, "--to", `+${friend}`, "--text", there);
    const { fromDevice } = await until("the friend's phone to decrypt it", async () =>
      (await simulator.messages(friend)).find(({ text, from }) => text === there && from.startsWith(way.phone)),
    );
    expect(fromDevice).toBe(1);
    await simulator.text(friend, way.phone, back);
    const inbox = await until("the answer in the inbox", async () => {
      const lines = await messages(namespace.name, "read", "--device", name);
      return lines.includes(back) ? lines : undefined;
    });
    expect(inbox.split(back).length - 1, "once").toBe(1);
  }
});

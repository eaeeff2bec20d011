import { expect, inject, it } from "vitest";
import { addressOf } from "../src/outside.ts";
import { until } from "../src/shell.ts";
import { tell } from "./story.ts";

/** Other ways to link, to leave and to be housed than the usual ones. */
const story = tell("isolation");

it("a Dedicated device has a session pod of its own, which takes nobody else", async () => {
  const { namespace, proxyMember, echoes, phone } = story;
  await namespace.applyPool({ egressIPEndpoints: echoes, members: [proxyMember(6)] });
  await namespace.applyDevice("alone", { isolation: "Dedicated" });
  await namespace.applyDevices(["shared-1", "shared-2"]);
  for (const name of ["alone", "shared-1", "shared-2"]) await namespace.link(name, phone());
  const [alone, first, second] = await Promise.all(
    ["alone", "shared-1", "shared-2"].map(async (name) => (await namespace.podOf(name)).metadata.name),
  );
  expect(first).toBe(second);
  expect(alone).not.toBe(first);
});

it("a device leaves by an HTTP proxy, whose address the outside sees", async () => {
  const { namespace, simulator, echoes, phone } = story;
  const host = `${inject("place")}-http-1`;
  await namespace.applySecret("http-login", { username: "demo", password: "passw0rd" });
  const proxy = { protocol: "http", host, port: 8080, credentialsSecretRef: { name: "http-login" } };
  await namespace.applyPool({ egressIPEndpoints: echoes, members: [{ name: "http", proxy }] }, "http");
  await namespace.applyDevice("ann", { egress: { pool: "http" } });
  const number = phone();
  await namespace.link("ann", number);
  const address = await addressOf(host);
  expect((await namespace.device("ann")).status.connection?.observedIP).toBe(address);
  const { connections } = await simulator.stats(number);
  expect(connections.length).toBeGreaterThanOrEqual(2);
  expect(new Set(connections.map(({ source }) => source))).toEqual(new Set([address]));
});

it("a device is linked by a pairing code, which its phone types", async () => {
  const { namespace, simulator, phone } = story;
  const number = phone();
  await namespace.applyDevice("bea", { pairing: { method: "PairingCode", phoneNumber: `+${number}` } });
  const code = await until("a pairing code", async () => (await namespace.device("bea")).status.pairingCode?.code);
  expect((await namespace.device("bea")).status.qr, "no QR beside it").toBeUndefined();
  await simulator.enterCode(number, code);
  await namespace.ready("bea");
  const { status } = await namespace.device("bea");
  expect(status.pairingCode).toBeUndefined();
  expect((await simulator.stats(number)).devices[`${number}:1`]).toMatchObject({ isLinked: true, socketsNow: 1 });
});

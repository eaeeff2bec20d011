import { expect, it } from "vitest";
import { kubectl } from "../src/kubectl.ts";
import { until } from "../src/shell.ts";
import { tell } from "./story.ts";

/** What is wrong is said in a condition and an Event, and works by itself once it is mended. */
const story = tell("bad-input");

/** Events are written beside the status, and may come a moment later. */
async function eventSays(device: string, reason: string): Promise<void> {
  const { name } = story.namespace;
  await until(`an Event ${reason} of ${device}`, async () => {
    const events = await kubectl("get", "events", "-n", name, "--field-selector", `involvedObject.name=${device}`);
    return events.includes(reason) ? true : undefined;
  });
}

/** A kubelet brings a changed Secret within two minutes, and the session may be waiting for its next attempt then. */
const secretMs = 280_000;

it("a Secret that is missing, for the proxy's login: said by name, and the device connects once it is there", async () => {
  const { namespace, proxyMember, echoes, phone } = story;
  await namespace.applyPool({ egressIPEndpoints: echoes, members: [proxyMember(1, {}, "absent")] }, "no-secret");
  await namespace.applyDevice("no-secret", { egress: { pool: "no-secret" } });
  await namespace.conditionSays("no-secret", "Ready", /ProxySecretMissing/);
  await eventSays("no-secret", "ProxySecretMissing");
  await namespace.applySecret("absent", { username: "demo", password: "p@ss:w/rd#1" });
  await namespace.qrOf("no-secret", secretMs);
  await namespace.link("no-secret", phone());
});

it("a proxy that refuses the password: the cause is the proxy's fault, and the device connects once it is right", async () => {
  const { namespace, proxyMember, echoes, phone } = story;
  await namespace.applySecret("wrong", { username: "demo", password: "guessed" });
  await namespace.applyPool({ egressIPEndpoints: echoes, members: [proxyMember(1, {}, "wrong")] }, "wrong-password");
  await namespace.applyDevice("wrong-password", { egress: { pool: "wrong-password" } });
  const message = await namespace.conditionSays("wrong-password", "Ready", /ProxyFault|ProxyAuth/);
  expect(message, "no password is told").not.toContain("guessed");
  await namespace.applySecret("wrong", { username: "demo", password: "p@ss:w/rd#1" });
  await namespace.qrOf("wrong-password", secretMs);
  await namespace.link("wrong-password", phone());
});

it("a capacity that is used up: the device that waits says so, and is placed once there is room", async () => {
  const { namespace, echoes, proxyMember } = story;
  const members = (maxSessions: number) => [proxyMember(7, { capacity: { maxSessions } })];
  await namespace.applyPool({ egressIPEndpoints: echoes, members: members(1) }, "small");
  await namespace.applyDevice("first", { egress: { pool: "small" } });
  await namespace.qrOf("first");
  await namespace.applyDevice("second", { egress: { pool: "small" } });
  expect(await namespace.conditionSays("second", "Ready", /CapacityFull/)).toContain("1 of 1 places");
  await eventSays("second", "CapacityFull");
  await namespace.applyPool({ egressIPEndpoints: echoes, members: members(2) }, "small");
  await namespace.qrOf("second");
});

import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { podPaths } from "@wa/schema";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { device, LinkScene, phone } from "./link-scene.ts";
import { startPostgres } from "./postgres.ts";
import { until } from "./until.ts";

/** At once: they are mostly waiting. */
describe.concurrent("a session pod without an operator", () => {
  it("keeps its sessions while the hub is gone, and says everything anew when it is back", async (context) => {
    await using scene = await LinkScene.set(context);
    scene.startPod();
    await scene.pair();
    const before = await scene.counts();
    await scene.hub.down();
    // Longer than a link and a store may both be silent.
    await sleep(35_000);
    expect(await scene.counts()).toMatchObject({ socketsNow: 1, socketsEver: before.socketsEver });
    scene.hub.frames.length = 0;
    await scene.folders.write(podPaths.token, "token-2\n");
    await scene.hub.up();
    await until("a hello", () => scene.hub.hellos()[0]);
    expect(scene.hub.hellos()[0]?.sessions).toMatchObject([{ device, state: "Connected" }]);
    expect(scene.hub.authorizations.at(-1)).toBe("Bearer token-2");
    expect(await scene.counts()).toMatchObject({ socketsNow: 1, socketsEver: before.socketsEver });
  });

  it("ends its sockets when neither the hub nor the store answers, and not before", async (context) => {
    await using scene = await LinkScene.set(context);
    const postgres = await startPostgres();
    context.onTestFinished(async () => await postgres.stop());
    scene.hub.welcome = { ...scene.hub.welcome, store: { url: postgres.url } };
    scene.startPod();
    await scene.pair();
    await scene.hub.down();
    await postgres.crash();
    await sleep(20_000);
    expect(await scene.counts()).toMatchObject({ socketsNow: 1 });
    await until("the socket is gone", async () => (await scene.counts()).socketsNow === 0, 20_000);
    await postgres.start();
    await scene.hub.up();
    await until("it logs in again", async () => (await scene.counts()).logins === 2, 30_000);
    expect(await scene.counts()).toMatchObject({ framesFromOldSocket: 0 });
  });

  it("comes back by itself after a container restart without an operator, without a QR code, and reports the start later", async (context) => {
    await using scene = await LinkScene.set(context);
    const pod = scene.startPod();
    await scene.pair();
    const { registrations, qrRefs } = await scene.simulator.client.stats();
    await scene.hub.down();
    await pod.end("SIGKILL");
    await until("the old socket is gone", async () => (await scene.counts()).socketsNow === 0);

    scene.startPod();
    await until("the device is back", async () => (await scene.counts()).logins === 2, 45_000);
    expect(await scene.simulator.client.stats()).toMatchObject({ registrations, qrRefs });

    scene.hub.frames.length = 0;
    await scene.hub.up();
    const [hello] = await until("a hello", () => scene.hub.hellos().length > 0 && scene.hub.hellos());
    expect(hello).toMatchObject({
      sessions: [{ device, state: "Connected" }],
      selfGranted: [{ device, bucket: "login" }],
    });
    scene.hub.cut();
    await until("a second hello", () => scene.hub.hellos()[1]);
    expect(scene.hub.hellos()[1]?.selfGranted).toEqual([]);
  });

  it("starts nothing without a grant, nor without a leader if it is not linked", async (context) => {
    await using scene = await LinkScene.set(context);
    scene.hub.isGranting = false;
    scene.startPod();
    await scene.hub.reported(device.uid, "WaitingForGrant");
    await scene.hub.down();
    const { registrations } = await scene.simulator.client.stats();
    await sleep(30_000);
    expect((await scene.simulator.client.stats()).registrations).toBe(registrations);
  });

  it("ends a link that is silent, and dials again", async (context) => {
    await using scene = await LinkScene.set(context);
    scene.startPod();
    await scene.pair();
    const before = await scene.counts();
    scene.hub.freeze();
    await until("a second hello", () => scene.hub.hellos()[1], 45_000);
    expect(await scene.counts()).toMatchObject({ socketsNow: 1, socketsEver: before.socketsEver });
  });

  it("gives a dial up after two seconds without an answer", async (context) => {
    await using scene = await LinkScene.set(context);
    let dials = 0;
    const silent = createServer(() => (dials += 1));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    scene.startPod({ hubUrl: `wss://127.0.0.1:${z.object({ port: z.int() }).parse(silent.address()).port}/link` });
    await until("three dials", () => dials >= 3);
    silent.close();
  });

  it("does not wake a device that is at rest after a restart without an operator", async (context) => {
    await using scene = await LinkScene.set(context);
    const pod = scene.startPod();
    await scene.pair();
    await scene.simulator.client.setScenarioOf(phone, {
      rules: [
        { stage: "open", action: { kind: "close" } },
        { stage: "finish", action: { kind: "failure", attrs: { reason: "406" } } },
      ],
    });
    await scene.hub.reported(device.uid, "Blocked");
    await scene.hub.down();
    await pod.end("SIGKILL");
    const { connections } = await scene.simulator.client.stats(phone);
    const next = scene.startPod();
    await until("it goes on from memory", () => next.log().includes("going on from memory"));
    await sleep(17_000);
    expect((await scene.simulator.client.stats(phone)).connections).toHaveLength(connections.length);
  });
});

import { startSimulator, type Simulator } from "@wa/simulator";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { messagesOf } from "./messages-program.ts";
import { SessionsBench } from "./sessions-bench.ts";
import { databaseKinds, type Databases } from "./store-fixture.ts";
import { until } from "./until.ts";

/** Whom the server knows, and whom it lets an account write to. */
const byNumber = (number: string): string => `${number}@s.whatsapp.net`;
let accounts = 0;

describe.each(databaseKinds)("a recipient, with a store on %s", (_kind, start) => {
  let databases: Databases;
  let simulator: Simulator;
  let bench: SessionsBench;
  let url: string;
  let phone: string;
  let peer: string;

  beforeAll(async () => {
    [databases, simulator] = await Promise.all([start(), startSimulator()]);
  });
  afterAll(async () => {
    await simulator[Symbol.asyncDispose]();
    await databases.stop();
  });
  beforeEach(async () => {
    accounts += 1;
    [phone, peer] = [`3367710${accounts}`, `55119${accounts}654321`];
    url = await databases.freshUrl();
    bench = await SessionsBench.open({ simulator, storeUrl: url });
    await bench.link("d", phone);
    return async () => await bench[Symbol.asyncDispose]();
  });
  const device = async () => (await simulator.client.stats(phone)).devices[`${phone}:1`];
  const settled = async () => {
    await until("its note", async () => (await bench.outbox("d"))[0]?.state !== "Queued");
    return await messagesOf("d", url, ["outbox"]);
  };

  it("whom nobody is has the text fail, and nothing leaves", async () => {
    await simulator.client.setAccount(peer, { isRegistered: false });
    const id = await bench.send("d", peer, "to nobody");
    expect(await settled()).toMatchObject([
      { messageId: id, to: byNumber(peer), state: "Failed", why: "code 404: not on WhatsApp" },
    ]);
    expect(await device()).toMatchObject({ messagesReceived: 0 });
  });

  it("whom the server knows by another number gets the text there, which the outbox says", async () => {
    const known = peer.replace("55119", "5511");
    await simulator.client.setAccount(peer, { knownAs: known });
    const id = await bench.send("d", peer, "with or without the ninth digit");
    expect(await settled()).toMatchObject([{ messageId: id, to: byNumber(known), state: "Sent" }]);
    expect(await simulator.client.messages(known)).toMatchObject([{ id }]);
    expect(await simulator.client.messages(peer)).toEqual([]);
    expect(bench.logged.join("")).toContain("names another number");
    expect(bench.logged.join("")).not.toMatch(new RegExp(`${peer}|${known}`));
  });

  it("whom the account may not write to is told in the report, until the server says otherwise", async () => {
    await simulator.client.setScenarioOf(phone, {
      rules: [{ stage: "message", times: 1, action: { kind: "ack-error", code: "463" } }],
    });
    await bench.send("d", peer, "to somebody new");
    const { restriction } = await bench.reported("d", "the restriction", (report) => report.restriction !== undefined);
    expect(restriction).toMatchObject({ kind: "NewChatsRefused" });
    expect(restriction).not.toHaveProperty("until");
    expect(bench.last("d")?.state).toBe("Connected");

    const ends = Math.floor(Date.now() / 1_000) + 3_600;
    await announce({ is_active: true, time_enforcement_ends: String(ends), enforcement_type: "DEFAULT" });
    const locked = await bench.reported("d", "the lock", (report) => report.restriction?.kind === "ReachoutTimelock");
    expect(Date.parse(locked.restriction?.until ?? "")).toBe(ends * 1_000);
    await announce({ is_active: false });
    await bench.reported("d", "its end", (report) => report.restriction?.kind === "None");
  });

  it.each(["soon", "-1", "99999999999999999999"])("a lock that ends %j is told without an end", async (ends) => {
    await announce({ is_active: true, time_enforcement_ends: ends, enforcement_type: "DEFAULT" });
    const { restriction } = await bench.reported("d", "the lock", (report) => report.restriction !== undefined);
    expect(restriction).toMatchObject({ kind: "ReachoutTimelock" });
    expect(restriction).not.toHaveProperty("until");
    expect(bench.last("d")?.state).toBe("Connected");
  });

  async function announce(lock: object): Promise<void> {
    const data = { data: { xwa2_notify_account_reachout_timelock: lock } };
    const attrs = { op_name: "NotificationUserReachoutTimelockUpdate" };
    await simulator.client.inject(
      { phone },
      {
        tag: "notification",
        attrs: { from: "s.whatsapp.net", type: "mex", id: String(Math.random()), t: "1790000000" },
        content: [{ tag: "update", attrs, content: { text: JSON.stringify(data) } }],
      },
    );
  }
});

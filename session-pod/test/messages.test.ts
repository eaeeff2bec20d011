import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { proto } from "@whiskeysockets/baileys/WAProto/index.js";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { Claim, GenerationStore, Store } from "../src/sessions/ports.ts";
import { currentDataKey } from "@wa/schema";
import { createDatabase } from "../src/store/database.ts";
import { enqueueText } from "../src/store/enqueue.ts";
import { createSealer } from "../src/store/seal.ts";
import { childEnvironment } from "./child-environment.ts";
import { claimed, databaseKinds, deviceKey, installation, masterKey, open, type Databases } from "./store-fixture.ts";

const run = promisify(execFile);
const program = join(import.meta.dirname, "../src/messages.ts");
const Failed = z.object({ code: z.number(), stderr: z.string() });

const encoded = (text: string): Uint8Array =>
  proto.Message.encode(proto.Message.create({ conversation: text })).finish();

describe.each(databaseKinds)("messages, with a store on %s", (_kind, start) => {
  let databases: Databases;
  let store: Store;
  let claim: Claim;
  let generation: GenerationStore;
  let env: Record<string, string>;

  beforeAll(async () => {
    databases = await start();
  });
  afterAll(() => databases.stop());
  beforeEach(async () => {
    const url = await databases.freshUrl();
    store = await open(url);
    claim = await claimed(store, "till-1");
    generation = claim.openGeneration();
    env = { WA_STORE: url, WA_MASTER_KEY: masterKey.toString("base64") };
    return () => store[Symbol.asyncDispose]();
  });

  async function messages(
    args: readonly string[],
    changes: Record<string, string | undefined> = {},
  ): Promise<unknown[]> {
    const node = ["--conditions=source", "--disable-warning=ExperimentalWarning", program];
    const { stdout } = await run(process.execPath, [...node, ...args], {
      env: { ...childEnvironment, ...env, ...changes },
    });
    return stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line): unknown => JSON.parse(line));
  }

  async function refused(args: readonly string[], changes: Record<string, string | undefined> = {}) {
    return Failed.parse(
      await messages(args, changes).then(
        () => ({}),
        (error: unknown) => error,
      ),
    );
  }

  const of = ["--installation", installation, "--namespace", "shop", "--device", "till-1"];

  it("sends by the outbox, from which the session takes it with its id fixed, until its fate is known", async () => {
    const lines = await messages(["send", ...of, "--to", "+33612345678", "--text", "Bonjour 👋"]);
    await messages(["send", ...of, "--to", "+33612345678", "--text", "second"]);
    const pending = (await store.pendingOutbox([claim])).get(claim.device) ?? [];
    expect(pending).toMatchObject([
      { to: "33612345678@s.whatsapp.net", text: "Bonjour 👋" },
      { to: "33612345678@s.whatsapp.net", text: "second" },
    ]);
    const [first, second] = pending;
    if (first === undefined || second === undefined) throw new Error("not pending");
    expect(lines).toEqual([{ messageId: first.messageId }]);
    await generation.commit({ outbox: [{ messageId: first.messageId, state: "Sent" }] });
    expect((await store.pendingOutbox([claim])).get(claim.device)).toEqual([second]);
    const { attempts: _attempts, ...sent } = first;
    expect(await generation.readOutbox(first.messageId)).toEqual(sent);
    await generation.commit({ outbox: [{ messageId: second.messageId, state: "Failed", error: "NotOnWhatsApp" }] });
    expect((await store.pendingOutbox([claim])).size).toBe(0);
    expect(await store.pendingOutbox([])).toEqual(new Map());
  });

  it.each([
    ["sealed with a key that is not at hand", { keyId: "another", keyBase64: Buffer.alloc(32, 9).toString("base64") }],
    [
      "that a known key does not open",
      {
        keyId: currentDataKey(masterKey, deviceKey("till-1")).keyId,
        keyBase64: Buffer.alloc(32, 9).toString("base64"),
      },
    ],
  ])("any number of texts %s hold up none that opens, and wait", async (_what, key) => {
    const database = createDatabase(env["WA_STORE"] ?? "");
    const sealer = createSealer(claim.device, [key]);
    for (let count = 0; count < 45; count += 1)
      await enqueueText(database, { device: claim.device, sealer }, { to: "1@s.whatsapp.net", text: "closed" });
    await messages(["send", ...of, "--to", "+33612345678", "--text", "open"]);
    const polls = [];
    for (let count = 0; count < 4; count += 1) polls.push((await store.pendingOutbox([claim])).get(claim.device) ?? []);
    expect(polls.at(-1)).toMatchObject([{ text: "open" }]);
    const queued = database.db.selectFrom("wa_outbox").where("state", "=", "Queued");
    expect(await queued.selectAll().execute()).toHaveLength(46);
    await database.db.destroy();
  });

  it("gives the outbox of a device to its newest epoch alone", async () => {
    await messages(["send", ...of, "--to", "+33612345678", "--text", "once"]);
    await using other = await open(env["WA_STORE"] ?? "");
    const newer = await claimed(other, "till-1", 2, "pod-b");
    expect((await store.pendingOutbox([claim])).size).toBe(0);
    expect((await other.pendingOutbox([newer])).get(newer.device)).toHaveLength(1);
  });

  it("reads the inbox oldest first, and from a number on", async () => {
    const message = { chat: "1@s.whatsapp.net", sender: "1@s.whatsapp.net", timestampMs: Date.UTC(2026, 0, 2) };
    await generation.commit({ inbox: [{ ...message, messageId: "A", plaintext: encoded("one") }] });
    const picture = proto.Message.encode(proto.Message.create({ imageMessage: {} })).finish();
    await generation.commit({
      inbox: [
        { ...message, messageId: "B", plaintext: encoded("two") },
        { ...message, messageId: "C", plaintext: picture },
      ],
    });
    const all = z.array(z.looseObject({ seq: z.number() })).parse(await messages(["read", ...of]));
    expect(all).toMatchObject([
      { messageId: "A", text: "one", chat: "1@s.whatsapp.net", time: "2026-01-02T00:00:00.000Z" },
      { messageId: "B", text: "two" },
      { messageId: "C", text: null },
    ]);
    expect(await messages(["read", ...of, "--after", String(all[0]?.seq)])).toMatchObject([
      { text: "two" },
      { text: null },
    ]);
  });

  it("reads the master key from a file", async () => {
    const folder = await mkdtemp(join(tmpdir(), "wa-key-"));
    const path = join(folder, "key");
    await writeFile(path, `${masterKey.toString("base64")}\n`);
    const changes = { WA_MASTER_KEY: undefined, WA_MASTER_KEY_FILE: path };
    expect(await messages(["read", ...of], changes)).toEqual([]);
    await rm(folder, { recursive: true });
  });

  it.each<[string, readonly string[], Record<string, string | undefined>, string]>([
    ["no command", of, {}, 'command is "", allowed: send, read or outbox'],
    ["no device", ["read"], {}, "--device is not set, allowed: a name"],
    ["a name that no device has", ["read", ...of.slice(0, 5), "till-2"], {}, "it knows: till-1"],
    ["no number", ["send", ...of, "--text", "x"], {}, "--to is not set, allowed: a number such as +33612345678"],
    [
      "a number without +",
      ["send", ...of, "--text", "x", "--to", "0612345678"],
      {},
      "--to is of another form, allowed: a number",
    ],
    [
      "an empty text",
      ["send", ...of, "--to", "+33612345678", "--text", ""],
      {},
      "--text is of another form, allowed: a text",
    ],
    ["a position that is none", ["read", ...of, "--after", "x"], {}, '--after is "x", allowed: a whole number'],
    [
      "no store",
      ["read", ...of],
      { WA_STORE: undefined },
      "WA_STORE is not set, allowed: sqlite://PATH or postgres://...",
    ],
    ["another store", ["read", ...of], { WA_STORE: "mongodb://u:hidden@h" }, "WA_STORE is of another form, allowed:"],
    ["no key", ["read", ...of], { WA_MASTER_KEY: undefined }, "WA_MASTER_KEY and WA_MASTER_KEY_FILE are not set"],
    ["a short key", ["read", ...of], { WA_MASTER_KEY: "aGlkZGVu" }, "WA_MASTER_KEY: the master key must be 32 bytes"],
    ["an unknown flag", ["read", ...of, "--loud"], {}, "--loud"],
  ])("refuses %s, naming the field and what is allowed", async (_case, args, changes, message) => {
    const { code, stderr } = await refused(args, changes);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
    expect(stderr).not.toMatch(/hidden|aGlkZGVu|0612345678/);
  });

  it("refuses another installation's master key before it writes", async () => {
    const changes = { WA_MASTER_KEY: Buffer.alloc(32, 9).toString("base64") };
    const { code, stderr } = await refused(["send", ...of, "--to", "+33612345678", "--text", "x"], changes);
    expect([code, stderr]).toEqual([1, expect.stringContaining("another master key")]);
    expect((await store.pendingOutbox([claim])).size).toBe(0);
  });
});

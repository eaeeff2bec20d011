import { readdir, readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { currentDataKey, storeKey } from "@wa/schema";
import { sql } from "kysely";
import { expect, it, onTestFinished } from "vitest";
import { decodeMemory } from "../src/link/state-memory.ts";
import { createDatabase } from "../src/store/database.ts";
import { openStore } from "../src/store/open-store.ts";
import { createSealer } from "../src/store/seal.ts";
import { messageText } from "../src/whatsapp/message-text.ts";
import { serve } from "./egress-servers.ts";
import { assignment, device, installation, LinkScene, masterKey, phone } from "./link-scene.ts";
import { bytes, put } from "./store-fixture.ts";
import { rowsOf } from "./store-copy.ts";
import { until } from "./until.ts";

/** What SECURITY.md says of a thief, played with what he really finds. */
const peer = "4915550099";
const secretText = "the words of a conversation";
const till = storeKey(installation, device.namespace, device.name);
const other = storeKey(installation, "other-shop", "safe");

/** A session pod with a connected device that has received a text, beside a device of another pod in the same database. */
async function robbed(scene: LinkScene): Promise<void> {
  const { canaryKeyBase64, store } = scene.hub.welcome;
  {
    await using opened = await openStore({ url: store.url, installation, canaryKeyBase64 });
    const claim = { device: other, epoch: 1, owner: "pod-b", dataKeys: [currentDataKey(masterKey, other)] };
    const result = await opened.claim(claim);
    if (result.kind === "Refused") throw new Error("refused");
    const inbox = [{ messageId: "M", chat: "c@s", sender: "s@s", timestampMs: 1, plaintext: bytes(secretText) }];
    await result.claim
      .openGeneration()
      .commit({ creds: bytes("creds of safe"), puts: [put("a", "key of safe")], inbox });
  }
  scene.startPod();
  await scene.pair();
  await simulatedText(scene);
}

async function simulatedText(scene: LinkScene): Promise<void> {
  await scene.simulator.client.text(peer, phone, secretText);
  await until("the receipt", async () => (await scene.counts()).messagesAcknowledged === 1);
}

/** Everything that stands in the pod's own folders, and not in its database. */
async function filesOf(root: string): Promise<readonly string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith("store.db"));
  return await Promise.all(files.map(async ({ parentPath, name }) => await readFile(join(parentPath, name), "utf8")));
}

it("a stolen session pod opens its own device and no other, and can delete the rows of every device", async (context) => {
  await using scene = await LinkScene.set(context);
  await robbed(scene);
  const files = await filesOf(scene.folders.root);
  const memory = files.map(decodeMemory).find((found) => found !== undefined);
  if (memory === undefined) throw new Error("the pod keeps no memory");
  const loot = files.join("\n");
  expect(loot).toContain(currentDataKey(masterKey, till).keyBase64);
  for (const secret of [masterKey, Buffer.from(currentDataKey(masterKey, other).keyBase64, "base64")])
    for (const form of ["base64", "base64url", "hex"] as const) expect(loot).not.toContain(secret.toString(form));

  const stolenKeys = memory.assign.assignments.flatMap(({ dataKeys }) => dataKeys);
  const { db } = createDatabase(memory.welcome.store.url);
  onTestFinished(async () => await db.destroy());
  const valuesOf = async (owner: string) =>
    await db.selectFrom("wa_value").selectAll().where("device", "=", owner).execute();
  const opens = (owner: string, row: Awaited<ReturnType<typeof valuesOf>>[number]): boolean => {
    try {
      const sealed = { keyId: row.key_id, ciphertext: row.ciphertext };
      return createSealer(owner, stolenKeys).open({ type: row.type, id: row.id }, sealed).length > 0;
    } catch {
      return false;
    }
  };
  const own = await valuesOf(till);
  const others = await valuesOf(other);
  expect(own.length).toBeGreaterThan(800);
  expect(own.filter((row) => !opens(till, row))).toEqual([]);
  expect(others).toHaveLength(2);
  expect(others.filter((row) => opens(other, row) || opens(till, row))).toEqual([]);

  const deleted = await sql`delete from wa_value where device = ${other}`.execute(db);
  expect(deleted.numAffectedRows).toBe(2n);
});

it("a stolen dump shows names, senders and times, and neither texts nor credentials", async (context) => {
  await using scene = await LinkScene.set(context);
  await robbed(scene);
  const { url } = scene.hub.welcome.store;
  const { db } = createDatabase(url);
  onTestFinished(async () => await db.destroy());
  const creds = await db.selectFrom("wa_value").selectAll().where("type", "=", "creds").execute();
  const mine = creds.find((row) => row.device === till);
  if (mine === undefined) throw new Error("no credentials");
  const sealer = createSealer(till, assignment.dataKeys);
  const plain = Buffer.from(sealer.open(mine, { keyId: mine.key_id, ciphertext: mine.ciphertext }));
  const inbox = await db.selectFrom("wa_inbox").selectAll().where("device", "=", till).execute();
  const texts = inbox.map(({ chat, sender, message_id: id, key_id: keyId, ciphertext }) =>
    messageText(sealer.open({ type: "inbox", id: JSON.stringify([chat, sender, id]) }, { keyId, ciphertext })),
  );
  expect(texts).toEqual([secretText]);

  const dump = (await rowsOf(url)).map(readable).join("\n");
  // The bytes themselves are among what is searched.
  const sealed = Buffer.from(mine.ciphertext).subarray(0, 40).toString("latin1");
  for (const seen of [till, other, peer, sealed]) expect(dump).toContain(seen);
  const windows = Array.from({ length: Math.floor(plain.length / 24) }, (_, index) =>
    plain.subarray(index * 24, index * 24 + 24).toString("latin1"),
  );
  expect(windows.length).toBeGreaterThan(20);
  for (const secret of [secretText, "creds of safe", "key of safe", ...windows]) expect(dump).not.toContain(secret);
});

/** Bytes as characters, however the row's JSON wrote them. */
const readable = (row: string): string =>
  row.replaceAll(/\[(?:\d{1,3},)+\d{1,3}\]|\{"0":[^}]*\}/g, (list) =>
    Buffer.from([...list.matchAll(/(\d+)(?=[,\]}])/g)].map(([number]) => Number(number))).toString("latin1"),
  );

it("whoever carries the bytes, as a proxy does, reads neither numbers nor words", async (context) => {
  await using scene = await LinkScene.set(context);
  const carried: Buffer[] = [];
  const relay = await serve((socket) => {
    const upstream = connect(Number(new URL(scene.simulator.wssUrl).port), "127.0.0.1");
    for (const [from, to] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      from.on("data", (data) => carried.push(Buffer.from(data)));
      from.on("error", () => to.destroy());
      from.pipe(to);
    }
  });
  onTestFinished(async () => await relay.close());
  const { whatsapp } = scene.hub.welcome;
  const url = new URL(whatsapp.url);
  url.port = String(relay.port);
  scene.hub.welcome = { ...scene.hub.welcome, whatsapp: { ...whatsapp, url: url.href } };
  scene.startPod();
  await scene.pair();
  await simulatedText(scene);
  const all = Buffer.concat(carried).toString("latin1");
  expect(all.length).toBeGreaterThan(30_000);
  for (const secret of [secretText, phone, peer, "GET /ws/chat"]) expect(all).not.toContain(secret);
});

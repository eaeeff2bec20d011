import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text as allOf } from "node:stream/consumers";
import { promisify } from "node:util";
import { proto } from "@whiskeysockets/baileys/WAProto/index.js";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { GenerationStore, InboxMessage, Store } from "../src/sessions/ports.ts";
import { childEnvironment } from "./child-environment.ts";
import { runSql } from "./first-release.ts";
import { nestedMessage } from "./nested-message.ts";
import { claimed, databaseKinds, installation, masterKey, open, type Databases } from "./store-fixture.ts";

const program = join(import.meta.dirname, "../src/messages.ts");
const args = ["--installation", installation, "--namespace", "shop", "--device", "till-1"];
const node = ["--conditions=source", "--disable-warning=ExperimentalWarning", program];

const encoded = (conversation: string): Uint8Array => proto.Message.encode({ conversation }).finish();
describe.each(databaseKinds)("reading an inbox on %s", (_kind, start) => {
  let databases: Databases;
  let url: string;
  let store: Store;
  let generation: GenerationStore;
  let env: NodeJS.ProcessEnv;
  beforeAll(async () => {
    databases = await start();
  });
  afterAll(() => databases.stop());
  beforeEach(async () => {
    url = await databases.freshUrl();
    store = await open(url);
    generation = (await claimed(store, "till-1")).openGeneration();
    env = { ...childEnvironment, WA_STORE: url, WA_MASTER_KEY: masterKey.toString("base64") };
    return () => store[Symbol.asyncDispose]();
  });

  async function keep(messageId: string, plaintext: Uint8Array, changes: Partial<InboxMessage> = {}): Promise<void> {
    const message = { messageId, chat: "1@s", sender: "1@s", timestampMs: Date.UTC(2026, 0, 2), plaintext };
    await generation.commit({ inbox: [{ ...message, ...changes }] });
  }
  async function read(): Promise<unknown[]> {
    const { stdout } = await promisify(execFile)(process.execPath, [...node, "read", ...args], { env });
    return stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line): unknown => JSON.parse(line));
  }

  it("says of each message that is none what is wrong with it, and shows all others", async () => {
    await keep("A", encoded("first"));
    await keep("B", Buffer.from([0xff, 0xff, 0xff]));
    await keep("C", nestedMessage(20_000));
    await keep("D", encoded("moved"));
    await keep("E", encoded("cut"));
    await keep("F", encoded("of the year 3170843"), { timestampMs: 99_999_999_999_999_000 });
    await keep("G", encoded("of the year -1"), { timestampMs: -99_999_999_999_999_000 });
    await keep("H", encoded("of another key"));
    await keep("Z", encoded("last"));
    await runSql(
      url,
      `update wa_inbox set sender = '2@s' where message_id = 'D';
      update wa_inbox set ciphertext = '' where message_id = 'E';
      update wa_inbox set key_id = '00000000' where message_id = 'H'`,
    );
    const noMessage = "its content is no message of WhatsApp's";
    expect(await read()).toMatchObject([
      { messageId: "A", text: "first", time: "2026-01-02T00:00:00.000Z" },
      { messageId: "B", text: null, fault: noMessage },
      { messageId: "C", text: null, fault: noMessage },
      { messageId: "D", text: null, fault: expect.stringContaining("does not open") },
      { messageId: "E", text: null, fault: expect.stringContaining("does not open") },
      { messageId: "F", text: "of the year 3170843", time: null, fault: "its time is beyond the calendar" },
      { messageId: "G", text: "of the year -1", time: null, fault: "its time is beyond the calendar" },
      { messageId: "H", text: null, fault: expect.stringContaining("with key 00000000") },
      { messageId: "Z", text: "last" },
    ]);
  });

  it("ends without a word where the reader has seen enough", async () => {
    for (let part = 0; part < 4; part += 1)
      await generation.commit({
        inbox: Array.from({ length: 100 }, (_, index) => ({
          messageId: `M${part}-${index}`,
          chat: "1@s",
          sender: "1@s",
          timestampMs: 1,
          plaintext: encoded("x".repeat(5_000)),
        })),
      });
    const child = spawn(process.execPath, [...node, "read", ...args], { env });
    const errors = allOf(child.stderr);
    await once(child.stdout, "data");
    child.stdout.destroy();
    const [code] = await once(child, "exit");
    expect([await errors, code]).toEqual(["", 0]);
  });
});

import { describe, expect, it } from "vitest";
import { PodFrame } from "@wa/schema";
import { checkedText, mostHelloBytes } from "./frame-text.ts";

const device = (place: number) => ({
  namespace: "n".repeat(63),
  name: `device-${place}-${"x".repeat(200)}`,
  uid: "0d1a7c9e-6a0f-4b7c-8c51-6f0a6f8f1b11",
});
const report = (place: number) => ({
  device: device(place),
  epoch: 1,
  state: "Connected",
  paired: true,
  qr: { code: 'a "quoted" [code], {with} \\ all: of it', attempt: 1, expiresAt: "2026-06-01T12:00:00.000Z" },
  identity: { jid: "33600000000:1@s.whatsapp.net", lid: "1:1@lid", pushName: '","selfGranted":[', platform: "android" },
  lastDisconnect: { time: "2026-06-01T12:00:00.000Z", cause: "Unknown", message: "m".repeat(400) },
});
const start = (place: number) => ({ device: device(place % 500), bucket: "login", agoMs: 100_000_000 - place });
const hello = (sessions: number, starts: number) =>
  Buffer.from(
    JSON.stringify({
      kind: "hello",
      version: 1,
      endpoint: "e",
      pod: { namespace: "shop", name: "p", uid: "u", node: "n" },
      sessions: Array.from({ length: sessions }, (_none, place) => report(place)),
      selfGranted: Array.from({ length: starts }, (_none, place) => start(place)),
    }),
  );

function parsed(data: Buffer) {
  const checked = checkedText(data);
  if (!checked.success) throw new Error(checked.fault);
  const frame = PodFrame.parse(JSON.parse(checked.text));
  if (frame.kind !== "hello") throw new Error(frame.kind);
  return frame;
}

describe("what an honest pod says is read", () => {
  it("of a thousand sessions with all they can tell, and a thousand starts", () => {
    const { sessions, selfGranted } = parsed(hello(1_000, 1_000));
    expect([sessions.length, selfGranted.length]).toEqual([1_000, 1_000]);
  });

  it.each([1, 700, 5_000, 12_000, 16_000, 30_000])(
    "of five hundred sessions and %d starts: of these, the newest, whole",
    (starts) => {
      const { sessions, selfGranted } = parsed(hello(500, starts));
      expect(sessions).toHaveLength(500);
      expect(selfGranted.length).toBeGreaterThanOrEqual(Math.min(starts, 700));
      expect(selfGranted.at(-1)?.agoMs).toBe(100_000_000 - starts + 1);
    },
  );

  it("of five hundred sessions and the starts of a day without a leader: of these, the newest", () => {
    const data = hello(500, 35_000);
    expect(data.length).toBeLessThan(mostHelloBytes);
    const { sessions, selfGranted } = parsed(data);
    expect(sessions).toHaveLength(500);
    expect(selfGranted.length).toBeGreaterThan(500);
    expect(selfGranted.at(-1)?.agoMs).toBe(100_000_000 - 34_999);
    expect(
      selfGranted.every(({ agoMs }, place) => agoMs === 100_000_000 - 34_999 + selfGranted.length - 1 - place),
    ).toBe(true);
  });
});

describe("what would cost more than it says is not parsed", () => {
  const size = 2 * 1024 * 1024;
  const wrapped = (inside: string) => Buffer.from(`{"kind":"hello","x":${inside}}`);
  it.each([
    ["lists in lists", wrapped("[".repeat(size / 2) + "]".repeat(size / 2)), "nested deeper than 16"],
    ["lists beside lists", wrapped(`[${"[],".repeat(size / 3)}0]`), "more than 150000 fields and items"],
    ["objects of as many shapes", wrapped(`[${'{"a":0},'.repeat(size / 8)}0]`), "more than 150000 fields and items"],
    ["numbers", wrapped(`[${"0,".repeat(size / 2)}0]`), "more than 150000 fields and items"],
    ["a text that has no end", wrapped(`"${"x".repeat(3 * size)}`), "larger than 2097152 bytes without the starts"],
    ["starts that are one text", wrapped(`0,"selfGranted":["${"x".repeat(3 * size)}"]`), "larger than 2097152 bytes"],
    [
      "junk in front of the starts",
      wrapped(`"${"x".repeat(3 * size)}","selfGranted":[{},{},{}]`),
      "larger than 2097152",
    ],
  ])("%s", (_case, data, fault) => {
    const checked = checkedText(data);
    expect(checked).toEqual({ success: false, fault: expect.stringContaining(fault) });
  });

  it("but long text is cheap, whatever stands in it", () => {
    expect(checkedText(wrapped(`"${"[{,:".repeat(400_000)}"`)).success).toBe(true);
    expect(checkedText(wrapped(`"${'\\"'.repeat(500_000)}"`)).success).toBe(true);
  });
});

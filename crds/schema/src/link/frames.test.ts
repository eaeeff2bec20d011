import { describe, expect, it } from "vitest";
import { PodFrame, SessionReport } from "./frames.ts";

const device = { namespace: "shop", name: "ann", uid: "u" };
const report = (over: object) => ({ device, epoch: 1, state: "Connected", paired: true, ...over });
const faultsOf = (frame: unknown) =>
  (PodFrame.safeParse(frame).error?.issues ?? []).map(({ path, message }) => `${path.join(".")}: ${message}`);

it("text that is longer than a status holds is cut, and costs nobody the link", () => {
  const long = "x".repeat(2_000);
  const lastDisconnect = { time: "2026-06-01T12:00:00.000Z", cause: "Unknown", message: long, location: long };
  const identity = { jid: "1@s", lid: "", pushName: long, platform: long };
  const parsed = SessionReport.parse(report({ identity, lastDisconnect, clientVersion: long }));
  expect(parsed.identity?.pushName).toHaveLength(128);
  expect(parsed.identity?.platform).toHaveLength(64);
  expect(parsed.lastDisconnect?.message).toHaveLength(512);
  expect(parsed.lastDisconnect?.location).toHaveLength(32);
  expect(parsed.clientVersion).toHaveLength(32);
});

it("text is cut on whole characters, and holds nothing that a terminal obeys", () => {
  const identity = {
    jid: "1@s\u0007",
    lid: "\u001B[2J",
    pushName: `\u001B]0;a\u0007${"b".repeat(122)}👍👍`,
    platform: "an\ndroid",
  };
  const qr = { code: "2@abc\u001B[8m", attempt: 1, expiresAt: "2026-06-01T12:00:00Z" };
  const lastDisconnect = { time: "2026-06-01T12:00:00.000Z", cause: "Unknown", message: "a\uD83D" };
  const parsed = SessionReport.parse(report({ identity, qr, lastDisconnect }));
  expect(parsed.identity).toEqual({
    jid: "1@s",
    lid: "[2J",
    pushName: `]0;a${"b".repeat(122)}👍`,
    platform: "an droid",
  });
  expect(parsed.qr?.code).toBe("2@abc[8m");
  expect(parsed.lastDisconnect?.message).toBe("a\uFFFD");
});

it.each([2 ** 53, 2 ** 31 - 1, -1, 1.5])(
  "a stored epoch of %d counts as not told, and costs nobody the link",
  (storedEpoch) => {
    expect(SessionReport.parse(report({ storedEpoch })).storedEpoch).toBeUndefined();
  },
);

describe("what no status could hold is refused, by field and what is allowed", () => {
  it.each([
    ["an instant that is none", { connectedSince: "soon" }, "session.connectedSince: Invalid ISO datetime"],
    ["an instant that is a number", { nextAttemptAt: 3 }, "session.nextAttemptAt: Invalid"],
    [
      "a code that is too long",
      { qr: { code: "x".repeat(1025), attempt: 1, expiresAt: "2026-06-01T12:00:00Z" } },
      "session.qr.code: Too big: expected string to have <=1024 characters",
    ],
  ])("%s", (_case, over, fault) => {
    expect(faultsOf({ kind: "session", session: report(over) })).toEqual([expect.stringContaining(fault)]);
  });
});

it("a list that is too long is one fault, not one for each thing in it", () => {
  const junk = Array.from({ length: 100_001 }, () => 0);
  const pod = { namespace: "shop", name: "p", uid: "u", node: "n" };
  const hello = { kind: "hello", version: 1, endpoint: "e", pod, sessions: [], selfGranted: [] };
  const tooBig = "Too big: expected array to have <=";
  expect(faultsOf({ ...hello, sessions: junk })).toEqual([`sessions: ${tooBig}1000 items`]);
  expect(faultsOf({ ...hello, selfGranted: junk })).toEqual([`selfGranted: ${tooBig}100000 items`]);
  expect(faultsOf({ kind: "grant-request", requests: junk })).toEqual([`requests: ${tooBig}1000 items`]);
  expect(faultsOf({ kind: "egress", observedIPs: junk })).toEqual([`observedIPs: ${tooBig}16 items`]);
});

describe("what a pod says of addresses", () => {
  it.each([
    ["is brought to one form", ["::ffff:198.51.100.1", "2001:DB8::1"], ["198.51.100.1", "2001:db8::1"]],
    ["counts once, however it is written", ["198.51.100.1", "::ffff:c633:6401"], ["198.51.100.1"]],
    ["names no ledger but those of addresses", ["shop/victim-endpoint", "", "0.0.0.0", 7, null], []],
  ])("%s", (_case, observedIPs, parsed) => {
    expect(PodFrame.parse({ kind: "egress", observedIPs })).toEqual({ kind: "egress", observedIPs: parsed });
  });

  it("of a session counts for its report alone, and only if it is one", () => {
    expect(SessionReport.parse(report({ observedIP: "::ffff:198.51.100.1" })).observedIP).toBe("198.51.100.1");
    expect(SessionReport.parse(report({ observedIP: "x".repeat(100) })).observedIP).toBeUndefined();
  });
});

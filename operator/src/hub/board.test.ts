import { ObservedAddress, SessionReport, type Assignment } from "@wa/schema";
import { describe, expect, it } from "vitest";
import { Board } from "./board.ts";
import type { AssignmentOf } from "./links.ts";

const pod = { namespace: "shop", name: "eu-px-0", uid: "u" };
const refusal = { reason: "BadFrame", message: "frame is not the link's: not JSON" };
const unknown: ReturnType<AssignmentOf> = () => "Unknown";
const hello = {
  kind: "hello",
  version: 1,
  endpoint: "eu-px",
  pod: { ...pod, node: "n" },
  sessions: [],
  selfGranted: [],
  abilities: [],
} as const;

function boardAt(clock: { nowMs: number }) {
  const board = new Board(() => clock.nowMs);
  const told: string[] = [];
  board.onChange(({ kind }) => told.push(kind));
  return { board, told, of: () => board.pods().get(pod.uid) };
}

it("a refusal is told once, however often the pod dials, and does not count as a sign of life", () => {
  const clock = { nowMs: 100 };
  const { board, told, of } = boardAt(clock);
  clock.nowMs = 5_000;
  for (let dial = 0; dial < 3; dial++) board.refused(pod, "eu-px", refusal);
  expect(told).toEqual(["Endpoint"]);
  expect(of()).toMatchObject({ isConnected: false, lastHeardMs: 100, endpoint: "eu-px", refusal });
});

it("a pod that was heard keeps what it said while its next link is refused, and a welcome ends the refusal", () => {
  const clock = { nowMs: 100 };
  const { board, of } = boardAt(clock);
  board.linked({ ...hello, sessions: [], selfGranted: [], abilities: [] }, "eu-px", unknown);
  board.egress(pod.uid, { kind: "egress", observedIPs: [ObservedAddress.parse("192.0.2.1")] });
  board.closed(pod.uid);
  clock.nowMs = 5_000;
  board.refused(pod, "eu-px", refusal);
  expect(of()).toMatchObject({ lastHeardMs: 100, observedIPs: ["192.0.2.1"], refusal });
  board.linked({ ...hello, sessions: [], selfGranted: [], abilities: [] }, "eu-px", unknown);
  expect(of()?.refusal).toBeUndefined();
});

describe("what a pod says first to a leader that has just begun", () => {
  const deviceOf = (name: string, namespace = "shop") => ({ namespace, name, uid: `uid-${name}` });
  const report = (name: string, state = "Connected", namespace?: string) =>
    SessionReport.parse({ device: deviceOf(name, namespace), epoch: 1, state, paired: true });
  const byName =
    (answers: Readonly<Record<string, "Here" | "Elsewhere">>): ReturnType<AssignmentOf> =>
    ({ name }) =>
      answers[name] ?? "Unknown";
  const wish = (...names: string[]) => ({
    egressIPEndpoints: [],
    assignments: names.map((name): Assignment => ({
      device: deviceOf(name),
      epoch: 1,
      dataKeys: [{ keyId: "k", keyBase64: "" }],
      desired: "Running",
      pairRequestedAt: "",
      spec: {
        pairing: { method: "QRCode", phoneNumber: "", windowMs: 1 },
        browser: { os: "a", name: "b", version: "c" },
        clientVersion: "Auto",
        connectTimeoutMs: 1,
        keepAliveIntervalMs: 1,
        queryTimeoutMs: 1,
        baseDelayMs: 1,
        maxDelayMs: 1,
        unpairedAttempts: 1,
      },
    })),
  });
  const helloOf = (...sessions: SessionReport[]) => ({ ...hello, sessions, selfGranted: [], abilities: [] });
  const sessionsOf = (board: Board) => [...(board.pods().get(pod.uid)?.sessions.keys() ?? [])];
  const formerOf = (board: Board) =>
    [...(board.pods().get(pod.uid)?.former?.sessions.values() ?? [])].map(({ device, state }) => [device.name, state]);

  it("is believed of devices that their status gives to it, and of no others", () => {
    const { board } = boardAt({ nowMs: 0 });
    const sessions = [report("mine"), report("theirs"), report("gone"), report("far", "Connected", "other")];
    board.linked(helloOf(...sessions), "eu-px", byName({ mine: "Here", theirs: "Elsewhere" }));
    expect(sessionsOf(board)).toEqual(["uid-mine"]);
    expect(formerOf(board)).toEqual([["gone", "Connected"]]);
    expect(board.reported("u", report("theirs", "Released"))).toBe(true);
    expect(board.reported("u", report("never-named"))).toBe(false);
    expect(sessionsOf(board)).toEqual(["uid-mine"]);
  });

  it("counts once the operator gives it the device, whichever came first", () => {
    const { board } = boardAt({ nowMs: 0 });
    board.linked(helloOf(report("late")), "eu-px", byName({ late: "Elsewhere" }));
    expect(sessionsOf(board)).toEqual([]);
    board.reported("u", report("late", "BackingOff"));
    board.wish("u", wish("late"));
    expect(board.pods().get("u")?.sessions.get("uid-late")?.state).toBe("BackingOff");
  });

  it("of a deleted device is heard to its end, and a later hello adds none", () => {
    const { board } = boardAt({ nowMs: 0 });
    board.linked(helloOf(report("gone")), "eu-px", unknown);
    expect(board.reported("u", report("gone", "Released"))).toBe(true);
    expect(formerOf(board)).toEqual([["gone", "Released"]]);
    board.linked(helloOf(report("gone"), report("invented")), "eu-px", unknown);
    expect(formerOf(board)).toEqual([["gone", "Released"]]);
  });

  it("of devices that another pod was wished to run changes nothing, however often it dials", () => {
    const { board, told } = boardAt({ nowMs: 0 });
    const theirs = byName({ theirs: "Elsewhere" });
    for (let dial = 0; dial < 3; dial++) board.linked(helloOf(report("theirs")), "eu-px", theirs);
    expect(told).toEqual(["Endpoint", "Endpoint", "Endpoint"]);
    expect(sessionsOf(board)).toEqual([]);
  });
});

import { expect, it } from "vitest";
import { Board } from "./board.ts";

const pod = { namespace: "shop", name: "eu-px-0", uid: "u" };
const refusal = { reason: "BadFrame", message: "frame is not the link's: not JSON" };
const hello = {
  kind: "hello",
  version: 1,
  endpoint: "eu-px",
  pod: { ...pod, node: "n" },
  sessions: [],
  selfGranted: [],
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
  board.linked({ ...hello, sessions: [], selfGranted: [] }, "eu-px");
  board.egress(pod.uid, { kind: "egress", observedIPs: ["192.0.2.1"] });
  board.closed(pod.uid);
  clock.nowMs = 5_000;
  board.refused(pod, "eu-px", refusal);
  expect(of()).toMatchObject({ lastHeardMs: 100, observedIPs: ["192.0.2.1"], refusal });
  board.linked({ ...hello, sessions: [], selfGranted: [] }, "eu-px");
  expect(of()?.refusal).toBeUndefined();
});

import { ObservedAddress, type SessionReport } from "@wa/schema";
import { describe, expect, it } from "vitest";
import { framesOf, nothingOutgoing, withSession } from "./outgoing.ts";

const report = (uid: string, state: SessionReport["state"]): SessionReport => ({
  device: { namespace: "shop", name: uid, uid },
  epoch: 1,
  state,
  paired: true,
  generation: 1,
  browserDiffers: false,
  attempt: 0,
});

describe("what the hub is told", () => {
  it("is nothing when there is nothing new", () => {
    expect(framesOf(nothingOutgoing)).toEqual([]);
  });

  it("is each session's newest report alone", () => {
    const reports = [report("a", "Connecting"), report("b", "Connecting"), report("a", "Connected")];
    expect(framesOf(reports.reduce(withSession, nothingOutgoing))).toEqual([
      { kind: "session", session: report("a", "Connected") },
      { kind: "session", session: report("b", "Connecting") },
    ]);
  });

  it("begins with the way out and ends with the queue", () => {
    const egress = { kind: "egress" as const, observedIPs: [ObservedAddress.parse("192.0.2.1")] };
    const queue = { kind: "grant-request" as const, requests: [] };
    const outgoing = { ...withSession(nothingOutgoing, report("a", "Connected")), egress, queue };
    expect(framesOf(outgoing).map(({ kind }) => kind)).toEqual(["egress", "session", "grant-request"]);
  });
});

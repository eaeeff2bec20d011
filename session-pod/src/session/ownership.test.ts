import { describe, expect, it } from "vitest";
import {
  assignment,
  closed,
  connected,
  Driven,
  failure,
  identity,
  linked,
  rested,
  spec,
  startMs,
} from "../../test/driven.ts";
import { reportOf } from "./report.ts";
import { newSession } from "./starts.ts";
import { step } from "./step.ts";

describe("a claim", () => {
  const asked = () => {
    const [state, effects] = step(newSession(assignment, {}), { kind: "start" }, at);
    return { state, effects };
  };
  const at = { nowMs: startMs, uptimeMs: 5_000, random: 0.5 };
  const owned = { kind: "Owned", isPaired: true, hasLoggedIn: true, identity } as const;

  it("follows the end of the last socket and of all that was planned", () => {
    expect(asked().effects).toEqual([{ kind: "dropPlans" }, { kind: "closeSocket" }, { kind: "claim", run: 1 }]);
  });

  it("that is granted counts as the store's word for it", () => {
    const [{ storeHeardMs, isPaired }] = step(asked().state, { kind: "claimAnswered", run: 1, answer: owned }, at);
    expect([storeHeardMs, isPaired]).toEqual([5_000, true]);
  });

  it.each([
    ["of an older run", { kind: "claimAnswered", run: 0, answer: owned }],
    ["to another question", { kind: "ownershipAnswered", run: 0, answer: { kind: "Lost" } }],
    ["about credentials of before", { kind: "archived", run: 0, outcome: "Stored" }],
    ["about a logout of before", { kind: "logoutAnswered", run: 0, isConfirmed: true }],
  ] as const)("is not ended by an answer %s", (_what, event) => {
    const { state } = asked();
    expect(step(state, event, at)).toEqual([state, []]);
  });

  it("that is refused waits for a higher epoch, and tells the stored one", () => {
    const [refused] = step(
      asked().state,
      { kind: "claimAnswered", run: 1, answer: { kind: "ClaimRefused", storedEpoch: 7 } },
      at,
    );
    expect(reportOf(refused, undefined)).toMatchObject({ state: "ClaimRefused", storedEpoch: 7 });
    const [again, effects] = step(refused, { kind: "assigned", assignment: { ...assignment, epoch: 8 } }, at);
    expect(effects).toContainEqual({ kind: "claim", run: 2 });
    expect(reportOf(again, undefined)).toMatchObject({ state: "Claiming", epoch: 8 });
  });

  it("that the store does not answer is made again, and the trouble shows until it is answered", () => {
    const answer = { kind: "StoreUnavailable", message: "connect ECONNREFUSED" } as const;
    const [away, effects] = step(asked().state, { kind: "claimAnswered", run: 1, answer }, at);
    expect(effects).toEqual([{ kind: "retryStoreIn", delayMs: 2_000 }]);
    const [again, asks] = step(away, { kind: "storeRetryDue" }, at);
    expect(asks).toEqual([{ kind: "claim", run: 2 }]);
    expect(reportOf(again, undefined)).toMatchObject({ state: "StoreUnavailable", message: "connect ECONNREFUSED" });
  });
});

describe("an owner of before", () => {
  const waiting = () => linked().state;
  const at = { nowMs: startMs, uptimeMs: 5_000, random: 0.5 };
  const due = (endMs: number) => step(waiting(), { kind: "granted", endMs }, at)[0];

  it("finds out before its start, and claims anew instead", () => {
    const state = due(9_000);
    const [, effects] = step(state, { kind: "ownershipAnswered", run: state.run, answer: { kind: "Lost" } }, at);
    expect(effects).toContainEqual({ kind: "claim", run: state.run + 1 });
    expect(effects).not.toContainEqual({ kind: "connect" });
  });

  it("whose store answered after its grant had ended waits for another grant", () => {
    const state = due(4_999);
    const [, effects] = step(state, { kind: "ownershipAnswered", run: state.run, answer: { kind: "Owned" } }, at);
    expect(effects).toEqual([{ kind: "requestGrant", bucket: "login" }]);
  });

  it("whose store is away starts nothing, says so, and asks again", () => {
    const state = due(9_000);
    const answer = { kind: "StoreUnavailable", message: "timeout" } as const;
    const [away, effects] = step(state, { kind: "ownershipAnswered", run: state.run, answer }, at);
    expect(effects).toEqual([{ kind: "retryStoreIn", delayMs: 2_000 }]);
    expect(reportOf(away, undefined)).toMatchObject({ state: "StoreUnavailable", message: "timeout" });
    const [, asks] = step(away, { kind: "storeRetryDue" }, at);
    expect(asks).toEqual([{ kind: "askOwnership", run: away.run + 1 }]);
  });

  it("is asked before a logout too, again where the store is away, and unlinks nothing that is another's", () => {
    const toUnlink = connected().does({ kind: "assigned", assignment: { ...assignment, desired: "LoggedOut" } });
    expect(toUnlink.effects).toEqual([{ kind: "logOut" }]);
    const [asking] = step(
      connected().state,
      { kind: "assigned", assignment: { ...assignment, desired: "LoggedOut" } },
      at,
    );
    const answer = { kind: "StoreUnavailable", message: "timeout" } as const;
    const [away] = step(asking, { kind: "ownershipAnswered", run: asking.run, answer }, at);
    expect(reportOf(away, undefined).state).toBe("StoreUnavailable");
    const [again, asks] = step(away, { kind: "storeRetryDue" }, at);
    expect(asks).toEqual([{ kind: "askOwnership", run: again.run }]);
    const [, effects] = step(again, { kind: "ownershipAnswered", run: again.run, answer: { kind: "Lost" } }, at);
    expect(effects.map(({ kind }) => kind)).toEqual(["dropPlans", "closeSocket", "claim"]);
  });
});

it("a connected session whose device somebody has claimed since ends at once, without a goodbye, and claims", () => {
  const session = connected().does({ kind: "superseded" });
  expect(session.effects.map(({ kind }) => kind)).toEqual(["terminateSocket", "dropPlans", "closeSocket", "claim"]);
  expect(reportOf(session.state, undefined).state).toBe("Claiming");
});

describe("the way out", () => {
  const at = { nowMs: startMs, uptimeMs: 5_000, random: 0.5 };
  const problem = { reason: "ProxySecretMissing", message: "no Secret px" } as const;

  it("that cannot be used keeps a start waiting, says why, and lets it go on when it can", () => {
    const blocked = new Driven().does({ kind: "egressChanged", egress: { problem } });
    blocked.does({ kind: "started", isPaired: true, hasLoggedIn: true });
    expect(blocked.effects).toEqual([]);
    expect(reportOf(blocked.state, undefined)).toMatchObject({ state: "EgressUnready", ...problem });
    blocked.does({ kind: "egressChanged", egress: { observedIP: "192.0.2.7" } });
    expect(blocked.effects).toEqual([{ kind: "requestGrant", bucket: "login" }]);
  });

  it("is no reason to end a connection", () => {
    const [state, effects] = step(connected().state, { kind: "egressChanged", egress: { problem } }, at);
    expect([state.phase.kind, effects]).toEqual(["Connected", []]);
  });
});

describe("a lost link", () => {
  it("whose credentials are still being put away waits with its next code until they are", () => {
    const session = linked().fails(failure(401));
    session.does({ kind: "assigned", assignment: { ...assignment, pairRequestedAt: "now" } });
    expect([rested(session), session.effects]).toEqual(["LoggedOut", []]);
    session.does({ kind: "archived", run: session.state.run, outcome: "Stored" });
    expect(session.effects).toEqual([{ kind: "requestGrant", bucket: "registration" }]);
  });

  it("of a device that is another's by now is claimed anew, with nothing put away", () => {
    const session = linked().fails(failure(401));
    session.does({ kind: "archived", run: session.state.run, outcome: "Lost" });
    expect(session.effects).toContainEqual({ kind: "claim" });
  });
});

it("a cut connection ends without a word to the server, with the cause of what cut it", () => {
  const session = connected().does({ kind: "cut", disconnect: { message: "session fault: x" } });
  expect(session.effects[0]).toEqual({ kind: "terminateSocket" });
  expect([session.state.lastDisconnect?.cause, rested(session)]).toEqual(["SessionFault", "BackingOff"]);
});

it("a disconnect names the version that the connection announced, not the one that the next will", () => {
  const session = connected();
  const next = { ...assignment, spec: { ...spec, clientVersion: "2.3000.2" } };
  session.does({ kind: "assigned", assignment: next }, closed(failure(405)));
  expect(session.state.lastDisconnect?.clientVersion).toBe("2.3000.1");
});

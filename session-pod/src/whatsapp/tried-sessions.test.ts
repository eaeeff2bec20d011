import { expect, it } from "vitest";
import { withoutFailedTries } from "./tried-sessions.ts";

const session = (used: number, ratchet: string) => ({ indexInfo: { used, closed: -1 }, ratchet });
const record = (sessions: Record<string, unknown>) => ({ _sessions: sessions, version: "v1" });

const before = record({ new: session(5, "whole"), old: session(3, "whole") });

it("keeps what the session that read the message became, and the others as they were", () => {
  const after = record({ new: session(5, "spoilt"), old: session(9, "turned") });
  expect(withoutFailedTries(before, after)).toEqual(record({ new: session(5, "whole"), old: session(9, "turned") }));
});

it.each([
  ["a session that was not there before", before, record({ newest: session(9, "turned"), old: session(3, "whole") })],
  ["a record of a first message", undefined, record({ new: session(5, "whole") })],
  ["a record in which no use was noted", before, record({ new: session(5, "turned"), old: session(3, "whole") })],
  ["what is no record", before, "something else"],
])("changes nothing of %s", (_what, old, after) => {
  expect(withoutFailedTries(old, after)).toEqual(after);
});

it("forgets the sessions that the library dropped", () => {
  const after = record({ new: session(9, "turned") });
  expect(withoutFailedTries(before, after)).toEqual(after);
});

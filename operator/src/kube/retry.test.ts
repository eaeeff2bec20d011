import { expect, it } from "vitest";
import { errorCodeOf, retryAfterMsOf, retryWaitMs, type Failure } from "./retry.ts";

const status = (code: number, retryAfterMs?: number): Failure => ({ kind: "Status", status: code, retryAfterMs });
const connection = (code: string): Failure => ({ kind: "Connection", code });

it.each<[string, [string, number, Failure], number | undefined]>([
  ["a throttled create may try again: nothing was done", ["POST", 0, status(429, 1_000)], 1_000],
  ["a throttled read too", ["GET", 0, status(429)], 100],
  ["waits double", ["GET", 3, status(503)], 800],
  ["no wait is longer than 15 s", ["GET", 0, status(429, 3_600_000)], 15_000],
  ["nor after many attempts", ["GET", 30, status(503)], 15_000],
  ["a create after a 503 may have been done", ["POST", 0, status(503)], undefined],
  ["a create on a broken connection too", ["POST", 0, connection("ECONNRESET")], undefined],
  ["a create that was never sent was not", ["POST", 0, connection("ECONNREFUSED")], 100],
  ["a read on a broken connection tries again", ["GET", 0, connection("UND_ERR_SOCKET")], 100],
  ["a patch too: it carries a resourceVersion", ["PATCH", 0, connection("ECONNRESET")], 100],
  ["a conflict is an answer", ["PATCH", 0, status(409)], undefined],
  ["so is a 500", ["GET", 0, status(500)], undefined],
  ["a wrong certificate does not get better", ["GET", 0, connection("DEPTH_ZERO_SELF_SIGNED_CERT")], undefined],
])("%s", (_sentence, call, waitMs) => {
  expect(retryWaitMs(...call)).toBe(waitMs);
});

it.each([
  ["1", 1_000],
  [["2", "3"], 2_000],
  ["Mon, 01 Jan 2029 00:00:00 GMT", undefined],
  ["-1", undefined],
  [undefined, undefined],
])("reads Retry-After %j as %j ms", (header, waitMs) => {
  expect(retryAfterMsOf(header)).toBe(waitMs);
});

it("finds the code of a wrapped error", () => {
  expect(errorCodeOf(new Error("outer", { cause: Object.assign(new Error("inner"), { code: "ECONNRESET" }) }))).toBe(
    "ECONNRESET",
  );
  expect(errorCodeOf(new Error("plain"))).toBe("");
});

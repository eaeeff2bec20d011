import { expect, it } from "vitest";
import { mergePatchBetween } from "../kube/patch.ts";
import { setConditions } from "./set-conditions.ts";

const date = new Date("2026-06-01T12:00:00Z");
const wanting = (message: string) => [{ type: "Ready", status: "False", reason: "PodCreateRefused", message }] as const;
/** As the API server stores it: what is no character becomes U+FFFD. */
const stored = (value: object): unknown =>
  JSON.parse(
    Buffer.from(JSON.stringify(value))
      .toString()
      .replace(/\\ud[89a-f]../g, "\uFFFD"),
  );

it.each([
  ["900 emoji", "😀".repeat(900)],
  ["900 emoji behind one letter", `a${"😀".repeat(900)}`],
  ["half a character", "cut off by somebody \uD83D"],
  ["an escape sequence and a bell", `\u001B[2J${"x".repeat(2_000)}\u0007`],
])("a condition of %s is wanted as it is stored, so that nothing is written twice", (_case, message) => {
  const conditions = setConditions([], wanting(message), 1, date);
  expect(mergePatchBetween(stored({ conditions }), { conditions })).toBeUndefined();
  expect(conditions[0]?.message).not.toMatch(/\p{Cc}/u);
  expect(conditions[0]?.message.length).toBeLessThanOrEqual(1024);
});

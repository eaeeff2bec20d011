import { causes, type SessionReport } from "@wa/schema";
import { expect, it } from "vitest";
import { inWordsOf } from "./known-causes.ts";

const report = (cause: (typeof causes)[number]): SessionReport => ({
  device: { namespace: "shop", name: "till", uid: "u" },
  epoch: 1,
  state: "Hibernated",
  reason: cause,
  paired: false,
  generation: 1,
  browserDiffers: false,
  attempt: 1,
  lastDisconnect: { time: "2026-01-01T00:00:00.000Z", cause, message: "so" },
});

it("an operator that says which causes it knows hears them as they are", () => {
  expect(inWordsOf({ causes: [...causes] }, report("PasskeyRequired"))).toEqual(report("PasskeyRequired"));
});

it("an operator of the first release hears a newer cause as an unknown one, with its name in the message", () => {
  const told = inWordsOf({}, report("PasskeyRequired"));
  expect([told.reason, told.lastDisconnect?.cause]).toEqual(["Unknown", "Unknown"]);
  expect(told.lastDisconnect?.message).toBe("PasskeyRequired: so");
  expect(inWordsOf({}, report("LoggedOut"))).toEqual(report("LoggedOut"));
});

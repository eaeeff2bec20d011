import { expect, it } from "vitest";
import { forgetOldHistory, newCredentials } from "./credentials.ts";

it("of the messages that told of history the credentials keep the last fifty, in memory too", () => {
  const credentials = newCredentials({ os: "Mac OS", name: "Chrome", version: "14.4.1" });
  const all = Array.from({ length: 500 }, (_none, place) => ({ key: { id: String(place) }, messageTimestamp: place }));
  credentials.creds.processedHistoryMessages = all;
  forgetOldHistory(credentials);
  expect(credentials.creds.processedHistoryMessages).toEqual(all.slice(-50));
});

import { proto } from "@whiskeysockets/baileys";
import { describe, expect, it } from "vitest";
import { parseVersion, shouldSyncHistoryMessage } from "./socket-config.ts";

const { FULL, RECENT, PUSH_NAME } = proto.HistorySync.HistorySyncType;
const mebibyte = 1024 * 1024;

describe("a blob of history", () => {
  it.each([
    ["recent and small is read", { syncType: RECENT, fileLength: mebibyte }, true],
    ["of the size of the cap is read", { syncType: RECENT, fileLength: 4 * mebibyte }, true],
    ["beyond the cap is not", { syncType: RECENT, fileLength: 4 * mebibyte + 1 }, false],
    ["of names, without a size, is read: addresses come this way", { syncType: PUSH_NAME }, true],
    ["that the library would download is not", { syncType: RECENT, fileLength: 1, directPath: "/v/t62/x" }, false],
    ["of everything is not, however small", { syncType: FULL, fileLength: 1 }, false],
  ])("%s", (_words, notice, isRead) => {
    expect(shouldSyncHistoryMessage(notice)).toBe(isRead);
  });
});

describe("a client version", () => {
  it("is three numbers", () => {
    expect(parseVersion("2.3000.1043857760")).toEqual([2, 3000, 1043857760]);
  });

  it.each(["", "2.3000", "2.3000.1.1", "2.x.1", "2.-1.0"])("%j is none", (version) => {
    expect(() => parseVersion(version)).toThrow("expected three numbers");
  });
});

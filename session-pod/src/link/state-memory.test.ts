import { describe, expect, it } from "vitest";
import { decodeMemory, encodeMemory, type StateMemory } from "./state-memory.ts";

const device = { namespace: "shop", name: "till", uid: "u-1" };
const memory: StateMemory = {
  version: 1,
  welcome: {
    kind: "welcome",
    version: 1,
    term: 3,
    installation: "system/wa",
    store: { url: "postgres://wa@db/wa" },
    canaryKeyBase64: "AAAA",
    whatsapp: { url: "wss://web.example/ws/chat", rootKeyHex: "", caBundle: "", clientVersion: "" },
  },
  assign: { kind: "assign", term: 3, egressIPEndpoints: ["http://echo.example/ip"], assignments: [] },
  selfStartedMs: { "u-1": 1_000 },
  charges: [{ device, bucket: "login", atMs: 1_000 }],
};

describe("the memory of a pod", () => {
  it("comes back as it was written", () => {
    expect(decodeMemory(encodeMemory(memory))).toEqual(memory);
  });

  it.each([
    ["half a file", encodeMemory(memory).slice(0, 100)],
    ["another version's", encodeMemory(memory).replace('"version":1', '"version":2')],
    ["one without assignments", JSON.stringify({ ...memory, assign: undefined })],
    ["an empty file", ""],
  ])("is none if it is %s", (_what, text) => {
    expect(decodeMemory(text)).toBeUndefined();
  });
});

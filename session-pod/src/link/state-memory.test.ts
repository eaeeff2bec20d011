import { describe, expect, it } from "vitest";
import { decodeMemory, encodeMemory, isAtRest, withoutResting, type StateMemory } from "./state-memory.ts";

const device = { namespace: "shop", name: "till", uid: "u-1" };
const assignment: StateMemory["assign"]["assignments"][number] = {
  device,
  epoch: 1,
  dataKeys: [{ keyId: "k", keyBase64: "AAAA" }],
  spec: {
    pairing: { method: "QRCode", phoneNumber: "", windowMs: 60_000 },
    browser: { os: "Mac OS", name: "Chrome", version: "14.4.1" },
    clientVersion: "Auto",
    connectTimeoutMs: 20_000,
    keepAliveIntervalMs: 30_000,
    queryTimeoutMs: 60_000,
    baseDelayMs: 1_000,
    maxDelayMs: 60_000,
    unpairedAttempts: 5,
  },
  desired: "Running",
  pairRequestedAt: "",
};
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
  assign: { kind: "assign", term: 3, egressIPEndpoints: ["http://echo.example/ip"], assignments: [assignment] },
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

describe("a session", () => {
  it.each(["Hibernated", "LoggedOut", "Blocked", "LogoutDone"] as const)("that is %s is at rest", (state) => {
    expect(isAtRest({ state })).toBe(true);
  });
  it.each(["Connected", "BackingOff", "StoreUnavailable", "Released"] as const)("that is %s is not", (state) => {
    expect(isAtRest({ state })).toBe(false);
  });
  it("at rest is left out of what a restart brings back", () => {
    const of = (uid: string) => ({ ...assignment, device: { ...device, uid } });
    const assign = { ...memory.assign, assignments: [of("u-1"), of("u-2")] };
    expect(withoutResting(assign, new Set(["u-1"])).assignments).toEqual([of("u-2")]);
  });
});

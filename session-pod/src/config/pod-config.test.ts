import { describe, expect, it } from "vitest";
import { parsePodConfig } from "./pod-config.ts";

const environment = {
  WA_HUB_URL: "wss://hub.system.svc:8443/link",
  WA_HUB_CA: "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n",
  WA_ENDPOINT: "direct-default",
  WA_EGRESS: '{"kind":"proxy","protocol":"socks5","host":"proxy.example","port":1080}',
  WA_POD_NAME: "direct-default-0",
  WA_POD_NAMESPACE: "shop",
  WA_POD_UID: "u-1",
  WA_NODE_NAME: "node-1",
  WA_LOG_LEVEL: "warn",
};

describe("the pod's environment", () => {
  it("is read whole", () => {
    expect(parsePodConfig(environment)).toEqual({
      hubUrl: environment.WA_HUB_URL,
      hubCaPem: environment.WA_HUB_CA,
      endpoint: "direct-default",
      egress: { kind: "proxy", protocol: "socks5", host: "proxy.example", port: 1080 },
      pod: { namespace: "shop", name: "direct-default-0", uid: "u-1", node: "node-1" },
      logLevel: "warn",
    });
  });

  it("logs at info unless told otherwise", () => {
    const { WA_LOG_LEVEL: _level, ...rest } = environment;
    expect(parsePodConfig(rest).logLevel).toBe("info");
  });

  it.each([
    ["a hub without TLS", { WA_HUB_URL: "ws://hub/link" }, 'WA_HUB_URL is "ws://hub/link", allowed: a wss: URL'],
    ["no CA", { WA_HUB_CA: undefined }, "WA_HUB_CA is not set, allowed: PEM certificates"],
    ["a CA that is no PEM", { WA_HUB_CA: "MII" }, 'WA_HUB_CA is "MII", allowed: PEM certificates'],
    ["an empty name", { WA_ENDPOINT: "" }, 'WA_ENDPOINT is "", allowed: a name'],
    ["no UID", { WA_POD_UID: undefined }, "WA_POD_UID is not set, allowed: a name"],
    ["an unknown level", { WA_LOG_LEVEL: "loud" }, 'WA_LOG_LEVEL is "loud", allowed: one of trace, debug,'],
    ["an egress that is no JSON", { WA_EGRESS: "direct" }, 'WA_EGRESS is "direct", allowed: a way out as JSON'],
    ["a proxy without a port", { WA_EGRESS: '{"kind":"proxy","protocol":"http","host":"p"}' }, "port: "],
  ])("refuses %s with the variable, its value and what is allowed", (_what, change, message) => {
    expect(() => parsePodConfig({ ...environment, ...change })).toThrow(message);
  });

  it("names all that is wrong at once", () => {
    expect(() => parsePodConfig({})).toThrow(/WA_HUB_URL[^]*WA_HUB_CA[^]*WA_ENDPOINT[^]*WA_EGRESS[^]*WA_POD_UID/);
  });
});

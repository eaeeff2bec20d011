import { rootCertificates } from "node:tls";
import { describe, expect, it } from "vitest";
import { readConfig } from "./config.ts";

const env = { POD_NAME: "op-0", POD_NAMESPACE: "wa", SESSION_IMAGE: "session:1", STORE_SECRET: "store" };

it("has a default for everything that has a sensible one", () => {
  expect(readConfig(env)).toMatchObject({
    installation: "wa/whatsapp-operator",
    hubHost: "whatsapp-operator-hub.wa.svc",
    hubPort: 8443,
    store: { kind: "Url", secret: "store", key: "url" },
    whatsapp: { url: "wss://web.whatsapp.com/ws/chat", clientVersion: "" },
  });
});

it("takes the chart's own database instead of a URL", () => {
  const { STORE_SECRET: _none, ...rest } = env;
  expect(readConfig({ ...rest, DATABASE_SECRET: "db", DATABASE_HOST: "pg" }).store).toEqual({
    kind: "OwnDatabase",
    secret: "db",
    host: "pg",
    port: 5432,
    database: "whatsapp",
    user: "whatsapp",
  });
});

describe("a wrong variable is named with its value and what is allowed", () => {
  it.each([
    ["POD_NAME", undefined, "POD_NAME is not set"],
    ["LOG_LEVEL", "loud", 'LOG_LEVEL is "loud": Invalid option: expected one of "trace"'],
    ["HUB_PORT", "99999", 'HUB_PORT is "99999": Too big'],
    ["WHATSAPP_URL", "https://x", 'WHATSAPP_URL is "https://x": must be a ws:// or wss:// URL'],
    ["WHATSAPP_ROOT_KEY", "zz", "64 hexadecimal digits"],
    ["WHATSAPP_CLIENT_VERSION", "latest", "must be a version such as"],
    ["STORE_SECRET", "", "either STORE_SECRET, or DATABASE_SECRET and DATABASE_HOST"],
    ["SESSION_IMAGE_PULL_POLICY", "Sometimes", 'expected one of "Always"'],
  ])("%s=%s", (variable, value, words) => {
    expect(() => readConfig({ ...env, [variable]: value })).toThrow(words);
  });

  it("all of them at once", () => {
    expect(() => readConfig({})).toThrow(/POD_NAME.*\n.*POD_NAMESPACE.*\n.*SESSION_IMAGE/);
  });
});

describe("certificates to trust", () => {
  const [first = "", second = ""] = rootCertificates;
  const bundleOf = (text: string) => readConfig({ ...env, WHATSAPP_CA_FILE: "/ca.pem" }, () => text).whatsapp.caBundle;

  it("come from the file that is named, with whatever text stands between them", () => {
    const bundle = `# Some authority\n${first}\n\nAnother - one\n${second}`;
    expect(bundleOf(bundle)).toBe(bundle);
    expect(readConfig(env).whatsapp.caBundle).toBe("");
  });

  it.each([
    ["garbage", "garbage", "it holds no certificate"],
    ["nothing", "", "it holds no certificate"],
    ["a key beside them", `${first}\n-----BEGIN EC PRIVATE KEY-----`, "it holds a private key"],
    ["one that is cut off", `${first}\n${second.slice(0, 300)}`, "a certificate in it is cut off"],
    ["one that is damaged", `${first}\n${second.replace("MII", "AAA")}`, "certificate 2 of 2 cannot be read"],
  ])("that are %s are refused, with the file and what is allowed", (_, text, words) => {
    expect(() => bundleOf(text)).toThrow(`WHATSAPP_CA_FILE is "/ca.pem": ${words}`);
    expect(() => bundleOf(text)).toThrow("allowed are PEM certificates");
  });

  it("in a file that is not there are missed by its name", () => {
    expect(() => readConfig({ ...env, WHATSAPP_CA_FILE: "/no/such.pem" })).toThrow(
      'WHATSAPP_CA_FILE is "/no/such.pem": the file cannot be read: ENOENT',
    );
  });
});

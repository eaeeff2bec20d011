import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:https";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { X509Certificate } from "node:crypto";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { SimulatorClient, startSimulator, type Simulator } from "../src/index.ts";

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator({ tlsPort: 0, names: ["simulator.example", "192.0.2.7"] });
});
afterAll(async () => await simulator[Symbol.asyncDispose]());

async function call(method: string, path: string, body?: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`${simulator.controlUrl}${path}`, { method, ...(body !== undefined && { body }) });
  return { status: response.status, text: await response.text() };
}

/** A GET over TLS that trusts the simulator's own CA alone. */
async function securely(url: string): Promise<string> {
  const [response] = await once(request(url, { ca: simulator.caPem }).end(), "response");
  return await text(response);
}

describe("over HTTP", () => {
  it("shows the root key, the CA and the caller's address", async () => {
    expect(await call("GET", "/root-key")).toEqual({ status: 200, text: `${simulator.rootKeyHex}\n` });
    expect(simulator.rootKeyHex).toMatch(/^[0-9a-f]{64}$/);
    expect((await call("GET", "/ca.pem")).text).toBe(simulator.caPem);
    expect(await call("GET", "/ip")).toEqual({ status: 200, text: "127.0.0.1\n" });
  });

  it("answers the same over TLS, for every name that it was given", async () => {
    const base = simulator.wssUrl.replace("wss:", "https:").replace("/ws/chat", "");
    expect(await securely(`${base}/root-key`)).toBe(`${simulator.rootKeyHex}\n`);
    expect(await securely(`${base.replace("127.0.0.1", "localhost")}/ip`)).toMatch(/^127\.0\.0\.1\n$|^::1\n$/);
    expect(new X509Certificate(simulator.caPem).ca).toBe(true);
  });

  it.each([
    ["POST", "/phone/scan?phone=12", "x", 'phone: "12" is not a number; expected 5 to 15 digits'],
    ["POST", "/phone/scan", "x", "phone: null is not a number; expected 5 to 15 digits"],
    [
      "POST",
      "/phone/code?phone=4915550001",
      "ABCD-EFGH",
      "phone: no connection asked to be linked to 4915550001 by a code",
    ],
    ["POST", "/phone/unlink?phone=4915550001&device=x", "", 'device: "x" is no device number; expected 1 or more'],
    ["POST", "/phone/text?from=4915550001&to=4915550002", "hi", "to: 4915550002 has no linked device"],
    ["POST", "/phone/keys?phone=4915550001&count=0", "", 'count: "0"; expected 1 to 9999'],
    ["PUT", "/scenario", '{"minimumVersion": 2}', "minimumVersion: 2: Invalid input: expected string, received number"],
    ["PUT", "/scenario?phone=abc", "{}", 'phone: "abc" is not a number; expected 5 to 15 digits'],
  ])("refuses %s %s with the reason", async (method, path, body, reason) => {
    expect(await call(method, path, body === "" ? undefined : body)).toEqual({ status: 400, text: `${reason}\n` });
  });

  it("names its endpoints to who asks for another", async () => {
    expect(await call("GET", "/nothing")).toMatchObject({
      status: 404,
      text: expect.stringContaining("POST /phone/scan"),
    });
  });

  it("keeps the scenario that it had when it refuses a new one", async () => {
    await simulator.client.setScenario({ minimumVersion: "2.3000.5" });
    await call("PUT", "/scenario", "{");
    expect(JSON.parse((await call("GET", "/scenario")).text)).toMatchObject({ minimumVersion: "2.3000.5" });
    await simulator.client.clearScenario();
    expect(JSON.parse((await call("GET", "/scenario")).text)).toMatchObject({ minimumVersion: "0.0.0" });
  });

  it("names the current version on the page where clients look for it", async () => {
    await simulator.client.setScenario({ currentVersion: "2.3000.1099" });
    // The pattern by which the client library reads the page.
    expect(/\\?"client_revision\\?":\s*(\d+)/.exec((await call("GET", "/sw.js")).text)?.[1]).toBe("1099");
    await simulator.client.clearScenario();
  });
});

const main = resolve(import.meta.dirname, "../src/main.ts");
const Ready = z.object({ url: z.url(), wssUrl: z.url(), controlUrl: z.url(), rootKeyHex: z.string().length(64) });

describe("the command", () => {
  it("prints where it listens as one line of JSON, echoes the address that it was told, and ends on SIGTERM", async () => {
    const flags = ["--port", "0", "--tls-port", "0", "--san", "simulator.example", "--echo-ip", "203.0.113.9"];
    const child = spawn(process.execPath, ["--conditions=source", main, ...flags], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = await once(createInterface(child.stdout), "line");
    const ready = Ready.parse(JSON.parse(z.string().parse(line)));
    const client = new SimulatorClient(ready.controlUrl);
    expect(await client.ip()).toBe("203.0.113.9");
    expect(await client.rootKeyHex()).toBe(ready.rootKeyHex);
    child.kill("SIGTERM");
    expect((await once(child, "exit"))[0]).toBe(0);
  });

  it("explains itself when a flag is wrong", async () => {
    const wrong = promisify(execFile)(process.execPath, ["--conditions=source", main, "--port", "x"]);
    await expect(wrong).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining("usage: npm run simulator") });
  });
});

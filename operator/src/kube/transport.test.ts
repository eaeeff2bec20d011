import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Registry } from "prom-client";
import { afterEach, beforeEach, expect, it } from "vitest";
import { isConflict, isNamespaceTerminating } from "./api-error.ts";
import { createKubeMetrics } from "./metrics.ts";
import { connectTransport, type Transport } from "./transport.ts";

/** An HTTP server that answers what a real API server answers only on bad days. */
let answers: ((request: IncomingMessage, response: ServerResponse) => void)[];
let tokens: string[];
let registry: Registry;
let transport: Transport;
let close: () => Promise<void>;

beforeEach(async () => {
  [answers, tokens, registry] = [[], [], new Registry()];
  const server = createServer((request, response) => {
    tokens.push(request.headers.authorization ?? "");
    answers.shift()?.(request, response);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  let reads = 0;
  transport = connectTransport(
    {
      server: `http://127.0.0.1:${port}`,
      namespace: "default",
      tls: {},
      headers: async ({ isFresh }) => {
        if (isFresh) reads += 1;
        return await Promise.resolve({ authorization: `Bearer ${reads}` });
      },
    },
    createKubeMetrics(registry),
  );
  close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
});
afterEach(async () => {
  await transport.close();
  await close();
});

const answer =
  (status: number, body: unknown, headers: Record<string, string> = {}) =>
  (_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(status, headers).end(JSON.stringify(body));
  };
const reset = (request: IncomingMessage) => {
  request.socket.destroy();
};
const get = async () => await transport.call({ method: "GET", path: "/api" });
const rejection = async (call: Promise<unknown>): Promise<unknown> =>
  await call.then(
    () => "no error",
    (error: unknown) => error,
  );

it("tries again after 429 when the server says so, after 503, and after a reset", async () => {
  answers = [answer(429, {}, { "retry-after": "0" }), answer(503, {}), reset, answer(200, { ok: true })];
  expect(await get()).toEqual({ ok: true });
});

it("creates only once when the connection breaks", async () => {
  answers = [reset, answer(201, {})];
  expect(await rejection(transport.call({ method: "POST", path: "/api", body: {} }))).toBeInstanceOf(Error);
  expect(answers).toHaveLength(1);
});

it("reads the token again after a 401, once", async () => {
  answers = [answer(401, {}), answer(200, {}), answer(401, {}), answer(401, { message: "Unauthorized" })];
  await get();
  expect(tokens).toEqual(["Bearer 0", "Bearer 1"]);
  expect(await rejection(get())).toMatchObject({ status: 401, message: "Unauthorized" });
  expect(tokens).toHaveLength(4);
});

it("gives up at the deadline, retries included", async () => {
  answers = [() => undefined];
  const startedAtMs = performance.now();
  const error = await rejection(transport.call({ method: "GET", path: "/api", deadlineMs: 200 }));
  expect(error).toMatchObject({ name: "TimeoutError" });
  answers = Array.from({ length: 50 }, () => answer(503, { message: "down" }));
  expect(await rejection(transport.call({ method: "GET", path: "/api", deadlineMs: 400 }))).toBeInstanceOf(Error);
  expect(performance.now() - startedAtMs).toBeLessThan(2_000);
});

it.each([
  [{ code: 409, reason: "Conflict", message: "stale" }, isConflict, true],
  [{ code: 409, reason: "AlreadyExists", message: "there" }, isConflict, false],
  [{ code: 403, reason: "Forbidden", message: "ns is being terminated" }, isNamespaceTerminating, true],
])("gives %j as a typed error", async (said, predicate, holds) => {
  answers = [answer(said.code, said)];
  const error = await rejection(get());
  expect(error).toMatchObject({ status: said.code, reason: said.reason, message: said.message });
  expect(predicate(error)).toBe(holds);
});

it("takes a load balancer's page for what it is", async () => {
  answers = [
    (_request, response) => {
      response.writeHead(502, { "content-type": "text/html" }).end("<html>Bad Gateway</html>");
    },
  ];
  expect(await rejection(get())).toMatchObject({ status: 502, reason: "Http502" });
});

it("yields the lines of a watch, also those cut inside a character", async () => {
  answers = [
    (_request, response) => {
      const bytes = Buffer.from('{"name":"é"}\n{"name":"b"}\n');
      response.writeHead(200);
      response.write(bytes.subarray(0, 10));
      setTimeout(() => response.end(bytes.subarray(10)), 20);
    },
  ];
  const seen: unknown[] = [];
  for await (const line of transport.watch({ path: "/api" }, new AbortController().signal)) seen.push(line);
  expect(seen).toEqual([{ name: "é" }, { name: "b" }]);
});

it("counts calls by code, method and host", async () => {
  answers = [answer(200, {}), answer(404, {})];
  await get();
  await rejection(get());
  const text = await registry.metrics();
  expect(text).toMatch(/rest_client_requests_total\{code="200",method="GET",host="127\.0\.0\.1:\d+"\} 1/);
  expect(text).toMatch(/rest_client_requests_total\{code="404",method="GET",host="127\.0\.0\.1:\d+"\} 1/);
});

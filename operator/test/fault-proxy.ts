import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { Agent, request as ask, type Dispatcher } from "undici";
import type { ClusterAccess } from "../src/kube/kubeconfig.ts";
import { bodySteps, statusOf, watchSteps, type Step } from "./fault-steps.ts";
import type { Asked, Fault, FaultPlan } from "./faults.ts";

/** One request as it came in, and what was done to it. */
export interface Served extends Asked {
  /** By the clock of `performance.now()`. */
  readonly atMs: number;
  readonly fault: Fault | undefined;
}

/**
 * Stands between a client and a real API server, takes HTTP apart, and does to each request what its plan says. Clients
 * reach it without TLS; credentials are passed on.
 */
export interface FaultProxy extends AsyncDisposable {
  readonly url: string;
  readonly served: readonly Served[];
  /** Expired watches that the API server itself ended. */
  readonly expired: number;
  /** From the next request on; streams keep the fault they have. Undefined: no faults. */
  setPlan(plan: FaultPlan | undefined): void;
  /** The API server's clock as its answers show it from now on, by its difference to the true one. */
  setClock(aheadMs: () => number): void;
  /** Breaks every connection, whatever its fault. */
  cut(): void;
}

export async function startFaultProxy({ server: target, tls }: ClusterAccess): Promise<FaultProxy> {
  const agent = new Agent({ connect: tls, bodyTimeout: 0, headersTimeout: 0 });
  const served: Served[] = [];
  let expired = 0;
  const onExpired = () => {
    expired += 1;
  };
  let plan: FaultPlan | undefined;
  let aheadMs = () => 0;
  const server = createServer((request, response) => {
    const asked = askedOf(request);
    const fault = plan?.(asked);
    served.push({ ...asked, atMs: performance.now(), fault });
    void serve({ request, response, asked, fault, target, agent, onExpired, aheadMs: aheadMs() }).catch(() => {
      // The API server is away or the client has left: what a path without us would show it.
      request.socket.resetAndDestroy();
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    served,
    get expired() {
      return expired;
    },
    setClock: (ahead) => {
      aheadMs = ahead;
    },
    cut: () => {
      server.closeAllConnections();
    },
    setPlan: (next) => {
      plan = next;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await agent.destroy();
    },
  };
}

function askedOf({ method = "GET", url = "" }: IncomingMessage): Asked {
  const { pathname: path, searchParams } = new URL(url, "http://proxy");
  if (method !== "GET") return { method, path, kind: "Write" };
  if (searchParams.has("watch")) return { method, path, kind: "Watch" };
  // One object alone is looked up with a limit of 1.
  const limit = searchParams.get("limit") ?? "1";
  return { method, path, kind: limit === "1" ? "Get" : "List" };
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly asked: Asked;
  readonly fault: Fault | undefined;
  readonly target: string;
  readonly agent: Agent;
  readonly onExpired: () => void;
  readonly aheadMs: number;
}

async function serve(exchange: Exchange): Promise<void> {
  const { request, response, asked, fault } = exchange;
  const body = await text(request);
  switch (fault?.kind) {
    case "HalfOpen":
      return;
    case "Status":
      refuse(response, fault);
      return;
    case "ResetBeforeHeaders":
      // A watch has nothing that could be done.
      if (fault.isDone && asked.kind !== "Watch") await (await forward(exchange, body)).body.dump();
      request.socket.resetAndDestroy();
      return;
    default:
      await answer(exchange, await forward(exchange, body));
  }
}

function refuse(response: ServerResponse, { status, retryAfterS }: Extract<Fault, { kind: "Status" }>): void {
  const wait = retryAfterS === undefined ? {} : { "retry-after": String(retryAfterS) };
  response.writeHead(status, { "content-type": "application/json", ...wait });
  response.end(JSON.stringify(statusOf(status)));
}

/** Of one connection, and so not of the other. */
const ownHeaders = new Set(["connection", "content-length", "host", "keep-alive", "transfer-encoding"]);

async function forward({ request, response, target, agent }: Exchange, body: string): Promise<Dispatcher.ResponseData> {
  const left = new AbortController();
  response.once("close", () => {
    left.abort();
  });
  return await ask(`${target}${request.url ?? ""}`, {
    method: request.method ?? "GET",
    headers: withoutOwn(request.headers),
    dispatcher: agent,
    signal: left.signal,
    ...(body === "" ? {} : { body }),
  });
}

function withoutOwn(headers: IncomingMessage["headers"]): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || ownHeaders.has(name) ? [] : [[name, value] as const],
    ),
  );
}

async function answer(exchange: Exchange, found: Dispatcher.ResponseData): Promise<void> {
  const { response, asked, fault, onExpired, aheadMs } = exchange;
  const date = new Date(Date.parse(String(found.headers["date"])) + aheadMs).toUTCString();
  response.writeHead(found.statusCode, { ...withoutOwn(found.headers), ...(aheadMs !== 0 && { date }) });
  response.flushHeaders();
  const isStream = asked.kind === "Watch" && found.statusCode === 200;
  const steps = isStream
    ? watchSteps(linesOf(found.body, onExpired), fault)
    : bodySteps(await found.body.text(), fault);
  for await (const step of steps) if (!(await take(step, response))) return;
  response.end();
}

/** False: nothing more is to come. */
async function take(step: Step, response: ServerResponse): Promise<boolean> {
  switch (step.kind) {
    case "Send":
      response.write(step.text);
      return true;
    case "Wait":
      await delay(step.waitMs);
      return true;
    case "Reset":
      // What was written has to leave first: a reset throws away what the system still holds.
      await delay(20);
      response.socket?.resetAndDestroy();
      return false;
    case "Hold":
      return false;
    default:
      return step satisfies never;
  }
}

async function* linesOf(body: Dispatcher.ResponseData["body"], onExpired: () => void): AsyncGenerator<string> {
  body.setEncoding("utf8");
  let rest = "";
  for await (const chunk of body) {
    const lines = `${rest}${String(chunk)}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith('{"type":"ERROR"') && line.includes('"code":410')) onExpired();
    yield* lines;
  }
}

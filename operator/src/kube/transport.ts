import { setTimeout as delay } from "node:timers/promises";
import { Agent, request, type Dispatcher } from "undici";
import { apiErrorOf } from "./api-error.ts";
import type { ClusterAccess } from "./kubeconfig.ts";
import type { KubeMetrics } from "./metrics.ts";
import { RequestPool } from "./request-pool.ts";
import { errorCodeOf, retryAfterMsOf, retryWaitMs, type Failure } from "./retry.ts";
import { offsetAfter, watchAfter, type ClockWatch, type DatedAnswer } from "./server-clock.ts";

type ApiMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface ApiCall {
  readonly method: ApiMethod;
  /** Absolute path on the API server. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** `application/json` unless a patch says which. */
  readonly contentType?: string;
  /** For the whole call, retries and body included. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

/** One API server, JSON in and out. Connections are shared: a client-node call opens a TLS connection each time. */
export interface Transport {
  readonly namespace: string;
  /** The body of the answer. @throws {ApiError} for an answer other than 2xx; a connection's own error or a TimeoutError otherwise. */
  call(call: ApiCall): Promise<unknown>;
  /** Lines of a watch. Ends without an error when the server closes in order; `signal` destroys its connection. */
  watch(call: Pick<ApiCall, "path" | "query">, signal: AbortSignal): AsyncIterable<unknown>;
  /** The API server's clock by its answers, in milliseconds since the epoch; at most a second behind, and never running backwards. */
  serverNowMs(): number;
  /** When its clock was last seen to step away from ours, in milliseconds of `performance.now()`; undefined: it never did. */
  serverSteppedAtMs(): number | undefined;
  close(): Promise<void>;
}

const defaultDeadlineMs = 20_000;
/** Headers of a watch come at once, also when no event does. */
const watchHeadersTimeoutMs = 30_000;

interface Connection {
  readonly access: ClusterAccess;
  readonly requests: RequestPool;
  readonly watches: Agent;
  readonly metrics: KubeMetrics;
  readonly host: string;
  /** Server time minus our monotonic clock; undefined before the first answer. */
  clockOffsetMs: number | undefined;
  clockWatch: ClockWatch | undefined;
}

/** Separate pools, and HTTP/1.1: on a shared HTTP/2 connection one reset ends every watch and call. */
export function connectTransport(access: ClusterAccess, metrics: KubeMetrics): Transport {
  const connect = { ...access.tls, timeout: 5_000, keepAlive: true };
  const connection: Connection = {
    access,
    requests: new RequestPool(() => new Agent({ connect, allowH2: false, connections: 32, keepAliveTimeout: 30_000 })),
    watches: new Agent({ connect, allowH2: false, bodyTimeout: 0, headersTimeout: watchHeadersTimeoutMs }),
    metrics,
    host: new URL(access.server).host,
    clockOffsetMs: undefined,
    clockWatch: undefined,
  };
  return {
    namespace: access.namespace,
    call: async (call) => await callWithRetries(connection, call),
    watch: (call, signal) => watchLines(connection, call, signal),
    serverSteppedAtMs: () => connection.clockWatch?.steppedAtMs,
    serverNowMs: () => performance.now() + (connection.clockOffsetMs ?? performance.timeOrigin),
    close: async () => {
      await Promise.all([connection.requests.destroy(), connection.watches.destroy()]);
    },
  };
}

async function callWithRetries(connection: Connection, call: ApiCall): Promise<unknown> {
  const deadline = AbortSignal.timeout(call.deadlineMs ?? defaultDeadlineMs);
  const signal = call.signal === undefined ? deadline : AbortSignal.any([call.signal, deadline]);
  for (let attempt = 0; ; attempt += 1) {
    const { agent } = connection.requests;
    const outcome = await attemptOnce(connection, call, { dispatcher: agent, signal });
    if (outcome.kind === "Done") return outcome.body;
    if (deadline.aborted) connection.requests.leave(agent);
    const waitMs = retryWaitMs(call.method, attempt, outcome.failure);
    if (waitMs === undefined || signal.aborted) throw outcome.error;
    await delay(waitMs, undefined, { signal }).catch(() => {
      throw outcome.error;
    });
  }
}

type Outcome =
  | { readonly kind: "Done"; readonly body: unknown }
  | { readonly kind: "Failed"; readonly failure: Failure; readonly error: Error };

async function attemptOnce(
  connection: Connection,
  call: ApiCall,
  options: { readonly dispatcher: Agent; readonly signal: AbortSignal },
): Promise<Outcome> {
  try {
    const { statusCode, headers, body } = await authorized(connection, call, options);
    const parsed = jsonOf(await body.text());
    if (statusCode < 300) return { kind: "Done", body: parsed };
    const retryAfterMs = retryAfterMsOf(headers["retry-after"]);
    const failure: Failure = { kind: "Status", status: statusCode, retryAfterMs };
    return { kind: "Failed", failure, error: apiErrorOf(statusCode, parsed, retryAfterMs) };
  } catch (error) {
    connection.metrics.restRequests.inc({ code: "<error>", method: call.method, host: connection.host });
    const failure: Failure = { kind: "Connection", code: errorCodeOf(error) };
    return { kind: "Failed", failure, error: error instanceof Error ? error : new Error(String(error)) };
  }
}

/** One request; a 401 has the credentials read again, once: a bound token may have been renewed since. */
async function authorized(
  connection: Connection,
  call: ApiCall,
  options: { readonly dispatcher: Agent; readonly signal: AbortSignal },
): Promise<Dispatcher.ResponseData> {
  const first = await send(connection, call, { ...options, isFresh: false });
  if (first.statusCode !== 401) return first;
  await first.body.dump();
  return await send(connection, call, { ...options, isFresh: true });
}

async function send(
  connection: Connection,
  call: ApiCall,
  options: { readonly dispatcher: Agent; readonly signal: AbortSignal; readonly isFresh: boolean },
): Promise<Dispatcher.ResponseData> {
  const { access, metrics, host } = connection;
  const url = `${access.server}${call.path}${queryText(call.query)}`;
  const requestHeaders = {
    ...(await access.headers({ isFresh: options.isFresh })),
    // The keys of service accounts come as application/jwk-set+json.
    accept: "application/json, */*",
    "user-agent": "whatsapp-operator",
    ...(call.body === undefined ? {} : { "content-type": call.contentType ?? "application/json" }),
  };
  const sentMs = performance.now();
  const response = await request(url, {
    method: call.method,
    dispatcher: options.dispatcher,
    signal: options.signal,
    headers: requestHeaders,
    ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
  });
  metrics.restRequests.inc({ code: String(response.statusCode), method: call.method, host });
  const serverMs = Date.parse(String(response.headers["date"]));
  if (Number.isFinite(serverMs)) noteDate(connection, { dateMs: serverMs, sentMs, receivedMs: performance.now() });
  return response;
}

function noteDate(connection: Connection, answer: DatedAnswer): void {
  connection.clockOffsetMs = offsetAfter(connection.clockOffsetMs, answer.dateMs, answer.receivedMs);
  connection.clockWatch = watchAfter(connection.clockWatch, answer);
}

async function* watchLines(
  connection: Connection,
  { path, query }: Pick<ApiCall, "path" | "query">,
  signal: AbortSignal,
): AsyncGenerator<unknown> {
  const call: ApiCall = { method: "GET", path, query: { ...query, watch: "true" } };
  const { statusCode, headers, body } = await authorized(connection, call, { dispatcher: connection.watches, signal });
  if (statusCode !== 200)
    throw apiErrorOf(statusCode, jsonOf(await body.text()), retryAfterMsOf(headers["retry-after"]));
  body.setEncoding("utf8");
  let rest = "";
  for await (const chunk of body) {
    const lines = `${rest}${String(chunk)}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") yield JSON.parse(line);
  }
}

function queryText(query: Readonly<Record<string, string>> | undefined): string {
  const text = new URLSearchParams(query).toString();
  return text === "" ? "" : `?${text}`;
}

/** The body as JSON; a proxy's or load balancer's text stays text and becomes part of no decision. */
function jsonOf(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    return text;
  }
}

import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { PodMetrics } from "./metrics.ts";

export interface ObserveOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly metrics: PodMetrics;
  /** Why the pod cannot take sessions now; undefined: it can. */
  readonly notReady: () => string | undefined;
}

export interface ObserveServer extends AsyncDisposable {
  readonly port: number;
}

/** Serves /livez, /readyz and /metrics. */
export async function serveObservation(options: ObserveOptions): Promise<ObserveServer> {
  const server = createServer((request, response) => void answer(options, request.url ?? "/", response));
  server.listen(options.port, options.host);
  await once(server, "listening");
  return { port: portOf(server), [Symbol.asyncDispose]: async () => await close(server) };
}

async function answer({ metrics, notReady }: ObserveOptions, url: string, response: ServerResponse): Promise<void> {
  const path = url.split("?")[0];
  if (path === "/livez") return end(response, 200, "alive\n");
  if (path === "/readyz") {
    const reason = notReady();
    return end(response, reason === undefined ? 200 : 503, `${reason ?? "ready"}\n`);
  }
  if (path !== "/metrics") return end(response, 404, "this server has /livez, /readyz and /metrics\n");
  response.setHeader("content-type", metrics.registry.contentType);
  end(response, 200, await metrics.registry.metrics());
}

function end(response: ServerResponse, status: number, body: string): void {
  response.statusCode = status;
  response.end(body);
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server listens on no TCP port");
  return address.port;
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, "close");
}

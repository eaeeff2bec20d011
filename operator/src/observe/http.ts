import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Registry } from "prom-client";

export interface Health {
  /** Why the process should be restarted; undefined: it should not. */
  readonly sickness: () => string | undefined;
  /** Why it cannot serve yet; undefined: it can. */
  readonly unreadiness: () => string | undefined;
}

export interface HttpServer extends AsyncDisposable {
  readonly port: number;
}

/** `/metrics` for Prometheus, `/livez` and `/readyz` for the kubelet. Port 0: any free one. */
export async function startHttp(port: number, registry: Registry, health: Health): Promise<HttpServer> {
  const server = createServer((request, response) => {
    void answer(request.url ?? "", response, registry, health);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, resolve);
  });
  const address: AddressInfo | string | null = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(url: string, response: ServerResponse, registry: Registry, health: Health): Promise<void> {
  switch (url.split("?")[0]) {
    case "/metrics":
      response.setHeader("content-type", registry.contentType);
      response.end(await registry.metrics());
      return;
    case "/livez":
      report(response, health.sickness());
      return;
    case "/readyz":
      report(response, health.unreadiness());
      return;
    default:
      response.statusCode = 404;
      response.end("not found\n");
  }
}

function report(response: ServerResponse, complaint: string | undefined): void {
  response.statusCode = complaint === undefined ? 200 : 503;
  response.end(`${complaint ?? "ok"}\n`);
}

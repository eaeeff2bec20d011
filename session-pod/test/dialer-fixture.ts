import { once } from "node:events";
import type { Duplex } from "node:stream";
import type { EgressContract } from "@wa/schema";
import { onTestFinished } from "vitest";
import { EgressError, type Dialer } from "../src/sessions/ports.ts";
import { createDialer, type DialerOptions } from "../src/egress/create-dialer.ts";
import { serve, type TestServer } from "./egress-servers.ts";

/** A name that no resolver here knows: what reaches it, reached it by a proxy that resolved it. */
export const name = "web.whatsapp.test";
export const phaseMs = 400;
const timeouts = { dns: phaseMs, tcp: phaseMs, proxy: phaseMs, tls: phaseMs };

export function dialer(options: DialerOptions): Dialer {
  const made = createDialer({ timeouts, ...options });
  onTestFinished(() => made.close());
  return made;
}

/** Ends the server with the test. */
export function through<T extends TestServer>(server: T): T {
  onTestFinished(() => server.close());
  return server;
}

export function proxy(protocol: "socks5" | "http", port: number, host = "127.0.0.1"): EgressContract {
  return { kind: "proxy", protocol, host, port };
}

/** The EgressError of what must not succeed. */
export async function failure(connecting: Promise<unknown>): Promise<EgressError> {
  const error: unknown = await connecting.then(
    () => new Error("it connected"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof EgressError)) throw error;
  return error;
}

/** Sends back what it gets. */
export async function echoTarget(): Promise<TestServer> {
  return through(await serve((socket) => void socket.pipe(socket)));
}

/** Reads what it gets and never says a word. */
export const silent = () => serve((socket) => void socket.resume());

export async function answers(stream: Duplex, said: string): Promise<string> {
  stream.write(said);
  const [chunk]: unknown[] = await once(stream, "data");
  return String(chunk);
}

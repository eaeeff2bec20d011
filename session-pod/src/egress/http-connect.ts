import { once } from "node:events";
import type { Socket } from "node:net";
import { EgressError } from "../sessions/ports.ts";
import type { SocksTarget } from "./socks5.ts";
import { authority } from "./tcp.ts";

const maxHeadBytes = 16_384;
const headEnd = "\r\n\r\n";

/** Asks an HTTP proxy for a tunnel (RFC 9110, 9.3.6); any 2xx opens it. The code of a refusal is its HTTP status. */
export async function httpConnect(socket: Socket, { host, port, credentials }: SocksTarget): Promise<void> {
  const target = authority(host, port);
  const lines = [`CONNECT ${target} HTTP/1.1`, `Host: ${target}`];
  if (credentials) {
    const basic = Buffer.from(`${credentials.username}:${credentials.password}`, "utf8").toString("base64");
    lines.push(`Proxy-Authorization: Basic ${basic}`);
  }
  socket.write(lines.join("\r\n") + headEnd);
  const status = statusOf(await readHead(socket));
  if (status === undefined) throw new EgressError("proxy", "MalformedReply", "proxy: the answer is not HTTP");
  if (!/^2\d\d$/.test(status)) throw new EgressError("proxy", status, `proxy: CONNECT was answered ${status}`);
}

function statusOf(head: string): string | undefined {
  return /^HTTP\/1\.[01] (?<status>\d{3})(?: |\r\n)/.exec(head)?.groups?.["status"];
}

/** Reads to the end of the head and puts back what follows; by `read()`, so that the socket's flow stays as it was. */
async function readHead(socket: Socket): Promise<string> {
  let received = Buffer.alloc(0);
  const ended = once(socket, "close").then(() => {
    throw new EgressError("proxy", "ConnectionClosed", "proxy: closed the connection instead of answering");
  });
  ended.catch(() => undefined);
  for (;;) {
    const chunk: unknown = socket.read();
    if (!Buffer.isBuffer(chunk)) {
      if (socket.readableEnded) socket.destroy();
      await Promise.race([once(socket, "readable"), ended]);
      continue;
    }
    received = Buffer.concat([received, chunk]);
    const end = received.indexOf(headEnd);
    if (end < 0 && received.length <= maxHeadBytes) continue;
    if (end < 0) throw new EgressError("proxy", "MalformedReply", "proxy: the answer's head does not end");
    const rest = received.subarray(end + headEnd.length);
    if (rest.length > 0) socket.unshift(rest);
    return received.subarray(0, end + 2).toString("latin1");
  }
}

import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { TLSSocket } from "node:tls";
import { waited } from "./connection.ts";
import type { Context } from "./context.ts";
import { sourceOf } from "./upgrade.ts";

/** Where encrypted files are kept. */
export const mediaPath = "/media/";

/** Files that phones uploaded, and how they were asked for. */
export class Media {
  readonly blobs = new Map<string, { readonly phone: string; readonly sealed: Buffer }>();
  asked = 0;
  served = 0;
  #underWay = 0;
  /** Most downloads at the same time. */
  mostAtOnce = 0;

  begin(response: ServerResponse): void {
    this.asked += 1;
    this.#underWay += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#underWay);
    response.once("close", () => (this.#underWay -= 1));
  }
}

/** Serves one file, unless a rule of the stage `media` has something else for it. */
export async function serveMedia(context: Context, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { media, director } = context;
  const blob = media.blobs.get(request.url ?? "");
  media.begin(response);
  if (blob === undefined) return void response.writeHead(404).end();
  const rule = director.take({ stage: "media", source: sourceOf(request), phone: blob.phone });
  if (rule) await waited(rule);
  switch (rule?.action.kind) {
    case "silence":
      return undefined;
    case "http":
      return void response.writeHead(rule.action.status).end();
    case "close":
    case "reset":
      return tear(response, blob.sealed, rule.action.kind);
    case "garbage":
      return void response.end(randomBytes(rule.action.bytes));
    default:
      media.served += 1;
      return void response.end(blob.sealed);
  }
}

/** Half of it comes, and then the connection's end. */
function tear(response: ServerResponse, sealed: Buffer, how: "close" | "reset"): void {
  const { socket } = response;
  response.writeHead(200, { "content-length": sealed.length });
  response.write(sealed.subarray(0, sealed.length / 2), () => {
    // A TLS socket has no reset of its own.
    if (how === "close" || socket instanceof TLSSocket) socket?.destroy();
    else socket?.resetAndDestroy();
  });
}

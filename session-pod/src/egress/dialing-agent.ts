import type { ClientRequestArgs } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Duplex } from "node:stream";
import type { DialTarget } from "./dial.ts";

type Connect = (target: DialTarget) => Promise<Duplex>;
type Created = (error: Error | null, stream: Duplex) => void;

/**
 * Lets `http`, `https` and `ws` connect by the dialer. One agent for both schemes, because whoever makes it does not know the
 * URL: Node compares an agent's `protocol` with the request's only where it has one.
 */
export class DialingAgent extends HttpsAgent {
  readonly protocol: string = "";
  readonly #connect: Connect;
  readonly #onStream: (stream: Duplex) => void;

  constructor(connect: Connect, onStream: (stream: Duplex) => void) {
    super({ keepAlive: false });
    this.#connect = connect;
    this.#onStream = onStream;
  }

  override createConnection(options: ClientRequestArgs, created?: Created): undefined {
    void this.#open(options, created);
  }

  async #open(options: ClientRequestArgs, created: Created | undefined): Promise<void> {
    const isTls = options._defaultAgent instanceof HttpsAgent;
    const host = options.host ?? options.hostname ?? "localhost";
    const port = Number(options.port ?? (isTls ? 443 : 80));
    const opened = await this.#connect({ host, port, tls: isTls }).then(
      (stream) => ({ stream }),
      (error: unknown) => ({ error: error instanceof Error ? error : new Error("the dialer failed") }),
    );
    if ("stream" in opened) {
      this.#onStream(opened.stream);
      created?.(null, opened.stream);
    } else reportFailure(created, opened.error);
  }
}

/** Node's callback takes an error alone; its type asks for a stream all the same. */
function reportFailure(created: ((error: Error, ...rest: never[]) => void) | undefined, error: Error): void {
  created?.(error);
}

import { hubPath, linkVersion, type HubFrame, type PodFrame } from "@wa/schema";
import { expect } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import { eventually } from "./eventually.ts";

export interface LinkDialerOptions {
  readonly port: number;
  readonly caPem: string;
  readonly namespace: string;
  readonly token: string;
}

type PodName = Readonly<Record<"namespace" | "name" | "uid", string>>;

/** What a pod that runs nothing says first. */
export const helloOf = ({ namespace, name, uid }: PodName): Extract<PodFrame, { kind: "hello" }> => ({
  kind: "hello",
  version: linkVersion,
  endpoint: "eu-px",
  pod: { namespace, name, uid, node: "n" },
  sessions: [],
  selfGranted: [],
  abilities: [],
});

/** A pod's end of the link, frame by frame. */
export class LinkDialer {
  readonly frames: HubFrame[] = [];
  readonly #socket: WebSocket;
  readonly #namespace: string;
  closed = false;
  closeCode = 0;
  readonly pongs: string[] = [];
  /** Of the answer to the dial: 101 opens a link. */
  status = 0;

  constructor({ port, caPem, namespace, token }: LinkDialerOptions) {
    this.#namespace = namespace;
    this.#socket = new WebSocket(`wss://localhost:${port}${hubPath}`, {
      ca: caPem,
      headers: { authorization: `Bearer ${token}` },
    });
    this.#socket.on("message", (data) => this.frames.push(JSON.parse(z.instanceof(Buffer).parse(data).toString())));
    this.#socket.on("close", (code) => {
      this.closed = true;
      this.closeCode = code;
    });
    this.#socket.on("pong", (data) => this.pongs.push(data.toString()));
    this.#socket.on("upgrade", (response) => (this.status = response.statusCode ?? 0));
    this.#socket.on("unexpected-response", (_request, response) => (this.status = response.statusCode ?? 0));
    this.#socket.on("error", () => undefined);
  }

  async opened(): Promise<this> {
    await eventually(() => {
      expect(this.#socket.readyState).toBe(WebSocket.OPEN);
    });
    return this;
  }

  /** As a pod may say it: what the schema adds by itself may be missing. */
  say(frame: z.input<typeof PodFrame> | string | Uint8Array): void {
    const isRaw = typeof frame === "string" || frame instanceof Uint8Array;
    this.#socket.send(isRaw ? frame : JSON.stringify(frame));
  }

  hello(pod: { readonly name: string; readonly uid: string }): void {
    this.say(helloOf({ namespace: this.#namespace, ...pod }));
  }

  async heard<K extends HubFrame["kind"]>(kind: K): Promise<Extract<HubFrame, { kind: K }>> {
    const is = (frame: HubFrame): frame is Extract<HubFrame, { kind: K }> => frame.kind === kind;
    await eventually(() => {
      expect(this.frames.map((frame) => frame.kind)).toContain(kind);
    });
    const found = this.frames.findLast(is);
    if (found === undefined) throw new Error(`no ${kind}`);
    return found;
  }

  /** Bytes that the other end has not taken. */
  get unsent(): number {
    return this.#socket.bufferedAmount;
  }

  ping(data: string): void {
    this.#socket.ping(data);
  }

  stopReading(): void {
    this.#socket.pause();
  }

  end(): void {
    this.#socket.terminate();
  }
}

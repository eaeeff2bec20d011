import type { Socket } from "node:net";
import { Crowd } from "./crowd.ts";

/** Sockets that have not said anything: some 10 kB each. A pod speaks as soon as it is connected. */
const silentLimits = { most: 256, mostOfGroup: 128 };
/** Sockets that have, and are not known yet to be a session pod's of ours: some 100 kB each. The silent ones do not push these out. */
const speakingLimits = { most: 512, mostOfGroup: 256 };
/** From the first byte to a token; a pod gives up after `linkTiming.dialTimeoutMs`. */
const dialWithinMs = 5_000;
/** With a token that is good, until it is known whether the pod is ours, and to say that it is not. */
const admitWithinMs = 8_000;
const sweepMs = 500;
/** TLS handshakes that may begin in one go: each takes about a millisecond of the event loop. */
const handshakesAtOnce = 4;

interface Dialling {
  readonly socket: Socket;
  untilMs: number;
}

/** A connection as both ends of it have it; sockets that wrap each other say the same. */
export const connectionOf = ({ remoteAddress, remotePort }: Pick<Socket, "remoteAddress" | "remotePort">): string =>
  `${remoteAddress ?? ""} ${remotePort ?? ""}`;

/**
 * Who dials has to become somebody soon. Until then he waits here: few at a time, and fewer from one address; without TLS's
 * memory until he has said something; and a little behind the event loop's other work.
 */
export class Gate {
  readonly #onHandshake: (socket: Socket) => void;
  readonly #silent = new Crowd<string>(silentLimits);
  readonly #speaking = new Crowd<string>(speakingLimits);
  readonly #dialling = new Map<string, Dialling>();
  readonly #all = new Set<Socket>();
  readonly #handshakes: Socket[] = [];
  readonly #sweeper: NodeJS.Timeout;
  #pump: NodeJS.Timeout | undefined;

  /** @param onHandshake takes a socket on which the other end has begun to speak */
  constructor(onHandshake: (socket: Socket) => void) {
    this.#onHandshake = onHandshake;
    this.#sweeper = setInterval(() => this.#sweep(), sweepMs);
  }

  enter(socket: Socket): void {
    const connection = connectionOf(socket);
    this.#all.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => {
      this.#all.delete(socket);
      this.admit(connection);
    });
    this.#dialling.set(connection, { socket, untilMs: performance.now() + dialWithinMs });
    const member = { group: socket.remoteAddress ?? "", onOut: () => void socket.destroy() };
    this.#silent.add(connection, member);
    socket.once("readable", () => {
      if (this.#silent.remove(connection)) this.#speaking.add(connection, member);
      this.#spoke(socket);
    });
  }

  /** Its token is good. */
  identified(connection: string): void {
    const found = this.#dialling.get(connection);
    if (found !== undefined) found.untilMs = performance.now() + admitWithinMs;
  }

  /** It is a session pod of ours, or gone. */
  admit(connection: string): void {
    this.#dialling.delete(connection);
    this.#silent.remove(connection);
    this.#speaking.remove(connection);
  }

  /** Ends every connection, admitted ones too. */
  close(): void {
    clearInterval(this.#sweeper);
    clearTimeout(this.#pump);
    for (const socket of this.#all) socket.destroy();
  }

  #spoke(socket: Socket): void {
    if (socket.destroyed) return;
    // The other end has ended without a word.
    if (socket.readableLength === 0) return void socket.destroy();
    this.#handshakes.push(socket);
    this.#pump ??= setTimeout(() => this.#begin(), 0);
  }

  /** Rests for as long as a round took: at least half of the event loop is for those who are known. */
  #begin(): void {
    const startedMs = performance.now();
    for (const socket of this.#handshakes.splice(0, handshakesAtOnce)) if (!socket.destroyed) this.#onHandshake(socket);
    setImmediate(() => {
      const isMore = this.#handshakes.length > 0;
      this.#pump = isMore ? setTimeout(() => this.#begin(), performance.now() - startedMs) : undefined;
    });
  }

  #sweep(): void {
    const nowMs = performance.now();
    for (const { socket, untilMs } of this.#dialling.values()) if (nowMs >= untilMs) socket.destroy();
  }
}

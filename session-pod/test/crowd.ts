import type { Cause, SessionReport, SessionSpec } from "@wa/schema";
import { expect } from "vitest";
import { assignmentOf, LinkScene, type DeviceCounts } from "./link-scene.ts";
import type { PodProcess } from "./pod-process.ts";
import { until } from "./until.ts";

/** Writes to everybody and is written to by everybody. */
export const peer = "33631000099";

interface CrowdOptions {
  readonly size: number;
  /** Settings of the one that gets hurt. */
  readonly ofHurt?: Partial<SessionSpec>;
}

/** Many devices in one session pod, all linked; the first of them is the one that gets hurt. */
export class Crowd implements AsyncDisposable {
  readonly scene: LinkScene;
  readonly pod: PodProcess;
  readonly names: readonly string[];
  readonly hurt = "d0";
  #textsToEach = 0;

  static async gather({ size, ofHurt = {} }: CrowdOptions): Promise<Crowd> {
    const scene = await LinkScene.set({ onTestFailed: () => undefined });
    const crowd = new Crowd(scene, size, ofHurt);
    await Promise.all(crowd.names.map(async (name) => scene.pair(name, crowd.phoneOf(name))));
    return crowd;
  }

  private constructor(scene: LinkScene, size: number, ofHurt: Partial<SessionSpec>) {
    this.scene = scene;
    this.names = Array.from({ length: size }, (_none, place) => `d${place}`);
    const assignments = this.names.map((name) => assignmentOf(name, name === this.hurt ? ofHurt : {}));
    scene.hub.assign = { egressIPEndpoints: [], assignments };
    this.pod = scene.startPod();
  }

  get calm(): readonly string[] {
    return this.names.filter((name) => name !== this.hurt);
  }

  phoneOf(name: string): string {
    return `336310001${name.slice(1).padStart(2, "0")}`;
  }

  /** A text of the peer's for every calm device, and one of every calm device's for the peer. */
  async talk(): Promise<void> {
    this.#textsToEach += 1;
    for (const name of this.calm) {
      await this.scene.simulator.client.text(peer, this.phoneOf(name), "are you there");
      await this.scene.enqueue(name, peer, `${name} is here ${this.#textsToEach}`);
    }
  }

  /** Waits until every text of {@link talk} has arrived, either way, and was acknowledged. */
  async heardAll(): Promise<void> {
    const { client } = this.scene.simulator;
    await until(
      "all texts, both ways",
      async () => {
        const counts = await this.calmCounts();
        const isAcknowledged = counts.every((each) => each.messagesAcknowledged >= this.#textsToEach);
        const fromCalm = (await client.messages(peer)).filter(({ text }) => text.includes("is here"));
        return isAcknowledged && fromCalm.length === this.#textsToEach * this.calm.length;
      },
      60_000,
    );
  }

  async calmCounts(): Promise<readonly DeviceCounts[]> {
    const { devices } = await this.scene.simulator.client.stats();
    return this.calm.map((name) => {
      const counts = devices[`${this.phoneOf(name)}:1`];
      if (counts === undefined) throw new Error(`${name} has no device`);
      return counts;
    });
  }

  /** Every end of the hurt device's connection after a moment, in order: when, why, and when the next attempt is due. */
  endsSince(sinceMs: number): readonly End[] {
    const ends = new Map<string, End>();
    for (const frame of this.scene.hub.frames) {
      if (frame.kind !== "session" || frame.session.device.name !== this.hurt) continue;
      const end = endIn(frame.session);
      if (end !== undefined && end.timeMs >= sinceMs) ends.set(`${end.timeMs} ${end.attempt}`, end);
    }
    return [...ends.values()];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.scene[Symbol.asyncDispose]();
  }
}

/** The same sockets as before, one each. */
export function expectUnmoved(now: readonly DeviceCounts[], before: readonly DeviceCounts[]): void {
  const socketsOf = (counts: readonly DeviceCounts[]) =>
    counts.map(({ socketsNow, socketsEver, framesFromOldSocket }) => ({
      socketsNow,
      socketsEver,
      framesFromOldSocket,
    }));
  expect(socketsOf(now)).toEqual(socketsOf(before));
  expect(now.map(({ socketsNow }) => socketsNow)).toEqual(now.map(() => 1));
}

export interface End {
  readonly timeMs: number;
  readonly cause: Cause;
  readonly message: string;
  readonly attempt: number;
  readonly nextAttemptMs: number;
}

/** What a report says of the end that it was made for. */
function endIn({ state, lastDisconnect, attempt, nextAttemptAt }: SessionReport): End | undefined {
  if (state !== "BackingOff" || lastDisconnect === undefined || nextAttemptAt === undefined) return undefined;
  const { time, cause, message } = lastDisconnect;
  return { timeMs: Date.parse(time), cause, message, attempt, nextAttemptMs: Date.parse(nextAttemptAt) };
}

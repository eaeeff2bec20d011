import { hubPath, linkVersion, podAbilities, type Bucket, type DeviceRef, type PodFrame } from "@wa/schema";
import { pino } from "pino";
import { onArrival } from "../../session-pod/src/link/late-grants.ts";
import { HubLink, type LeaderFrame } from "../../session-pod/src/link/hub-link.ts";
import { Turn } from "../../session-pod/src/sessions/turn.ts";

type Hello = Extract<PodFrame, { kind: "hello" }>;

export interface StartPodOptions {
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string };
  readonly token: string;
  readonly port: number;
  readonly caPem: string;
  readonly devices: readonly DeviceRef[];
  readonly bucket: Bucket;
  /** As a session pod of the first release: it counts a grant from its arrival, however late that is. */
  readonly isOld?: boolean;
  readonly onStart: (device: DeviceRef, atMs: number) => void;
}

/** A session pod's own link and its sessions' places in the queue; a start is noted in the place of a connection. */
export class StartPod implements AsyncDisposable {
  readonly #options: StartPodOptions;
  readonly #link: HubLink;
  readonly #turns = new Map<string, Turn>();

  constructor(options: StartPodOptions) {
    this.#options = options;
    this.#link = new HubLink({
      url: `wss://localhost:${options.port}${hubPath}`,
      caPem: options.caPem,
      readToken: async () => await Promise.resolve(options.token),
      log: pino({ level: process.env["TEST_LOG"] ?? "silent" }),
      snapshot: () => ({ hello: this.#hello(), egress: { kind: "egress", observedIPs: [] }, queue: this.#queue() }),
      onWelcome: () => undefined,
      onFrame: (frame, sentAfterMs) => this.#told(frame, sentAfterMs),
      onHeard: () => undefined,
    });
    this.#link.start();
    for (const device of options.devices) this.#queueUp(device);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#link.close();
    for (const turn of this.#turns.values()) turn.leave();
  }

  #queueUp(device: DeviceRef): void {
    const turn = new Turn({
      onDue: () => this.#options.onStart(device, performance.now()),
      onQueueChange: () => this.#link.sendQueue(this.#queue()),
    });
    this.#turns.set(device.uid, turn);
    turn.take(this.#options.bucket);
  }

  #hello(): Hello {
    const { pod, isOld = false } = this.#options;
    const abilities = isOld ? [] : [podAbilities.lateGrants];
    const all = { kind: "hello", version: linkVersion, endpoint: "eu-px" } as const;
    return { ...all, pod: { ...pod, node: "n" }, sessions: [], selfGranted: [], abilities };
  }

  #queue(): Extract<PodFrame, { kind: "grant-request" }> {
    const requests = this.#options.devices.flatMap((device) => {
      const bucket = this.#turns.get(device.uid)?.bucket;
      return bucket === undefined ? [] : [{ device, bucket }];
    });
    return { kind: "grant-request", requests };
  }

  #told(frame: LeaderFrame, sentAfterMs: number): void {
    if (frame.kind !== "grant") return;
    for (const grant of frame.grants) {
      const counted = this.#options.isOld === true ? grant : onArrival(grant, performance.now() - sentAfterMs);
      this.#turns.get(grant.device.uid)?.grant(counted);
    }
  }
}

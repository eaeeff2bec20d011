import { randomUUID } from "node:crypto";
import {
  group,
  podAbilities,
  type Assignment,
  type Bucket,
  type DeviceRef,
  type Grant,
  type PodFrame,
} from "@wa/schema";
import { ledgerName } from "../src/hub/grants/ledger-leases.ts";
import { ledgerOf } from "../src/hub/grants/ledger-text.ts";
import { emptyLedger, type StartLedger } from "../src/hub/grants/start-ledger.ts";
import type { StartLimits } from "../src/hub/links.ts";
import type { Hub } from "../src/hub/start-hub.ts";
import { leases } from "../src/kube/lease-state.ts";
import { resource } from "../src/kube/resource.ts";
import type { HubStage, TestPod } from "./hub-stage.ts";
import { helloOf, type LinkDialer } from "./link-dialer.ts";

const startsAnnotation = `${group}/starts`;

export const limitsOf = (count: number, periodMs: number): StartLimits => ({
  login: { count, periodMs },
  registration: { count, periodMs },
});

/** One that no other test counts on. */
export const newAddress = (): string => `198.51.${Math.floor(Math.random() * 250)}.${Math.floor(Math.random() * 250)}`;

export function devicesOf(namespace: string, count: number): DeviceRef[] {
  const prefix = randomUUID().slice(0, 6);
  return Array.from({ length: count }, (_none, place) => {
    const name = `${prefix}-${place}`;
    return { namespace, name, uid: `uid-${name}` };
  });
}

export const assignmentsOf = (devices: readonly DeviceRef[]): Assignment[] =>
  devices.map((device) => ({
    device,
    epoch: 1,
    dataKeys: [{ keyId: "k", keyBase64: "" }],
    desired: "Running",
    pairRequestedAt: "",
    spec: {
      pairing: { method: "QRCode", phoneNumber: "", windowMs: 1 },
      browser: { os: "a", name: "b", version: "c" },
      clientVersion: "Auto",
      connectTimeoutMs: 1,
      keepAliveIntervalMs: 1,
      queryTimeoutMs: 1,
      baseDelayMs: 1,
      maxDelayMs: 1,
      unpairedAttempts: 1,
    },
  }));

/** A recorded pod with devices, linked. */
export class AskingPod {
  readonly pod: TestPod;
  readonly devices: readonly DeviceRef[];
  readonly dialer: LinkDialer;

  private constructor(pod: TestPod, devices: readonly DeviceRef[], dialer: LinkDialer) {
    this.pod = pod;
    this.devices = devices;
    this.dialer = dialer;
  }

  /** @param told what its hello says otherwise */
  static async on(
    stage: HubStage,
    hub: Hub,
    count: number,
    told: Partial<Extract<PodFrame, { kind: "hello" }>> = {},
  ): Promise<AskingPod> {
    const pod = await stage.ourPod();
    const devices = devicesOf(stage.namespace, count);
    hub.setDesired(pod.uid, { egressIPEndpoints: [], assignments: assignmentsOf(devices) });
    const dialer = await stage.dial(hub, pod.token).opened();
    const abilities = [podAbilities.lateGrants];
    dialer.say({ ...helloOf({ namespace: stage.namespace, ...pod }), abilities, ...told });
    await dialer.heard("welcome");
    return new AskingPod(pod, devices, dialer);
  }

  ask(bucket: Bucket = "login", devices = this.devices): void {
    this.dialer.say({ kind: "grant-request", requests: devices.map((device) => ({ device, bucket })) });
  }

  async granted(bucket: Bucket = "login"): Promise<readonly Grant[]> {
    this.ask(bucket);
    return (await this.dialer.heard("grant")).grants;
  }
}

/** The ledgers of a stage, as the API server has them. */
export class StoredLedgers {
  readonly #stage: HubStage;

  constructor(stage: HubStage) {
    this.#stage = stage;
  }

  get client() {
    return resource(this.#stage.server.transport, leases);
  }

  nameOf(subject: string) {
    return { namespace: this.#stage.namespace, name: ledgerName(subject) };
  }

  async textOf(subject: string): Promise<string> {
    return (await this.client.get(this.nameOf(subject)))?.metadata.annotations[startsAnnotation] ?? "";
  }

  async of(subject: string): Promise<StartLedger> {
    return ledgerOf(await this.textOf(subject)) ?? emptyLedger;
  }

  async make(subject: string, text: string): Promise<void> {
    await this.client.create({
      metadata: { ...this.nameOf(subject), annotations: { [startsAnnotation]: text } },
      spec: {},
    });
  }

  async spoil(subject: string): Promise<void> {
    await this.client.mergePatch(this.nameOf(subject), { metadata: { annotations: { [startsAnnotation]: "{" } } });
  }

  async remove(subject: string): Promise<void> {
    const lease = await this.client.get(this.nameOf(subject));
    await this.client.delete(this.nameOf(subject), { uid: lease?.metadata.uid ?? "" });
  }
}

/** The most of these instants that lie within one period. */
export function most(times: readonly number[], periodMs: number): number {
  return Math.max(0, ...times.map((from) => times.filter((time) => time >= from && time < from + periodMs).length));
}

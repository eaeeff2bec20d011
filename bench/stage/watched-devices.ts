import { WhatsAppDevice } from "@wa/schema";
import { setTimeout as delay } from "node:timers/promises";
import { collectionPath } from "../../operator/src/kube/kind.ts";
import { listRaw } from "../../operator/src/kube/resource.ts";
import type { Transport } from "../../operator/src/kube/transport.ts";
import { deviceKind } from "../../operator/src/world/kinds.ts";
import { z } from "zod";

const Line = z.object({ type: z.enum(["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]), object: z.unknown() });

type Devices = ReadonlyMap<string, WhatsAppDevice>;
interface Waiting {
  readonly holds: (devices: Devices) => boolean;
  readonly resolve: (atMs: number) => void;
}

/** The devices of a namespace as a watch shows them, the moment it does: what `kubectl get -w` sees, without its start. */
export class WatchedDevices implements AsyncDisposable {
  readonly #transport: Transport;
  readonly #namespace: string;
  readonly #devices = new Map<string, WhatsAppDevice>();
  readonly #waiting = new Set<Waiting>();
  readonly #stopped = new AbortController();
  readonly #watching: Promise<void>;

  constructor(transport: Transport, namespace: string) {
    this.#transport = transport;
    this.#namespace = namespace;
    this.#watching = this.#watch();
  }

  get(name: string): WhatsAppDevice | undefined {
    return this.#devices.get(name);
  }

  /** Resolves to the time, by `performance.now()`, at which this was first seen to hold. */
  async until(what: string, holds: (devices: Devices) => boolean, withinMs = 120_000): Promise<number> {
    if (holds(this.#devices)) return performance.now();
    const outcome = Promise.withResolvers<number>();
    const waiting = { holds, resolve: outcome.resolve };
    this.#waiting.add(waiting);
    const timer = setTimeout(
      () => outcome.reject(new Error(`${what}: not within ${withinMs / 1_000} s; ${this.#last()}`)),
      withinMs,
    );
    try {
      return await outcome.promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(waiting);
    }
  }

  async untilOne(name: string, what: string, holds: (device: WhatsAppDevice) => boolean): Promise<number> {
    return await this.until(`${name}: ${what}`, (devices) => {
      const device = devices.get(name);
      return device !== undefined && holds(device);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort();
    await this.#watching;
  }

  #last(): string {
    const phases = [...this.#devices.values()].map(({ status }) => status.phase ?? "none");
    const counts = [...Map.groupBy(phases, (phase) => phase)].map(([phase, same]) => `${same.length} ${phase}`);
    return `now ${counts.join(", ")}`;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await this.#listAndWatch(signal).catch(() => undefined);
      await delay(100, undefined, { signal }).catch(() => undefined);
    }
  }

  async #listAndWatch(signal: AbortSignal): Promise<void> {
    const { items, resourceVersion } = await listRaw(this.#transport, deviceKind, { namespace: this.#namespace });
    this.#devices.clear();
    for (const item of items) this.#keep(item);
    this.#look();
    const path = collectionPath(deviceKind, this.#namespace);
    for await (const text of this.#transport.watch({ path, query: { resourceVersion } }, signal)) {
      const { type, object } = Line.parse(text);
      if (type === "ERROR") return;
      if (type === "BOOKMARK") continue;
      if (type === "DELETED") this.#devices.delete(WhatsAppDevice.parse(object).metadata.name);
      else this.#keep(object);
      this.#look();
    }
  }

  #keep(object: unknown): void {
    const device = WhatsAppDevice.parse(object);
    this.#devices.set(device.metadata.name, device);
  }

  #look(): void {
    for (const waiting of this.#waiting)
      if (waiting.holds(this.#devices)) {
        this.#waiting.delete(waiting);
        waiting.resolve(performance.now());
      }
  }
}

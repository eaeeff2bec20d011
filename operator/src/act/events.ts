import { randomUUID } from "node:crypto";
import { clippedToBytes } from "@wa/schema";
import { z } from "zod";
import { defineKind } from "../kube/kind.ts";
import { microTime } from "../kube/micro-time.ts";
import { resource, type Resource } from "../kube/resource.ts";
import type { Transport } from "../kube/transport.ts";
import { EventBudget, type EventFacts } from "./event-budget.ts";

const events = defineKind({
  group: "events.k8s.io",
  version: "v1",
  kind: "Event",
  plural: "events",
  isNamespaced: true,
  schema: z.object({ metadata: z.object({ name: z.string() }) }),
});

/** What an Event is about. */
export interface EventTarget {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface EventNote {
  readonly type: "Normal" | "Warning";
  /** CamelCase. */
  readonly reason: string;
  /** For people; never a code, key, password or phone number. Cut to 1 kB. */
  readonly message: string;
}

export interface RecorderOptions {
  readonly transport: Transport;
  /** Such as `whatsapp-operator.io/operator`. */
  readonly controller: string;
  /** The operator pod's name. */
  readonly instance: string;
  /** An Event was not written: for a log line; nothing else depends on it. */
  readonly onFailed: (error: unknown) => void;
}

/** The API server's bound for an Event's note, in bytes. */
const maxNoteBytes = 1_024;
/** More than these under way at once are dropped: Events wait for no one and hold up nothing. */
const maxPending = 256;
const deadlineMs = 10_000;

/** Writes Events in the background. Nothing it meets reaches the caller. */
export class EventRecorder {
  readonly #options: RecorderOptions;
  readonly #events: Resource<unknown>;
  readonly #budget = new EventBudget();
  readonly #pending = new Set<Promise<void>>();

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#events = resource(options.transport, events);
  }

  record(target: EventTarget, note: EventNote): void {
    if (this.#pending.size >= maxPending) return;
    const writing = this.#write(target, { ...note, message: clippedToBytes(note.message, maxNoteBytes) })
      .catch(this.#options.onFailed)
      .finally(() => this.#pending.delete(writing));
    this.#pending.add(writing);
  }

  /** Waits for the Events under way, such as before the process ends. */
  async flush(): Promise<void> {
    await Promise.all(this.#pending);
  }

  async #write(target: EventTarget, note: EventNote): Promise<void> {
    const facts: EventFacts = { about: target.uid, ...note };
    const nowMs = Date.now();
    const decision = this.#budget.decide(facts, nowMs);
    if (decision.kind === "Drop") return;
    if (decision.kind === "Repeat") {
      const series = { count: decision.count, lastObservedTime: microTime(nowMs) };
      const name = { namespace: target.namespace, name: decision.eventName };
      await this.#events.mergePatch(name, { series }, { deadlineMs });
      return;
    }
    const name = `${target.name}.${randomUUID().replaceAll("-", "").slice(0, 16)}`;
    await this.#events.create(this.#eventOf(name, target, note), { deadlineMs });
    this.#budget.created(facts, name, nowMs);
  }

  #eventOf(name: string, target: EventTarget, note: EventNote) {
    return {
      metadata: { namespace: target.namespace, name },
      eventTime: microTime(Date.now()),
      reportingController: this.#options.controller,
      reportingInstance: this.#options.instance,
      action: "Reconcile",
      reason: note.reason,
      type: note.type,
      note: note.message,
      regarding: target,
    };
  }
}

import type { SendFault } from "../session/send-faults.ts";
import {
  isInHand,
  newOutbox,
  oldestMs,
  outboxLimits,
  outboxStep,
  type Fate,
  type OutboxEffect,
  type OutboxEvent,
  type OutboxLimits,
} from "../session/outbox-step.ts";
import { SendError, type ClientSocket } from "./client.ts";
import { Lanes } from "./lanes.ts";
import { describe } from "./ownership.ts";
import type { Pod } from "./pod.ts";
import type { DueMessage, GenerationStore } from "./ports.ts";

/** Recipients that are written to at a time: each may cost the server two questions. */
const lanes = 4;
const lookEveryMs = 1_000;

export interface OutboxOptions {
  readonly pod: Pick<Pod, "log" | "metrics">;
  readonly store: Pick<GenerationStore, "commit">;
  readonly socket: Pick<ClientSocket, "send">;
  readonly limits?: OutboxLimits | undefined;
  /** The server acknowledges nothing: the connection has to end. */
  readonly onDeaf: (reason: string) => void;
}

/** The outbox of one connection: performs what the pure step decides. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #messages = new Map<string, DueMessage>();
  readonly #lanes = new Lanes(lanes);
  readonly #clock: NodeJS.Timeout;
  #state = newOutbox;
  #isOver = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#clock = setInterval(() => this.#dispatch({ kind: "looked" }), lookEveryMs);
  }

  /** Messages that the store need not name again. */
  get underWay(): ReadonlySet<string> {
    const { underWay } = this.#state;
    return new Set([...underWay.values()].filter(isInHand).map(({ messageId }) => messageId));
  }

  /** The longest that a message has been under way. */
  get oldestMs(): number {
    return oldestMs(this.#state, performance.now());
  }

  /** Takes what is due in the store. */
  send(messages: readonly DueMessage[]): void {
    for (const message of messages) this.#messages.set(message.messageId, message);
    this.#dispatch({ kind: "listed", messages });
  }

  acknowledged(messageId: string, fault: SendFault | undefined): void {
    this.#dispatch({ kind: "acknowledged", messageId, fault });
  }

  end(): void {
    this.#isOver = true;
    clearInterval(this.#clock);
  }

  #dispatch(event: OutboxEvent): void {
    if (this.#isOver) return;
    const [state, effects] = outboxStep(this.#state, event, {
      elapsedMs: performance.now(),
      nowMs: Date.now(),
      random: Math.random(),
      limits: this.#options.limits ?? outboxLimits,
    });
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
    for (const messageId of this.#messages.keys()) if (!state.underWay.has(messageId)) this.#messages.delete(messageId);
  }

  #perform(effect: OutboxEffect): void {
    switch (effect.kind) {
      case "handOver": {
        const message = this.#messages.get(effect.messageId);
        if (message !== undefined) this.#lanes.run(message.to, async () => await this.#sendOne(message));
        return;
      }
      case "store":
        return this.#store(effect.messageId, effect.fate);
      case "reconnect":
        return this.#options.onDeaf(effect.reason);
      default:
        effect satisfies never;
    }
  }

  async #sendOne(message: DueMessage): Promise<void> {
    const { messageId } = message;
    if (this.#isOver) return;
    try {
      await this.#options.socket.send(message);
      this.#dispatch({ kind: "sent", messageId });
    } catch (error) {
      const fault = error instanceof SendError ? error.fault : { message: describe(error) };
      this.#dispatch({ kind: "notSent", messageId, fault });
    }
  }

  #store(messageId: string, fate: Fate): void {
    const { log, metrics } = this.#options.pod;
    if (fate.state === "Failed") log.error({ messageId, why: fate.error }, "message failed");
    if (fate.state === "Queued") {
      const { error: why, attempts, notBeforeMs } = fate;
      log.warn({ messageId, why, attempts, nextTryAt: new Date(notBeforeMs).toISOString() }, "message put back");
    }
    this.#options.store.commit({ outbox: [{ messageId, ...fate }] }).then(
      () => {
        metrics.sent.inc({ result: fate.state });
        this.#dispatch({ kind: "stored", messageId });
      },
      // The generation is over: the row is still pending, and goes out again under the same id.
      () => undefined,
    );
  }
}

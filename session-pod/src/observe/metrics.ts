import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Bucket, Cause } from "@wa/schema";
import { Counter, Gauge, Registry } from "prom-client";

const nanosPerSecond = 1e9;
/** Finer, the clock that measures the loop costs more than all that an idle pod does beside it. */
const lagResolutionMs = 100;
const lagQuantiles = [50, 99, 100];

/** What a session counts of its own life. */
type Counted =
  | { readonly what: "qr" }
  | { readonly what: "start"; readonly bucket: Bucket }
  | { readonly what: "disconnect"; readonly cause: Cause };

/** Every number that a session pod publishes. One value of this class a process. */
export class PodMetrics {
  readonly registry = new Registry();
  readonly disconnects: Counter<"cause">;
  readonly qrCodes: Counter;
  readonly connects: Counter<"bucket">;
  readonly received: Counter<"redelivery">;
  readonly incoming = new Counter({
    name: "whatsapp_messages_incoming_total",
    help: "Messages that came, by what became of them: Read; AskedAgain or GivenUp, which did not decrypt; Unavailable or NotSupported.",
    labelNames: ["result"],
    registers: [this.registry],
  });
  readonly sent: Counter<"result">;
  readonly outboxOldest = new Gauge({
    name: "whatsapp_outbox_oldest_under_way_seconds",
    help: "How long the oldest message that was handed to a session has been without the server's answer.",
    registers: [this.registry],
  });
  readonly history: Counter<"result">;
  readonly sessionFaults: Counter;
  readonly storeTrouble: Counter<"operation">;
  readonly setAside: Counter<"reason"> = new Counter({
    name: "whatsapp_messages_set_aside_total",
    help: "Messages stored aside of the inbox: Names, no column holds its id or addresses; Refused, the database refused its row.",
    labelNames: ["reason"],
    registers: [this.registry],
  });
  readonly #lag = monitorEventLoopDelay({ resolution: lagResolutionMs });

  /** @param countStates how many sessions are in each state, read at each scrape */
  constructor(countStates: () => Readonly<Record<string, number>>) {
    const registers = [this.registry];
    this.disconnects = new Counter({
      name: "whatsapp_session_disconnects_total",
      help: "Ended connections by cause.",
      labelNames: ["cause"],
      registers,
    });
    this.qrCodes = new Counter({ name: "whatsapp_session_qr_codes_total", help: "QR codes shown.", registers });
    this.connects = new Counter({
      name: "whatsapp_connection_attempts_total",
      help: "Connection attempts by start budget.",
      labelNames: ["bucket"],
      registers,
    });
    this.received = new Counter({
      name: "whatsapp_messages_received_total",
      help: "Messages stored in the inbox; redelivery=true: those that were there already.",
      labelNames: ["redelivery"],
      registers,
    });
    this.sent = new Counter({
      name: "whatsapp_messages_sent_total",
      help: "Tries to send a message of the outbox by what became of it: Sent, Failed, or Queued again for a later try.",
      labelNames: ["result"],
      registers,
    });
    this.history = new Counter({
      name: "whatsapp_history_blobs_total",
      help: "Blobs of history by what became of them: Read, Refused as too big, Failed, Dropped as too many.",
      labelNames: ["result"],
      registers,
    });
    this.sessionFaults = new Counter({
      name: "whatsapp_session_faults_total",
      help: "Faults of the client library that ended one session.",
      registers,
    });
    this.storeTrouble = new Counter({
      name: "whatsapp_store_trouble_total",
      help: "Store operations that had to wait or be tried again.",
      labelNames: ["operation"],
      registers,
    });
    this.#gauges(countStates);
    this.#lag.enable();
  }

  count(event: Counted): void {
    switch (event.what) {
      case "qr":
        return this.qrCodes.inc();
      case "start":
        return this.connects.inc({ bucket: event.bucket });
      case "disconnect":
        return this.disconnects.inc({ cause: event.cause });
      default:
        event satisfies never;
    }
  }

  close(): void {
    this.#lag.disable();
  }

  #gauges(countStates: () => Readonly<Record<string, number>>): void {
    const registers = [this.registry];
    const sessions: Gauge<"state"> = new Gauge({
      name: "whatsapp_session_states",
      help: "Sessions by state.",
      labelNames: ["state"],
      registers,
      collect: () => {
        sessions.reset();
        for (const [state, count] of Object.entries(countStates())) sessions.set({ state }, count);
      },
    });
    const lag: Gauge<"percentile"> = new Gauge({
      name: "whatsapp_event_loop_lag_seconds",
      help: "Delay of the event loop since the last scrape; a loop that stands for five seconds ends every session.",
      labelNames: ["percentile"],
      registers,
      collect: () => {
        for (const quantile of lagQuantiles) {
          // What is recorded is the time between two ticks of the clock.
          const lateSeconds = this.#lag.percentile(quantile) / nanosPerSecond - lagResolutionMs / 1_000;
          lag.set({ percentile: String(quantile) }, Math.max(0, lateSeconds));
        }
        this.#lag.reset();
      },
    });
    const memory: Gauge = new Gauge({
      name: "whatsapp_resident_memory_bytes",
      help: "Resident memory of the process.",
      registers,
      collect: () => memory.set(process.memoryUsage.rss()),
    });
  }
}

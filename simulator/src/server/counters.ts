/** A connection attempt that reached the server with a payload it understood. */
export interface Start {
  readonly kind: "login" | "registration";
  /** RFC 3339 with milliseconds. */
  readonly time: string;
  /** `phone:device`; a registration has one when it became a device. */
  device?: string;
  readonly clientVersion: string;
}

export interface ConnectionRecord {
  readonly id: number;
  readonly source: string;
  readonly openedAt: string;
  readonly isTls: boolean;
  device?: string;
  kind?: Start["kind"];
  outcome?: string;
  closedAt?: string;
  /** What the client said to the server's own stanzas, oldest first: `ack CLASS ID`, `result ID`, `error ID CODE`. */
  readonly answers: string[];
}

export interface DeviceCounters {
  /** Sockets that passed a login. */
  socketsNow: number;
  socketsEver: number;
  logins: number;
  /** Taken from an older socket after a newer one's success: must stay 0. */
  framesFromOldSocket: number;
  /** Their tags, in order. */
  stanzasFromOldSocket: string[];
  preKeysUploaded: number;
  messagesDelivered: number;
  messagesRedelivered: number;
  messagesAcknowledged: number;
  /** Acknowledged with an error and without asking again. */
  messagesRefused: number;
  messagesReceived: number;
  /** Received again under an id that the peer had read already; it reads a text once. */
  messagesRepeated: number;
  retryReceipts: number;
  /** The server's questions whether the client is there, and those that it answered. */
  pingsSent: number;
  pingsAnswered: number;
  /** `type id`, newest last; the type of a plain delivery is "delivery". */
  receipts: string[];
  logouts: number;
}

const oldestKept = 5_000;

/** The judges: plain numbers that only grow, except those that say "now". */
export class Counters {
  readonly starts = new Map<string, Start[]>();
  readonly connections: ConnectionRecord[] = [];
  readonly devices = new Map<string, DeviceCounters>();
  registrations = 0;
  pairings = 0;
  qrRefs = 0;
  #nextConnection = 1;

  receipt(name: string, text: string): void {
    const { receipts } = this.device(name);
    receipts.push(text);
    if (receipts.length > oldestKept) receipts.shift();
  }

  device(name: string): DeviceCounters {
    const found = this.devices.get(name);
    if (found) return found;
    const made: DeviceCounters = {
      socketsNow: 0,
      socketsEver: 0,
      logins: 0,
      framesFromOldSocket: 0,
      stanzasFromOldSocket: [],
      preKeysUploaded: 0,
      messagesDelivered: 0,
      messagesRedelivered: 0,
      messagesAcknowledged: 0,
      messagesRefused: 0,
      messagesReceived: 0,
      messagesRepeated: 0,
      retryReceipts: 0,
      pingsSent: 0,
      pingsAnswered: 0,
      receipts: [],
      logouts: 0,
    };
    this.devices.set(name, made);
    return made;
  }

  opened(source: string, isTls: boolean): ConnectionRecord {
    const record: ConnectionRecord = {
      id: this.#nextConnection++,
      source,
      isTls,
      openedAt: new Date().toISOString(),
      answers: [],
    };
    this.connections.push(record);
    if (this.connections.length > oldestKept) this.connections.shift();
    return record;
  }

  started(source: string, start: Start): void {
    const list = this.starts.get(source) ?? [];
    list.push(start);
    if (list.length > oldestKept) list.shift();
    this.starts.set(source, list);
    if (start.kind === "registration") this.registrations += 1;
  }

  startsWithin(source: string, periodMs: number): number {
    const since = Date.now() - periodMs;
    return (this.starts.get(source) ?? []).filter((start) => Date.parse(start.time) > since).length;
  }
}

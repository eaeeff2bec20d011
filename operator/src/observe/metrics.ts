import { causes, devicePhases, sessionStates, type DeviceStatus } from "@wa/schema";
import { Counter, Gauge, Registry } from "prom-client";

/** What `/metrics` prints: one a process. */
export const createRegistry = (): Registry => new Registry();

/** What the gauges count at the moment of a scrape. */
export interface Census {
  readonly devicePhases: readonly string[];
  readonly endpointPhases: readonly string[];
  readonly sessionStates: readonly string[];
  readonly linkedPods: number;
}

/** Metrics of our own domain. Labels take few values: never a name, address or phone number. */
export type OperatorMetrics = ReturnType<typeof createOperatorMetrics>;

const endpointPhases = ["Pending", "Active", "Draining", "Disabled"] as const;

export function createOperatorMetrics(registry: Registry, census: () => Census) {
  const registers = [registry];
  const disconnects = new Counter({
    name: "whatsapp_device_disconnects_total",
    help: "Ends of connections and attempts by cause, as statuses showed them; session pods count each.",
    labelNames: ["cause"],
    registers,
  });
  for (const cause of causes) disconnects.inc({ cause }, 0);
  const qrIssued = new Counter({
    name: "whatsapp_device_qr_codes_total",
    help: "QR codes shown in a status; session pods count each.",
    registers,
  });
  const pairings = new Counter({
    name: "whatsapp_device_pairings_total",
    help: "Devices that a phone has linked.",
    registers,
  });
  gauges(registry, census);
  return {
    /** What a written status changed. */
    observeDevice: (found: DeviceStatus, next: DeviceStatus): void => {
      const ended = next.lastDisconnect;
      if (ended !== undefined && ended.time !== found.lastDisconnect?.time) disconnects.inc({ cause: ended.cause });
      if (next.qr !== undefined && next.qr.code !== found.qr?.code) qrIssued.inc();
      if (isPaired(next) && !isPaired(found) && found.phase === "AwaitingPairing") pairings.inc();
    },
  };
}

const isPaired = ({ conditions }: DeviceStatus): boolean =>
  conditions.some(({ type, status }) => type === "Paired" && status === "True");

interface Counted {
  readonly name: string;
  readonly help: string;
  readonly label: string;
  readonly values: readonly string[];
  readonly of: (census: Census) => readonly string[];
}

const counted: readonly Counted[] = [
  {
    name: "whatsapp_devices",
    help: "Devices by phase.",
    label: "phase",
    values: devicePhases,
    of: (now) => now.devicePhases,
  },
  {
    name: "whatsapp_endpoints",
    help: "Ways out by phase.",
    label: "phase",
    values: endpointPhases,
    of: (now) => now.endpointPhases,
  },
  {
    name: "whatsapp_device_sessions",
    help: "Sessions as linked session pods report them, by state.",
    label: "state",
    values: sessionStates,
    of: (now) => now.sessionStates,
  },
];

function gauges(registry: Registry, census: () => Census): void {
  const registers = [registry];
  for (const { name, help, label, values, of } of counted)
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers,
      collect() {
        const now = of(census());
        for (const value of values) this.set({ [label]: value }, now.filter((item) => item === value).length);
      },
    });
  new Gauge({
    name: "whatsapp_session_pods_linked",
    help: "Session pods with a link to this operator.",
    registers,
    collect() {
      this.set(census().linkedPods);
    },
  });
}

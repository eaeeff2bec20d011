import type { SimulatorClient } from "@wa/simulator";
import { Shop } from "../../operator/test/cluster.ts";
import type { Transport } from "../../operator/src/kube/transport.ts";
import { WatchedDevices } from "./watched-devices.ts";

/** No start is held back: a benchmark is not about budgets. */
const startLimits = { login: { count: 5_000, period: "10s" }, registration: { count: 5_000, period: "10s" } };
const together = 5;

export interface FleetOptions {
  readonly transport: Transport;
  readonly namespace: string;
  readonly simulator: SimulatorClient;
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly echoes: readonly string[];
  readonly maxDevicesPerPod: number;
}

/** The devices of one pool with one way out, their phones, and a watch on all of them. */
export class Fleet implements AsyncDisposable {
  readonly devices: WatchedDevices;
  readonly shop: Shop;
  readonly #options: FleetOptions;
  readonly #firstPhone = 33_600_000_000 + (Math.floor(Date.now() / 1_000) % 1_000_000) * 10;
  #phones = 0;

  static async start(options: FleetOptions): Promise<Fleet> {
    const fleet = new Fleet(options);
    await fleet.shop.applyPool({
      members: [{ name: "nodes", nodePool: { nodeSelector: options.nodeSelector }, capacity: { maxSessions: 10_000 } }],
      egressIPEndpoints: options.echoes,
      startLimits,
      sessionPods: { maxDevicesPerPod: options.maxDevicesPerPod },
    });
    return fleet;
  }

  private constructor(options: FleetOptions) {
    this.#options = options;
    this.shop = new Shop(options.transport, options.namespace);
    this.devices = new WatchedDevices(options.transport, options.namespace);
  }

  /** Applies devices, lets a phone scan each one's code, and waits until all are connected; a few at once. */
  async link(names: readonly string[]): Promise<void> {
    const left = [...names];
    const worker = async (): Promise<void> => {
      for (let name = left.shift(); name !== undefined; name = left.shift()) await this.#linkOne(name);
    };
    await Promise.all(Array.from({ length: together }, worker));
  }

  async #linkOne(name: string): Promise<void> {
    await this.shop.applyDevice(name);
    await this.devices.untilOne(name, "a QR code", ({ status }) => status.qr !== undefined);
    const phone = String(this.#firstPhone + this.#phones++);
    await this.#options.simulator.scan(phone, this.devices.get(name)?.status.qr?.code ?? "");
    await this.devices.untilOne(name, "connected", ({ status }) => status.phase === "Connected");
  }

  /** Returns once it is gone. */
  async delete(name: string): Promise<void> {
    await this.shop.deleteDevice(name);
    await this.devices.until(`${name} is gone`, (devices) => !devices.has(name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.devices[Symbol.asyncDispose]();
  }
}

export const namesOf = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${String(index).padStart(4, "0")}`);

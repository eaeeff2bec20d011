import { apiVersion, EgressEndpoint, EgressPool, group, kinds, version, WhatsAppDevice } from "@wa/schema";
import type { SimulatorClient } from "@wa/simulator";
import { z } from "zod";
import { apply, kubectl } from "./kubectl.ts";
import { PodView } from "./pod.ts";
import { until } from "./shell.ts";

const listOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item) });

/** No start is held back: for the stories that are not about budgets. */
const generous = { login: { count: 500, period: "10s" }, registration: { count: 500, period: "10s" } };
const patienceMs = 120_000;

/** A namespace of the platform team: what they apply by kubectl, and what they see, read through `kubectl proxy`. */
export class Namespace {
  readonly name: string;
  readonly #proxy: string;
  readonly #simulator: SimulatorClient;

  private constructor(name: string, proxy: string, simulator: SimulatorClient) {
    this.name = name;
    this.#proxy = proxy;
    this.#simulator = simulator;
  }

  /** @param proxy base URL of a `kubectl proxy` */
  static async create(name: string, proxy: string, simulator: SimulatorClient): Promise<Namespace> {
    const namespace = new Namespace(name, proxy, simulator);
    await namespace.#make();
    return namespace;
  }

  async #make(): Promise<void> {
    await kubectl("create", "namespace", this.name);
    await this.applySecret("proxy-login", { username: "demo", password: "p@ss:w/rd#1" });
  }

  /** Deleted with all that is in it, which must not hang, and made again empty. */
  async recreate(): Promise<void> {
    await this.delete();
    await this.#make();
  }

  async delete(): Promise<void> {
    await kubectl("delete", "namespace", this.name, "--ignore-not-found", "--timeout=240s");
  }

  async applySecret(name: string, stringData: Readonly<Record<string, string>>): Promise<void> {
    await apply(this.name, { apiVersion: "v1", kind: "Secret", metadata: { name }, stringData });
  }

  async applyPool(spec: object, name = "eu"): Promise<void> {
    const whole = { startLimits: generous, ...spec };
    await apply(this.name, { apiVersion, kind: kinds.pool.kind, metadata: { name }, spec: whole });
  }

  async applyDevice(name: string, spec: object = {}): Promise<void> {
    await this.applyDevices([name], spec);
  }

  async applyDevices(names: readonly string[], spec: object = {}): Promise<void> {
    const whole = { egress: { pool: "eu" }, ...spec };
    await apply(
      this.name,
      ...names.map((name) => ({ apiVersion, kind: kinds.device.kind, metadata: { name }, spec: whole })),
    );
  }

  async patchDevice(name: string, patch: object): Promise<void> {
    await kubectl("patch", "wad", name, "-n", this.name, "--type=merge", "-p", JSON.stringify(patch));
  }

  /** Returns once it is gone, finalizers and all. */
  async deleteDevice(name: string): Promise<void> {
    await kubectl("delete", "wad", name, "-n", this.name, "--timeout=120s");
  }

  async deletePod(name: string): Promise<void> {
    await kubectl("delete", "pod", name, "-n", this.name, "--wait=false");
  }

  async device(name: string): Promise<WhatsAppDevice> {
    return WhatsAppDevice.parse(await this.#read(`${this.#custom(kinds.device.plural)}/${name}`));
  }

  async devices(): Promise<readonly WhatsAppDevice[]> {
    return listOf(WhatsAppDevice).parse(await this.#read(this.#custom(kinds.device.plural))).items;
  }

  async pools(): Promise<readonly EgressPool[]> {
    return listOf(EgressPool).parse(await this.#read(this.#custom(kinds.pool.plural))).items;
  }

  async endpoints(): Promise<readonly EgressEndpoint[]> {
    return listOf(EgressEndpoint).parse(await this.#read(this.#custom(kinds.endpoint.plural))).items;
  }

  async allPods(): Promise<readonly PodView[]> {
    return listOf(PodView).parse(await this.#read(`/api/v1/namespaces/${this.name}/pods`)).items;
  }

  /** Those that are not on their way out. */
  async sessionPods(): Promise<readonly PodView[]> {
    return (await this.allPods()).filter((pod) => pod.metadata.deletionTimestamp === undefined);
  }

  async oneSessionPod(): Promise<PodView> {
    const [pod, ...others] = await this.sessionPods();
    if (pod === undefined || others.length > 0)
      throw new Error(`${others.length + (pod ? 1 : 0)} session pods, not one`);
    return pod;
  }

  /** The pod that a device's session runs in. */
  async podOf(device: string): Promise<PodView> {
    const assigned = (await this.device(device)).status.assignment?.pod;
    const pod = (await this.sessionPods()).find(({ metadata }) => metadata.name === assigned);
    if (pod === undefined) throw new Error(`${device} has no session pod; its status names ${assigned}`);
    return pod;
  }

  /** Waits until a condition's reason or message says this, and resolves to its message. */
  async conditionSays(device: string, type: string, said: RegExp): Promise<string> {
    return await until(
      `${type} of ${device} to say ${said}`,
      async () => {
        const found = (await this.device(device)).status.conditions.find((each) => each.type === type);
        return found !== undefined && said.test(`${found.reason} ${found.message}`) ? found.message : undefined;
      },
      patienceMs,
    );
  }

  async phaseIs(name: string, phase: string, withinMs = patienceMs): Promise<WhatsAppDevice> {
    let last = "none";
    try {
      return await until(
        phase,
        async () => {
          const device = await this.device(name);
          last = `${device.status.phase}: ${JSON.stringify(device.status.conditions)}`;
          return device.status.phase === phase ? device : undefined;
        },
        withinMs,
      );
    } catch (error) {
      throw new Error(`${name} was to be ${phase}; it is ${last}`, { cause: error });
    }
  }

  async qrOf(name: string, withinMs = patienceMs): Promise<string> {
    return await until(`a QR of ${name}`, async () => (await this.device(name)).status.qr?.code, withinMs);
  }

  /** Waits for the QR of a device that was applied, lets the phone scan it, and waits for Ready as a pipeline does. */
  async link(name: string, phone: string): Promise<void> {
    await this.#simulator.scan(phone, await this.qrOf(name));
    await this.ready(name);
  }

  async ready(...names: readonly string[]): Promise<void> {
    await kubectl(
      "wait",
      "--for=condition=Ready",
      "wad",
      ...names,
      "-n",
      this.name,
      `--timeout=${patienceMs / 1_000}s`,
    );
  }

  #custom(plural: string): string {
    return `/apis/${group}/${version}/namespaces/${this.name}/${plural}`;
  }

  async #read(path: string): Promise<unknown> {
    const response = await fetch(`${this.#proxy}${path}`);
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
    return await response.json();
  }
}

import { apiVersion, group, kinds, SessionReport, version, type SessionStateName } from "@wa/schema";
import type { EgressEndpoint, EgressPool, WhatsAppDevice } from "@wa/schema";
import type { z } from "zod";
import { isRecord } from "../src/kube/object.ts";
import { resource } from "../src/kube/resource.ts";
import type { Transport } from "../src/kube/transport.ts";
import type { PodFacts } from "../src/plan/world.ts";
import { deviceKind, endpointKind, podKind, poolKind } from "../src/world/kinds.ts";
import { proxyMember } from "./builders.ts";

/** One namespace of a real API server, as a user sees it. */
export class Shop {
  readonly namespace: string;
  readonly #transport: Transport;

  constructor(transport: Transport, namespace: string) {
    this.#transport = transport;
    this.namespace = namespace;
  }

  async applyPool(spec: object = { members: [proxyMember()] }, name = "eu"): Promise<void> {
    await this.#apply(kinds.pool, name, spec);
  }

  async applyDevice(name: string, spec: object = {}): Promise<void> {
    await this.#apply(kinds.device, name, { egress: { pool: "eu" }, ...spec });
  }

  async device(name: string): Promise<WhatsAppDevice> {
    return await found(resource(this.#transport, deviceKind).get({ namespace: this.namespace, name }), name);
  }

  async hasDevice(name: string): Promise<boolean> {
    return (await resource(this.#transport, deviceKind).get({ namespace: this.namespace, name })) !== undefined;
  }

  async endpoint(name = "eu-px"): Promise<EgressEndpoint> {
    return await found(resource(this.#transport, endpointKind).get({ namespace: this.namespace, name }), name);
  }

  async pool(name = "eu"): Promise<EgressPool> {
    return await found(resource(this.#transport, poolKind).get({ namespace: this.namespace, name }), name);
  }

  async pods(): Promise<readonly PodFacts[]> {
    return await resource(this.#transport, podKind).list({ namespace: this.namespace });
  }

  /** The API server as scheduler, kubelet and user: there is nobody else here. */
  async call(method: "GET" | "POST" | "PATCH" | "DELETE", path: string, body?: unknown): Promise<unknown> {
    const contentType = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    return await this.#transport.call({ method, path, contentType, ...(body === undefined ? {} : { body }) });
  }

  async patchDevice(name: string, patch: unknown): Promise<void> {
    await this.call("PATCH", this.#pathOf(kinds.device.plural, name), patch);
  }

  async deleteDevice(name: string): Promise<void> {
    await this.call("DELETE", this.#pathOf(kinds.device.plural, name));
  }

  /** At once, as a kubelet confirms it. */
  async deletePod(name: string): Promise<void> {
    await this.call("DELETE", `/api/v1/namespaces/${this.namespace}/pods/${name}`, { gracePeriodSeconds: 0 });
  }

  async markPod(name: string, phase: "Running" | "Failed"): Promise<void> {
    await this.call("PATCH", `/api/v1/namespaces/${this.namespace}/pods/${name}/status`, { status: { phase } });
  }

  /** The highest resourceVersion of all that the operator writes: unchanged means that nothing was written. */
  async versions(): Promise<readonly string[]> {
    const paths = [kinds.device.plural, kinds.pool.plural, kinds.endpoint.plural].map((plural) => this.#pathOf(plural));
    const lists = await Promise.all(
      [...paths, `/api/v1/namespaces/${this.namespace}/pods`].map((path) => this.call("GET", path)),
    );
    return lists
      .flatMap((list) => (isRecord(list) && Array.isArray(list["items"]) ? list["items"].map(versionOf) : []))
      .toSorted();
  }

  #pathOf(plural: string, name?: string): string {
    const path = `/apis/${group}/${version}/namespaces/${this.namespace}/${plural}`;
    return name === undefined ? path : `${path}/${name}`;
  }

  async #apply(
    { kind, plural }: { readonly kind: string; readonly plural: string },
    name: string,
    spec: object,
  ): Promise<void> {
    await this.#transport.call({
      method: "PATCH",
      path: this.#pathOf(plural, name),
      contentType: "application/apply-patch+yaml",
      query: { fieldManager: "test", force: "true" },
      body: { apiVersion, kind, metadata: { name, namespace: this.namespace }, spec },
    });
  }
}

async function found<T>(reading: Promise<T | undefined>, name: string): Promise<T> {
  const object = await reading;
  if (object === undefined) throw new Error(`${name} does not exist`);
  return object;
}

function versionOf(item: unknown): string {
  const metadata = isRecord(item) && isRecord(item["metadata"]) ? item["metadata"] : {};
  return `${String(metadata["name"])}@${String(metadata["resourceVersion"])}`;
}

/** What a session pod says of a device in its present epoch. */
export function say(
  device: WhatsAppDevice,
  state: SessionStateName,
  over: Partial<z.input<typeof SessionReport>> = {},
): SessionReport {
  const { namespace, name, uid } = device.metadata;
  const epoch = device.status.assignment?.epoch ?? 0;
  return SessionReport.parse({ device: { namespace, name, uid }, epoch, state, paired: false, ...over });
}

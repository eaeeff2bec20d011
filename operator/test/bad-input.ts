import { z } from "zod";
import type { ApiServer } from "./api-server.ts";
import { Shop } from "./cluster.ts";
import { Kubelet } from "./kubelet.ts";

const Events = z.object({
  items: z.array(
    z.object({
      type: z.string(),
      reason: z.string(),
      note: z.string(),
      regarding: z.object({ kind: z.string(), name: z.string() }),
    }),
  ),
});

/** A namespace in which something is wrong, with a kubelet where session pods matter. */
export class Place implements AsyncDisposable {
  readonly shop: Shop;
  readonly #server: ApiServer;
  #kubelet: Kubelet | undefined;

  private constructor(server: ApiServer, namespace: string) {
    this.#server = server;
    this.shop = new Shop(server.transport, namespace);
  }

  static async open(server: ApiServer): Promise<Place> {
    return new Place(server, await server.createNamespace());
  }

  /** From now on its session pods run. */
  runPods(): void {
    this.#kubelet ??= new Kubelet(this.#server.transport, this.shop.namespace);
  }

  get podLog(): string {
    return this.#kubelet?.log ?? "";
  }

  async applySecret(name: string, stringData: Readonly<Record<string, string>>): Promise<void> {
    await this.#server.transport.call({
      method: "PATCH",
      path: `/api/v1/namespaces/${this.shop.namespace}/secrets/${name}`,
      contentType: "application/apply-patch+yaml",
      query: { fieldManager: "test", force: "true" },
      body: { apiVersion: "v1", kind: "Secret", metadata: { name }, stringData },
    });
  }

  async create(path: string, object: object): Promise<void> {
    await this.#server.transport.call({ method: "POST", path, body: object });
  }

  /** Warnings as `kind/name reason`, and what each says. */
  async warnings(): Promise<readonly (readonly [string, string])[]> {
    const found = await this.shop.call("GET", `/apis/events.k8s.io/v1/namespaces/${this.shop.namespace}/events`);
    return Events.parse(found)
      .items.filter(({ type }) => type === "Warning")
      .map(({ regarding, reason, note }) => [`${regarding.kind}/${regarding.name} ${reason}`, note] as const)
      .toSorted(([one], [other]) => (one < other ? -1 : 1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#kubelet?.[Symbol.asyncDispose]();
  }
}

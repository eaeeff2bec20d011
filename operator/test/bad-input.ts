import { podEnv, type PodFrame } from "@wa/schema";
import { expect } from "vitest";
import { z } from "zod";
import type { ApiServer } from "./api-server.ts";
import { Shop } from "./cluster.ts";
import { eventually } from "./eventually.ts";
import { Kubelet } from "./kubelet.ts";
import { helloOf, LinkDialer } from "./link-dialer.ts";
import { podToken } from "./pod-token.ts";

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

const Pod = z.object({
  metadata: z.object({ uid: z.string() }),
  spec: z.object({
    containers: z.array(z.object({ env: z.array(z.object({ name: z.string(), value: z.string().optional() })) })),
  }),
});

/** A namespace in which something is wrong, with a kubelet where session pods matter. */
export class Place implements AsyncDisposable {
  readonly shop: Shop;
  readonly #server: ApiServer;
  #kubelet: Kubelet | undefined;

  /** Where the proxy listens on loopback. */
  readonly proxyPort: number;

  private constructor(server: ApiServer, namespace: string, proxyPort: number) {
    this.#server = server;
    this.proxyPort = proxyPort;
    this.shop = new Shop(server.transport, namespace);
  }

  static async open(server: ApiServer, proxyPort: number): Promise<Place> {
    return new Place(server, await server.createNamespace(), proxyPort);
  }

  /** From now on its session pods run. */
  runPods(): void {
    this.#kubelet ??= new Kubelet(this.#server.transport, this.shop.namespace);
  }

  get podLog(): string {
    return this.#kubelet?.log ?? "";
  }

  /** The link of a session pod that no kubelet runs, with its own token and address of the hub. */
  async dial(pod: string): Promise<LinkDialer & { readonly greeting: PodFrame }> {
    const { namespace } = this.shop;
    const { metadata, spec } = await this.#podWithUid(pod);
    const env = new Map(spec.containers.flatMap(({ env: list }) => list).map(({ name, value }) => [name, value ?? ""]));
    const token = await podToken(this.#server.transport, { namespace, name: pod, uid: metadata.uid });
    const port = Number(new URL(env.get(podEnv.hubUrl) ?? "").port);
    const dialer = new LinkDialer({ port, caPem: env.get(podEnv.hubCa) ?? "", namespace, token });
    return Object.assign(await dialer.opened(), { greeting: helloOf({ namespace, name: pod, uid: metadata.uid }) });
  }

  /** Once the operator has made it and knows it by its UID. */
  async #podWithUid(name: string): Promise<z.infer<typeof Pod>> {
    let pod: z.infer<typeof Pod> | undefined;
    await eventually(async () => {
      pod = Pod.parse(await this.shop.call("GET", `/api/v1/namespaces/${this.shop.namespace}/pods/${name}`));
      expect((await this.shop.endpoint()).status.pods).toMatchObject([{ name, uid: pod.metadata.uid }]);
    }, 30_000);
    if (pod === undefined) throw new Error(`${name} does not exist`);
    return pod;
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

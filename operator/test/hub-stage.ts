import { randomUUID } from "node:crypto";
import { hubAudience } from "@wa/schema";
import { pino } from "pino";
import { Registry } from "prom-client";
import { z } from "zod";
import { newAuthority, type Authority } from "../src/hub/certificates.ts";
import { ledgerName } from "../src/hub/grants/ledger-leases.ts";
import type { BudgetOf, StartLimits } from "../src/hub/links.ts";
import { createHubMetrics } from "../src/hub/metrics.ts";
import { startHub, type Hub, type HubOptions } from "../src/hub/start-hub.ts";
import type { Transport } from "../src/kube/transport.ts";
import type { ApiServer } from "./api-server.ts";
import { LinkDialer } from "./link-dialer.ts";
import { podToken } from "./pod-token.ts";

const Uid = z.object({ metadata: z.object({ uid: z.string() }) });

export interface TestPod {
  readonly name: string;
  readonly uid: string;
  readonly token: string;
}

const aLimit = { count: 6, periodMs: 5_000 };

/** Every endpoint draws on one ledger, that of an address. */
export const budgetFor =
  (address: string, limits: StartLimits = { login: aLimit, registration: aLimit }): BudgetOf =>
  () => ({
    pool: "aaaaaaaaaa",
    limits,
    draws: [{ ledger: ledgerName(address), others: new Map(), isNamed: false }],
  });

/** The real hub, and pod objects with real projected tokens, on a real API server. */
export class HubStage {
  readonly server: ApiServer;
  readonly authority: Authority;
  readonly namespace: string;
  /** UIDs of pods that the operator has recorded. */
  readonly ours = new Set<string>();

  private constructor(server: ApiServer, authority: Authority, namespace: string) {
    this.server = server;
    this.authority = authority;
    this.namespace = namespace;
  }

  static async on(server: ApiServer): Promise<HubStage> {
    return new HubStage(server, await newAuthority(), await server.createNamespace());
  }

  async hub(more: Partial<HubOptions> = {}): Promise<Hub> {
    return await startHub({
      transport: this.server.transport,
      logger: pino({ level: process.env["TEST_LOG"] ?? "silent" }),
      metrics: createHubMetrics(new Registry()),
      term: 7,
      authority: this.authority,
      names: ["localhost"],
      port: 0,
      namespace: this.namespace,
      welcome: {
        installation: "wa/op",
        store: { url: "sqlite://x" },
        canaryKeyBase64: "",
        whatsapp: { url: "ws://x", rootKeyHex: "", caBundle: "", clientVersion: "" },
      },
      isOurPod: ({ uid }) =>
        this.ours.has(uid) ? { kind: "Ours", endpoint: "eu-px" } : { kind: "Foreign", message: "not recorded" },
      assignedTo: () => () => "Unknown",
      budgetOf: budgetFor("203.0.113.1"),
      namedLedgers: () => new Set(),
      ...more,
    });
  }

  /** A pod object, and a token bound to it as the kubelet would project it. */
  async pod(audience: string = hubAudience): Promise<TestPod> {
    const name = `pod-${randomUUID().slice(0, 8)}`;
    const body = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: this.namespace },
      spec: { containers: [{ name: "x", image: "x" }] },
    };
    const { transport } = this.server;
    const path = `/api/v1/namespaces/${this.namespace}/pods`;
    const { metadata } = Uid.parse(await transport.call({ method: "POST", path, body }));
    const pod = { name, uid: metadata.uid };
    return { ...pod, token: await this.token(pod, audience) };
  }

  async token(pod: Pick<TestPod, "name" | "uid">, audience: string = hubAudience): Promise<string> {
    return await podToken(this.server.transport, { namespace: this.namespace, ...pod }, audience);
  }

  /** A pod that the operator has recorded. */
  async ourPod(audience?: string): Promise<TestPod> {
    const pod = await this.pod(audience);
    this.ours.add(pod.uid);
    return pod;
  }

  dial(hub: { readonly port: number }, token: string): LinkDialer {
    return new LinkDialer({
      port: hub.port,
      caPem: this.authority.certificatePem,
      namespace: this.namespace,
      token,
    });
  }

  /** Links the pod, and resolves once the hub has said welcome. */
  async link(hub: Hub, pod: TestPod): Promise<LinkDialer> {
    const dialer = await this.dial(hub, pod.token).opened();
    dialer.hello(pod);
    await dialer.heard("welcome");
    return dialer;
  }
}

/** The API server as the hub asks it, with a look at each call before it goes. */
export const watched = (transport: Transport, before: (path: string) => Promise<void> | void): Transport => ({
  ...transport,
  call: async (call) => {
    await before(call.path);
    return await transport.call(call);
  },
});

import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { Registry } from "prom-client";
import { expect } from "vitest";
import { startOperator, type Operator } from "../src/controllers/operator.ts";
import { createKubeMetrics } from "../src/kube/metrics.ts";
import { conditionOf } from "../src/plan/set-conditions.ts";
import type { ApiServer } from "./api-server.ts";
import { settings } from "./builders.ts";
import { say, Shop } from "./cluster.ts";
import { eventually } from "./eventually.ts";
import { LinkBoard } from "./link-board.ts";

/** The controllers on a real API server with a namespace of their own. The test plays kubelet and session pods. */
export class Stage implements AsyncDisposable {
  readonly shop: Shop;
  readonly board = new LinkBoard();
  /** What the operators have logged, from info on. */
  readonly log: string[] = [];
  readonly #server: ApiServer;
  #running: Operator[] = [];
  #registry = new Registry();

  constructor(server: ApiServer, namespace: string) {
    this.#server = server;
    this.shop = new Shop(server.transport, namespace);
  }

  static async set(server: ApiServer): Promise<Stage> {
    const stage = new Stage(server, await server.createNamespace(`shop-${randomUUID().slice(0, 8)}`));
    await stage.operate();
    return stage;
  }

  async operate(links = this.board): Promise<Operator> {
    const registry = new Registry();
    this.#registry = registry;
    const operator = startOperator({
      transport: this.#server.transport,
      kubeMetrics: createKubeMetrics(registry),
      registry,
      logger: pino({ level: process.env["TEST_LOG"] ?? "info" }, { write: this.#note }),
      links,
      installation: "wa/test",
      podName: "operator-0",
      isLeading: () => true,
    });
    this.#running.push(operator);
    await eventually(() => {
      expect(operator.mirror.hasSynced).toBe(true);
    });
    operator.lead({ settings, masterKey: Buffer.alloc(32, 7) });
    return operator;
  }

  readonly #note = (line: string): void => {
    this.log.push(line);
    if (process.env["TEST_LOG"] !== undefined) process.stdout.write(line);
  };

  /** Ends every operator, as when their pods are killed. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const operator of this.#running.splice(0)) await operator[Symbol.asyncDispose]();
  }

  /** Waits until the device's session pod is recorded and owns it, links it, and returns its UID. */
  async linked(device: string, observedIPs: readonly string[] = []): Promise<string> {
    const { shop, board } = this;
    let uid = "";
    await eventually(async () => {
      const assignment = (await shop.device(device)).status.assignment;
      const { pods } = (await shop.endpoint(assignment?.endpoint ?? "")).status;
      const record = pods.find(({ name }) => name === assignment?.pod);
      expect(record?.uid).toBeDefined();
      expect(assignment?.podUID).toBe(record?.uid);
      uid = record?.uid ?? "";
    }, 25_000);
    const { pod = "", endpoint = "" } = (await shop.device(device)).status.assignment ?? {};
    board.link({ namespace: shop.namespace, name: pod, uid, endpoint }, observedIPs);
    await eventually(() => {
      expect(board.wishes.get(uid)?.assignments.map((item) => item.device.name)).toContain(device);
    });
    return uid;
  }

  async connected(device: string): Promise<string> {
    const uid = await this.linked(device);
    this.board.report(uid, say(await this.shop.device(device), "Connected", { paired: true }));
    await this.untilPhase(device, "Connected");
    return uid;
  }

  async untilPhase(device: string, phase: string): Promise<void> {
    await eventually(async () => {
      expect((await this.shop.device(device)).status.phase).toBe(phase);
    });
  }

  async reasonOf(device: string, type: string): Promise<string | undefined> {
    return conditionOf((await this.shop.device(device)).status, type)?.reason;
  }

  async metrics(): Promise<string> {
    return await this.#registry.metrics();
  }
}

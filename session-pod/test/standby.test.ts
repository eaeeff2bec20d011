import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { once } from "node:events";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Claim, Store } from "../src/sessions/ports.ts";
import { startPostgres, type TestPostgres } from "./postgres.ts";
import { claimed, open } from "./store-fixture.ts";
import { until } from "./until.ts";

/** A failover that left the old primary readable, a reader endpoint, a pooler that sends reads to replicas: one way, two ends. */
class Way {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  leadsTo: number;

  private constructor(leadsTo: number) {
    this.leadsTo = leadsTo;
    this.#server = createServer((near) => {
      const far = connect(this.leadsTo, "127.0.0.1");
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on("error", () => undefined).on("close", () => this.#sockets.delete(socket));
      }
      near.pipe(far).pipe(near);
    });
  }

  static async to(port: number): Promise<Way> {
    const way = new Way(port);
    await once(way.#server.listen(0, "127.0.0.1"), "listening");
    return way;
  }

  get port(): number {
    const address: AddressInfo | string | null = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("not listening");
    return address.port;
  }

  /** Connections of before end. */
  turnTo(port: number): void {
    this.leadsTo = port;
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** What the database at the end of the way says; connections of before end first. */
async function answerOf(claim: Claim): Promise<string> {
  return await until("an answer", async () => {
    const answer = await claim.stillOwned().then(String, (error: unknown) => String(error));
    return answer.includes("terminated") ? undefined : answer;
  });
}

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(async () => await postgres.stop());

it("a standby that lags vouches for nobody: an owner of before does not learn from it that it still is one", async () => {
  const primary = new URL(postgres.url);
  const way = await Way.to(Number(primary.port));
  const byWay = new URL(primary);
  byWay.port = String(way.port);
  const former: Store = await open(byWay.href);
  const next: Store = await open(primary.href);
  const old: Claim = await claimed(former, "till", 1, "old-pod");
  expect([await old.stillOwned(), await old.isSuperseded()]).toEqual([true, false]);

  way.turnTo((await postgres.laggingStandby()).port);
  await claimed(next, "till", 2, "new-pod");
  expect(await answerOf(old)).toContain("read-only");

  way.turnTo(Number(primary.port));
  expect(await answerOf(old)).toBe("false");
  expect([await old.stillOwned(), await old.isSuperseded()]).toEqual([false, true]);
  await former[Symbol.asyncDispose]();
  await next[Symbol.asyncDispose]();
  way.close();
});

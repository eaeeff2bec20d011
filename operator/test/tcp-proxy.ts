import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** A path to a server that a test can break: what a load balancer, a firewall or a dead node does to connections. */
export interface TcpProxy {
  readonly port: number;
  /** Resets all connections and refuses new ones. */
  cut(): void;
  /** Keeps connections open and carries nothing more on them; new ones work. */
  freeze(): void;
  /** Carries nothing of what the server says, until it is carried on: as while TCP sends again what was lost. */
  stall(): void;
  carryOn(): void;
  restore(): void;
  stop(): Promise<void>;
}

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const host = "127.0.0.1";
  const sockets = new Set<Socket>();
  const ways: { readonly far: Socket; readonly near: Socket }[] = [];
  let isCut = false;
  const server = createServer((near) => {
    if (isCut) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(targetPort, host);
    ways.push({ far, near });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, host, resolve);
  });
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const reset = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: address.port,
    cut: () => {
      isCut = true;
      reset();
    },
    freeze: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    stall: () => {
      for (const { far, near } of ways) far.unpipe(near).pause();
    },
    carryOn: () => {
      for (const { far, near } of ways) far.pipe(near);
    },
    restore: () => {
      isCut = false;
    },
    stop: async () => {
      reset();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

import { Connection, type ConnectionEvent, type ConnectionOptions } from "./connection.ts";

/** A session's place for its one connection, and for those on their way out. */
export class ConnectionSlot {
  #connection: Connection | undefined;
  #closed: Promise<void> = Promise.resolve();

  get connection(): Connection | undefined {
    return this.#connection;
  }

  /** Resolves when every connection that was let go has written what it had to write. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /**
   * Throws where no socket can be made.
   *
   * @param onEvent hears of the connection until it ends or is let go
   * @returns number of the connection's generation
   */
  open(options: Omit<ConnectionOptions, "onEvent">, onEvent: (event: ConnectionEvent) => void): number {
    const connection = new Connection({
      ...options,
      onEvent: (event) => {
        if (this.#connection !== connection) return;
        if (event.kind === "closed" || event.kind === "fenceLost") this.#connection = undefined;
        onEvent(event);
      },
    });
    this.#connection = connection;
    return connection.generation;
  }

  /** Unlinks the device at the server; false: not confirmed. */
  async logOut(): Promise<boolean> {
    try {
      await this.#connection?.logOut();
      return this.#connection !== undefined;
    } catch {
      return false;
    }
  }

  /** What the socket wrote is committed, and nothing comes after. */
  close(): void {
    const connection = this.#letGo();
    if (connection !== undefined) this.#closed = Promise.all([this.#closed, connection.close()]).then(() => undefined);
  }

  /** Ends it at once; the server is told nothing. */
  terminate(): void {
    this.#letGo()?.terminate();
  }

  #letGo(): Connection | undefined {
    const connection = this.#connection;
    this.#connection = undefined;
    return connection;
  }
}

import { Pool, type PoolClient, type PoolConfig } from "pg";

interface Generation {
  readonly pool: Pool;
  /** Those who hold a connection of it, or wait for one. */
  users: number;
}

/** A connection that goes back to the pool that it came from. */
export interface Lent {
  readonly client: PoolClient;
  readonly release: (isBroken: boolean) => void;
}

/** Connections by a URL that may be replaced: new ones are made by the new URL, and the pool of before ends when nobody uses it. */
export class RenewablePool {
  readonly #settings: PoolConfig;
  readonly #ending = new Set<Promise<void>>();
  #current: Generation;

  constructor(url: string, settings: PoolConfig) {
    this.#settings = settings;
    this.#current = this.#open(url);
  }

  replaceUrl(url: string): void {
    const before = this.#current;
    this.#current = this.#open(url);
    this.#endUnused(before);
  }

  async lend(): Promise<Lent> {
    const from = this.#current;
    from.users += 1;
    try {
      const client = await from.pool.connect();
      return {
        client,
        release: (isBroken) => {
          client.release(isBroken);
          this.#left(from);
        },
      };
    } catch (error) {
      this.#left(from);
      // Refused with a login that was replaced while this one waited.
      if (from !== this.#current) return await this.lend();
      throw error;
    }
  }

  async end(): Promise<void> {
    await Promise.all([this.#current.pool.end(), ...this.#ending]);
  }

  #open(url: string): Generation {
    const pool = new Pool({ ...this.#settings, connectionString: url });
    // An idle connection that the server ends is removed from the pool; unheard, this event would end the process.
    pool.on("error", () => undefined);
    // One that is in use tells its query, and with this event everybody else.
    pool.on("connect", (client) => client.on("error", () => undefined));
    return { pool, users: 0 };
  }

  #left(generation: Generation): void {
    generation.users -= 1;
    this.#endUnused(generation);
  }

  #endUnused(generation: Generation): void {
    if (generation === this.#current || generation.users > 0) return;
    const ended = generation.pool.end().finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
  }
}

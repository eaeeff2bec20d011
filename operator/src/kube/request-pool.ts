import type { Agent } from "undici";

/**
 * Connections for calls. One that left a call without an answer may have died together with all that idle beside it, such as
 * behind a firewall that forgot them; each would cost a deadline of its own. So the next call dials anew.
 */
export class RequestPool {
  readonly #make: () => Agent;
  readonly #agents: Set<Agent>;
  #agent: Agent;
  #isDestroyed = false;

  constructor(make: () => Agent) {
    this.#make = make;
    this.#agent = make();
    this.#agents = new Set([this.#agent]);
  }

  get agent(): Agent {
    return this.#agent;
  }

  /** Calls that run on `suspect` go on. */
  leave(suspect: Agent): void {
    if (this.#isDestroyed || suspect !== this.#agent) return;
    this.#agent = this.#make();
    this.#agents.add(this.#agent);
    // Destroyed meanwhile: closed too.
    const closing = suspect.close().catch(() => undefined);
    void closing.then(() => this.#agents.delete(suspect));
  }

  async destroy(): Promise<void> {
    this.#isDestroyed = true;
    await Promise.all([...this.#agents].map(async (agent) => await agent.destroy()));
  }
}

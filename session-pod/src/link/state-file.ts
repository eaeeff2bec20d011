import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import { decodeMemory, encodeMemory, type StateMemory } from "./state-memory.ts";

const fileName = "link.json";
const ownerOnly = 0o600;

/** Keeps the newest memory on disk: whole or not at all, one write at a time, readable by this user alone. */
export class StateFile {
  readonly #path: string;
  readonly #log: Logger;
  #next: StateMemory | undefined;
  #writing: Promise<void> | undefined;

  constructor(folder: string, log: Logger) {
    this.#path = join(folder, fileName);
    this.#log = log;
  }

  async read(): Promise<StateMemory | undefined> {
    const text = await readFile(this.#path, "utf8").catch(() => undefined);
    if (text === undefined) return undefined;
    const memory = decodeMemory(text);
    if (memory === undefined) this.#log.warn("state of before cannot be read and is left aside");
    return memory;
  }

  save(memory: StateMemory): void {
    this.#next = memory;
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
  }

  async flushed(): Promise<void> {
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    while (this.#next !== undefined) {
      const memory = this.#next;
      this.#next = undefined;
      try {
        await writeFile(`${this.#path}.new`, encodeMemory(memory), { mode: ownerOnly });
        await rename(`${this.#path}.new`, this.#path);
      } catch (error) {
        const code = error instanceof Error && "code" in error ? error.code : undefined;
        this.#log.error({ code }, "state not saved");
      }
    }
  }
}

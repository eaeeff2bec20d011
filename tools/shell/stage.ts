import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const root = resolve(import.meta.dirname, "../..");
const system = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

interface Outcome {
  readonly code: number | null;
  /** Standard output and standard error, as a terminal shows them. */
  readonly said: string;
}

/** A machine for shell scripts: programs that a test plays stand first in PATH, and the cache is empty. */
export class Stage implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "wa-shell-"));
  readonly cache = join(this.folder, "cache");
  readonly #programs = join(this.folder, "programs");

  constructor() {
    for (const folder of [this.#programs, this.cache]) mkdirSync(folder, { recursive: true });
  }

  /** Plays a program by lines of bash; `$*` are its arguments. */
  play(name: string, script: string): this {
    const file = join(this.#programs, name);
    writeFileSync(file, `#!/bin/bash\n${script}\n`);
    chmodSync(file, 0o755);
    return this;
  }

  /** Writes a file of the cache. */
  write(path: string, text: string): this {
    const file = join(this.cache, path);
    mkdirSync(resolve(file, ".."), { recursive: true });
    writeFileSync(file, text);
    return this;
  }

  read(path: string): string {
    return readFileSync(join(this.cache, path), "utf8");
  }

  /** Runs lines of bash in the project's folder. */
  run(script: string, environment: Readonly<Record<string, string>> = {}): Outcome {
    const PATH = [this.#programs, ...system].join(":");
    const { status, stdout } = spawnSync("bash", ["-c", `exec 2>&1\n${script}`], {
      cwd: root,
      env: { PATH, HOME: this.folder, CACHE: this.cache, ...environment },
      encoding: "utf8",
    });
    return { code: status, said: stdout };
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

import { mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A Secret in a pod's folder as the kubelet keeps it: a folder for each version, and one link that changes to the newest at once. */
export class MountedSecret {
  readonly name: string;
  readonly #folder: string;
  #version = 0;
  #content = "";
  #keys: readonly string[] = [];

  constructor(name: string, folder: string) {
    this.name = name;
    this.#folder = folder;
  }

  /** @param data values in base64, as the API server gives them */
  async become(data: Readonly<Record<string, string>>): Promise<void> {
    const content = JSON.stringify(data);
    if (content === this.#content) return;
    this.#content = content;
    this.#version += 1;
    const version = `..${this.#version}`;
    await mkdir(join(this.#folder, version), { recursive: true });
    for (const [key, value] of Object.entries(data))
      await writeFile(join(this.#folder, version, key), Buffer.from(value, "base64"));
    await symlink(version, join(this.#folder, "..data_tmp"));
    await rename(join(this.#folder, "..data_tmp"), join(this.#folder, "..data"));
    await this.#link(Object.keys(data));
    await rm(join(this.#folder, `..${this.#version - 1}`), { recursive: true, force: true });
  }

  async #link(keys: readonly string[]): Promise<void> {
    for (const key of keys) if (!this.#keys.includes(key)) await symlink(join("..data", key), join(this.#folder, key));
    for (const key of this.#keys) if (!keys.includes(key)) await rm(join(this.#folder, key));
    this.#keys = keys;
  }
}

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ApiServer } from "./api-server.ts";

const root = join(import.meta.dirname, "../..");
const binaries = join(process.env["CACHE"] ?? join(homedir(), ".cache", "wa-cluster"), "bin");

/** The commands that a page of docs gives under a heading, word by word; one goes on after a backslash, and until the end of its here-document. */
export function commandsUnder(page: string, heading: string): readonly string[] {
  const text = readFileSync(join(root, page), "utf8");
  const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`${page} has no heading ${heading}`);
  const lines = section.split("\n").flatMap((line) => (line.startsWith("    ") ? [line.slice(4)] : []));
  const commands = lines.join("\n").replaceAll(/\\\n\s*/g, "");
  return commands.match(/^.*<<'EOF'(.|\n)*?^EOF$|^.+$/gm) ?? [];
}

/** Runs a command of the docs as a person would, in the repository's root if not elsewhere. Rejects with what it wrote where it fails. */
export async function runCommand(server: ApiServer, command: string, cwd = root): Promise<string> {
  const env = { ...process.env, PATH: `${binaries}:${process.env["PATH"] ?? ""}`, KUBECONFIG: server.kubeconfig };
  const { stdout } = await promisify(execFile)("bash", ["-euo", "pipefail", "-c", command], { cwd, env });
  return stdout;
}

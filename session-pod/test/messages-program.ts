import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { childEnvironment } from "./child-environment.ts";
import { installation, masterKey } from "./store-fixture.ts";

const run = promisify(execFile);
const program = join(import.meta.dirname, "../src/messages.ts");

/** `npm run messages` for a device of a test's store, as a user runs it; its lines. */
export async function messagesOf(device: string, url: string, args: readonly string[]): Promise<unknown[]> {
  const node = ["--conditions=source", "--disable-warning=ExperimentalWarning", program];
  const of = ["--installation", installation, "--namespace", "shop", "--device", device];
  const env = { ...childEnvironment, WA_STORE: url, WA_MASTER_KEY: masterKey.toString("base64") };
  const { stdout } = await run(process.execPath, [...node, ...args, ...of], { env });
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line): unknown => JSON.parse(line));
}

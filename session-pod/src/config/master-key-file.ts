import { randomBytes } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { masterKeyBytes, parseMasterKey } from "@wa/schema";

const otherPeople = 0o077;

/**
 * The master key that a session run alone keeps beside its store; made where it is missing, for its owner's eyes only. Throws
 * where others could read it or it is no key.
 */
export function masterKeyIn(path: string): Uint8Array {
  try {
    writeFileSync(path, `${randomBytes(masterKeyBytes).toString("base64")}\n`, { mode: 0o600, flag: "wx" });
  } catch (error) {
    if (!isThereAlready(error)) throw error;
  }
  const mode = statSync(path).mode & 0o777;
  if ((mode & otherPeople) !== 0)
    throw new Error(`the key file ${path} has mode ${mode.toString(8)}; allowed is 600: chmod 600 it`);
  return parseMasterKey(readFileSync(path, "utf8"));
}

const isThereAlready = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "EEXIST";

import { createHmac, randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { EgressError, type ProxyLogin } from "../sessions/ports.ts";

export interface ProxyCredentials {
  readonly username: string;
  readonly password: string;
}

/** Asked at every connection, so that a rotated Secret counts from the next one on. Undefined: the proxy takes none. */
export type ReadCredentials = () => Promise<ProxyCredentials | undefined>;

/**
 * Reads a mounted Secret. Throws EgressError with code `ProxySecretMissing` (nothing is mounted: the mount is optional) or
 * `ProxySecretKeyMissing`. A line's end at the end belongs to the file, not to the password.
 */
export function mountedCredentials(
  folder: string,
  { usernameKey, passwordKey }: { readonly usernameKey: string; readonly passwordKey: string },
): ReadCredentials {
  return async () => ({ username: await readKey(folder, usernameKey), password: await readKey(folder, passwordKey) });
}

/** Of this process alone: a fingerprint that leaks tells nobody a password. */
const fingerprintKey = randomBytes(32);

/** Looks at the login as it stands now, without saying it. */
export async function proxyLogin(read: ReadCredentials): Promise<ProxyLogin> {
  try {
    const credentials = await read();
    const text = credentials === undefined ? "" : JSON.stringify([credentials.username, credentials.password]);
    return {
      kind: "Present",
      fingerprint: text === "" ? "" : createHmac("sha256", fingerprintKey).update(text).digest("hex"),
    };
  } catch (error) {
    if (!(error instanceof EgressError)) throw error;
    const reason = error.code === "ProxySecretKeyMissing" ? error.code : "ProxySecretMissing";
    return { kind: "Missing", problem: { reason, message: error.message } };
  }
}

async function readKey(folder: string, key: string): Promise<string> {
  try {
    return (await readFile(join(folder, key), "utf8")).replace(/\r?\n$/, "");
  } catch {
    const names = await readdir(folder).catch(() => []);
    // Where an optional Secret is absent, the kubelet leaves only its own links and folders, whose names begin with "..".
    if (names.every((name) => name.startsWith("..")))
      throw new EgressError("proxy", "ProxySecretMissing", "the proxy's Secret does not exist");
    throw new EgressError("proxy", "ProxySecretKeyMissing", `the proxy's Secret has no key ${key}`);
  }
}

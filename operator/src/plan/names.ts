import { createHash } from "node:crypto";

/** Names are computed, never generated: two passes that see a stale cache ask for the same object twice and get one. */

/** `pool-member`, and for a node the first eight hex digits of its UID: a re-created node is another way out. */
export function endpointName(pool: string, member: string, nodeUid?: string): string {
  const base = `${pool}-${member}`;
  return nodeUid === undefined ? base : `${base}-${nodeUid.replaceAll("-", "").slice(0, 8)}`;
}

export const sharedPodName = (endpoint: string, ordinal: number): string => `${endpoint}-${ordinal}`;

export const dedicatedPodName = (endpoint: string, device: string): string => `${endpoint}-d-${shortHash(device)}`;

const shortHash = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 8);

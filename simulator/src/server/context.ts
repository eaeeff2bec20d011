import type { Logger } from "pino";
import { Ratchet } from "../peers/ratchet.ts";
import type { Director } from "../scenarios/director.ts";
import type { ServerIdentity } from "../wire/certificates.ts";
import type { Connection } from "./connection.ts";
import type { Counters } from "./counters.ts";
import type { Media } from "./media.ts";
import type { Account, Accounts } from "./world.ts";

/** All that the connections of one simulator share. */
export interface Context {
  readonly identity: ServerIdentity;
  readonly accounts: Accounts;
  readonly counters: Counters;
  readonly director: Director;
  readonly log: Logger;
  /** A connection without a byte for so long is gone: clients ping every 20 to 30 s, and a dead host sends no FIN. */
  readonly idleMs: number;
  /** Newest logged-in connection of each `phone:device`. */
  readonly online: Map<string, Connection>;
  /** Connections that wait for a phone to link them. */
  readonly waiting: Set<Connection>;
  readonly ratchets: Map<string, Ratchet>;
  readonly media: Media;
}

export function ratchetOf(context: Context, account: Account): Ratchet {
  const found = context.ratchets.get(account.phone);
  if (found) return found;
  const made = new Ratchet(account);
  context.ratchets.set(account.phone, made);
  return made;
}

import type {
  Commit,
  InboxMessage,
  OutboxFate,
  OutboxMessage,
  StoredValue,
  UnreadMessage,
  ValueKey,
} from "../sessions/ports.ts";

/** Credentials lie among the other values. No key type of the Signal protocol has this name. */
export const credsPlace = { type: "creds", id: "creds" } as const;

/** Commits that wait for the transaction before them, made one: of two that touch the same value the later one counts. */
export interface Batch {
  readonly puts: Map<string, StoredValue>;
  readonly deletes: Map<string, ValueKey>;
  readonly inbox: InboxMessage[];
  readonly unread: UnreadMessage[];
  readonly outbox: Map<string, OutboxFate>;
  readonly readdressed: Map<string, OutboxMessage>;
}

export function emptyBatch(): Batch {
  return { puts: new Map(), deletes: new Map(), inbox: [], unread: [], outbox: new Map(), readdressed: new Map() };
}

/** A value's key in maps. */
export function placeKey(type: string, id: string): string {
  return `${type}\0${id}`;
}

/** Adds a commit to the batch. Within one commit, deletes come after puts. */
export function addTo(batch: Batch, commit: Commit): void {
  const creds = commit.creds === undefined ? [] : [{ ...credsPlace, value: commit.creds }];
  for (const put of [...creds, ...(commit.puts ?? [])]) {
    batch.puts.set(placeKey(put.type, put.id), put);
    batch.deletes.delete(placeKey(put.type, put.id));
  }
  for (const gone of commit.deletes ?? []) {
    batch.deletes.set(placeKey(gone.type, gone.id), gone);
    batch.puts.delete(placeKey(gone.type, gone.id));
  }
  addMessages(batch, commit);
}

function addMessages(batch: Batch, { inbox = [], unread = [], outbox = [], readdressed = [] }: Commit): void {
  batch.inbox.push(...inbox);
  batch.unread.push(...unread);
  for (const fate of outbox) batch.outbox.set(fate.messageId, fate);
  for (const message of readdressed) batch.readdressed.set(message.messageId, message);
}

/** Names of what a batch holds: types of values, `inbox`, `outbox`. */
export function contentsOf({ puts, deletes, inbox, outbox }: Batch): string[] {
  const types = [...puts.values(), ...deletes.values()].map(({ type }) => type);
  return [...new Set([...types, ...(inbox.length > 0 ? ["inbox"] : []), ...(outbox.size > 0 ? ["outbox"] : [])])];
}

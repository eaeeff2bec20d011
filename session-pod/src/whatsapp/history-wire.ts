/** A blob of history that is more than we look into. */
export class HistoryRefused extends Error {
  override readonly name = "HistoryRefused";
}

/** Fields that are looked at, and entries that are kept: small ones cost a hundred times their size in memory. */
const mostFields = 200_000;
const mostEntries = 50_000;
const mostBytes = 4 * 1024 * 1024;

/** Numbers of WAProto's fields. */
const sync = { syncType: 1, conversations: 2, mappings: 15 } as const;
const conversation = { id: 1, messages: 2, tcToken: 21, tcTokenTime: 22, tcTokenSenderTime: 28 } as const;
const addresses = { pnJid: 39, lidJid: 42, accountLid: 49 } as const;
const message = { info: 1, key: 1, userReceipt: 40 } as const;

const keptOfConversation = new Set<number>([
  conversation.id,
  conversation.tcToken,
  conversation.tcTokenTime,
  conversation.tcTokenSenderTime,
  ...Object.values(addresses),
]);

interface Field {
  readonly number: number;
  /** With its tag, as it stands in the message. */
  readonly whole: Uint8Array;
  readonly content: Uint8Array;
}

/**
 * What a session needs of its history, as a HistorySync: who has which hidden number, and the tokens of chats. Names and
 * messages, nearly all of the blob, are passed over without being decoded.
 */
export function reduceHistory(raw: Uint8Array): Buffer {
  const budget = { fields: mostFields, entries: mostEntries };
  const kept: Uint8Array[] = [];
  for (const field of fieldsOf(raw, budget)) {
    if (field.number === sync.syncType) kept.push(field.whole);
    if (field.number !== sync.mappings && field.number !== sync.conversations) continue;
    budget.entries -= 1;
    if (budget.entries < 0) throw new HistoryRefused(`more than ${mostEntries} chats and numbers`);
    kept.push(
      field.number === sync.mappings ? field.whole : nested(sync.conversations, reduced(field.content, budget)),
    );
  }
  const all = Buffer.concat(kept);
  if (all.length > mostBytes) throw new HistoryRefused(`more than ${mostBytes} bytes of chats and numbers`);
  return all;
}

type Budget = { fields: number };

function reduced(chat: Uint8Array, budget: Budget): Buffer {
  const kept: Uint8Array[] = [];
  let isHidden = false;
  let witness: Buffer | undefined;
  for (const { number, whole, content } of fieldsOf(chat, budget)) {
    if (keptOfConversation.has(number)) kept.push(whole);
    if (number === conversation.id) isHidden = Buffer.from(content).toString("latin1").endsWith("lid");
    if (number === addresses.pnJid) isHidden = false;
    if (number === conversation.messages && isHidden) witness ??= receiptIn(content, budget);
  }
  if (isHidden && witness !== undefined) kept.push(nested(conversation.messages, witness));
  return Buffer.concat(kept);
}

/** A receipt of an own message tells the number behind a hidden one; nothing else of a message is kept. */
function receiptIn(historyMessage: Uint8Array, budget: Budget): Buffer | undefined {
  for (const outer of fieldsOf(historyMessage, budget)) {
    if (outer.number !== message.info) continue;
    const inner = [...fieldsOf(outer.content, budget)];
    if (!inner.some(({ number }) => number === message.userReceipt)) return undefined;
    const kept = inner.filter(({ number }) => number === message.key || number === message.userReceipt);
    return nested(message.info, Buffer.concat(kept.map(({ whole }) => whole)));
  }
  return undefined;
}

function nested(number: number, content: Uint8Array): Buffer {
  return Buffer.concat([varint(number * 8 + 2), varint(content.length), content]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}

function* fieldsOf(bytes: Uint8Array, budget: Budget): Generator<Field> {
  for (let start = 0; start < bytes.length;) {
    budget.fields -= 1;
    if (budget.fields < 0) throw new HistoryRefused(`more than ${mostFields} fields`);
    const tag = readVarint(bytes, start);
    const [contentStart, end] = extent(bytes, tag.value % 8, tag.end);
    if (end > bytes.length) throw new HistoryRefused("a field ends behind its message");
    yield {
      number: Math.floor(tag.value / 8),
      whole: bytes.subarray(start, end),
      content: bytes.subarray(contentStart, end),
    };
    start = end;
  }
}

/** Where a field's content begins and ends, by its wire type. */
function extent(bytes: Uint8Array, wireType: number, start: number): readonly [number, number] {
  if (wireType === 0) return [start, readVarint(bytes, start).end];
  if (wireType === 1) return [start, start + 8];
  if (wireType === 5) return [start, start + 4];
  if (wireType !== 2) throw new HistoryRefused(`wire type ${wireType}`);
  const length = readVarint(bytes, start);
  return [length.end, length.end + length.value];
}

const longestVarint = 10;

function readVarint(bytes: Uint8Array, start: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let place = 0; place < longestVarint; place += 1) {
    const byte = bytes[start + place];
    if (byte === undefined) break;
    value += (byte & 0x7f) * 2 ** (7 * place);
    if (byte < 0x80) return { value, end: start + place + 1 };
  }
  throw new HistoryRefused("a number without an end");
}

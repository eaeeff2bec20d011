import "./quiet.ts";
import { AsyncLocalStorage } from "node:async_hooks";
import {
  BufferJSON,
  proto,
  type SignalDataSet,
  type SignalDataTypeMap,
  type SignalKeyStore,
} from "@whiskeysockets/baileys";
import type { GenerationStore, InboxMessage, StoredValue, ValueKey } from "../sessions/ports.ts";

/** Messages that have to be committed together with the ratchet that decrypted them. */
export interface InboxBox {
  messages: InboxMessage[];
}

/** Set while a message is decrypted; the commit at the end of that transaction takes the message along. */
export const inboxBox = new AsyncLocalStorage<InboxBox>();

/**
 * Waits for the store and never rejects: a rejection makes the library tell the server that the message failed, which then
 * counts as delivered. Whoever loses the device hears of it by `onFailure`, and the waiting code is left where it is.
 */
export type Hold = <T>(work: Promise<T>) => Promise<T>;

export function holdUntilStored(onFailure: (error: unknown) => void): Hold {
  return async (work) => {
    try {
      return await work;
    } catch (error) {
      onFailure(error);
      return await new Promise<never>(() => undefined);
    }
  };
}

/** The library's view of one generation's store. */
export function keyStore(store: GenerationStore, hold: Hold): SignalKeyStore {
  return {
    get: async <T extends keyof SignalDataTypeMap>(type: T, ids: string[]) => {
      const found: { [id: string]: SignalDataTypeMap[T] } = {};
      for (const [id, bytes] of await hold(store.get(type, ids))) found[id] = decodeValue(type, bytes);
      return found;
    },
    set: async (data) => {
      const box = inboxBox.getStore();
      const inbox = box?.messages ?? [];
      if (box !== undefined) box.messages = [];
      await hold(store.commit({ ...changesIn(data), ...(inbox.length > 0 && { inbox }) }));
    },
  };
}

function changesIn(data: SignalDataSet): { puts: StoredValue[]; deletes: ValueKey[] } {
  const puts: StoredValue[] = [];
  const deletes: ValueKey[] = [];
  for (const [type, entries] of Object.entries(data))
    for (const [id, value] of Object.entries<unknown>(entries ?? {}))
      if (value === null || value === undefined) deletes.push({ type, id });
      else puts.push({ type, id, value: Buffer.from(JSON.stringify(value, BufferJSON.replacer)) });
  return { puts, deletes };
}

function decodeValue<T extends keyof SignalDataTypeMap>(type: T, bytes: Uint8Array): SignalDataTypeMap[T] {
  let value = JSON.parse(Buffer.from(bytes).toString(), BufferJSON.reviver);
  if (type === "app-state-sync-key") value = proto.Message.AppStateSyncKeyData.fromObject(value);
  return value;
}

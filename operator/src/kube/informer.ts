import type { Kind } from "./kind.ts";
import { keyOf, type ObjectName, type RawObject } from "./object.ts";
import { Reflector, type ReflectorOptions } from "./reflector.ts";
import { Store, type Indexers } from "./store.ts";

/** A kind's mirror, parsed on demand: what reconciles read instead of asking the API server. */
export interface Informer<T> {
  /** @throws {ParseError} when the object does not fit its schema. */
  get(name: ObjectName): T | undefined;
  list(): readonly T[];
  byIndex(index: string, value: string): readonly T[];
  /** Unparsed, for what has no schema (such as a template's fields). */
  raw(name: ObjectName): RawObject | undefined;
  readonly hasSynced: boolean;
  readonly silentForMs: number;
  /** Where the mirror stands; empty until its first list. */
  readonly version: string;
  /** Something contradicts the mirror: it compares its history with the API server's, now and then. */
  doubt(): void;
  /** Lists anew at once: another mirror has found that history went back. */
  listAgain(): void;
  stop(): Promise<void>;
}

export interface InformerOptions<T> extends Omit<ReflectorOptions, "store" | "kind"> {
  readonly kind: Kind<T>;
  readonly indexers?: Indexers;
}

export function startInformer<T>({ indexers, kind, ...options }: InformerOptions<T>): Informer<T> {
  const store = new Store(indexers);
  const reflector = new Reflector({ ...options, kind, store });
  const parsed = new WeakMap<RawObject, { readonly value: T }>();
  const parse = (raw: RawObject): T => {
    const known = parsed.get(raw);
    if (known !== undefined) return known.value;
    const value = kind.parse(raw);
    parsed.set(raw, { value });
    return value;
  };
  return {
    get: (name) => {
      const raw = store.get(keyOf(name));
      return raw === undefined ? undefined : parse(raw);
    },
    list: () => store.list().map(parse),
    byIndex: (index, value) => store.byIndex(index, value).map(parse),
    raw: (name) => store.get(keyOf(name)),
    get hasSynced() {
      return reflector.hasSynced;
    },
    get silentForMs() {
      return reflector.silentForMs;
    },
    get version() {
      return reflector.version;
    },
    doubt: () => {
      reflector.doubt();
    },
    listAgain: () => {
      reflector.listAgain();
    },
    stop: async () => {
      await reflector.stop();
    },
  };
}

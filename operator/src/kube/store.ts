import { keyOf, withoutManagedFields, type RawObject } from "./object.ts";

/** What an object's arrival meant for the store. */
export type Change =
  | { readonly kind: "Added"; readonly object: RawObject }
  | { readonly kind: "Modified"; readonly object: RawObject; readonly before: RawObject }
  | { readonly kind: "Deleted"; readonly object: RawObject };

/** Values under which an object is found again, such as its endpoint's key or its node's name. */
type Indexer = (object: RawObject) => readonly string[];
export type Indexers = Readonly<Record<string, Indexer>>;

/** A reflector's mirror of one kind: what the API server last said, raw. Its objects are shared, so nobody changes them. */
export class Store {
  readonly #objects = new Map<string, RawObject>();
  readonly #indexers: Indexers;
  /** Index name → value → keys. */
  readonly #indexes = new Map<string, Map<string, Set<string>>>();

  constructor(indexers: Indexers = {}) {
    this.#indexers = indexers;
    for (const name of Object.keys(indexers)) this.#indexes.set(name, new Map());
  }

  get(key: string): RawObject | undefined {
    return this.#objects.get(key);
  }

  list(): readonly RawObject[] {
    return [...this.#objects.values()];
  }

  /** Objects for which the indexer of that name gave `value`. @throws when there is no such indexer. */
  byIndex(name: string, value: string): readonly RawObject[] {
    const index = this.#indexes.get(name);
    if (index === undefined) throw new RangeError(`no indexer ${name}`);
    return [...(index.get(value) ?? [])].flatMap((key) => this.#objects.get(key) ?? []);
  }

  /** A whole list: what it lacks was deleted meanwhile. */
  replace(objects: readonly RawObject[]): readonly Change[] {
    const listed = new Set(objects.map(({ metadata }) => keyOf(metadata)));
    const gone = this.list().filter(({ metadata }) => !listed.has(keyOf(metadata)));
    return [...gone.flatMap((object) => this.remove(object)), ...objects.flatMap((object) => this.put(object))];
  }

  /** An added or changed object. One of another UID is another object: the old one was deleted in between. */
  put(arrived: RawObject): readonly Change[] {
    const object = withoutManagedFields(arrived);
    const key = keyOf(object.metadata);
    const before = this.#objects.get(key);
    if (before !== undefined && before.metadata.resourceVersion === object.metadata.resourceVersion) return [];
    if (before !== undefined) this.#unindex(key, before);
    this.#objects.set(key, object);
    this.#index(key, object);
    if (before === undefined) return [{ kind: "Added", object }];
    if (before.metadata.uid === object.metadata.uid) return [{ kind: "Modified", object, before }];
    return [
      { kind: "Deleted", object: before },
      { kind: "Added", object },
    ];
  }

  remove({ metadata }: RawObject): readonly Change[] {
    const key = keyOf(metadata);
    const before = this.#objects.get(key);
    if (before === undefined) return [];
    this.#unindex(key, before);
    this.#objects.delete(key);
    return [{ kind: "Deleted", object: before }];
  }

  #index(key: string, object: RawObject): void {
    for (const [name, index] of this.#indexes) {
      for (const value of this.#indexers[name]?.(object) ?? []) {
        const keys = index.get(value) ?? new Set();
        index.set(value, keys.add(key));
      }
    }
  }

  #unindex(key: string, object: RawObject): void {
    for (const [name, index] of this.#indexes) {
      for (const value of this.#indexers[name]?.(object) ?? []) {
        index.get(value)?.delete(key);
        if (index.get(value)?.size === 0) index.delete(value);
      }
    }
  }
}

import fc from "fast-check";
import { expect, it } from "vitest";
import { keyOf, nameOf, type RawObject } from "./object.ts";
import { Store } from "./store.ts";

const object = (name: string, version: number, more: { uid?: string; node?: string } = {}): RawObject => ({
  metadata: { namespace: "ns", name, uid: more.uid ?? name, resourceVersion: String(version), managedFields: [{}] },
  spec: { node: more.node ?? "n1" },
});
const nodeOf = ({ spec }: RawObject) => [JSON.stringify(spec)];
const kindsOf = (changes: readonly { kind: string; object: RawObject }[]) =>
  changes.map((change) => `${change.kind} ${change.object.metadata.name}`);

it("takes an object of the same name and another UID for another object", () => {
  const store = new Store();
  store.put(object("a", 1));
  expect(kindsOf(store.put(object("a", 2, { uid: "other" })))).toEqual(["Deleted a", "Added a"]);
});

it("says nothing of a version it has", () => {
  const store = new Store();
  store.put(object("a", 1));
  expect(store.put(object("a", 1))).toEqual([]);
  expect(store.remove(object("b", 1))).toEqual([]);
});

it("tells from a list what was added, changed and deleted meanwhile", () => {
  const store = new Store();
  for (const name of ["a", "b", "c"]) store.put(object(name, 1));
  const changes = store.replace([object("a", 1), object("b", 2), object("d", 1)]);
  expect(kindsOf(changes)).toEqual(["Deleted c", "Modified b", "Added d"]);
});

it("keeps no managedFields", () => {
  const store = new Store();
  store.put(object("a", 1));
  expect(store.get("ns/a")?.metadata).not.toHaveProperty("managedFields");
});

it("refuses an index that nobody defined", () => {
  expect(() => new Store().byIndex("node", "n1")).toThrow("no indexer node");
});

it("finds by index what a search of everything finds", () => {
  const change = fc.record({
    name: fc.constantFrom("a", "b", "c"),
    node: fc.constantFrom("n1", "n2"),
    isRemoval: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      const store = new Store({ node: nodeOf });
      for (const [index, { name, node, isRemoval }] of changes.entries()) {
        const next = object(name, index, { node });
        if (isRemoval) store.remove(next);
        else store.put(next);
      }
      for (const node of ["n1", "n2"]) {
        const value = JSON.stringify({ node });
        const expected = store.list().filter((item) => nodeOf(item)[0] === value);
        expect(new Set(store.byIndex("node", value))).toEqual(new Set(expected));
      }
    }),
  );
});

it.each([
  [{ namespace: "ns", name: "a" }, "ns/a"],
  [{ namespace: "", name: "node-1" }, "node-1"],
])("writes %j as %s and reads it back", (name, key) => {
  expect(keyOf(name)).toBe(key);
  expect(nameOf(key)).toEqual(name);
});

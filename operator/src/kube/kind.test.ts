import { expect, it } from "vitest";
import { z } from "zod";
import { apiVersionOf, collectionPath, defineKind, objectPath, ParseError } from "./kind.ts";

const schema = z.object({ metadata: z.object({ name: z.string() }), spec: z.object({ count: z.int() }) });
const facts = { version: "v1", kind: "Thing", plural: "things", schema };
const core = defineKind({ ...facts, group: "", isNamespaced: true });
const grouped = defineKind({ ...facts, group: "example.com", isNamespaced: true });
const clusterWide = defineKind({ ...facts, group: "example.com", isNamespaced: false });

it.each([
  ["a core kind", core, "ns", "/api/v1/namespaces/ns/things"],
  ["a kind of a group", grouped, "ns", "/apis/example.com/v1/namespaces/ns/things"],
  ["a kind in all namespaces", grouped, "", "/apis/example.com/v1/things"],
  ["a cluster-scoped kind", clusterWide, "", "/apis/example.com/v1/things"],
])("keeps %s at its path", (_sentence, kind, namespace, path) => {
  expect(collectionPath(kind, namespace)).toBe(path);
  expect(objectPath(kind, { namespace, name: "a b" })).toBe(`${path}/a%20b`);
});

it("writes the apiVersion of core and other groups", () => {
  expect([core, grouped].map(apiVersionOf)).toEqual(["v1", "example.com/v1"]);
});

it("says which field of which kind does not fit", () => {
  const parse = () => core.parse({ metadata: { name: "a" }, spec: { count: "many" } });
  expect(parse).toThrow(ParseError);
  expect(parse).toThrow("Thing does not fit its schema: spec.count: ");
});

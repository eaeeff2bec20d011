import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Claim, Commit, Store } from "../src/sessions/ports.ts";
import { bytes, claimed, databaseKinds, open, put, text, values, type Databases } from "./store-fixture.ts";

const ids = ["a", "b", "c", "d"] as const;
const types = ["session", "pre-key"] as const;
const key = fc.record({ type: fc.constantFrom(...types), id: fc.constantFrom(...ids) });

type Step =
  | { readonly kind: "commit"; readonly commit: Commit; readonly awaited: boolean }
  | { readonly kind: "read"; readonly type: string }
  | { readonly kind: "generation" }
  | { readonly kind: "restart" };

const commit: fc.Arbitrary<Commit> = fc
  .record({
    creds: fc.option(fc.string({ maxLength: 5 }), { nil: undefined }),
    puts: fc.array(fc.tuple(key, fc.string({ maxLength: 5 })), { maxLength: 4 }),
    deletes: fc.array(key, { maxLength: 3 }),
  })
  .map(({ creds, puts, deletes }) => ({
    ...(creds !== undefined && { creds: bytes(creds) }),
    puts: puts.map(([{ type, id }, value]) => put(id, value, type)),
    deletes,
  }));

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("commit"), commit, awaited: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("read"), type: fc.constantFrom(...types) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "generation" }) },
  { weight: 1, arbitrary: fc.constant({ kind: "restart" }) },
);

/** What the store must hold: the simplest thing that can be right. */
class Model {
  readonly values = new Map<string, string>();
  creds: string | undefined;

  apply({ creds, puts = [], deletes = [] }: Commit): void {
    this.creds = text(creds) ?? this.creds;
    for (const { type, id, value } of puts) this.values.set(`${type} ${id}`, Buffer.from(value).toString());
    for (const { type, id } of deletes) this.values.delete(`${type} ${id}`);
  }

  of(type: string): Record<string, string> {
    const entries = ids.map((id) => [id, this.values.get(`${type} ${id}`)] as const);
    return Object.fromEntries(entries.flatMap(([id, value]) => (value === undefined ? [] : [[id, value]])));
  }
}

describe.each(databaseKinds)("the store on %s", (_kind, start) => {
  let databases: Databases;
  let store: Store;
  let devices = 0;

  beforeAll(async () => {
    databases = await start();
    store = await open(await databases.freshUrl());
    return async () => store[Symbol.asyncDispose]();
  });
  afterAll(() => databases.stop());

  it("holds after any commits, generations and restarts what a map would hold", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
        const name = `d${(devices += 1)}`;
        const model = new Model();
        let claim: Claim = await claimed(store, name);
        let generation = claim.openGeneration();
        let pending: Promise<void>[] = [];
        for (const now of steps) {
          if (now.kind === "commit") {
            model.apply(now.commit);
            pending.push(generation.commit(now.commit));
            if (!now.awaited) continue;
          }
          await Promise.all(pending);
          pending = [];
          if (now.kind === "read") expect(await values(generation, ids, now.type)).toEqual(model.of(now.type));
          if (now.kind === "restart") claim = await claimed(store, name);
          if (now.kind === "restart" || now.kind === "generation") generation = claim.openGeneration();
        }
        await Promise.all(pending);
        const after = claim.openGeneration();
        for (const type of types) expect(await values(after, ids, type)).toEqual(model.of(type));
        expect(text(await claim.readCreds())).toBe(model.creds);
      }),
      { numRuns: 60 },
    );
  });
});

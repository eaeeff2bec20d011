import { describe, expect, it } from "vitest";
import { childrenOf, decodeNode } from "./nodes.ts";
import { nodeBomb } from "./zlib.ts";

describe("a bomb of nodes", () => {
  it.each([1, 65_535, 65_536, 200_000])("decodes to one stanza of %d nodes, and is small", async (nodes) => {
    const bomb = nodeBomb(nodes);
    const stanza = await decodeNode(bomb);
    expect(childrenOf(stanza).reduce((sum, part) => sum + childrenOf(part).length, 0)).toBe(nodes);
    expect(bomb.length).toBeLessThan(200 + nodes / 100);
  });
});

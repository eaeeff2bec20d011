import "./quiet.ts";
import { deflateSync } from "node:zlib";
import { decodeBinaryNode, encodeBinaryNode } from "@whiskeysockets/baileys";
import { describe, expect, it } from "vitest";
import { frameCapBytes } from "./frame-limit.ts";
import "./inflate-limit.ts";

const compressed = (body: Uint8Array): Buffer => Buffer.concat([Buffer.from([2]), deflateSync(body)]);

describe("a frame that the client library decodes", () => {
  it("is inflated where it says so", async () => {
    const stanza = { tag: "ib", attrs: { from: "s.whatsapp.net" } };
    const body = Buffer.from(encodeBinaryNode(stanza)).subarray(1);
    expect(await decodeBinaryNode(compressed(body))).toMatchObject(stanza);
  });

  it("is refused where it inflates beyond the cap, and so is each of many", async () => {
    const bomb = compressed(Buffer.alloc(frameCapBytes + 1));
    const all = await Promise.allSettled([1, 2, 3].map(async () => await decodeBinaryNode(bomb)));
    expect(all.map((one) => one.status === "rejected" && String(one.reason))).toEqual(
      Array(3).fill(expect.stringContaining(`larger than ${frameCapBytes} bytes`)),
    );
  });

  it("is refused where it does not inflate", async () => {
    await expect(decodeBinaryNode(Buffer.from([2, 1, 2, 3]))).rejects.toThrow("incorrect header check");
  });
});

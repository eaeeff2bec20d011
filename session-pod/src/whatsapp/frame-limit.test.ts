import fc from "fast-check";
import { expect, it } from "vitest";
import { FrameMeter, frameCapBytes } from "./frame-limit.ts";

function frame(bytes: number, announced = bytes): Uint8Array {
  const found = Buffer.alloc(3 + bytes);
  found.writeUIntBE(announced, 0, 3);
  return found;
}

it("lets frames up to the cap pass, in whatever pieces they come", () => {
  const stream = Buffer.concat([frame(0), frame(5), frame(1_000), frame(frameCapBytes), frame(1)]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 400_000 }), { minLength: 1, maxLength: 40 }), (sizes) => {
      const meter = new FrameMeter();
      let at = 0;
      for (const size of [...sizes, stream.length]) {
        meter.take(stream.subarray(at, at + size));
        at = Math.min(at + size, stream.length);
      }
    }),
  );
});

it.each([
  ["in one piece", (bytes: Uint8Array) => [bytes]],
  ["in pieces", (bytes: Uint8Array) => [bytes.subarray(0, 2), bytes.subarray(2, 500_000), bytes.subarray(500_000)]],
  ["behind another frame", (bytes: Uint8Array) => [Buffer.concat([frame(7), bytes])]],
])("refuses a larger one when more of it has come than the cap, %s", (_how, pieces) => {
  const meter = new FrameMeter();
  expect(() => {
    for (const piece of pieces(frame(frameCapBytes + 1, 2 ** 24 - 1))) meter.take(piece);
  }).toThrow("a frame of 16777215 bytes");
});

it("one that is announced and does not come costs nothing and is waited for", () => {
  const meter = new FrameMeter();
  expect(() => meter.take(frame(frameCapBytes, 2 ** 24 - 1))).not.toThrow();
});

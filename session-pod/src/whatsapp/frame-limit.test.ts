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
  ["byte by byte", (bytes: Uint8Array) => [...bytes.subarray(0, 3)].map((byte) => Uint8Array.of(byte))],
  ["behind another frame", (bytes: Uint8Array) => [Buffer.concat([frame(7), bytes])]],
])("refuses a larger one as soon as it is announced, %s", (_how, pieces) => {
  const meter = new FrameMeter();
  expect(() => {
    for (const piece of pieces(frame(0, frameCapBytes + 1))) meter.take(piece);
  }).toThrow("a frame of 1048577 bytes");
});

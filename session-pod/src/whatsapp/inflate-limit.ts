import { syncBuiltinESMExports } from "node:module";
import { promisify } from "node:util";
import zlib from "node:zlib";
import { frameCapBytes } from "./frame-limit.ts";

const inflateWhole = promisify<zlib.InputType, zlib.ZlibOptions, Buffer>(zlib.inflate);
let turn: Promise<void> = Promise.resolve();

/**
 * Import this before the client library, which inflates whatever a frame holds, to its end, and as many at once as arrive. Its
 * import of `zlib.inflate` is this function in all of the process: one body at a time, and an error beyond the cap.
 */
function inflate(body: zlib.InputType, done: (error: Error | null, inflated?: Buffer) => void): void {
  inflateWithin(body, frameCapBytes).then(
    (inflated) => done(null, inflated),
    (error: unknown) => done(error instanceof Error ? error : new Error("the body does not inflate")),
  );
}

/** In its turn among all that this process inflates; rejects beyond the cap. */
export async function inflateWithin(body: zlib.InputType, maxOutputLength: number): Promise<Buffer> {
  const inflated = turn.then(async () => await inflateWhole(body, { maxOutputLength }));
  turn = inflated.then(
    () => undefined,
    () => undefined,
  );
  return await inflated;
}

Object.assign(zlib, { inflate });
syncBuiltinESMExports();

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { isSignedBy, newKeyPair, sign } from "./curve.ts";
import { frame, FrameReader } from "./frames.ts";
import { bytesOf, childOf, decodeNode } from "./nodes.ts";
import type { ServerIdentity } from "./certificates.ts";
import { Handshake } from "./noise.ts";
import { decodeClientPayload } from "./payloads.ts";

const Bytes = z.string().transform((text) => Buffer.from(text, "hex"));
const Pair = z.object({ public: Bytes, private: Bytes });
const Exchange = z.object({ plain: Bytes, sealed: Bytes });
const Vector = z.object({
  root: Pair,
  noiseStatic: Pair,
  ephemeral: Pair,
  certificateChain: Bytes,
  received: z.array(Bytes),
  clientHello: Bytes,
  serverHello: Bytes,
  clientFinish: Bytes,
  clientStatic: Bytes,
  payload: Bytes,
  sent: Exchange,
  answered: Exchange,
});

/** Handshakes of real clients, recorded once with known server keys. */
const vector = (client: string) =>
  Vector.parse(JSON.parse(readFileSync(new URL(`../../vectors/${client}.json`, import.meta.url), "utf8")));

const identityOf = ({ root, noiseStatic, certificateChain }: z.infer<typeof Vector>): ServerIdentity => ({
  root,
  noiseStatic,
  certificateChain,
});

describe.each(["baileys", "whatsmeow"])("a handshake recorded with %s", (client) => {
  const recorded = vector(client);

  it("is answered with the same bytes, and opens to the same keys", async () => {
    const handshake = new Handshake(identityOf(recorded), recorded.ephemeral);
    expect(handshake.serverHello(recorded.clientHello)).toEqual(recorded.serverHello);
    const { clientStatic, payload, transport } = handshake.finish(recorded.clientFinish);
    expect(clientStatic).toEqual(recorded.clientStatic);
    expect(payload).toEqual(recorded.payload);
    expect(transport.encrypt(recorded.sent.plain)).toEqual(recorded.sent.sealed);
    expect(transport.decrypt(recorded.answered.sealed)).toEqual(recorded.answered.plain);
    expect(await decodeNode(recorded.answered.plain)).toMatchObject({ tag: "iq", attrs: { id: "1", type: "result" } });
  });

  it("carries a registration with a signed prekey that its identity signed", () => {
    const payload = decodeClientPayload(recorded.payload);
    if (payload.kind !== "registration") throw new Error("the recorded client registers");
    const { identity, signedPreKey, clientVersion } = payload;
    const signed = Buffer.concat([Buffer.from([5]), signedPreKey.public]);
    expect(isSignedBy(identity, signed, signedPreKey.signature)).toBe(true);
    expect(clientVersion).toMatch(/^2\.3000\.\d+$/);
  });

  it("fails when one bit of the client's last message is another", () => {
    const changed = Buffer.from(recorded.clientFinish);
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
    const handshake = new Handshake(identityOf(recorded), recorded.ephemeral);
    handshake.serverHello(recorded.clientHello);
    expect(() => handshake.finish(changed)).toThrow();
  });

  it("is cut into the same frames however its bytes arrive", () => {
    const bytes = Buffer.concat(recorded.received);
    const whole = new FrameReader().push(bytes).frames;
    expect(whole.slice(0, 2)).toEqual([recorded.clientHello, recorded.clientFinish]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: bytes.length }), { maxLength: 20 }), (cuts) => {
        const reader = new FrameReader();
        const places = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
        const frames = places.flatMap((place, index) => reader.push(bytes.subarray(place, places[index + 1])).frames);
        expect(frames).toEqual(whole);
      }),
    );
  });
});

describe("a signature", () => {
  it("holds for its key and message alone", () => {
    const keys = newKeyPair();
    const message = Buffer.from("message");
    const signature = sign(keys.private, message);
    expect(isSignedBy(keys.public, message, signature)).toBe(true);
    expect(isSignedBy(newKeyPair().public, message, signature)).toBe(false);
    expect(isSignedBy(keys.public, Buffer.from("massage"), signature)).toBe(false);
    expect(isSignedBy(keys.public, message, signature.subarray(1))).toBe(false);
  });
});

describe("the reader of frames", () => {
  it("takes off the routing that a client sends back", () => {
    const routing = Buffer.from([1, 2, 3]);
    const head = Buffer.concat([Buffer.from("ED"), Buffer.from([0, 1, 0, 0, routing.length]), routing]);
    const received = new FrameReader().push(Buffer.concat([head, Buffer.from("WA\x06\x03"), frame(Buffer.from("x"))]));
    expect(received).toEqual({ routingInfo: routing, frames: [Buffer.from("x")] });
  });

  it("refuses what is no client of this protocol", () => {
    expect(() => new FrameReader().push(Buffer.from("GET / HTTP/1.1"))).toThrow("prologue is 47455420");
  });
});

it("content that was decoded as text counts as the bytes that it stands for", () => {
  expect(bytesOf(childOf({ tag: "a", attrs: {}, content: [{ tag: "b", attrs: {}, content: "42" }] }, "b"))).toEqual(
    Buffer.from("42"),
  );
});

import { randomBytes } from "node:crypto";
import type { Action } from "../scenarios/scenario.ts";
import { announced, frame } from "../wire/frames.ts";
import { encodeNode, node } from "../wire/nodes.ts";
import type { Transport } from "../wire/noise.ts";
import { brokenZlib, nodeBomb, zipBomb } from "../wire/zlib.ts";

/** Actions that put bytes on the wire which no client can read. */
export type Fault = Extract<
  Action,
  { kind: "garbage" | "announce" | "undecryptable" | "broken-zlib" | "zip-bomb" | "node-bomb" }
>;

export interface FaultyBytes {
  readonly layer: "frame" | "websocket";
  readonly bytes: Buffer;
}

/** How much follows an announced length: not enough. */
const tornBytes = 16;
/** Bits that a WebSocket frame must not have set, so that chance makes no good frame of garbage. */
const reservedBits = 0x70;

/** @param transport absent before the handshake is done; the scenario's rules then allow what needs none */
export function faultyBytes(fault: Fault, transport: Transport | undefined): FaultyBytes {
  switch (fault.kind) {
    case "garbage":
      return {
        layer: fault.layer,
        bytes: fault.layer === "frame" ? frame(randomBytes(fault.bytes)) : noWebSocket(fault),
      };
    case "announce":
      return { layer: fault.layer, bytes: announced(fault.layer, fault.bytes, randomBytes(tornBytes)) };
    case "undecryptable":
      return inFrame(transport, (keys) => (fault.fault === "tag" ? wrongTag(keys) : wrongCounter(keys)));
    case "broken-zlib":
      return inFrame(transport, (keys) => keys.encrypt(brokenZlib()));
    case "zip-bomb":
      return inFrame(transport, (keys) => keys.encrypt(zipBomb(fault.mebibytes)));
    case "node-bomb":
      return inFrame(transport, (keys) => keys.encrypt(nodeBomb(fault.nodes)));
    default:
      return fault satisfies never;
  }
}

function noWebSocket({ bytes }: { readonly bytes: number }): Buffer {
  const garbage = randomBytes(bytes);
  garbage.writeUInt8(garbage.readUInt8(0) | reservedBits, 0);
  return garbage;
}

function inFrame(transport: Transport | undefined, make: (keys: Transport) => Buffer): FaultyBytes {
  if (transport === undefined) throw new Error("there are no keys yet");
  return { layer: "frame", bytes: frame(make(transport)) };
}

const anyStanza = (): Buffer => encodeNode(node("ib", { from: "s.whatsapp.net" }));

function wrongTag(keys: Transport): Buffer {
  const sealed = keys.encrypt(anyStanza());
  const last = sealed.length - 1;
  sealed.writeUInt8(sealed.readUInt8(last) ^ 1, last);
  return sealed;
}

function wrongCounter(keys: Transport): Buffer {
  keys.encrypt(anyStanza());
  return keys.encrypt(anyStanza());
}

import { decodeBinaryNode, encodeBinaryNode, type BinaryNode } from "@whiskeysockets/baileys";

/** A stanza. Attribute values are strings always: a number would corrupt the encoding silently. */
export type Node = BinaryNode;

export const server = "@s.whatsapp.net";

export function node(tag: string, attrs: Record<string, string | undefined> = {}, content?: Node[] | Uint8Array): Node {
  const present: Record<string, string> = {};
  for (const [name, value] of Object.entries(attrs)) if (value !== undefined) present[name] = value;
  return content === undefined ? { tag, attrs: present } : { tag, attrs: present, content };
}

/** Flags byte and node, uncompressed: a compressed frame could be overtaken by a later one at the client. */
export const encodeNode = (stanza: Node): Buffer => Buffer.from(encodeBinaryNode(stanza));

export const decodeNode = async (payload: Buffer): Promise<Node> => await decodeBinaryNode(payload);

export function childrenOf(stanza: Node | undefined, tag?: string): Node[] {
  const content = stanza?.content;
  if (!Array.isArray(content)) return [];
  return tag === undefined ? content : content.filter((item) => item.tag === tag);
}

export const childOf = (stanza: Node | undefined, tag: string): Node | undefined => childrenOf(stanza, tag)[0];

/** Content as bytes: short content may have been decoded as text (a token, a number or an address). */
export function bytesOf(stanza: Node | undefined): Buffer {
  const content = stanza?.content;
  if (typeof content === "string") return Buffer.from(content, "utf8");
  return content instanceof Uint8Array ? Buffer.from(content) : Buffer.alloc(0);
}

/** A public key as stanzas carry it: `<id/><value/>`, and of a signed one `<signature/>`. */
export function preKeyIn(key: Node | undefined): { id: number; public: Buffer; signature: Buffer } {
  const id = bytesOf(childOf(key, "id"));
  return {
    id: id.length === 0 ? 0 : id.readUIntBE(0, id.length),
    public: bytesOf(childOf(key, "value")),
    signature: bytesOf(childOf(key, "signature")),
  };
}

export function uintBytes(value: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeUIntBE(value, 0, length);
  return bytes;
}

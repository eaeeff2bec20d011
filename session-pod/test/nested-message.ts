/** Bytes of a WAProto message in so many wrappers (`ephemeralMessage`, field 40, of `message`, field 1), none of which holds a text. */
export function nestedMessage(depth: number): Uint8Array {
  const parts: Buffer[] = [];
  let length = 0;
  const prefixed = (tag: readonly number[], size: number): Buffer => {
    const varint: number[] = [];
    for (let rest = size; ; rest = Math.floor(rest / 128)) {
      varint.push(rest > 127 ? (rest % 128) + 128 : rest);
      if (rest <= 127) break;
    }
    return Buffer.from([...tag, ...varint]);
  };
  for (let level = 0; level < depth; level += 1)
    for (const tag of [[0x0a], [0xc2, 0x02]]) {
      const head = prefixed(tag, length);
      parts.push(head);
      length += head.length;
    }
  return Buffer.concat(parts.toReversed());
}

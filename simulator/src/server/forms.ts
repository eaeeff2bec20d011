import { randomBytes } from "node:crypto";
import type { Form, Letter } from "../scenarios/letter.ts";
import { bytesOf, node, type Node } from "../wire/nodes.ts";
import { spoiled, unknownSenderKeyMessage } from "../wire/ciphertext.ts";
import { nodeOf } from "./injection.ts";
import { phoneJid } from "./world.ts";

/** How a message differs from the usual one. */
export type Dress = Pick<Letter, "form" | "times" | "attrs" | "content">;

/** A message without any difference. */
export const plainDress: Dress = { form: "usual", attrs: {} };

/** The form of the copy that goes out after so many were asked for again. */
export const formOf = ({ form, times = Infinity }: Dress, retries: number): Form => (retries < times ? form : "usual");

const group = "120363000000000001@g.us";
const bot = "867051314767696@bot";
const newsletter = "120363000000000002@newsletter";
const randomBodyBytes = 96;

const randomEnc = (type: string): Node => node("enc", { v: "2", type }, randomBytes(randomBodyBytes));

/** Whether a form carries a copy of the sender's ratchet. */
export const isEncrypted = (form: Form): boolean => form === "usual" || form === "undecryptable";

const spoiledEnc = (enc: Node): Node => ({
  ...enc,
  content: spoiled(enc.attrs["type"] === "pkmsg" ? "pkmsg" : "msg", bytesOf(enc)),
});

/** What a form puts in place of the usual address and child. */
function partsOf(
  form: Form,
  sender: string,
  body: { readonly enc?: Node | undefined; readonly message: Uint8Array },
): {
  readonly attrs: Readonly<Record<string, string>>;
  readonly content: readonly Node[];
} {
  const usual = body.enc === undefined ? [] : [body.enc];
  switch (form) {
    case "usual":
      return { attrs: {}, content: usual };
    case "undecryptable":
      return { attrs: {}, content: usual.map(spoiledEnc) };
    case "group-without-key":
      return {
        attrs: { from: group, participant: sender },
        content: [node("enc", { v: "2", type: "skmsg" }, unknownSenderKeyMessage())],
      };
    case "unavailable":
      return { attrs: {}, content: [node("unavailable")] };
    case "view-once":
      return { attrs: {}, content: [node("unavailable", { type: "view_once" })] };
    case "bot":
      return { attrs: { from: bot }, content: [randomEnc("msmsg")] };
    case "newsletter":
      return {
        attrs: { from: newsletter, server_id: "101" },
        content: [node("plaintext", {}, Buffer.from(body.message))],
      };
    case "unknown":
      return { attrs: {}, content: [randomEnc("xmsg")] };
    default:
      return form satisfies never;
  }
}

/** The usual stanza of a message, dressed: the later copies of a group's message keep its address. */
export function dressed(
  usual: Node,
  dress: Dress,
  copy: {
    readonly fromPhone: string;
    readonly retries: number;
    readonly enc?: Node | undefined;
    readonly message: Uint8Array;
  },
): Node {
  const sender = phoneJid(copy.fromPhone);
  const address = partsOf(dress.form, sender, copy).attrs;
  const { content } = partsOf(formOf(dress, copy.retries), sender, copy);
  const attrs = Object.entries({ ...usual.attrs, ...address, ...dress.attrs });
  const present = attrs.filter((attr): attr is [string, string] => attr[1] !== null);
  return {
    tag: usual.tag,
    attrs: Object.fromEntries(present),
    content: [...content, ...(dress.content ?? []).map(nodeOf)],
  };
}

import { childrenOf, node, type Node } from "../wire/nodes.ts";
import type { Moment } from "../scenarios/match.ts";
import { isInPlaceOfUsual, waited, type Connection } from "./connection.ts";
import { nodeOf } from "./injection.ts";
import { iqError, iqResult, seconds } from "./replies.ts";
import { parseAddress } from "./world.ts";

type Question = Pick<Moment, "stage"> & Partial<Moment>;

/** The stage of a client's stanza, if rules can be about it. */
function questionIn(stanza: Node): Question | undefined {
  const { type, xmlns, to } = stanza.attrs;
  if (stanza.tag === "message" || stanza.tag === "receipt") return { stage: stanza.tag, to: parseAddress(to)?.phone };
  if (stanza.tag !== "iq" || type === "result" || type === "error") return undefined;
  const child = childrenOf(stanza)[0];
  return { stage: "iq", xmlns, child: child?.tag, childAttrs: child?.attrs, ...wantedPhone(child) };
}

/** A client that wants a code is nobody's yet, but says whose it wants to be. */
function wantedPhone(child: Node | undefined): Partial<Moment> {
  const address = child?.tag === "link_code_companion_reg" ? parseAddress(child.attrs["jid"]) : undefined;
  return address === undefined ? {} : { phone: address.phone };
}

/** Lets a rule answer a stanza in place of the server; true when it did. Silence here loses this stanza, not the connection. */
export async function isIntercepted(connection: Connection, stanza: Node): Promise<boolean> {
  const question = questionIn(stanza);
  const rule = question && connection.ruled(question.stage, question);
  if (!rule) return false;
  await waited(rule);
  const { action } = rule;
  const { id, to } = stanza.attrs;
  switch (action.kind) {
    case "iq-error":
      connection.send(iqError(id, { code: action.code, text: action.text }));
      break;
    case "iq-result":
      connection.send(iqResult(id, action.content.map(nodeOf)));
      break;
    case "ack-error":
      connection.send(node("ack", { class: "message", id, from: to, t: seconds(), error: action.code }));
      break;
    case "silence":
    case "delay":
      break;
    default:
      connection.act(action);
  }
  return isInPlaceOfUsual(action);
}

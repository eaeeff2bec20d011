import { childrenOf, node, type Node } from "../wire/nodes.ts";
import type { Stage } from "../scenarios/scenario.ts";
import { waited, type Connection } from "./connection.ts";
import { iqError, seconds } from "./replies.ts";

interface Question {
  readonly stage: Stage;
  readonly xmlns?: string | undefined;
  readonly child?: string | undefined;
}

/** The stage of a client's stanza, if rules can be about it. */
function questionIn(stanza: Node): Question | undefined {
  const { type, xmlns } = stanza.attrs;
  if (stanza.tag === "message" || stanza.tag === "receipt") return { stage: stanza.tag };
  if (stanza.tag !== "iq" || type === "result" || type === "error") return undefined;
  return { stage: "iq", xmlns, child: childrenOf(stanza)[0]?.tag };
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
    case "ack-error":
      connection.send(node("ack", { class: "message", id, from: to, t: seconds(), error: action.code }));
      break;
    case "silence":
    case "delay":
      break;
    default:
      connection.act(action);
  }
  return action.kind !== "delay";
}

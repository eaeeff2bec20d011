import { childOf, childrenOf, node, server, type Node } from "../wire/nodes.ts";
import type { ClientPayload } from "../wire/payloads.ts";
import type { Connection } from "./connection.ts";
import { acceptAck, acceptMessage, acknowledged } from "./delivery.ts";
import { isIntercepted } from "./interception.ts";
import { deliverOffline, login } from "./login.ts";
import { answerQuery } from "./queries.ts";
import { acceptPairing, startRegistration } from "./registration.ts";
import { iqResult, seconds } from "./replies.ts";
import { retried } from "./retries.ts";

/** A client's payload decides whether it registers or logs in. */
export function begin(connection: Connection, client: ClientPayload): void {
  return client.kind === "login" ? login(connection, client) : startRegistration(connection, client);
}

/** What the server does with each stanza of a client. */
export async function answer(connection: Connection, stanza: Node): Promise<void> {
  if (await isIntercepted(connection, stanza)) return;
  switch (stanza.tag) {
    case "iq":
      return await answerIq(connection, stanza);
    case "message":
      return await acceptMessage(connection, stanza);
    case "receipt":
      return await acceptReceipt(connection, stanza);
    case "ack":
      heard(connection, ["ack", stanza.attrs["class"], stanza.attrs["id"], stanza.attrs["error"]]);
      return acceptAck(connection, stanza);
    case "ib":
      if (childOf(stanza, "offline_batch")) deliverOffline(connection);
      return undefined;
    default:
      return undefined; // presence, chatstate and the like need no answer
  }
}

const mostAnswersKept = 1_000;

function heard({ record }: Connection, words: readonly (string | undefined)[]): void {
  record.answers.push(words.filter((word) => word !== undefined).join(" "));
  if (record.answers.length > mostAnswersKept) record.answers.shift();
}

async function answerIq(connection: Connection, iq: Node): Promise<void> {
  const { type, xmlns, id } = iq.attrs;
  if (type === "result" || type === "error") return await takeAnswer(connection, iq);
  const child = childrenOf(iq)[0]?.tag;
  const content = await answerQuery(connection, iq);
  if (content !== "answered") connection.send(iqResult(id, content));
  if (xmlns === "passive" && child === "active") deliverOffline(connection);
}

/** The client's answer to a question of the server's. */
async function takeAnswer(connection: Connection, iq: Node): Promise<void> {
  const { type, id } = iq.attrs;
  heard(connection, [type, id, childOf(iq, "error")?.attrs["code"]]);
  connection.pings?.answered(id);
  await acceptPairing(connection, iq);
}

async function acceptReceipt(connection: Connection, receipt: Node): Promise<void> {
  const { id, to, from, type, participant } = receipt.attrs;
  connection.send(node("ack", { class: "receipt", id, from: to ?? from ?? server, type, participant, t: seconds() }));
  if (!connection.loggedIn) return;
  connection.context.counters.receipt(connection.loggedIn.name, `${type ?? "delivery"} ${id ?? ""}`);
  if (type === "retry") return await retried(connection, receipt);
  const more = childrenOf(childOf(receipt, "list"), "item").map((item) => item.attrs["id"]);
  for (const each of [id, ...more]) acknowledged(connection, each, to);
}

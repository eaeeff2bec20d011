import { S_WHATSAPP_NET, type BinaryNode, type WASocket } from "@whiskeysockets/baileys";

const pingNamespace = "urn:xmpp:ping";

/**
 * What to say to a question of the server's; the client library answers none. A ping that is not answered ends the stream (public
 * reports: whatsmeow #1052, yowsup #1179); to another question an error is an answer, as XMPP has it (RFC 6120, 8.2.3).
 */
export function answerTo({ attrs }: BinaryNode): BinaryNode {
  const { id = "", from = S_WHATSAPP_NET, xmlns } = attrs;
  if (xmlns === pingNamespace) return { tag: "iq", attrs: { to: from, id, type: "result" } };
  return {
    tag: "iq",
    attrs: { to: from, id, type: "error" },
    content: [{ tag: "error", attrs: { code: "501", text: "feature-not-implemented" } }],
  };
}

export function answerQuestions({ ws, sendNode }: Pick<WASocket, "ws" | "sendNode">): void {
  ws.on("CB:iq,type:get", (question: BinaryNode) => {
    // A connection that ends meanwhile tells of it by itself.
    sendNode(answerTo(question)).catch(() => undefined);
  });
}

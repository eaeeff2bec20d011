import type { BinaryNode, WASocket } from "@whiskeysockets/baileys";

const codePairing = "link_code_companion_reg";
const primaryKey = "link_code_pairing_wrapped_primary_ephemeral_pub";

const childOf = ({ content }: BinaryNode, tag: string): BinaryNode | undefined =>
  Array.isArray(content) ? content.find((child) => child.tag === tag) : undefined;

/**
 * The step of linking that a notification begins, in the server's words; undefined: the client library takes it. A code that
 * was typed comes as `primary_hello` with the phone's key; without it (accounts with a passkey: whatsmeow #1188, #1233) the
 * library has nothing to answer with.
 */
export function stageOf(notification: BinaryNode): string | undefined {
  const type = notification.attrs["type"] ?? "";
  if (type !== codePairing) return type === "" ? "a notification without a type" : type;
  const step = childOf(notification, codePairing);
  const stage = step?.attrs["stage"] ?? "primary_hello";
  if (stage !== "primary_hello") return stage;
  return step !== undefined && childOf(step, primaryKey) !== undefined ? undefined : `${stage} without a key`;
}

export interface Linking {
  /** False once the phone's signature is there. */
  readonly isUnlinked: () => boolean;
  readonly onStage: (stage: string) => void;
}

/** Hears what the server says between the code and the link. The library acknowledges nothing to a device without a number. */
export function watchLinking({ ws, sendNode }: Pick<WASocket, "ws" | "sendNode">, linking: Linking): void {
  ws.prependListener("CB:notification", (notification: BinaryNode) => {
    if (!linking.isUnlinked()) return;
    const stage = stageOf(notification);
    if (stage === undefined) return;
    const { id = "", from = "", type = "" } = notification.attrs;
    sendNode({ tag: "ack", attrs: { to: from, id, class: "notification", type } }).catch(() => undefined);
    linking.onStage(stage);
  });
}

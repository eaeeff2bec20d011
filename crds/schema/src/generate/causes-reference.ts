import { causeFacts, causes, type Recovery } from "../causes.ts";
import { page, table } from "./markdown.ts";

const recoveries: Readonly<Record<Recovery, string>> = {
  AtOnce: "The session starts again at once.",
  Backoff: "The session tries again by itself, after `spec.reconnect.baseDelay`, doubled each time up to `maxDelay`.",
  AtExpiry: "One attempt follows at the time that WhatsApp named.",
  NewerClient: "One attempt follows with each newer client version that becomes known.",
  PairAgain: "A new value of the annotation `whatsapp-operator.io/pair-requested-at` opens a pairing window.",
  SuspendResume: "The session stays down until `spec.suspend` was set to true and back to false.",
};

/** docs/reference/causes.md: what a disconnect means, what follows by itself, and who acts. */
export function causesReference(): string {
  return page(
    "# Causes",
    "`.status.lastDisconnect.cause` of a device, what follows from it, and what to do. `advice` in the same place says the last column.",
    table(
      ["Cause", "What follows", "Who acts", "Advice"],
      causes.map((cause) => {
        const { recovery, actor, advice } = causeFacts[cause];
        return [`\`${cause}\``, recoveries[recovery], actor, advice];
      }),
    ),
  );
}

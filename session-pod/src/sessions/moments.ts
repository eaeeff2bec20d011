import { channel } from "node:diagnostics_channel";

/** A moment between two steps, at which the loss of the process must lose nothing else. */
export type Moment =
  /** A transaction `begins`, has been `written` but not committed, is `done`; `holds`: types of its values, `inbox`, `outbox`. */
  | { readonly kind: "commit"; readonly step: "begins" | "written" | "done"; readonly holds: readonly string[] }
  /** A stanza arrived and nobody has acted on it. */
  | { readonly kind: "heard"; readonly tag: string; readonly type: string; readonly child: string }
  /** What was held back until the credentials were committed has left. */
  | { readonly kind: "released" };

/** Tests subscribe and end the process at a moment of their choice; where nobody listens, telling costs one comparison. */
const moments = channel("whatsapp-session:moment");

export const areMomentsHeard = (): boolean => moments.hasSubscribers;

export function tellMoment(moment: () => Moment): void {
  if (moments.hasSubscribers) moments.publish(moment());
}

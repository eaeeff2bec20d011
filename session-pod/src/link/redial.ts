import { linkTiming } from "@wa/schema";

/** How a link ended, as far as the next dial cares. */
export type LinkEnd = "Closed" | "NotLeader" | "Refused";

const notLeaderMinMs = 100;
const notLeaderMaxMs = 1_000;

/**
 * Milliseconds until the next dial. Links that broke together come back spread out; another replica is asked soon; what was
 * refused will hardly be welcome at once.
 *
 * @param random in [0, 1)
 */
export function redialDelayMs(end: LinkEnd, random: number): number {
  switch (end) {
    case "Closed":
      return random * linkTiming.redialMaxMs;
    case "NotLeader":
      return notLeaderMinMs + random * (notLeaderMaxMs - notLeaderMinMs);
    case "Refused":
      return linkTiming.redialMaxMs;
    default:
      return end satisfies never;
  }
}

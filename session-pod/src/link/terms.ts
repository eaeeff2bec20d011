import type { HubFrame } from "@wa/schema";

/** Before any leader was heard. */
export const noTerm = -1;

/** Highest term after a frame; undefined: the frame is of a leader that was followed by another one, and counts no more. */
export function termAfter(highestTerm: number, frame: HubFrame): number | undefined {
  if (!("term" in frame)) return highestTerm;
  return frame.term < highestTerm ? undefined : frame.term;
}

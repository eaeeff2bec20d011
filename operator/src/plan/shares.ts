/**
 * What each of several claimants gets of a whole when each asks for a most of its own: equal shares, and what one does not ask for
 * goes to the others in equal parts (max-min fairness). Nobody's share depends on how much another one asks beyond its own share.
 *
 * @param whole what there is to share
 * @param asked what each would take at most
 * @returns the level: each gets what it asks for, and no more than this
 */
export function fairLevel(whole: number, asked: readonly number[]): number {
  let left = whole;
  const rising = [...asked].toSorted((a, b) => a - b);
  for (const [place, ask] of rising.entries()) {
    const equal = left / (rising.length - place);
    if (ask > equal) return equal;
    left -= ask;
  }
  return Infinity;
}

/**
 * An RFC 7386 merge patch that turns `before` into `after`, or undefined when they are equal. Lists are replaced whole;
 * a field that is gone becomes null, which tells the API server to remove it.
 */
export function mergePatchBetween(before: unknown, after: unknown): unknown {
  if (isPlain(before) && isPlain(after)) return recordPatch(before, after);
  return isSame(before, after) ? undefined : after;
}

type Plain = Readonly<Record<string, unknown>>;

function recordPatch(before: Plain, after: Plain): Plain | undefined {
  const changes: Record<string, unknown> = {};
  for (const field of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const next = after[field];
    const change = next === undefined ? removalOf(before[field]) : mergePatchBetween(before[field], next);
    if (change !== undefined) changes[field] = change;
  }
  return Object.keys(changes).length === 0 ? undefined : changes;
}

function removalOf(before: unknown): null | undefined {
  return before === undefined || before === null ? undefined : null;
}

function isPlain(value: unknown): value is Plain {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Deep equality of JSON values; a field that is undefined counts as absent. */
export function isSame(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (Array.isArray(left) && Array.isArray(right))
    return left.length === right.length && left.every((item, index) => isSame(item, right[index]));
  if (!isPlain(left) || !isPlain(right)) return false;
  return [...new Set([...Object.keys(left), ...Object.keys(right)])].every((field) =>
    isSame(left[field], right[field]),
  );
}

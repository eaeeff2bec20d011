/** The last instant that RFC 3339 can write. */
const lastMs = Date.parse("9999-12-31T23:59:59.999Z");

/** RFC 3339, whatever the number is: a date that cannot be written must not end a session in silence. */
export const instant = (ms: number): string =>
  new Date(Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), lastMs)).toISOString();

/** A Kubernetes MicroTime: exactly six digits of a second, or the API server refuses it. */
export function microTime(nowMs: number): string {
  return new Date(nowMs).toISOString().replace("Z", "000Z");
}

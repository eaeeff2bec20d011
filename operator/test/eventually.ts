import { setTimeout as delay } from "node:timers/promises";

/** Waits until `check` stops throwing; its last error is the test's. */
export async function eventually(check: () => unknown, withinMs = 15_000): Promise<void> {
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
      await delay(25);
    }
  }
}

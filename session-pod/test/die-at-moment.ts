import { subscribe } from "node:diagnostics_channel";
import { z } from "zod";

/**
 * Loaded into a session's process before the program: kills it at the last of the moments in `DIE_AT`, once those before were
 * reached in this order. With `DIE_WHEN_ARMED` it begins to look after SIGUSR2, and says `armed` then.
 */
const Wanted = z.object({
  kind: z.enum(["commit", "heard", "released"]),
  step: z.string().optional(),
  /** One of the things that a commit holds. */
  holds: z.string().optional(),
  tag: z.string().optional(),
  type: z.string().optional(),
  child: z.string().optional(),
});
export type WantedMoment = z.infer<typeof Wanted>;

const Reached = Wanted.extend({ holds: z.array(z.string()).optional() });

const wanted = z.array(Wanted).parse(JSON.parse(process.env["DIE_AT"] ?? "[]"));
let isArmed = process.env["DIE_WHEN_ARMED"] === undefined;
process.on("SIGUSR2", () => {
  isArmed = true;
  process.stderr.write("armed\n");
});

subscribe("whatsapp-session:moment", (message) => {
  const [next] = wanted;
  if (!isArmed || next === undefined || !isSame(next, Reached.parse(message))) return;
  wanted.shift();
  if (wanted.length === 0) process.kill(process.pid, "SIGKILL");
});

function isSame({ holds, ...plain }: WantedMoment, reached: z.infer<typeof Reached>): boolean {
  if (holds !== undefined && reached.holds?.includes(holds) !== true) return false;
  return (["kind", "step", "tag", "type", "child"] as const).every(
    (field) => plain[field] === undefined || plain[field] === reached[field],
  );
}

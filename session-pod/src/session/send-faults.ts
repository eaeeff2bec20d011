import { backoffMs } from "./backoff.ts";

/** Why a text did not go: a code of the server's, as of HTTP and of WhatsApp's own, or none where the way to it failed. */
export interface SendFault {
  readonly code?: number | undefined;
  /** Never a number, an address or a text. */
  readonly message: string;
}

/** `Pass`: tried until it goes. `MayPass`: tried some times, since nobody knows. `Final`: the server's word. */
type Hope = "Pass" | "MayPass" | "Final";

/**
 * Codes that are no refusal of this text: 408 and 428 are the connection's, 429 is `rate-overlimit`. 479 (smax-invalid) is said to
 * come of a stale list of devices, 421 of nothing that is known. 463 is final: WhatsApp counts each try as one more stranger who
 * was written to, and prolongs the lock (client libraries' notes on NACK reasons; WhatsApp documents none of them).
 */
const passing: ReadonlySet<number> = new Set([408, 425, 428, 429]);
const uncertain: ReadonlySet<number> = new Set([421, 479]);
const leastServerError = 500;

/** WhatsApp lets the account write to nobody new for a while. */
export const newChatsRefused = 463;
/** Our own, as of HTTP: WhatsApp knows the number and says that nobody has it there. */
export const notOnWhatsApp = 404;

const meanings: Readonly<Record<number, string>> = {
  [newChatsRefused]: "WhatsApp lets this account start no new chat now",
  479: "WhatsApp found the message malformed, perhaps for an old list of devices",
};

/** More tries than that of what may pass are hope against experience; the last of them is some hours after the first. */
const mostTriesInDoubt = 14;
const waits = { baseMs: 5_000, maxMs: 2 * 3_600_000 };

function hopeFor({ code }: SendFault): Hope {
  if (code === undefined || uncertain.has(code)) return "MayPass";
  return passing.has(code) || code >= leastServerError ? "Pass" : "Final";
}

/** The fault as it stands in the outbox, for whoever lists it. */
export function wordsOf({ code, message }: SendFault): string {
  const meaning = code === undefined ? undefined : meanings[code];
  return [code === undefined ? "" : `code ${code}`, meaning ?? message].filter((part) => part !== "").join(": ");
}

export type Verdict =
  | { readonly state: "Failed"; readonly error: string }
  | {
      readonly state: "Queued";
      readonly error: string;
      readonly attempts: number;
      /** Milliseconds since 1970. */
      readonly notBeforeMs: number;
    };

/** @param attempts tries that failed before this one */
export function judge(fault: SendFault, attempts: number, at: { nowMs: number; random: number }): Verdict {
  const hope = hopeFor(fault);
  const error = wordsOf(fault);
  const tries = attempts + 1;
  if (hope === "Final" || (hope === "MayPass" && tries >= mostTriesInDoubt)) return { state: "Failed", error };
  const notBeforeMs = at.nowMs + backoffMs(tries, waits, at.random);
  return { state: "Queued", error, attempts: tries, notBeforeMs };
}

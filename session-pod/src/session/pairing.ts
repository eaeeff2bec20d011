import { clipped, type Cause } from "@wa/schema";
import { instant } from "./instant.ts";
import { rest, withoutCodes } from "./starts.ts";
import type { Circumstances, SessionEvent, SessionState, Step } from "./state.ts";

/** WhatsApp accepts the first code for 60 s and each further one for 20 s. */
const firstQrMs = 60_000;
const furtherQrMs = 20_000;

type Event<Kind extends SessionEvent["kind"]> = Extract<SessionEvent, { kind: Kind }>;

/** The window opens with the first code and is never prolonged by a further connection. */
function openWindow(state: SessionState, at: Circumstances): Step {
  if (state.windowEndsMs !== undefined) return [state, []];
  const delayMs = state.assignment.spec.pairing.windowMs;
  return [{ ...state, windowEndsMs: at.nowMs + delayMs }, [{ kind: "endWindowIn", delayMs }]];
}

export function showQr(state: SessionState, { code }: Event<"qr">, at: Circumstances): Step {
  if (state.assignment.spec.pairing.method === "PairingCode") return [state, []];
  const [opened, effects] = openWindow(state, at);
  const lifetimeMs = state.codesShown === 0 ? firstQrMs : furtherQrMs;
  const expiresMs = Math.min(at.nowMs + lifetimeMs, opened.windowEndsMs ?? Infinity);
  const attempt = state.codesShown + 1;
  const qr = { code, attempt, expiresAt: instant(expiresMs) };
  return [
    { ...opened, phase: { kind: "AwaitingPairing" }, hasShownCode: true, codesShown: attempt, qr },
    [...effects, { kind: "count", what: "qr" }],
  ];
}

export function showPairingCode(state: SessionState, event: Event<"pairingCode">, at: Circumstances): Step {
  const [opened, effects] = openWindow(state, at);
  const expiresMs = Math.min(at.nowMs + event.validMs, opened.windowEndsMs ?? Infinity);
  const pairingCode = { code: event.code, expiresAt: instant(expiresMs) };
  return [{ ...opened, phase: { kind: "AwaitingPairing" }, hasShownCode: true, pairingCode }, effects];
}

export function paired(state: SessionState, { identity }: Event<"paired">): Step {
  return [{ ...withoutCodes(state), isPaired: true, hasJustPaired: true, identity }, []];
}

/** Steps of linking that nothing can follow. Others may still become a link; what was seen of them is remembered. */
const deadEnds: Readonly<Record<string, Cause>> = {
  passkey_prologue_request: "PasskeyRequired",
  refresh_code: "LinkStalled",
  "primary_hello without a key": "LinkStalled",
};
const longestStage = 64;

export function linkStage(state: SessionState, event: Event<"linkStage">, at: Circumstances): Step {
  if (state.isPaired || state.phase.kind === "Resting") return [state, []];
  const stage = clipped(event.stage, longestStage);
  const cause = Object.hasOwn(deadEnds, stage) ? deadEnds[stage] : undefined;
  const seen = { ...state, linkStage: stage };
  return cause === undefined ? [seen, []] : endPairing(seen, { cause, message: `WhatsApp asked for ${stage}` }, at);
}

/** "Nobody scanned" is said only where nothing was seen of a scan. */
export const unlinkedBecause = (
  { linkStage: stage }: SessionState,
  message: string,
): { cause: Cause; message: string } =>
  stage === undefined
    ? { cause: "QrExpired", message }
    : { cause: "LinkStalled", message: `${message}; the last step of linking was ${stage}` };

export function windowEnded(state: SessionState, at: Circumstances): Step {
  if (state.isPaired || state.phase.kind === "Resting") return [state, []];
  return endPairing(state, unlinkedBecause(state, "the pairing window ended"), at);
}

function endPairing(
  state: SessionState,
  { cause, message }: { readonly cause: Cause; readonly message: string },
  at: Circumstances,
): Step {
  const lastDisconnect = { time: instant(at.nowMs), cause, message };
  return rest({ ...state, lastDisconnect }, "Hibernated", [
    { kind: "closeSocket" },
    { kind: "count", what: "disconnect", cause },
  ]);
}

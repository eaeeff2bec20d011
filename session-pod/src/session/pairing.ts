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
  const qr = { code, attempt, expiresAt: new Date(expiresMs).toISOString() };
  return [
    { ...opened, phase: { kind: "AwaitingPairing" }, hasShownCode: true, codesShown: attempt, qr },
    [...effects, { kind: "count", what: "qr" }],
  ];
}

export function showPairingCode(state: SessionState, event: Event<"pairingCode">, at: Circumstances): Step {
  const [opened, effects] = openWindow(state, at);
  const expiresMs = Math.min(at.nowMs + event.validMs, opened.windowEndsMs ?? Infinity);
  const pairingCode = { code: event.code, expiresAt: new Date(expiresMs).toISOString() };
  return [{ ...opened, phase: { kind: "AwaitingPairing" }, hasShownCode: true, pairingCode }, effects];
}

export function paired(state: SessionState, { identity }: Event<"paired">): Step {
  return [{ ...withoutCodes(state), isPaired: true, identity }, []];
}

export function windowEnded(state: SessionState, at: Circumstances): Step {
  if (state.isPaired || state.phase.kind === "Resting") return [state, []];
  const lastDisconnect = {
    time: new Date(at.nowMs).toISOString(),
    cause: "QrExpired" as const,
    message: "the pairing window ended",
  };
  return rest({ ...state, lastDisconnect }, "Hibernated", [
    { kind: "closeSocket" },
    { kind: "count", what: "disconnect", cause: "QrExpired" },
  ]);
}

import { askBeforeLogout } from "./ownership.ts";
import { cut } from "./ends.ts";
import { restrictionWait } from "./restrictions.ts";
import { claimAgain, rest, withoutCodes } from "./starts.ts";
import type { Circumstances, SessionEvent, SessionState, Step } from "./state.ts";

type Event<Kind extends SessionEvent["kind"]> = Extract<SessionEvent, { kind: Kind }>;

/** The server took the login: the device is connected, or has come to be unlinked. */
export function opened(state: SessionState, { identity }: Event<"open">, at: Circumstances): Step {
  const { windowEndsMs: _ends, nextAttemptMs: _due, ...rested } = withoutCodes(state);
  const next: SessionState = {
    ...rested,
    phase: { kind: "Connected" },
    isPaired: true,
    hasLoggedIn: true,
    identity,
    connectedSinceMs: at.nowMs,
    openedMs: at.uptimeMs,
  };
  return state.assignment.desired === "LoggedOut" ? askBeforeLogout(next) : [next, restrictionWait(next, at)];
}

export function logoutAnswered(
  state: SessionState,
  { run, isConfirmed }: Event<"logoutAnswered">,
  at: Circumstances,
): Step {
  if (run !== state.run) return [state, []];
  if (!isConfirmed)
    return cut(state, { disconnect: { statusCode: 408, message: "the server did not confirm the logout" } }, at);
  const next = state.run + 1;
  return [
    { ...state, run: next, phase: { kind: "Connected", logout: { kind: "Confirmed" } } },
    [{ kind: "closeSocket" }, { kind: "eraseCredentials", run: next }],
  ];
}

export function erased(state: SessionState, { run, outcome }: Event<"erased">): Step {
  if (run !== state.run) return [state, []];
  if (outcome === "Lost") return claimAgain(state);
  return rest({ ...state, isPaired: false, hasLoggedIn: false }, "LogoutDone", [{ kind: "closeSocket" }]);
}

import {
  archived,
  assigned,
  claimAnswered,
  granted,
  ownershipAnswered,
  storeRetryDue,
  superseded,
  egressChanged,
} from "./ownership.ts";
import { closed, cut, faulted } from "./ends.ts";
import { erased, logoutAnswered, opened } from "./logins.ts";
import { linkStage, paired, showPairingCode, showQr, windowEnded } from "./pairing.ts";
import { restricted, restrictionDue, unrestricted } from "./restrictions.ts";
import { bucketFor, claimAgain, rest, start } from "./starts.ts";
import type { Circumstances, SessionEvent, SessionState, Step } from "./state.ts";

/** The session's whole behaviour: what it becomes and what has to be done about it. Never throws. */
export function step(state: SessionState, event: SessionEvent, at: Circumstances): Step {
  try {
    return decide(state, event, at);
  } catch (error) {
    return faulted(state, error, at);
  }
}

function decide(state: SessionState, event: SessionEvent, at: Circumstances): Step {
  switch (event.kind) {
    case "start":
      return state.phase.kind === "Resting" ? [state, []] : claimAgain(state);
    case "assigned":
      return assigned(state, event, at);
    case "claimAnswered":
      return claimAnswered(state, event, at);
    case "ownershipAnswered":
      return ownershipAnswered(state, event, at);
    case "storeHeard":
      return [{ ...state, storeHeardMs: at.uptimeMs }, []];
    case "storeRetryDue":
      return storeRetryDue(state);
    case "superseded":
      return superseded(state);
    case "egressChanged":
      return egressChanged(state, event);
    case "granted":
      return granted(state, event);
    case "retryDue":
      return state.phase.kind === "BackingOff" ? start(state, state.phase.bucket, at) : [state, []];
    case "restrictionDue":
      return restrictionDue(state, at);
    case "windowEnded":
      return windowEnded(state, at);
    case "proxyLoginChanged":
      return isWaitingForProxy(state) ? start({ ...state, failures: 0 }, bucketFor(state.isPaired), at) : [state, []];
    case "archived":
      return archived(state, event, at);
    case "logoutAnswered":
      return logoutAnswered(state, event, at);
    case "erased":
      return erased(state, event);
    case "stopping":
      return [{ ...state, run: state.run + 1 }, [{ kind: "dropPlans" }, { kind: "closeSocket" }]];
    case "stop":
      return rest(state, "Released", []);
    default:
      return heard(state, event, at);
  }
}

/** What the session's connection has to say. */
function heard(
  state: SessionState,
  event: Extract<
    SessionEvent,
    {
      kind:
        | "linkStage"
        | "dialed"
        | "qr"
        | "pairingCode"
        | "paired"
        | "open"
        | "closed"
        | "cut"
        | "fenceLost"
        | "restricted"
        | "unrestricted";
    }
  >,
  at: Circumstances,
): Step {
  switch (event.kind) {
    case "dialed":
      return [{ ...state, generation: event.generation }, []];
    case "qr":
      return showQr(state, event, at);
    case "pairingCode":
      return showPairingCode(state, event, at);
    case "paired":
      return paired(state, event);
    case "linkStage":
      return linkStage(state, event, at);
    case "open":
      return opened(state, event, at);
    case "closed":
      return closed(state, event, at);
    case "cut":
      return cut(state, event, at);
    case "fenceLost":
      return claimAgain(state);
    case "restricted":
      return restricted(state, event, at);
    case "unrestricted":
      return unrestricted(state, at);
    default:
      return event satisfies never;
  }
}

const isWaitingForProxy = ({ phase, lastDisconnect }: SessionState): boolean =>
  phase.kind === "BackingOff" && lastDisconnect?.cause === "ProxyFault";

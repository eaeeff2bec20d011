import { clipped } from "@wa/schema";
import { z } from "zod";

const Waiting = z.object({ reason: z.string().default(""), message: z.string().default("") });
const Terminated = z.object({ reason: z.string().default(""), exitCode: z.number().default(0) });
const State = z.object({
  waiting: Waiting.optional(),
  running: z.object({}).optional(),
  terminated: Terminated.optional(),
});
const ContainerStatus = z.object({
  name: z.string().default(""),
  /** Of an init container that stays (a sidecar): its startup probe has passed. */
  started: z.boolean().nullish(),
  state: State.prefault({}),
  lastState: State.prefault({}),
});
type ContainerStatus = z.infer<typeof ContainerStatus>;

/** What a kubelet says of the containers of one sort. Ephemeral ones are people's, and keep nothing from starting. */
export const ContainerStatuses = z.array(ContainerStatus).default([]);

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

interface PodStatus {
  readonly phase: string;
  readonly conditions: readonly Condition[];
  readonly initContainerStatuses: readonly ContainerStatus[];
  readonly containerStatuses: readonly ContainerStatus[];
}

const longestProblem = 400;

/**
 * Why a pod does not start, in the words of scheduler and kubelet; empty if it does, or has only just begun. A container is named: an
 * injected one is not ours. Texts that change with each try (a back-off's seconds) are left out, for each would be a write.
 */
export function problemOf(status: PodStatus): string {
  return clipped(unscheduled(status) ?? containerProblem(status) ?? unready(status) ?? "", longestProblem);
}

function unscheduled({ conditions }: PodStatus): string | undefined {
  const found = falseCondition(conditions, "PodScheduled");
  return found && `${found.reason}: ${found.message}`;
}

function containerProblem({ initContainerStatuses, containerStatuses }: PodStatus): string | undefined {
  for (const { name, ...container } of [...initContainerStatuses, ...containerStatuses]) {
    const trouble = troubleOf(container);
    if (trouble !== undefined) return `container "${name}": ${trouble}`;
  }
  return undefined;
}

/** Come and go with a container's start. */
const passing: ReadonlySet<string> = new Set(["", "ContainerCreating", "PodInitializing"]);
/** Say what is wrong beside the word, and the same at each try. */
const telling: ReadonlySet<string> = new Set([
  "CreateContainerConfigError",
  "CreateContainerError",
  "InvalidImageName",
  "RunContainerError",
]);

function troubleOf({ state, lastState }: Omit<ContainerStatus, "name">): string | undefined {
  const { waiting, terminated } = state;
  // Between two starts; the kubelet restarts every container of a session pod.
  if (terminated !== undefined && terminated.exitCode !== 0) return `CrashLoopBackOff${ended(terminated)}`;
  if (waiting === undefined || passing.has(waiting.reason)) return undefined;
  const { reason, message } = waiting;
  if (telling.has(reason) && message !== "") return `${reason}: ${message}`;
  // The two of a failing pull take turns.
  if (reason === "ErrImagePull") return "ImagePullBackOff";
  return reason === "CrashLoopBackOff" ? `${reason}${ended(lastState.terminated)}` : reason;
}

const ended = (last: z.infer<typeof Terminated> | undefined): string =>
  last === undefined ? "" : ` (ended with ${[last.reason, `exit code ${last.exitCode}`].filter(Boolean).join(", ")})`;

/** Nothing has failed: what the start waits for. */
function unready({ phase, conditions, initContainerStatuses }: PodStatus): string | undefined {
  if (phase !== "Pending") return undefined;
  if (falseCondition(conditions, "PodReadyToStartContainers") !== undefined)
    return "PodReadyToStartContainers is False: its node has not set up its volumes and network";
  const first = initContainerStatuses.find(({ state, started }) => state.running !== undefined && started !== true);
  return first && `init container "${first.name}" is running, and the others wait for it`;
}

const falseCondition = (conditions: readonly Condition[], wanted: string): Condition | undefined =>
  conditions.find(({ type, status }) => type === wanted && status === "False");

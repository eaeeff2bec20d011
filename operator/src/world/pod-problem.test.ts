import { describe, expect, it } from "vitest";
import { podKind } from "./kinds.ts";

const problem = (status: object) => podKind.parse({ metadata: { name: "eu-px-0", namespace: "shop" }, status }).problem;
const starting = { name: "session", state: { waiting: { reason: "PodInitializing" } } };
const withInit = (name: string, state: object, over: object = {}) =>
  problem({ phase: "Pending", initContainerStatuses: [{ name, state, ...over }], containerStatuses: [starting] });

describe("a pod that does not start says why, as a kubelet writes it", () => {
  it.each([
    [
      "an injected init container fails",
      withInit("mesh-init", { waiting: { reason: "CrashLoopBackOff" } }),
      'container "mesh-init": CrashLoopBackOff',
    ],
    [
      "its image is missing",
      withInit("mesh-init", { waiting: { reason: "ImagePullBackOff" } }),
      'container "mesh-init": ImagePullBackOff',
    ],
    [
      "the other word of that",
      withInit("mesh-init", { waiting: { reason: "ErrImagePull" } }),
      'container "mesh-init": ImagePullBackOff',
    ],
    [
      "it has just ended, between two starts",
      withInit("mesh-init", { terminated: { exitCode: 1, reason: "Error" } }),
      'container "mesh-init": CrashLoopBackOff (ended with Error, exit code 1)',
    ],
    [
      "it waits for its next start: the same words",
      withInit(
        "mesh-init",
        { waiting: { reason: "CrashLoopBackOff" } },
        { lastState: { terminated: { exitCode: 1, reason: "Error" } } },
      ),
      'container "mesh-init": CrashLoopBackOff (ended with Error, exit code 1)',
    ],
    [
      "it hangs",
      withInit("mesh-init", { running: { startedAt: "2026-06-01T12:00:00Z" } }),
      'init container "mesh-init" is running, and the others wait for it',
    ],
    [
      "a native sidecar does not come up",
      withInit("proxy", { running: {} }, { started: false }),
      'init container "proxy" is running, and the others wait for it',
    ],
    ["a native sidecar is up: it keeps nobody waiting", withInit("proxy", { running: {} }, { started: true }), ""],
    ["an init container that has done its work", withInit("mesh-init", { terminated: { exitCode: 0 } }), ""],
    [
      "memory that the main container lacks",
      problem({
        phase: "Running",
        containerStatuses: [
          {
            name: "session",
            state: { waiting: { reason: "CrashLoopBackOff", message: "back-off 40s restarting" } },
            lastState: { terminated: { exitCode: 137, reason: "OOMKilled" } },
          },
        ],
      }),
      'container "session": CrashLoopBackOff (ended with OOMKilled, exit code 137)',
    ],
    [
      "a Secret that somebody's container wants",
      problem({
        phase: "Pending",
        containerStatuses: [
          starting,
          {
            name: "agent",
            state: { waiting: { reason: "CreateContainerConfigError", message: 'secret "a" not found' } },
          },
        ],
      }),
      'container "agent": CreateContainerConfigError: secret "a" not found',
    ],
    [
      "a node without network for it",
      problem({
        phase: "Pending",
        conditions: [
          { type: "PodScheduled", status: "True" },
          { type: "PodReadyToStartContainers", status: "False" },
        ],
        containerStatuses: [{ name: "session", state: { waiting: { reason: "ContainerCreating" } } }],
      }),
      "PodReadyToStartContainers is False: its node has not set up its volumes and network",
    ],
    [
      "no node takes it",
      problem({
        phase: "Pending",
        conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/3 nodes" }],
      }),
      "Unschedulable: 0/3 nodes",
    ],
    ["it only begins", problem({ phase: "Pending", containerStatuses: [starting] }), ""],
    ["it works", problem({ phase: "Running", containerStatuses: [{ name: "session", state: { running: {} } }] }), ""],
  ])("%s", (_case, said, wanted) => {
    expect(said).toBe(wanted);
  });

  it("is cut on whole characters, whatever a scheduler plugin says", () => {
    const said = problem({
      conditions: [{ type: "PodScheduled", status: "False", reason: "a", message: "😀".repeat(900) }],
    });
    expect(said).toMatch(/^a: 😀+$/u);
  });
});

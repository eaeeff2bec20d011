import { devicePhases } from "@wa/schema";
import { describe, expect, it } from "vitest";
import { rowOf, rows, situationNames, type Row } from "./phases.ts";

const argo = { Reconciling: "Progressing", Waiting: "Suspended", Stalled: "Degraded", Settled: "Healthy" } as const;
const flux = { Reconciling: "in progress", Waiting: "in progress", Stalled: "failed", Settled: "current" } as const;

const cells = (row: Row): string[] => [
  row.pairedPhase === undefined ? `\`${row.phase}\`` : `\`${row.phase}\`; linked before: \`${row.pairedPhase}\``,
  row.ready,
  row.scheduled,
  row.connected,
  row.progress === "Reconciling" ? "True" : "False",
  row.progress === "Stalled" ? "True" : "False",
  argo[row.progress],
  row.phase === "Terminating" ? "terminating" : flux[row.progress],
  row.explains,
];

it("the table of the docs is this one", async () => {
  const head = ["Phase", "Ready", "Scheduled", "Connected", "Reconciling", "Stalled", "Argo CD", "Flux", "When"];
  const line = (items: readonly string[]) => `| ${items.join(" | ")} |`;
  const lines = [
    "<!-- Generated from operator/src/plan/phases.ts by `npx vitest run -u operator/src/plan/phases.test.ts`; edit there. -->",
    "",
    "# From situation to phase, conditions and health",
    "",
    "`Argo CD` is what the health check in [argocd-cm.yaml](../../manifests/samples/gitops/argocd-cm.yaml) answers; `Flux` is what kstatus makes of it",
    "by itself. [GitOps](../gitops.md) says how to use both.",
    "`EgressHealthy` is `Unknown`, and so is `ClientCurrent` until WhatsApp refuses the client's version; neither makes anybody wait.",
    "",
    line(head),
    line(head.map(() => "---")),
    ...situationNames.map((name) => line(cells(rowOf(name)))),
    "",
  ];
  await expect(lines.join("\n")).toMatchFileSnapshot("../../../docs/reference/phases.md");
});

describe("rules of the table", () => {
  it("every phase has a situation", () => {
    const shown = new Set(situationNames.flatMap((name) => [rowOf(name).phase, rowOf(name).pairedPhase]));
    expect(devicePhases.filter((phase) => !shown.has(phase))).toEqual([]);
  });

  it("only a connected device is Ready, and only a Ready one is settled", () => {
    for (const row of Object.values<Row>(rows)) {
      expect(row.ready === "True").toBe(row.connected === "True");
      expect(row.progress === "Settled").toBe(row.ready === "True");
    }
  });

  it("a device that waits for a person is not Reconciling", () => {
    for (const name of ["AwaitingPairing", "Hibernated", "LoggedOut", "Blocked", "Suspended"] as const)
      expect(rowOf(name).progress).not.toBe("Reconciling");
  });
});

import type { ByHand } from "./by-hand.ts";

/** Minutes that a fresh machine may take, cold: the demo, and both of README's commands. */
const demoAtMostMin = 25;
const bothAtMostMin = 55;

/** What `tools/first-run.sh` timed on a fresh machine. */
export interface FirstRun {
  /** Seconds by command; without `make test`, only the demo was run. */
  readonly seconds: ReadonlyMap<string, number>;
  /** A Docker engine of the machine's own answered. */
  readonly hasEngine: boolean;
  /** Load averages of 1, 5 and 15 minutes at its end. */
  readonly load: string;
  /** Its day, as RFC 3339 has it. */
  readonly day: string;
}

/** Lines of a command, a tab and whole seconds. Throws, with the line, where one is something else. */
export function parseTimes(text: string): ReadonlyMap<string, number> {
  const lines = text.split("\n").filter((line) => line !== "");
  return new Map(
    lines.map((line) => {
      const [, command, seconds] = /^([^\t]+)\t(\d+)$/.exec(line) ?? [];
      if (command === undefined)
        throw new Error(`first-run.tsv: ${JSON.stringify(line)} is no command, tab and seconds`);
      return [command, Number(seconds)];
    }),
  );
}

/** The rows with those of this run in place of earlier ones of the same kind; new ones at the end. */
export function withFirstRun(rows: ByHand, run: FirstRun): ByHand {
  const own = rowsOf(run);
  const kept = rows.map((row) => own.find(({ what }) => what === row.what) ?? row);
  return [...kept, ...own.filter(({ what }) => !rows.some((row) => row.what === what))];
}

function rowsOf({ seconds, hasEngine, load, day }: FirstRun): ByHand {
  const where = `on a fresh machine, cold, ${hasEngine ? "an engine up" : "no engine up"}`;
  const minutes = (total: number): number[] => [Math.round(total / 6) / 10];
  const rest = { at: day, load, cause: "" };
  const demo = seconds.get("make demo");
  if (demo === undefined) throw new Error("first-run.tsv has no make demo");
  const rows = [{ what: `\`make demo\` ${where}`, atMostMin: demoAtMostMin, minutes: minutes(demo), ...rest }];
  if (!seconds.has("make test")) return rows;
  const both = [...seconds.values()].reduce((sum, each) => sum + each, 0);
  return [
    ...rows,
    { what: `\`make demo\` and \`make test\` ${where}`, atMostMin: bothAtMostMin, minutes: minutes(both), ...rest },
  ];
}

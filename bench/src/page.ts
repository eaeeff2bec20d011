import { verdictOf, type Goal, type Result, type Row } from "./result.ts";

const heading = `<!-- Written by \`make bench\` from bench/results; change the measurements, not this page. -->

# Benchmarks

\`make bench\` measures all of it again, \`make bench ONLY=NAME\` one part of it. Percentiles are by nearest rank, so each is a
value that was measured. Rows without a goal are baselines of the same run. The load is the machine's load average over 1, 5 and 15 minutes at the
row's end: above the number of cores, others were at work too. No start budget holds anything back here. A missed goal stays
in the table with its cause.
`;

/** The whole page: all goals first, then each measurement with what it was compared to. */
export function renderPage(results: readonly Result[]): string {
  const ordered = results.toSorted((a, b) => a.place - b.place || a.name.localeCompare(b.name));
  const goals = ordered.flatMap(({ rows }) => rows.filter((row) => row.goals.length > 0));
  return [heading, "## Goals\n", renderTable(goals), ...ordered.map(renderSection)].join("\n");
}

function renderSection({ name, title, how, at, machine, rows }: Result): string {
  const about = [`## ${title}\n`, `${how}\n`];
  if (rows.length === 0) return about.join("\n");
  return [...about, `\`${name}\`, ${at.slice(0, 10)}, ${machine}.\n`, renderTable(rows)].join("\n");
}

const columns = ["What", "Goal", "p50", "p95", "Worst", "n", "Load", "Verdict"];

export function renderTable(rows: readonly Row[]): string {
  const lines = [columns, columns.map((name) => "-".repeat(Math.max(3, name.length))), ...rows.map(cellsOf)];
  return `${lines.map((cells) => `| ${cells.map(escaped).join(" | ")} |`).join("\n")}\n`;
}

function cellsOf(row: Row): string[] {
  const { p50, p95, max, count } = row.measured;
  const number = (value: number): string => `${short(value)} ${row.unit}`;
  return [
    row.what,
    row.goals.map((goal) => goalText(goal, row)).join(", "),
    number(p50),
    number(p95),
    number(max),
    String(count),
    row.load,
    verdictText(row),
  ];
}

function goalText({ of, atMost }: Goal, { unit, measured }: Row): string {
  // Of one value, every percentile is that value.
  return `${measured.count === 1 ? "" : `${of} `}≤ ${short(atMost)} ${unit}`;
}

function verdictText(row: Row): string {
  const verdict = verdictOf(row);
  return verdict === "missed" ? `**missed**: ${row.cause || "cause not known"}` : verdict;
}

const escaped = (cell: string): string => cell.replaceAll("|", "\\|").replaceAll("\n", " ");

/** Three digits that matter, and no more than a tenth of a thousand. */
function short(value: number): string {
  const size = Math.abs(value);
  if (Number.isInteger(value) || size >= 100) return String(Math.round(value));
  return size >= 10 ? value.toFixed(1) : value.toFixed(2);
}

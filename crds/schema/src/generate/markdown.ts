/** A Markdown table; cells may hold anything on one line. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

export function page(...parts: readonly string[]): string {
  const origin = "<!-- Generated from crds/schema by `make generate`; edit there. -->";
  return `${[origin, ...parts].join("\n\n")}\n`;
}

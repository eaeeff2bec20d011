/** One line of a Prometheus text page. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const line = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)/;
const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;

/** The samples of a page in Prometheus' text format; comments and lines of other formats are passed over. */
export function readSamples(page: string): readonly Sample[] {
  return page.split("\n").flatMap((text) => {
    const [, name, labels = "", value] = line.exec(text) ?? [];
    if (name === undefined || value === undefined || text.startsWith("#")) return [];
    const pairs = [...labels.matchAll(label)].map(([, key = "", found = ""]) => [key, found]);
    return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }];
  });
}

/** Sum of the samples of this name that carry all these labels; 0 where there is none. */
export function sumOf(samples: readonly Sample[], name: string, labels: Readonly<Record<string, string>> = {}): number {
  return samples
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
    .reduce((total, { value }) => total + value, 0);
}

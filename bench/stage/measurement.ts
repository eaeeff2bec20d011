import type { Row } from "../src/result.ts";

/** One part of the page. */
export interface Measurement {
  readonly title: string;
  /** How it is measured, in whole sentences of Markdown. */
  readonly how: string;
  /** Begins and ends everything that it needs. */
  readonly measure: () => Promise<readonly Row[]>;
}

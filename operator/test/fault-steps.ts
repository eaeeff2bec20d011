import type { Fault } from "./faults.ts";

/** What is done to the body of an answer, in order. After the last step it ends in order. */
export type Step =
  | { readonly kind: "Send"; readonly text: string }
  | { readonly kind: "Wait"; readonly waitMs: number }
  | { readonly kind: "Reset" }
  | { readonly kind: "Hold" };

const send = (text: string): Step => ({ kind: "Send", text });

/** A list, an object or an error, under one fault. */
export function* bodySteps(body: string, fault: Fault | undefined): Generator<Step> {
  switch (fault?.kind) {
    case "ResetInBody":
      yield send(body.slice(0, Math.ceil(body.length / 2)));
      yield { kind: "Reset" };
      return;
    case "Slow":
      yield* slowly(body, fault);
      return;
    default:
      yield send(body);
  }
}

/** A watch under one fault. `lines` have no end of line. */
export async function* watchSteps(lines: AsyncIterable<string>, fault: Fault | undefined): AsyncGenerator<Step> {
  const afterLines = fault !== undefined && "afterLines" in fault ? fault.afterLines : Number.POSITIVE_INFINITY;
  const sent: string[] = [];
  if (afterLines === 0 && fault?.kind === "ErrorEvent") {
    yield* lastSteps("", fault);
    return;
  }
  for await (const line of lines) {
    if (sent.length === afterLines) {
      yield* lastSteps(line, fault);
      return;
    }
    yield* lineSteps(line, sent, fault);
    sent.push(line);
  }
}

function* lineSteps(line: string, sent: readonly string[], fault: Fault | undefined): Generator<Step> {
  switch (fault?.kind) {
    case "Slow":
      yield* slowly(`${line}\n`, fault);
      return;
    case "Repeat":
      yield send(`${line}\n${line}\n`);
      if (sent.length % 5 === 4)
        yield send(
          sent
            .slice(-4)
            .map((old) => `${old}\n`)
            .join(""),
        );
      return;
    default:
      yield send(`${line}\n`);
  }
}

/** What comes in the place of `line`. */
function* lastSteps(line: string, fault: Fault | undefined): Generator<Step> {
  const half = line.slice(0, Math.ceil(line.length / 2));
  switch (fault?.kind) {
    case "ErrorEvent":
      yield send(`${errorEvent(fault.status)}\n`);
      return;
    case "ResetInLine":
      yield send(half);
      yield { kind: "Reset" };
      return;
    case "CutLine":
      yield send(half);
      return;
    default:
      yield { kind: "Hold" };
  }
}

function* slowly(text: string, { pieces, pauseMs }: Extract<Fault, { kind: "Slow" }>): Generator<Step> {
  const length = Math.max(1, Math.ceil(text.length / pieces));
  for (let from = 0; from < text.length; from += length) {
    yield send(text.slice(from, from + length));
    yield { kind: "Wait", waitMs: pauseMs };
  }
}

const reasons = { 410: "Expired", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable" } as const;

/** The `Status` object of an error, as an API server words it. */
export function statusOf(code: keyof typeof reasons): object {
  const message = code === 410 ? "too old resource version: 1 (2)" : `planted ${code}`;
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason: reasons[code], code };
}

const errorEvent = (code: 410 | 500): string => JSON.stringify({ type: "ERROR", object: statusOf(code) });

import { PodFrame, podFrameKinds } from "@wa/schema";
import type { z } from "zod";
import { checkedText } from "./frame-text.ts";

type Parsed = { readonly success: true; readonly data: PodFrame } | { readonly success: false; readonly fault: string };

/** A pod's frame; what is wrong with it names fields and what is allowed, never values. */
export function parseFrame(data: Buffer): Parsed {
  const checked = checkedText(data);
  if (!checked.success) return checked;
  try {
    const parsed = PodFrame.safeParse(JSON.parse(checked.text));
    return parsed.success ? parsed : { success: false, fault: faultOf(parsed.error.issues) };
  } catch {
    return { success: false, fault: "not JSON" };
  }
}

const shownFaults = 3;

function faultOf(issues: readonly z.core.$ZodIssue[]): string {
  const shown = issues
    .slice(0, shownFaults)
    .map((issue) => `${issue.path.join(".") || "frame"}: ${expectationOf(issue)}`);
  const more = issues.length > shownFaults ? `; and ${issues.length - shownFaults} more` : "";
  return `${shown.join("; ")}${more}`;
}

/** zod names what it expected and the type that it got; a value, which may be a code or key, it never repeats. */
const expectationOf = ({ code, path, message }: z.core.$ZodIssue): string =>
  code === "invalid_union" && path[0] === "kind" ? `expected one of ${podFrameKinds.join(", ")}` : message;

import { clipped, EgressContract, podEnv } from "@wa/schema";
import { z } from "zod";
import { logLevels } from "../observe/log.ts";

/** What a session pod is told by its environment. */
export interface PodConfig {
  /** wss URL of the hub, path included. */
  readonly hubUrl: string;
  readonly hubCaPem: string;
  readonly endpoint: string;
  readonly egress: EgressContract;
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string; readonly node: string };
  readonly logLevel: (typeof logLevels)[number];
}

const aName = z.string("a name").min(1, "a name");

const Environment = z.object({
  [podEnv.hubUrl]: z.url({ protocol: /^wss$/, error: "a wss: URL" }),
  [podEnv.hubCa]: z.string("PEM certificates").includes("-----BEGIN CERTIFICATE-----", { error: "PEM certificates" }),
  [podEnv.endpoint]: aName,
  [podEnv.egress]: z.string("a way out as JSON").transform(parseEgress),
  [podEnv.podNamespace]: aName,
  [podEnv.podName]: aName,
  [podEnv.podUid]: aName,
  [podEnv.nodeName]: z.string().default(""),
  [podEnv.logLevel]: z.enum(logLevels, `one of ${logLevels.join(", ")}`).default("info"),
});

/** Throws an error that names every wrong variable, its value and what is allowed. */
export function parsePodConfig(environment: Readonly<Record<string, string | undefined>>): PodConfig {
  const parsed = Environment.safeParse(environment);
  if (!parsed.success) throw new Error(parsed.error.issues.map((issue) => explain(issue, environment)).join("\n"));
  const found = parsed.data;
  return {
    hubUrl: found[podEnv.hubUrl],
    hubCaPem: found[podEnv.hubCa],
    endpoint: found[podEnv.endpoint],
    egress: found[podEnv.egress],
    pod: {
      namespace: found[podEnv.podNamespace],
      name: found[podEnv.podName],
      uid: found[podEnv.podUid],
      node: found[podEnv.nodeName],
    },
    logLevel: found[podEnv.logLevel],
  };
}

function parseEgress(text: string, context: z.RefinementCtx): EgressContract {
  const parsed = EgressContract.safeParse(readJson(text));
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "the whole"}: ${message}`);
  context.addIssue(`a way out as JSON, such as {"kind":"direct"} (${fields.join("; ")})`);
  return z.NEVER;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const shownCharacters = 80;

function explain(issue: z.core.$ZodIssue, environment: Readonly<Record<string, string | undefined>>): string {
  const name = String(issue.path[0]);
  const value = environment[name];
  const shown = value === undefined ? "not set" : JSON.stringify(clipped(value, shownCharacters));
  return `${name} is ${shown}, allowed: ${issue.message}`;
}

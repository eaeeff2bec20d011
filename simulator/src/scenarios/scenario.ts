import { z } from "zod";
import { certificates, chainFaults } from "../wire/certificates.ts";
import { Stanza, Stanzas } from "./stanza.ts";

/** Where in a connection's life a rule acts; in this order, the last six as often as their moment comes. */
const stages = [
  "upgrade",
  "hello",
  "finish",
  "typed",
  "scanned",
  "paired",
  "open",
  "iq",
  "message",
  "receipt",
  "delivery",
  "media",
] as const;
export type Stage = (typeof stages)[number];

/** What a fault stands in place of: a frame in a WebSocket message, or the WebSocket's own frame. */
const layers = ["frame", "websocket"] as const;
/** A frame's length is three bytes. */
const longestFrame = 2 ** 24 - 1;

const Attributes = z.record(z.string(), z.string());
const HeaderValue = z.string().regex(/^[\x20-\x7e]*$/, "no header's value");

/** What happens instead of the usual answer. */
export const Action = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("failure"),
    attrs: Attributes.describe("Attributes of <failure>: reason, location, code, expire ..."),
  }),
  z.strictObject({
    kind: z.literal("stream-error"),
    attrs: Attributes.default({}),
    child: z.strictObject({ tag: z.string(), attrs: Attributes.default({}) }).optional(),
  }),
  z.strictObject({
    kind: z.literal("http"),
    status: z.int().min(200).max(599),
    headers: z.record(z.string().regex(/^[\w-]+$/, "no header's name"), HeaderValue).default({}),
    body: z.string().max(65_536).default(""),
  }),
  z.strictObject({ kind: z.literal("iq-error"), code: z.string(), text: z.string().default("") }),
  z.strictObject({ kind: z.literal("iq-result"), content: z.array(Stanza).max(1_000).default([]) }),
  z.strictObject({ kind: z.literal("ack-error"), code: z.string() }),
  z.strictObject({
    kind: z.literal("send"),
    stanzas: Stanzas,
    andUsual: z.boolean().default(false).describe("Whether what usually happens at this stage follows."),
  }),
  z.strictObject({
    kind: z.literal("ping"),
    everyMs: z.int().min(100).max(600_000).default(30_000),
    withinMs: z
      .int()
      .min(100)
      .max(600_000)
      .default(20_000)
      .describe("The stream ends when no answer came for so long."),
    child: z.boolean().default(false).describe("Whether the question holds <ping/>, as XEP-0199 has it."),
  }),
  z.strictObject({ kind: z.literal("silence") }),
  z.strictObject({ kind: z.literal("delay") }),
  z.strictObject({ kind: z.literal("close") }),
  z.strictObject({ kind: z.literal("reset") }),
  z.strictObject({
    kind: z.literal("garbage"),
    bytes: z.int().min(1).max(65_536).default(64),
    layer: z.enum(layers).default("frame"),
  }),
  z
    .strictObject({
      kind: z.literal("announce"),
      layer: z.enum(layers).default("frame"),
      bytes: z.int().min(1).default(longestFrame).describe("The length announced; what follows is 16 bytes."),
    })
    .refine(({ layer, bytes }) => layer === "websocket" || bytes <= longestFrame, {
      path: ["bytes"],
      message: `a frame announces at most ${longestFrame}`,
    }),
  z.strictObject({
    kind: z.literal("undecryptable"),
    fault: z
      .enum(["tag", "counter"])
      .default("tag")
      .describe("A wrong end of the frame, or the number of the next one."),
  }),
  z.strictObject({
    kind: z.literal("certificate"),
    fault: z.enum(chainFaults),
    certificate: z.enum(certificates).default("leaf").describe("Of dates: which of the two certificates is wrong."),
  }),
  z.strictObject({ kind: z.literal("broken-zlib") }),
  z.strictObject({
    kind: z.literal("zip-bomb"),
    mebibytes: z.int().min(1).max(12_288).default(1_024).describe("What the frame's body inflates to."),
  }),
  z.strictObject({
    kind: z.literal("node-bomb"),
    nodes: z
      .int()
      .min(1)
      .max(16_000_000)
      .default(1_000_000)
      .describe("Of how many nodes the frame's one stanza consists."),
  }),
]);
export type Action = z.infer<typeof Action>;

/** Possible at every stage. */
const anywhere = ["silence", "delay", "close", "reset", "garbage"] as const;
/** Possible once there is a WebSocket. */
const transport = [...anywhere, "announce"] as const;
/** Possible once the handshake has given both sides their keys. */
const encrypted = [
  ...transport,
  "undecryptable",
  "broken-zlib",
  "zip-bomb",
  "node-bomb",
  "failure",
  "stream-error",
  "send",
] as const;

const actionsAt: Readonly<Record<Stage, readonly Action["kind"][]>> = {
  upgrade: [...anywhere, "http"],
  hello: [...transport, "certificate"],
  finish: encrypted,
  typed: encrypted,
  scanned: encrypted,
  paired: encrypted,
  open: [...encrypted, "ping"],
  iq: [...encrypted, "iq-error", "iq-result"],
  message: [...encrypted, "ack-error"],
  receipt: encrypted,
  delivery: encrypted,
  media: [...anywhere, "http"],
};

const queries = { stages: ["iq"], why: "only stage iq has queries" } as const;
const fieldsOfStanzas: readonly {
  readonly field: "xmlns" | "child" | "childAttrs" | "to";
  readonly stages: readonly Stage[];
  readonly why: string;
}[] = [
  { field: "xmlns", ...queries },
  { field: "child", ...queries },
  { field: "childAttrs", ...queries },
  { field: "to", stages: ["message", "receipt"], why: "only stages message and receipt go to an account" },
];

const isBeforePayload = (stage: Stage): boolean => stage === "upgrade" || stage === "hello";

const Digits = z.string().regex(/^\d{5,15}$/, "expected 5 to 15 digits");

export const Rule = z
  .strictObject({
    stage: z.enum(stages),
    sources: z.array(z.string()).optional().describe("Source addresses it is for; absent: all."),
    phone: Digits.optional().describe(
      "Account it is for; known from a login's finish and from a registration's scan on.",
    ),
    registration: z.boolean().optional().describe("true: registrations alone; false: logins alone."),
    xmlns: z.string().optional().describe("At stage iq: the query's namespace."),
    child: z.string().optional().describe("At stage iq: the query's first child."),
    childAttrs: Attributes.optional().describe("At stage iq: attributes that this child has, such as its stage."),
    to: Digits.optional().describe("At stages message and receipt: the account it goes to, whatever its address is."),
    times: z.int().min(1).optional().describe("How often it applies; absent: always."),
    delayMs: z.int().min(0).max(600_000).default(0).describe("How long it waits before it acts."),
    action: Action,
  })
  .superRefine((rule, context) => {
    const fault = (path: string[], message: string) => context.addIssue({ code: "custom", path, message });
    const possible = actionsAt[rule.stage];
    if (!possible.includes(rule.action.kind))
      fault(["action", "kind"], `stage ${rule.stage} allows ${possible.join(", ")}`);
    for (const field of ["phone", "registration"] as const)
      if (isBeforePayload(rule.stage) && rule[field] !== undefined)
        fault([field], `nobody knows it at stage ${rule.stage}; use sources, or stage finish`);
    for (const { field, stages: possibleAt, why } of fieldsOfStanzas)
      if (rule[field] !== undefined && !possibleAt.includes(rule.stage)) fault([field], why);
  });
export type Rule = z.infer<typeof Rule>;

const Version = z.string().regex(/^\d+\.\d+\.\d+$/, "expected three numbers such as 2.3000.1043857760");
const Rules = z.array(Rule).max(200).default([]);

/** The whole of what `PUT /scenario` takes. */
export const Scenario = z.strictObject({
  rules: Rules,
  minimumVersion: Version.default("0.0.0").describe("Clients below it get <failure reason=405>."),
  currentVersion: Version.default("2.3000.1043857760").describe("What the page /sw.js names."),
  blockedSources: z.array(z.string()).default([]).describe("Addresses whose connections are reset at the upgrade."),
  startLimit: z
    .strictObject({ count: z.int().min(1), periodMs: z.int().min(1), status: z.int().min(400).max(599).default(429) })
    .optional()
    .describe("Starts per source address and period beyond which upgrades are refused."),
});
export type Scenario = z.infer<typeof Scenario>;

/** What `PUT /scenario?phone=` takes: rules for that account alone, beside everybody's. */
export const PhoneScenario = z.strictObject({ rules: Rules });
export type PhoneScenario = z.infer<typeof PhoneScenario>;

import { z } from "zod";
import { maxEpoch } from "../epoch.ts";
import { causes } from "../causes.ts";
import { Condition, devicePhases } from "./conditions.ts";
import { Duration, durationMs, LabelMap, ObjectMeta, Timestamp } from "./primitives.ts";
import { between, positive, shortName, withRules } from "./rules.ts";

const Pairing = withRules(
  z.object({
    method: z.enum(["QRCode", "PairingCode"]).default("QRCode").describe("How the phone links this device."),
    phoneNumber: z
      .string()
      .max(16)
      .regex(/^(\+[1-9][0-9]{6,14})?$/)
      .default("")
      .describe("The account's number in E.164 form, such as +33612345678. PairingCode needs it; QRCode does not."),
    window: Duration.default("160s").describe(
      "The whole time for scanning, 20s to 160s (six QR codes). Unscanned, the device hibernates.",
    ),
  }),
  [
    {
      rule: "self.method != 'PairingCode' || self.phoneNumber != ''",
      message: "PairingCode needs phoneNumber in E.164 form, such as +33612345678; it is empty",
      path: ["phoneNumber"],
      holds: ({ method, phoneNumber }) => method !== "PairingCode" || phoneNumber !== "",
    },
    between("window", "20s", "160s"),
  ],
);

const DeviceEgress = z.object({
  pool: z.string().min(1).max(40).describe("Name of the EgressPool in this namespace that the session leaves by."),
  selector: z
    .object({ matchLabels: LabelMap.default({}).describe("Labels that an endpoint must carry, all of them.") })
    .prefault({})
    .describe("Which endpoints of the pool may serve this device; empty means any."),
  failover: z
    .enum(["Inherit", "Never"])
    .default("Inherit")
    .describe("Never: stays assigned to its endpoint even when the endpoint's node is deleted."),
});

const Client = z.object({
  browser: z
    .object({
      os: z
        .string()
        .min(1)
        .max(32)
        .default("Mac OS")
        .describe("Operating system shown in the phone's list of linked devices."),
      name: z
        .string()
        .min(1)
        .max(32)
        .default("Chrome")
        .describe("Browser shown there; unknown names can be refused by WhatsApp."),
      version: z.string().min(1).max(32).default("14.4.1").describe("Version of that system."),
    })
    .prefault({})
    .describe("What the device calls itself. Stored with the credentials at pairing; that copy wins until a relink."),
  version: z
    .string()
    .max(32)
    .regex(/^(Auto|[0-9]+\.[0-9]+\.[0-9]+)$/)
    .default("Auto")
    .describe(
      "WhatsApp Web version to announce. Auto: the installation's; else a pinned one such as 2.3000.1043857760.",
    ),
});

export const DeviceSpec = z.object({
  suspend: z.boolean().default(false).describe("true: the session stops and its credentials stay. false: it runs."),
  pairing: Pairing.prefault({}).describe("How a phone links this device."),
  egress: DeviceEgress.describe("Which way out the session takes."),
  client: Client.prefault({}).describe("What the session announces to WhatsApp."),
  connection: withRules(
    z.object({
      connectTimeout: Duration.default("20s").describe("Deadline for each phase of a connection attempt, 1h at most."),
      keepAliveInterval: Duration.default("30s").describe("How often the session pings WhatsApp, 1s to 1h."),
      queryTimeout: Duration.default("60s").describe("How long a query to WhatsApp may take, 1h at most."),
    }),
    [
      between("connectTimeout", "1ms", "1h"),
      between("keepAliveInterval", "1s", "1h"),
      between("queryTimeout", "1ms", "1h"),
    ],
  )
    .prefault({})
    .describe("Deadlines of the session."),
  reconnect: withRules(
    z.object({
      baseDelay: Duration.default("2s").describe("First wait after a disconnect; doubles with each further one."),
      maxDelay: Duration.default("5m").describe("Longest wait between attempts."),
      unpairedAttempts: z
        .int()
        .min(1)
        .max(20)
        .default(3)
        .describe(
          "Attempts without a QR after which an unpaired device hibernates. Those that the way out did not carry to WhatsApp do not count.",
        ),
    }),
    [
      positive("baseDelay"),
      {
        rule: "duration(self.maxDelay) >= duration(self.baseDelay)",
        message: "maxDelay must not be shorter than baseDelay",
        says: "'maxDelay is ' + self.maxDelay + '; it must not be shorter than baseDelay, ' + self.baseDelay",
        path: ["maxDelay"],
        holds: ({ baseDelay, maxDelay }) => durationMs(maxDelay) >= durationMs(baseDelay),
      },
    ],
  )
    .prefault({})
    .describe("How the session comes back after a disconnect."),
  isolation: z.enum(["Shared", "Dedicated"]).default("Shared").describe("Dedicated: a session pod of its own."),
  deletionPolicy: z
    .enum(["Retain", "Logout"])
    .default("Retain")
    .describe("Retain: credentials stay for a device of this name. Logout: unlink at WhatsApp, then erase them."),
});
export type DeviceSpec = z.infer<typeof DeviceSpec>;

export const LastDisconnect = z.object({
  time: Timestamp.describe("When the connection ended."),
  cause: z.enum(causes).describe("What it means."),
  statusCode: z.int().optional().describe("The code that the server or library gave."),
  message: z.string().max(512).default("").describe("Their text."),
  location: z.string().max(32).optional().describe("WhatsApp's site code that answered; a hint only."),
  clientVersion: z.string().max(32).optional().describe("WhatsApp Web version that was announced."),
  expiresAt: Timestamp.optional().describe("End of a temporary ban."),
  advice: z.string().max(512).default("").describe("What to do, and who."),
});
export type LastDisconnect = z.infer<typeof LastDisconnect>;

export const DeviceStatus = z.object({
  observedGeneration: z.int().optional().describe("metadata.generation that this status was computed for."),
  phase: z.enum(devicePhases).optional().describe("One word for people; scripts use conditions."),
  conditions: z
    .array(Condition)
    .max(16)
    .default([])
    .describe("Ready, Scheduled, Paired, Connected, EgressHealthy, ClientCurrent, Restricted, Reconciling, Stalled."),
  assignment: z
    .object({
      endpoint: z.string().max(253).describe("EgressEndpoint that the device leaves by; empty while it has none."),
      pod: z.string().max(253).default("").describe("Session pod that runs it; empty while none does."),
      podUID: z.string().max(64).default("").describe("UID of the pod that the epoch was given to."),
      node: z.string().max(253).default("").describe("Node of that pod."),
      epoch: z.int().min(0).max(maxEpoch).describe("Fencing number of the claim in the store; 0 until the first."),
      since: Timestamp.describe("When it was assigned to this endpoint."),
    })
    .optional()
    .describe("Where the session runs."),
  qr: z
    .object({
      code: z.string().max(1024).describe("Text of the QR code to scan with the phone."),
      attempt: z.int().describe("Which code of this pairing window, from 1."),
      expiresAt: Timestamp.describe("When WhatsApp stops accepting it."),
    })
    .optional()
    .describe("The QR code while one can be scanned."),
  pairingCode: z
    .object({
      code: z.string().max(16).describe("Eight characters to type into the phone."),
      expiresAt: Timestamp.describe("When it expires."),
    })
    .optional()
    .describe("The pairing code while one can be typed."),
  identity: z
    .object({
      jid: z.string().max(128).describe("The linked device's address at WhatsApp."),
      lid: z.string().max(128).default("").describe("Its hidden-number address."),
      pushName: z.string().max(128).default("").describe("The account's display name."),
      platform: z.string().max(64).default("").describe("The phone's platform."),
    })
    .optional()
    .describe("Who the device is, once linked."),
  connection: z
    .object({
      since: Timestamp.optional().describe("Since when it is connected."),
      observedIP: z.string().max(64).optional().describe("Address that the outside saw."),
      clientVersion: z.string().max(32).optional().describe("WhatsApp Web version announced."),
      attempt: z.int().default(0).describe("Failed attempts since the last success."),
      nextAttemptAt: Timestamp.optional().describe("When the next attempt may start."),
    })
    .optional()
    .describe("The connection, or the attempts at it."),
  lastDisconnect: LastDisconnect.optional().describe("The last disconnect, with its cause and what to do."),
  restriction: z
    .object({
      kind: z
        .string()
        .max(64)
        .describe("ReachoutTimelock: announced with its end. NewChatsRefused: a text was refused."),
      since: Timestamp.describe("Since when it is known."),
      until: Timestamp.optional().describe("When it ends, where WhatsApp said so."),
    })
    .optional()
    .describe("What WhatsApp keeps the account from: it stays connected and may write to those it wrote with before."),
  pairRequestedAt: z.string().max(64).optional().describe("The pair-requested-at annotation that was honoured last."),
});
export type DeviceStatus = z.infer<typeof DeviceStatus>;

export const WhatsAppDevice = withRules(
  z.object({ metadata: ObjectMeta, spec: DeviceSpec, status: DeviceStatus.prefault({}) }),
  [shortName("WhatsAppDevice", 63)],
);
/** One linked device of one WhatsApp account. */
export type WhatsAppDevice = z.infer<typeof WhatsAppDevice>;

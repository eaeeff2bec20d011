import { z } from "zod";
import type { Context } from "../server/context.ts";
import type { Account } from "../server/world.ts";

const Start = z.object({
  kind: z.enum(["login", "registration"]),
  time: z.string(),
  device: z.string().optional(),
  clientVersion: z.string(),
});

/** What `GET /stats` answers. Addresses are those that the server saw; a device is `phone:device`. */
export const Stats = z.object({
  registrations: z.int(),
  pairings: z.int(),
  qrRefs: z.int(),
  waiting: z.int(),
  starts: z.record(z.string(), z.array(Start)),
  connections: z.array(
    z.object({
      id: z.int(),
      source: z.string(),
      openedAt: z.string(),
      isTls: z.boolean(),
      device: z.string().optional(),
      kind: z.enum(["login", "registration"]).optional(),
      outcome: z.string().optional(),
      closedAt: z.string().optional(),
      answers: z.array(z.string()),
    }),
  ),
  devices: z.record(
    z.string(),
    z.object({
      isLinked: z.boolean(),
      socketsNow: z.int(),
      socketsEver: z.int(),
      logins: z.int(),
      framesFromOldSocket: z.int(),
      stanzasFromOldSocket: z.array(z.string()),
      preKeysUploaded: z.int(),
      preKeysNow: z.int(),
      preKeyIds: z.array(z.int()).optional(),
      messagesDelivered: z.int(),
      messagesRedelivered: z.int(),
      messagesAcknowledged: z.int(),
      messagesPending: z.int(),
      messagesRefused: z.int(),
      messagesReceived: z.int(),
      messagesRepeated: z.int(),
      retryReceipts: z.int(),
      pingsSent: z.int(),
      pingsAnswered: z.int(),
      receipts: z.array(z.string()),
      logouts: z.int(),
    }),
  ),
  removed: z.array(z.string()),
  /** How often a phone asked for a message again. */
  retriesAsked: z.record(z.string(), z.int()),
  ruleUses: z.record(z.string(), z.int()),
  /** Downloads that were asked for, those that got the file, and the most at the same time. */
  media: z.object({ asked: z.int(), served: z.int(), mostAtOnce: z.int() }),
});
export type Stats = z.infer<typeof Stats>;

/** @param phone narrows devices, connections and starts to that account's */
export function readStats(context: Context, phone?: string): Stats {
  const { counters, accounts, director, waiting, media } = context;
  const isAsked = (device: string | undefined): boolean =>
    phone === undefined || device?.startsWith(`${phone}:`) === true;
  const starts = [...counters.starts].map(([source, list]) => [source, list.filter((start) => isAsked(start.device))]);
  const asked = phone === undefined ? [...accounts.all()] : [accounts.of(phone)];
  return {
    registrations: counters.registrations,
    pairings: counters.pairings,
    qrRefs: counters.qrRefs,
    waiting: waiting.size,
    starts: Object.fromEntries(starts),
    connections: counters.connections.filter((each) => isAsked(each.device)),
    devices: Object.fromEntries(asked.flatMap((account) => devicesOf(context, account, phone !== undefined))),
    removed: asked.flatMap((account) => account.removedDevices.map((id) => `${account.phone}:${id}`)),
    retriesAsked: Object.fromEntries(
      asked.filter((account) => account.retriesAsked > 0).map((account) => [account.phone, account.retriesAsked]),
    ),
    ruleUses: director.uses(),
    media: { asked: media.asked, served: media.served, mostAtOnce: media.mostAtOnce },
  };
}

function devicesOf({ counters }: Context, account: Account, isOne: boolean): [string, Stats["devices"][string]][] {
  return [...account.devices.keys(), ...account.removedDevices].map((id) => {
    const name = `${account.phone}:${id}`;
    const device = account.devices.get(id);
    const preKeyIds = [...(device?.preKeys.keys() ?? [])];
    const stored = { isLinked: device !== undefined, preKeysNow: preKeyIds.length };
    const messagesPending = device?.pending.size ?? 0;
    // Hundreds of ids for each device: only who asks for one account gets them.
    return [name, { ...counters.device(name), ...stored, messagesPending, ...(isOne && { preKeyIds }) }];
  });
}

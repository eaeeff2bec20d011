import type { SimulatorClient } from "@wa/simulator";

/** What the server counted so far of some linked devices, and of the address that they leave by. */
export interface Mark {
  readonly source: string;
  readonly registrations: number;
  readonly logins: ReadonlyMap<string, number>;
}

/** @param source an address that no other story uses, so that every registration from it is one of these devices' */
export async function mark(simulator: SimulatorClient, source: string, phones: readonly string[]): Promise<Mark> {
  const { starts, devices } = await simulator.stats();
  const registrations = (starts[source] ?? []).filter(({ kind }) => kind === "registration").length;
  return { source, registrations, logins: new Map(phones.map((phone) => [phone, devices[`${phone}:1`]?.logins ?? 0])) };
}

/** What happened since the mark that "no reconnect, no QR" denies; empty is as promised. */
export async function brokenSince(simulator: SimulatorClient, before: Mark): Promise<readonly string[]> {
  return [...(await reconnected(simulator, before)), ...(await askedForQr(simulator, before))];
}

export async function reconnected(simulator: SimulatorClient, before: Mark): Promise<readonly string[]> {
  const { logins } = await mark(simulator, before.source, [...before.logins.keys()]);
  return [...before.logins]
    .filter(([phone, count]) => logins.get(phone) !== count)
    .map(([phone, count]) => `${phone}: ${count} logins, now ${logins.get(phone) ?? 0}`);
}

/** Registrations since the mark: each shows a QR or a code. */
export async function askedForQr(simulator: SimulatorClient, before: Mark): Promise<readonly string[]> {
  const { registrations } = await mark(simulator, before.source, []);
  if (registrations === before.registrations) return [];
  return [`${before.source}: ${before.registrations} registrations, now ${registrations}`];
}

/** How often a phone's first device has logged in. */
export async function loginsOf(simulator: SimulatorClient, phone: string): Promise<number> {
  return (await simulator.stats(phone)).devices[`${phone}:1`]?.logins ?? 0;
}

import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { kubectl } from "../src/kubectl.ts";
import { freeVolumesOf } from "../src/node.ts";
import { askedForQr, mark, type Mark } from "../src/reconnects.ts";
import {
  allMessages,
  install,
  leader,
  operatorMetrics,
  rollback,
  shared,
  uninstall,
  upgrade,
  type Installation,
} from "../src/release.ts";
import { sh, until } from "../src/shell.ts";
import { tell } from "../test/story.ts";

/**
 * The release of before, with its own images, chart and database, is upgraded to this tree and rolled back while its devices
 * are connected: no link is refused, no session moves, no message is lost.
 */
const story = tell("upgrade");
const names = Array.from({ length: 20 }, (_, index) => `device-${index}`);
const phones = new Map(names.map((name) => [name, story.phone()]));
const phoneOf = (name: string): string => phones.get(name) ?? "";
const friend = story.phone();
const place = { release: "earlier", system: "wa-earlier" };
const later: Installation = { ...shared, ...place };
let earlier: Installation;
let sources: readonly string[];
/** All that was ever written, by direction. */
const written: { readonly there: string[]; readonly back: Map<string, string[]> } = { there: [], back: new Map() };

beforeAll(async () => {
  const script = join(import.meta.dirname, "../../manifests/cluster/earlier-release.sh");
  const [folder] = await Promise.all([sh(script, [inject("place")]), takeAway(shared)]);
  const root = folder.trim().split("\n").at(-1) ?? "";
  earlier = { ...place, chart: join(root, "charts/whatsapp-operator"), tag: basename(root) };
  await install(`${inject("place")}-simulator`, story.simulator, earlier);
  sources = await Promise.all([story.proxyAddress(2), story.proxyAddress(3)]);
  await story.namespace.applyPool({
    egressIPEndpoints: story.echoes,
    sessionPods: { maxDevicesPerPod: 5 },
    members: [2, 3].map((number) => story.proxyMember(number, { capacity: { maxSessions: 10 } })),
  });
  await story.namespace.applyDevices(names);
  for (const name of names) await story.simulator.scan(phoneOf(name), await story.namespace.qrOf(name));
  await story.namespace.ready(...names);
});

/** Definitions belong to the whole cluster, and to the release that made them: an operator makes room for the next one. */
async function takeAway(one: Installation): Promise<void> {
  await uninstall(one);
  const crds = ["whatsappdevices", "egresspools", "egressendpoints"].map((name) => `${name}.whatsapp-operator.io`);
  await kubectl("delete", "crd", ...crds, "--timeout=120s");
}

afterAll(async () => {
  await story.namespace.delete();
  await takeAway(later);
  await kubectl("delete", "namespace", place.system, "--timeout=120s");
  await freeVolumesOf(place.system);
  await install(`${inject("place")}-simulator`, story.simulator);
});

/** What must not have changed: who is linked, by which way, in which pod. */
interface Before {
  readonly marks: readonly Mark[];
  readonly places: ReadonlyMap<string, string>;
  readonly pods: ReadonlyMap<string, string>;
}

async function look(): Promise<Before> {
  const devices = await story.namespace.devices();
  const pods = await story.namespace.sessionPods();
  return {
    marks: await Promise.all(sources.map((source) => mark(story.simulator, source, [...phones.values()]))),
    places: new Map(
      devices.map(({ metadata, status }) => [
        metadata.name,
        `${status.assignment?.endpoint ?? ""} ${status.assignment?.pod ?? ""}`,
      ]),
    ),
    pods: new Map(pods.map(({ metadata }) => [metadata.name, metadata.uid])),
  };
}

/** @param restarted devices that logged in once more, and no others */
async function held(before: Before, restarted: readonly string[] = [], newPods: readonly string[] = []): Promise<void> {
  await story.namespace.ready(...names);
  const now = await look();
  expect(now.places, "no session moved").toEqual(before.places);
  for (const each of before.marks) expect(await askedForQr(story.simulator, each)).toEqual([]);
  const loginsOf = ({ marks }: Before, name: string) => marks[0]?.logins.get(phoneOf(name)) ?? 0;
  const more = names.filter((name) => loginsOf(now, name) !== loginsOf(before, name));
  expect(more.toSorted(), "who reconnected").toEqual(restarted.toSorted());
  for (const [name, uid] of before.pods)
    if (newPods.includes(name)) expect(now.pods.get(name), name).not.toBe(uid);
    else expect(now.pods.get(name), name).toBe(uid);
  const { devices } = await story.simulator.stats();
  for (const name of names)
    expect(devices[`${phoneOf(name)}:1`], name).toMatchObject({
      isLinked: true,
      socketsNow: 1,
      framesFromOldSocket: 0,
      messagesPending: 0,
    });
}

/** No dial and no frame was refused by the operator that leads. */
async function noLinkRefused(): Promise<void> {
  const metrics = await operatorMetrics(later);
  const refusals = metrics.split("\n").filter((line) => line.startsWith("whatsapp_link_refusals_total{"));
  expect(refusals.filter((line) => !line.endsWith(" 0"))).toEqual([]);
  for (const { metadata, status } of await story.namespace.devices())
    expect(
      status.conditions.filter(({ reason }) => reason === "LinkRefused"),
      metadata.name,
    ).toEqual([]);
}

/** Every device writes to a friend and gets a text from her; both sides have it, once. */
async function textsBothWays(when: string, by: Installation): Promise<void> {
  const textOf = (name: string): string => `${when} of ${name}`;
  await allMessages(
    by,
    story.namespace.name,
    names.map((name) => ["send", "--device", name, "--to", `+${friend}`, "--text", textOf(name)]),
  );
  written.there.push(...names.map(textOf));
  for (const name of names) {
    const back = `${when} to ${name}`;
    await story.simulator.text(friend, phoneOf(name), back);
    written.back.set(name, [...(written.back.get(name) ?? []), back]);
  }
  await until(`the texts ${when} to be read by the friend`, async () => {
    const read = new Set((await story.simulator.messages(friend)).map(({ text }) => text));
    return names.every((name) => read.has(textOf(name))) ? true : undefined;
  });
  await until(`the texts ${when} to be stored`, async () => {
    const { devices } = await story.simulator.stats();
    return names.every((name) => devices[`${phoneOf(name)}:1`]?.messagesPending === 0) ? true : undefined;
  });
}

const imageOf = async (pod: string): Promise<string> =>
  await kubectl("get", "pod", pod, "-n", story.namespace.name, "-o", "jsonpath={.spec.containers[0].image}");

/** Deletes a device's session pod, and waits until another one of its name serves all that it served. */
async function replacePodOf(name: string): Promise<{ readonly pod: string; readonly devices: readonly string[] }> {
  const before = await look();
  const { name: pod, uid } = (await story.namespace.podOf(name)).metadata;
  const devices = names.filter((each) => before.places.get(each)?.endsWith(` ${pod}`) === true);
  await story.namespace.deletePod(pod);
  await until("its successor", async () => {
    const found = (await story.namespace.sessionPods()).find(({ metadata }) => metadata.name === pod);
    return found !== undefined && found.metadata.uid !== uid ? true : undefined;
  });
  await until("its devices to log in again", async () => {
    const { logins } = (await look()).marks[0] ?? { logins: new Map<string, number>() };
    const old = before.marks[0]?.logins;
    return devices.every((each) => logins.get(phoneOf(each)) === (old?.get(phoneOf(each)) ?? 0) + 1) ? true : undefined;
  });
  await story.namespace.ready(...names);
  return { pod, devices };
}

describe("the release of before", () => {
  it("serves its twenty devices in four pods of its own image, and texts go both ways", async () => {
    const before = await look();
    expect(before.pods.size).toBe(4);
    for (const pod of before.pods.keys()) expect(await imageOf(pod)).toBe(`whatsapp-session-pod:${earlier.tag}`);
    await textsBothWays("before", earlier);
    await held(before);
  });
});

describe("upgraded to this tree", () => {
  it("no pod is replaced, no session reconnects or moves, no link is refused, and texts go both ways", async () => {
    const before = await look();
    await upgrade(later);
    await until("a leader", async () => (await leader(later)) || undefined);
    await textsBothWays("upgraded", later);
    await held(before);
    await noLinkRefused();
  });

  it("a device is suspended and resumed in a session pod of before", async () => {
    const before = await look();
    const [name = ""] = names;
    await story.namespace.patchDevice(name, { spec: { suspend: true } });
    await story.namespace.phaseIs(name, "Suspended");
    await story.namespace.patchDevice(name, { spec: { suspend: false } });
    await story.namespace.ready(name);
    await held({ ...before, places: (await look()).places }, [name]);
    await noLinkRefused();
  });

  it("a session pod that is deleted comes back with this tree's image, and changes the store beside those of before", async () => {
    const before = await look();
    const { pod, devices } = await replacePodOf("device-1");
    expect(await imageOf(pod)).toBe(`whatsapp-session-pod:${later.tag}`);
    await textsBothWays("mixed", later);
    await held(before, devices, [pod]);
    await noLinkRefused();
  });
});

describe("rolled back", () => {
  it("the operator of before goes on with the pods of both, and texts go both ways", async () => {
    const before = await look();
    await rollback(later);
    await until("a leader", async () => (await leader(later)) || undefined);
    await textsBothWays("rolled back", earlier);
    await held(before);
    await noLinkRefused();
  });

  it("a session pod of before starts on the changed store", async () => {
    const before = await look();
    const { pod, devices } = await replacePodOf("device-1");
    expect(await imageOf(pod)).toBe(`whatsapp-session-pod:${earlier.tag}`);
    await textsBothWays("at last", earlier);
    await held(before, devices, [pod]);
    await noLinkRefused();
  });

  it("nothing was lost on the way, and nothing came twice", async () => {
    const read = await story.simulator.messages(friend);
    expect(read.map(({ text }) => text).toSorted()).toEqual(written.there.toSorted());
    const inboxes = await allMessages(
      earlier,
      story.namespace.name,
      names.map((name) => ["read", "--device", name]),
    );
    for (const [index, name] of names.entries()) {
      const lines = (inboxes[index] ?? "").trim().split("\n");
      expect(
        lines.map((line) => JSON.parse(line).text),
        name,
      ).toEqual(written.back.get(name));
    }
    const { devices } = await story.simulator.stats();
    for (const name of names) expect(devices[`${phoneOf(name)}:1`]?.messagesRepeated, name).toBe(0);
  });
});

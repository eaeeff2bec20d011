import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { z } from "zod";
import { EventRecorder, type EventTarget } from "../src/act/events.ts";
import { createOnce, setFinalizers, setLabels } from "../src/act/objects.ts";
import { writeStatus } from "../src/act/status.ts";
import { isConflict } from "../src/kube/api-error.ts";
import { defineKind } from "../src/kube/kind.ts";
import { resource, type Resource } from "../src/kube/resource.ts";
import { startApiServer, type ApiServer } from "./api-server.ts";

/** A Pod stands in for a kind with a status: the API server’s rules for writes are the same. */
const pods = defineKind({
  group: "",
  version: "v1",
  kind: "Pod",
  plural: "pods",
  isNamespaced: true,
  schema: z.object({
    metadata: z.object({
      namespace: z.string(),
      name: z.string(),
      uid: z.string(),
      resourceVersion: z.string(),
      finalizers: z.array(z.string()).default([]),
      labels: z.record(z.string(), z.string()).default({}),
    }),
    status: z
      .object({
        message: z.string().optional(),
        reason: z.string().optional(),
        podIPs: z.array(z.object({ ip: z.string() })).optional(),
      })
      .default({}),
  }),
});
type Pod = ReturnType<typeof pods.parse>;
const spec = { containers: [{ name: "a", image: "b" }] };

let server: ApiServer;
let client: Resource<Pod>;
let namespace: string;
let pod: Pod;

beforeAll(async () => {
  server = await startApiServer();
  client = resource(server.transport, pods);
});
afterAll(async () => {
  await server.stop();
});
beforeEach(async () => {
  namespace = await server.createNamespace();
  pod = await client.create({ metadata: { namespace, name: "one" }, spec });
});

const rejection = async (call: Promise<unknown>): Promise<unknown> =>
  await call.then(
    () => "no error",
    (error: unknown) => error,
  );

it("writes a status that differs, removes fields that are gone, and writes nothing twice", async () => {
  expect(await writeStatus(client, pod, { ...pod.status, message: "a", reason: "b" })).toBe("Written");
  const second = await client.get(pod.metadata);
  expect(second?.status).toMatchObject({ message: "a", reason: "b" });
  if (second === undefined) throw new Error("gone");
  expect(await writeStatus(client, second, { ...second.status })).toBe("Unchanged");
  const { reason: _gone, ...rest } = second.status;
  expect(await writeStatus(client, second, rest)).toBe("Written");
  expect((await client.get(pod.metadata))?.status).not.toHaveProperty("reason");
});

it("refuses a status that was decided on an older version", async () => {
  await writeStatus(client, pod, { ...pod.status, message: "first" });
  expect(isConflict(await rejection(writeStatus(client, pod, { ...pod.status, message: "late" })))).toBe(true);
});

it("answers that a name is taken, with what holds it", async () => {
  const again = await createOnce(client, { metadata: { namespace, name: "one" }, spec });
  expect(again).toMatchObject({ kind: "NameTaken", object: { metadata: { uid: pod.metadata.uid } } });
  const other = await createOnce(client, { metadata: { namespace, name: "two" }, spec });
  expect(other.kind).toBe("Created");
});

it("deletes by UID alone", async () => {
  const stale = { uid: "00000000-0000-0000-0000-000000000000" };
  expect(await client.delete(pod.metadata, stale)).toBe(false);
  expect(await client.get(pod.metadata)).toBeDefined();
  expect(await client.delete(pod.metadata, { uid: pod.metadata.uid, gracePeriodSeconds: 0 })).toBe(true);
  expect(await client.delete(pod.metadata, { uid: pod.metadata.uid })).toBe(false);
});

it("sets and clears finalizers on the version that was read, and no other", async () => {
  const held = await setFinalizers(client, pod.metadata, ["example.com/a"]);
  expect(held.metadata.finalizers).toEqual(["example.com/a"]);
  expect(isConflict(await rejection(setFinalizers(client, pod.metadata, [])))).toBe(true);
  expect((await setFinalizers(client, held.metadata, [])).metadata.finalizers).toEqual([]);
});

it("sets labels and leaves others alone", async () => {
  const labelled = await setLabels(client, pod.metadata, { a: "1", b: "2" });
  const next = await setLabels(client, labelled.metadata, { a: null, c: "3" });
  expect(next.metadata.labels).toEqual({ b: "2", c: "3" });
  expect(isConflict(await rejection(setLabels(client, pod.metadata, { d: "4" })))).toBe(true);
});

const eventsIn = async (of: string) =>
  z
    .object({
      items: z.array(
        z.object({ reason: z.string(), note: z.string(), series: z.object({ count: z.number() }).optional() }),
      ),
    })
    .parse(await server.transport.call({ method: "GET", path: `/apis/events.k8s.io/v1/namespaces/${of}/events` }))
    .items;

function recorder() {
  const failures: unknown[] = [];
  const events = new EventRecorder({
    transport: server.transport,
    controller: "example.com/operator",
    instance: "operator-0",
    onFailed: (error) => failures.push(error),
  });
  const about: EventTarget = { apiVersion: "v1", kind: "Pod", namespace, name: "one", uid: pod.metadata.uid };
  return { events, about, failures };
}

it("records Events, cuts long ones, and counts repeats in a series", async () => {
  const { events, about, failures } = recorder();
  events.record(about, { type: "Warning", reason: "Long", message: "é".repeat(2_000) });
  events.record(about, { type: "Normal", reason: "Same", message: "again" });
  await events.flush();
  events.record(about, { type: "Normal", reason: "Same", message: "again" });
  await events.flush();
  expect(failures).toEqual([]);
  const found = await eventsIn(namespace);
  expect(found).toHaveLength(2);
  expect(found.find(({ reason }) => reason === "Same")?.series?.count).toBe(2);
  const long = found.find(({ reason }) => reason === "Long")?.note ?? "";
  expect(Buffer.byteLength(long)).toBeLessThanOrEqual(1_024);
  expect(long).toMatch(/^é+…$/);
});

it("stops an object that makes Events in a loop", async () => {
  const { events, about } = recorder();
  for (let count = 0; count < 60; count += 1)
    events.record(about, { type: "Normal", reason: "Loop", message: `number ${count}` });
  await events.flush();
  expect(await eventsIn(namespace)).toHaveLength(25);
});

it("reports an Event that could not be written, and throws nothing", async () => {
  const { events, about, failures } = recorder();
  events.record({ ...about, namespace: "no-such-namespace" }, { type: "Normal", reason: "Lost", message: "x" });
  await events.flush();
  expect(failures).toHaveLength(1);
});

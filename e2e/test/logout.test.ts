import { expect, it } from "vitest";
import { askDatabase } from "../src/release.ts";
import { tell } from "./story.ts";

const story = tell("logout");

/** Values, archived ones and messages that the database holds of a device of this story. */
async function rowsOf(name: string): Promise<Record<string, number>> {
  const tables = ["wa_value", "wa_archive", "wa_inbox", "wa_outbox"];
  const key = `device like '%/${story.namespace.name}/${name}'`;
  const counts = tables.map((table) => `(select count(*) from ${table} where ${key})`).join(" || ' ' || ");
  const answer = (await askDatabase(`select ${counts}`)).split(" ").map(Number);
  return Object.fromEntries(tables.map((table, index) => [table, answer[index] ?? Number.NaN]));
}

it("a device deleted with Logout is removed at the server, and the database holds no credential of it", async () => {
  const { namespace, simulator, proxyMember, echoes } = story;
  const [leaving, staying] = [story.phone(), story.phone()];
  await namespace.applyPool({ egressIPEndpoints: echoes, members: [proxyMember(1)] });
  await namespace.applyDevice("leaving", { deletionPolicy: "Logout" });
  await namespace.applyDevice("staying");
  await namespace.link("leaving", leaving);
  await namespace.link("staying", staying);
  expect((await rowsOf("leaving"))["wa_value"]).toBeGreaterThan(0);
  await namespace.deleteDevice("leaving");
  await namespace.deleteDevice("staying");
  expect((await simulator.stats(leaving)).removed).toEqual([`${leaving}:1`]);
  expect(await rowsOf("leaving")).toEqual({ wa_value: 0, wa_archive: 0, wa_inbox: 0, wa_outbox: 0 });
  expect((await simulator.stats(staying)).removed, "Retain unlinks nothing").toEqual([]);
  expect((await rowsOf("staying"))["wa_value"], "Retain keeps credentials").toBeGreaterThan(0);
});

import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { sql } from "kysely";
import type { GenerationStore } from "../../session-pod/src/sessions/ports.ts";
import { createDatabase } from "../../session-pod/src/store/database.ts";
import { startPostgres } from "../../session-pod/test/postgres.ts";
import { claimed, open } from "../../session-pod/test/store-fixture.ts";
import type { Row } from "../src/result.ts";
import type { Measurement } from "../stage/measurement.ts";
import { rowOf, timed } from "../stage/rows.ts";
import { say } from "../stage/say.ts";

const run = promisify(execFile);
const rounds = 400;
const warmUp = 50;
const valueBytes = 512;
/** Values are overwritten in turn, as prekeys and ratchets are. */
const ids = 800;

export const store: Measurement = {
  title: "The store: a commit through the adapter",
  how: `PostgreSQL 15 on this machine, over TCP, with its defaults; each commit encrypts its values (512 random bytes each), locks and checks
the device's row, writes and commits, as a session's does. The same commits go in turn into a second database of the same server with
\`synchronous_commit = off\`; the difference of the two is what waiting for the disk costs. Neither is what a session uses but the first.`,
  measure,
};

async function measure(): Promise<readonly Row[]> {
  await using cleanup = new AsyncDisposableStack();
  const server = cleanup.adopt(await startPostgres(), async (started) => await started.stop());
  const impatientUrl = await server.createDatabase("impatient");
  const impatientDb = createDatabase(impatientUrl);
  await sql`alter database impatient set synchronous_commit = off`.execute(impatientDb.db);
  await impatientDb.db.destroy();
  const durable = cleanup.use(await open(server.url));
  const impatient = cleanup.use(await open(impatientUrl));
  const bareDb = createDatabase(server.url);
  cleanup.defer(async () => await bareDb.db.destroy());
  await sql`create table bare (id int primary key, value bytea)`.execute(bareDb.db);
  const handles = {
    durable: (await claimed(durable, "bench")).openGeneration(),
    impatient: (await claimed(impatient, "bench")).openGeneration(),
    bare: async (round: number) =>
      await sql`insert into bare values (${round % ids}, ${randomBytes(valueBytes)})
        on conflict (id) do update set value = excluded.value`.execute(bareDb.db),
  };
  const hundred = await series(handles, 100);
  const one = await series(handles, 1);
  say("pg_test_fsync");
  const flushMs = await flushTimeMs();
  return [
    ...rowsOf("100 keys", hundred, 6),
    ...rowsOf("one key", one, 3),
    rowOf("bare statement of one row, not encrypted, committed by itself", { unit: "ms", samples: one.bare }),
    rowOf("the disk alone: pg_test_fsync, fdatasync of 8 kB (its mean)", { unit: "ms", samples: [flushMs] }),
  ];
}

interface Series {
  readonly durable: readonly number[];
  readonly impatient: readonly number[];
  readonly bare: readonly number[];
}

async function series(
  handles: {
    readonly durable: GenerationStore;
    readonly impatient: GenerationStore;
    readonly bare: (round: number) => Promise<unknown>;
  },
  keys: number,
): Promise<Series> {
  say(`${rounds} commits of ${keys} keys, three ways in turn`);
  const found = { durable: new Array<number>(), impatient: new Array<number>(), bare: new Array<number>() };
  for (let round = 0; round < warmUp + rounds; round++) {
    const puts = Array.from({ length: keys }, (_, index) => ({
      type: "pre-key",
      id: String((round * keys + index) % ids),
      value: randomBytes(valueBytes),
    }));
    const times = {
      durable: await timed(async () => await handles.durable.commit({ puts })),
      impatient: await timed(async () => await handles.impatient.commit({ puts })),
      bare: await timed(async () => await handles.bare(round)),
    };
    if (round < warmUp) continue;
    found.durable.push(times.durable);
    found.impatient.push(times.impatient);
    found.bare.push(times.bare);
  }
  return found;
}

function rowsOf(what: string, { durable, impatient }: Series, atMost: number): readonly Row[] {
  const row = rowOf(`commit of ${what}`, { unit: "ms", samples: durable, goals: [{ of: "p95", atMost }] });
  const without = rowOf(`the same without waiting for the disk (${what})`, { unit: "ms", samples: impatient });
  const share = (of: "p50" | "p95"): number => (1 - without.measured[of] / row.measured[of]) * 100;
  const cause = `waiting for the disk takes ${share("p95").toFixed(0)} % of the p95; a third of the slow ones meet a collection of Node's young objects (5 to 8 ms), the others wait for the server or a processor`;
  const fsync = rowOf(`the disk's share of its p50 (${what})`, { unit: "%", samples: [Math.max(0, share("p50"))] });
  return [{ ...row, cause }, without, fsync];
}

/** How long the disk under the temporary folder takes to hold on to one page. */
async function flushTimeMs(): Promise<number> {
  const file = join(tmpdir(), `wa-bench-fsync-${process.pid}`);
  const { stdout } = await run("/usr/lib/postgresql/15/bin/pg_test_fsync", ["-s", "1", "-f", file]);
  const micros = /^\s*fdatasync\s+.*?(\d+) usecs\/op/m.exec(stdout)?.[1];
  if (micros === undefined) throw new Error(`pg_test_fsync said no fdatasync: ${stdout}`);
  return Number(micros) / 1_000;
}

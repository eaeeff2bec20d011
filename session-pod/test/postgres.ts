import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { appendFile, chmod, chown, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
/** Of the Debian package; client programs too. */
export const binaries = "/usr/lib/postgresql/15/bin";
const account = "postgres";

/** A PostgreSQL server of a test's own, on loopback, ended with `stop()`. */
export interface TestPostgres {
  /** URL of the empty database `wa`. */
  readonly url: string;
  /** A new empty database on the same server. */
  createDatabase(name: string): Promise<string>;
  /** A copy of the server that follows it and shows nothing newer from now on. Ended with `stop()`. */
  laggingStandby(): Promise<{ readonly port: number }>;
  /** Ends the server as a crash does; `start` brings it back on the same port with the same data. */
  crash(): Promise<void>;
  /** Ends the server in order, every connection with a word; `start` brings it back. */
  shutDown(): Promise<void>;
  start(): Promise<void>;
  /** Stops every process of the server where it is, as a frozen machine does; nothing is closed. `resume` lets them go on. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends the server and removes its files. */
  stop(): Promise<void>;
}

interface PostgresOptions {
  readonly askPasswordOf?: readonly string[];
}

/**
 * Starts PostgreSQL 15 (Debian package `postgresql-15`) in a temporary folder. Who has its account needs no password, but for
 * the roles in `askPasswordOf`. Throws, naming what is missing, where it cannot.
 */
export async function startPostgres({ askPasswordOf = [] }: PostgresOptions = {}): Promise<TestPostgres> {
  if (!existsSync(`${binaries}/postgres`))
    throw new Error(`PostgreSQL 15 is missing (${binaries}/postgres): apt-get install postgresql-15`);
  const folder = await mkdtemp(join(tmpdir(), "wa-postgres-"));
  await ownByServer(folder);
  const port = await freePort();
  const data = join(folder, "data");
  await asServer("initdb", ["-D", data, "-A", "trust", "-U", account, "--no-sync", "-E", "UTF8"]);
  const asked = askPasswordOf.map((role) => `host all ${role} 127.0.0.1/32 scram-sha-256\n`).join("");
  const access = join(data, "pg_hba.conf");
  await writeFile(access, `${asked}${await readFile(access, "utf8")}`);
  await appendFile(
    join(data, "postgresql.conf"),
    `\nport = ${port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nmax_connections = 60\n`,
  );
  const start = async (): Promise<void> => {
    await asServer("pg_ctl", ["-D", data, "-w", "-t", "60", "-l", join(folder, "log"), "start"]);
  };
  const end = (mode: "immediate" | "fast") => asServer("pg_ctl", ["-D", data, "-w", "-m", mode, "stop"]);
  const createDatabase = async (name: string): Promise<string> => {
    await asServer("createdb", ["-h", "127.0.0.1", "-p", String(port), "-U", account, name]);
    return `postgres://${account}@127.0.0.1:${port}/${name}`;
  };
  await start();
  const standbys: string[] = [];
  const laggingStandby = async (): Promise<{ readonly port: number }> => {
    const copy = join(folder, `standby-${standbys.length}`);
    const copyPort = await freePort();
    const ofPrimary = ["-h", "127.0.0.1", "-p", String(port), "-U", account];
    await asServer("pg_basebackup", [...ofPrimary, "-D", copy, "-R", "-c", "fast"]);
    await appendFile(join(copy, "postgresql.conf"), `\nport = ${copyPort}\n`);
    standbys.push(copy);
    await asServer("pg_ctl", ["-D", copy, "-w", "-t", "60", "-l", join(folder, "standby-log"), "start"]);
    const ofCopy = ["-h", "127.0.0.1", "-p", String(copyPort), "-U", account];
    await asServer("psql", [...ofCopy, "-d", "postgres", "-c", "select pg_wal_replay_pause()"]);
    return { port: copyPort };
  };
  return {
    url: await createDatabase("wa"),
    laggingStandby,
    createDatabase,
    start,
    crash: () => end("immediate"),
    shutDown: () => end("fast"),
    pause: async () => signalAll(await processesOf(data), "SIGSTOP"),
    resume: async () => signalAll(await processesOf(data), "SIGCONT"),
    stop: async () => {
      for (const copy of standbys) await asServer("pg_ctl", ["-D", copy, "-w", "-m", "immediate", "stop"]);
      if (existsSync(join(data, "postmaster.pid"))) await end("immediate");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The server's process, then its children: stopped in this order, it makes no further ones. */
async function processesOf(data: string): Promise<number[]> {
  const [line = ""] = (await readFile(join(data, "postmaster.pid"), "utf8")).split("\n");
  const pid = Number(line);
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return [pid, ...children.split(" ").filter(Boolean).map(Number)];
}

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) process.kill(pid, signal);
}

async function ownByServer(folder: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { stdout } = await run("id", ["-u", account]);
  await chown(folder, Number(stdout.trim()), -1);
  await chmod(folder, 0o700);
}

/** PostgreSQL refuses to run as root. */
async function asServer(command: string, args: readonly string[]): Promise<void> {
  const path = `${binaries}/${command}`;
  const isRoot = process.getuid?.() === 0;
  const [file, all] = isRoot ? ["runuser", ["-u", account, "--", path, ...args]] : [path, [...args]];
  await run(file, all, { cwd: tmpdir(), env: { ...process.env, LC_ALL: "C" } });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        typeof address === "object" && address !== null ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}

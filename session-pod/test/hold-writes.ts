import { Client } from "pg";

/** No write to these tables ends until the returned function is called; reads go on. */
export async function holdWrites(connectionString: string, ...tables: readonly string[]): Promise<() => Promise<void>> {
  const client = new Client({ connectionString });
  // A server that is made to crash takes this connection along.
  client.on("error", () => undefined);
  await client.connect();
  await client.query("begin");
  await client.query(`lock table ${tables.join(", ")} in exclusive mode`);
  return async () => {
    await client.query("rollback");
    await client.end();
  };
}

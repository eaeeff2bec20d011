import { parseArgs } from "node:util";
import { pino } from "pino";
import { z } from "zod";
import { startSimulator } from "./start.ts";

const usage = `usage: npm run simulator -- --port N [--host ADDRESS] [--tls-port N] [--san NAME]... [--echo-ip ADDRESS]
  --port      port of ws and of control over HTTP
  --host      address to listen on (default 127.0.0.1; 0.0.0.0 for all)
  --tls-port  port of wss and of control over HTTPS
  --san       more names or addresses for the TLS certificate
  --echo-ip   what GET /ip answers in place of the caller's address`;

const Port = z.coerce.number().int().min(0).max(65_535);
const Flags = z.object({
  port: Port,
  host: z.string().default("127.0.0.1"),
  "tls-port": Port.optional(),
  san: z.array(z.string().min(1)).default([]),
  "echo-ip": z.union([z.ipv4(), z.ipv6()]).optional(),
});

function readFlags(): z.infer<typeof Flags> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    options: { port: text, host: text, "tls-port": text, san: { ...text, multiple: true }, "echo-ip": text },
  });
  return Flags.parse(values);
}

async function main(): Promise<void> {
  const flags = readFlags();
  await using simulator = await startSimulator({
    host: flags.host,
    port: flags.port,
    ...(flags["tls-port"] !== undefined && { tlsPort: flags["tls-port"] }),
    names: flags.san,
    ...(flags["echo-ip"] !== undefined && { echoIp: flags["echo-ip"] }),
    log: pino({}, pino.destination(2)),
  });
  const { url, wssUrl, controlUrl, rootKeyHex } = simulator;
  process.stdout.write(`${JSON.stringify({ url, wssUrl, controlUrl, rootKeyHex })}\n`);
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => resolve());
  });
}

main().catch((error: unknown) => {
  const why = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
  process.stderr.write(`${why}\n${usage}\n`);
  process.exitCode = 2;
});

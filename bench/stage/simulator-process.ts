import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { SimulatorClient } from "@wa/simulator";
import { z } from "zod";
import { start, type Program } from "./program.ts";

const main = join(import.meta.dirname, "../../simulator/src/main.ts");
const readyWithinMs = 20_000;
const Ready = z.object({ wssUrl: z.string(), controlUrl: z.string(), rootKeyHex: z.string() });

export interface SimulatorProcess extends AsyncDisposable {
  readonly wssUrl: string;
  readonly controlUrl: string;
  readonly rootKeyHex: string;
  readonly caPem: string;
  readonly client: SimulatorClient;
}

/** The simulator in a process of its own, so that its work is not the measurer's. */
export async function startSimulatorProcess(echoIp: string): Promise<SimulatorProcess> {
  const flags = ["--port", "0", "--tls-port", "0", "--echo-ip", echoIp];
  const program = start([process.execPath, "--conditions=source", main, ...flags]);
  const ready = await said(program);
  const client = new SimulatorClient(ready.controlUrl);
  return {
    ...ready,
    caPem: await client.caPem(),
    client,
    [Symbol.asyncDispose]: async () => await program[Symbol.asyncDispose](),
  };
}

async function said(program: Program): Promise<z.infer<typeof Ready>> {
  const deadlineMs = performance.now() + readyWithinMs;
  while (performance.now() < deadlineMs) {
    const line = program
      .log()
      .split("\n")
      .find((text) => text.startsWith('{"url"'));
    if (line !== undefined) return Ready.parse(JSON.parse(line));
    await delay(50);
  }
  await program.end("SIGKILL");
  throw new Error(`the simulator does not come up: ${program.log()}`);
}

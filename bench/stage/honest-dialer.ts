import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { dialTime } from "./attackers.ts";

/** A process of its own, so that its clock does not wait for the attackers: prints what each dial took, in milliseconds. */
const Order = z.object({
  target: z.object({ hubUrl: z.string(), caPem: z.string() }),
  pod: z.object({
    namespace: z.string(),
    name: z.string(),
    uid: z.string(),
    token: z.string(),
    address: z.string(),
  }),
});

const order = process.env["ORDER"];
if (order !== undefined) {
  const { target, pod } = Order.parse(JSON.parse(order));
  for (;;) {
    process.stdout.write(`${(await dialTime(target, pod)).toFixed(1)}\n`);
    await delay(1_000);
  }
}

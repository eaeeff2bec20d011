import { z } from "zod";
import { encryptionTypes } from "../wire/payloads.ts";

/** How an account stands with the server; what `PUT /account` takes replaces all of it. */
export const Standing = z.strictObject({
  isRegistered: z
    .boolean()
    .default(true)
    .describe("false: nobody has this number; it has no device and no hidden number."),
  knownAs: z
    .string()
    .regex(/^\d{5,15}$/, "expected 5 to 15 digits")
    .optional()
    .describe(
      "The server knows this account under another number, as numbers of Brazil with and without their ninth digit.",
    ),
  accountType: z
    .enum(encryptionTypes)
    .default("E2EE")
    .describe("HOSTED: an account that Meta hosts too (coexistence); its offers to devices are sealed as such."),
  deviceType: z
    .enum(encryptionTypes)
    .default("E2EE")
    .describe("HOSTED: a device's identity is signed as that of one that Meta hosts."),
});
export type Standing = z.infer<typeof Standing>;

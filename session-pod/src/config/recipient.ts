import { z } from "zod";
import { chatOf, parseAddress } from "../session/address.ts";
import { e164 } from "./alone-config.ts";

const aRecipient = "a number such as +33612345678, or the chat of a person or group as `messages read` prints it";

/** Where a text may go, as an address at WhatsApp: a number, or a chat as it was printed. */
export const Recipient = z
  .string(aRecipient)
  .max(64, aRecipient)
  .refine((to) => e164.test(to) || parseAddress(to) !== undefined, aRecipient)
  .transform((to) => (e164.test(to) ? `${to.slice(1)}@s.whatsapp.net` : chatOf(to)));

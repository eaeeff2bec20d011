import type { WASocket } from "@whiskeysockets/baileys";
import { chatOf, parseAddress } from "../session/address.ts";
import { notOnWhatsApp } from "../session/send-faults.ts";
import { SendError } from "../sessions/client.ts";
import type { Credentials } from "./credentials.ts";

type Asking = Pick<WASocket, "getUSyncDevices" | "onWhatsApp" | "assertSessions">;

/**
 * Asks the server for a recipient's devices and for keys to them, before the library does so while it holds up all other texts:
 * by then it knows them. A list without a device of the recipient's would make a message for the own phone alone, which the
 * server takes all the same; so the number is asked for by itself, and what is not there is told.
 *
 * @returns where to send: another number where the server named one, as it does for Brazilian mobiles with and without their ninth
 *   digit; without a device, in its usual form
 */
export async function findRecipient(socket: Asking, credentials: Credentials, to: string): Promise<string> {
  const chat = chatOf(to);
  const address = parseAddress(chat);
  if (address === undefined || address.kind === "group") return chat;
  if (await isReachable(socket, credentials, chat)) return chat;
  const named = address.kind === "number" ? await numberNamed(socket, chat) : chat;
  if (named !== chat && (await isReachable(socket, credentials, named))) return named;
  throw new SendError({ message: "the server names no device of the recipient" });
}

/** Makes sure that there are keys for those devices. */
async function isReachable(socket: Asking, { creds: { me } }: Credentials, chat: string): Promise<boolean> {
  const address = parseAddress(chat);
  const own = chatOf((address?.kind === "hidden" ? me?.lid : undefined) ?? me?.id ?? "");
  const devices = await socket.getUSyncDevices([own, chat], true, false);
  if (!devices.some(({ user }) => user === address?.user)) return false;
  await socket.assertSessions(devices.map(({ jid }) => jid).filter((jid) => jid !== me?.id && jid !== me?.lid));
  return true;
}

/** The address of whoever has a number. Throws where nobody has it. */
async function numberNamed(socket: Asking, chat: string): Promise<string> {
  const found = await socket.onWhatsApp(chat);
  // The library's word for a question without an answer.
  if (found === undefined) throw new SendError({ code: 408, message: "the server did not say whose the number is" });
  const [known] = found.filter(({ exists }) => exists);
  if (known === undefined) throw new SendError({ code: notOnWhatsApp, message: "not on WhatsApp" });
  return chatOf(known.jid);
}

import { randomBytes } from "node:crypto";
import { Boom } from "@hapi/boom";
import {
  aesEncryptCTR,
  bytesToCrockford,
  derivePairingCodeKey,
  getCompanionPlatformId,
  jidEncode,
  S_WHATSAPP_NET,
  type BinaryNode,
  type WASocket,
} from "@whiskeysockets/baileys";
import { PairingRefusedError } from "../sessions/client.ts";
import type { Credentials } from "./credentials.ts";

const codeBytes = 5;
const saltBytes = 32;
const ivBytes = 16;

/**
 * Asks the server to take a pairing code, as the client library does, and waits for its answer, which the library does not
 * (Baileys #2737): a code that the server refused is shown by nobody.
 *
 * @param phoneNumber digits, with or without a leading +
 * @returns the code, once the server took it
 * @throws PairingRefusedError with the server's code for why
 */
export async function requestPairingCode(
  socket: Pick<WASocket, "query">,
  { creds, browser }: Credentials,
  phoneNumber: string,
): Promise<string> {
  const code = bytesToCrockford(randomBytes(codeBytes));
  creds.pairingCode = code;
  creds.me = { id: jidEncode(phoneNumber.replace(/\D/g, ""), "s.whatsapp.net"), name: "~" };
  const salt = randomBytes(saltBytes);
  const iv = randomBytes(ivBytes);
  const key = await derivePairingCodeKey(code, salt);
  const wrapped = Buffer.concat([salt, iv, aesEncryptCTR(creds.pairingEphemeralKeyPair.public, key, iv)]);
  const { os, name, version } = browser;
  const child = (tag: string, content: Uint8Array | string): BinaryNode => ({ tag, attrs: {}, content });
  const hello: BinaryNode = {
    tag: "link_code_companion_reg",
    attrs: { jid: creds.me.id, stage: "companion_hello", should_show_push_notification: "true" },
    content: [
      child("link_code_pairing_wrapped_companion_ephemeral_pub", wrapped),
      child("companion_server_auth_key_pub", creds.noiseKey.public),
      child("companion_platform_id", getCompanionPlatformId([os, name, version])),
      child("companion_platform_display", `${name} (${os})`),
      child("link_code_pairing_nonce", "0"),
    ],
  };
  await taken(socket.query({ tag: "iq", attrs: { to: S_WHATSAPP_NET, type: "set", xmlns: "md" }, content: [hello] }));
  return code;
}

/** The library resolves to nothing where no answer came in time; an error of the server's carries its code as data. */
async function taken(answer: Promise<unknown>): Promise<void> {
  try {
    if ((await answer) === undefined) throw new Error("the server did not answer");
  } catch (error) {
    if (error instanceof Boom && typeof error.data === "number")
      throw new PairingRefusedError(error.data, error.message);
    throw error;
  }
}

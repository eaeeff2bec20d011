import "./quiet.ts";
import { areJidsSameUser, BufferJSON, initAuthCreds, type AuthenticationCreds } from "@whiskeysockets/baileys";
import type { Browser, Identity } from "../sessions/client.ts";

/** The library pushes every processed history message; only the last ones keep it from asking again. */
const rememberedHistoryMessages = 50;
const format = 1;

export interface Credentials {
  readonly creds: AuthenticationCreds;
  readonly browser: Browser;
  /** The server has accepted a login with them. */
  hasLoggedIn: boolean;
}

export const newCredentials = (browser: Browser): Credentials => ({
  creds: initAuthCreds(),
  browser,
  hasLoggedIn: false,
});

/** Linked: the phone's signature is there. The library's own `registered` stays false after a QR code. */
export const isPaired = ({ creds }: Credentials): boolean => creds.account !== undefined && creds.me !== undefined;

/** Whether an address, by number or hidden number, is of the device's own account. */
export const isSelf = ({ creds: { me } }: Credentials, jid: string): boolean =>
  areJidsSameUser(jid, me?.id) || areJidsSameUser(jid, me?.lid);

/** Call it before each {@link encodeCredentials}. */
export function forgetOldHistory({ creds }: Credentials): void {
  creds.processedHistoryMessages = creds.processedHistoryMessages.slice(-rememberedHistoryMessages);
}

/** What 0.1 stored does not say it. Prekeys are made once the first login is accepted, and not before. */
export const hasLoggedIn = ({ creds, hasLoggedIn: isKnown }: Credentials): boolean => isKnown || creds.nextPreKeyId > 1;

export function encodeCredentials({ creds, browser, hasLoggedIn: isKnown }: Credentials): Uint8Array {
  const stored = { format, browser, creds, hasLoggedIn: isKnown };
  return Buffer.from(JSON.stringify(stored, BufferJSON.replacer));
}

/** Throws if the bytes are not what {@link encodeCredentials} made of a linked device; never says what they hold. */
export function decodeCredentials(stored: Uint8Array): Credentials {
  const parsed: unknown = JSON.parse(Buffer.from(stored).toString(), BufferJSON.reviver);
  if (!isStored(parsed)) throw new Error("the stored credentials are of another format or incomplete");
  return { creds: parsed.creds, browser: parsed.browser, hasLoggedIn: parsed.hasLoggedIn === true };
}

function isStored(value: unknown): value is Omit<Credentials, "hasLoggedIn"> & { hasLoggedIn?: unknown } {
  if (!isRecord(value) || value["format"] !== format || !isRecord(value["browser"])) return false;
  const { creds } = value;
  return isRecord(creds) && isRecord(creds["account"]) && isRecord(creds["me"]) && isRecord(creds["noiseKey"]);
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

export function identityOf({ creds }: Credentials): Identity | undefined {
  if (creds.me === undefined) return undefined;
  const { id, lid, name } = creds.me;
  return { jid: id, lid: lid ?? "", pushName: name ?? "", platform: creds.platform ?? "" };
}

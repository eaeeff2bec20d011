import "./quiet.ts";
import { DEFAULT_CONNECTION_CONFIG, WA_CERT_DETAILS } from "@whiskeysockets/baileys";
import type { Browser, ClientDevice, ClientLibrary, ClientSocket, Identity, OpenRequest } from "../sessions/client.ts";
import {
  decodeCredentials,
  hasLoggedIn,
  identityOf,
  isPaired,
  newCredentials,
  type Credentials,
} from "./credentials.ts";
import { HistoryTurn } from "./history.ts";
import { WhatsAppSocket } from "./socket.ts";

const rootKeyBytes = 32;

/** @param rootKeyHex key that the server's certificates must descend from, as hex; empty: WhatsApp's own */
export function whatsAppLibrary(rootKeyHex: string): ClientLibrary {
  if (rootKeyHex !== "") {
    if (!/^[0-9a-f]{64}$/i.test(rootKeyHex)) throw new Error(`the root key must be ${rootKeyBytes} bytes as hex`);
    WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(rootKeyHex, "hex");
  }
  const historyTurn = new HistoryTurn();
  return {
    defaultVersion: DEFAULT_CONNECTION_CONFIG.version.join("."),
    create: (browser) => new WhatsAppDeviceCredentials(newCredentials(browser), historyTurn),
    restore: (stored) => new WhatsAppDeviceCredentials(decodeCredentials(stored), historyTurn),
  };
}

class WhatsAppDeviceCredentials implements ClientDevice {
  readonly #credentials: Credentials;
  readonly #historyTurn: HistoryTurn;

  constructor(credentials: Credentials, historyTurn: HistoryTurn) {
    this.#credentials = credentials;
    this.#historyTurn = historyTurn;
  }

  get isPaired(): boolean {
    return isPaired(this.#credentials);
  }

  get hasLoggedIn(): boolean {
    return hasLoggedIn(this.#credentials);
  }

  get identity(): Identity | undefined {
    return isPaired(this.#credentials) ? identityOf(this.#credentials) : undefined;
  }

  get browser(): Browser {
    return this.#credentials.browser;
  }

  open(request: OpenRequest): ClientSocket {
    return new WhatsAppSocket(request, this.#credentials, this.#historyTurn);
  }
}

import { z } from "zod";
import type { History } from "../phone/history.ts";
import type { PhoneScenario, Scenario } from "../scenarios/scenario.ts";
import type { Letter } from "../scenarios/letter.ts";
import type { Standing } from "../scenarios/standing.ts";
import type { StanzaInput } from "../scenarios/stanza.ts";
import { Stats } from "./stats.ts";

export const PeerMessage = z.object({
  id: z.string(),
  from: z.string(),
  fromDevice: z.int(),
  text: z.string(),
  time: z.string(),
});
export type PeerMessage = z.infer<typeof PeerMessage>;

/** The control endpoints as functions; every refusal is an error with the simulator's own words. */
export class SimulatorClient {
  readonly #base: string;

  /** @param base URL of the control port, such as http://127.0.0.1:8080 */
  constructor(base: string) {
    this.#base = base;
  }

  /** @param phone narrows the devices, connections and starts to that account's logins */
  async stats(phone?: string): Promise<Stats> {
    const query = phone === undefined ? "" : `?phone=${phone}`;
    return Stats.parse(JSON.parse(await this.#call("GET", `/stats${query}`)));
  }

  async messages(phone: string): Promise<PeerMessage[]> {
    return z.array(PeerMessage).parse(JSON.parse(await this.#call("GET", `/messages?phone=${phone}`)));
  }

  async scan(phone: string, qr: string): Promise<void> {
    await this.#call("POST", `/phone/scan?phone=${phone}`, qr);
  }

  async enterCode(phone: string, code: string): Promise<void> {
    await this.#call("POST", `/phone/code?phone=${phone}`, code);
  }

  /** The server asks for a new code in place of the one that is shown; `by` hand: the client waits for a person who wants one. */
  async refreshCode(phone: string, by: "itself" | "hand" = "itself"): Promise<void> {
    await this.#call("POST", `/phone/refresh-code?phone=${phone}&by=${by}`);
  }

  /** How the account stands with the server, whole: without a field, as every account does that nothing was said of. */
  async setAccount(phone: string, standing: z.input<typeof Standing>): Promise<void> {
    await this.#call("PUT", `/account?phone=${phone}`, JSON.stringify(standing));
  }

  async unlink(phone: string, device: number): Promise<void> {
    await this.#call("POST", `/phone/unlink?phone=${phone}&device=${device}`);
  }

  /** Resolves to the message's id. */
  async text(from: string, to: string, text: string): Promise<string> {
    return z
      .object({ id: z.string() })
      .parse(JSON.parse(await this.#call("POST", `/phone/text?from=${from}&to=${to}`, text))).id;
  }

  /** As {@link text}, of a message that differs from the usual as the letter says. */
  async message(from: string, to: string, letter: z.input<typeof Letter>): Promise<string> {
    const answer = await this.#call("POST", `/phone/message?from=${from}&to=${to}`, JSON.stringify(letter));
    return z.object({ id: z.string() }).parse(JSON.parse(answer)).id;
  }

  /** The phone sends its history to its linked devices; resolves to the ids of the messages that tell of it. */
  async history(phone: string, history: z.input<typeof History>): Promise<readonly string[]> {
    const answer = await this.#call("POST", `/phone/history?phone=${phone}`, JSON.stringify(history));
    return z.object({ ids: z.array(z.string()) }).parse(JSON.parse(answer)).ids;
  }

  /** The phone loses its sessions, so that it asks for the next message of every device again. */
  async forget(phone: string): Promise<void> {
    await this.#call("POST", `/phone/forget?phone=${phone}`);
  }

  /** So many strangers ask for the keys of each linked device and write nothing: its one-time keys are used up. */
  async takeKeys(phone: string, count: number): Promise<void> {
    await this.#call("POST", `/phone/keys?phone=${phone}&count=${count}`);
  }

  /** Sends stanzas as they are to the connected clients that the target names; resolves to the connections' ids. */
  async inject(
    target: { readonly phone: string; readonly device?: number } | { readonly connection: number },
    stanzas: StanzaInput | readonly StanzaInput[],
  ): Promise<readonly number[]> {
    const query = Object.entries(target).map(([name, value]) => `${name}=${value}`);
    const answer = await this.#call("POST", `/stanza?${query.join("&")}`, JSON.stringify(stanzas));
    return z.object({ connections: z.array(z.int()) }).parse(JSON.parse(answer)).connections;
  }

  /** Replaces the whole scenario but the rules of single accounts. */
  async setScenario(scenario: z.input<typeof Scenario>): Promise<void> {
    await this.#call("PUT", "/scenario", JSON.stringify(scenario));
  }

  /** Replaces one account's rules, and nothing of anybody else's: for tests that share a simulator. */
  async setScenarioOf(phone: string, scenario: z.input<typeof PhoneScenario>): Promise<void> {
    await this.#call("PUT", `/scenario?phone=${phone}`, JSON.stringify(scenario));
  }

  /** Back to a server that works; without a phone for everybody. */
  async clearScenario(phone?: string): Promise<void> {
    await this.#call("DELETE", phone === undefined ? "/scenario" : `/scenario?phone=${phone}`);
  }

  /** The address that the simulator sees this caller under, or what it was told to answer. */
  async ip(): Promise<string> {
    return (await this.#call("GET", "/ip")).trim();
  }

  async rootKeyHex(): Promise<string> {
    return (await this.#call("GET", "/root-key")).trim();
  }

  async caPem(): Promise<string> {
    return await this.#call("GET", "/ca.pem");
  }

  async #call(method: string, path: string, body?: string): Promise<string> {
    const response = await fetch(`${this.#base}${path}`, { method, ...(body !== undefined && { body }) });
    const answer = await response.text();
    if (!response.ok)
      throw new Error(`simulator: ${method} ${path.split("?")[0] ?? ""}: ${response.status} ${answer.trim()}`);
    return answer;
  }
}

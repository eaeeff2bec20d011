import type { Action } from "../scenarios/scenario.ts";
import { node, server } from "../wire/nodes.ts";
import type { Connection } from "./connection.ts";

const namespace = "urn:xmpp:ping";

/** The server's questions whether a client is still there, and what it makes of silence. */
export interface Pings {
  readonly answered: (id: string | undefined) => void;
  readonly stop: () => void;
}

/**
 * Asks again and again, as XEP-0199 has it, and ends the stream as public reports show it (whatsmeow #1052, yowsup #1179)
 * when an answer does not come. An error is an answer too: who does not know the question is there.
 */
export function startPings(connection: Connection, how: Extract<Action, { kind: "ping" }>): void {
  connection.pings?.stop();
  const counters = connection.context.counters.device(connection.loggedIn?.name ?? "");
  const asked = new Map<string, NodeJS.Timeout>();
  const timer = setInterval(() => {
    const id = connection.newId();
    counters.pingsSent += 1;
    asked.set(
      id,
      setTimeout(() => connection.refuse(node("stream:error", {}, [node("ping", { id })])), how.withinMs),
    );
    const attrs = { from: server, type: "get", id, xmlns: namespace };
    connection.send(how.child ? node("iq", attrs, [node("ping")]) : node("iq", attrs));
  }, how.everyMs);
  connection.pings = {
    answered: (id = "") => {
      if (!asked.has(id)) return;
      clearTimeout(asked.get(id));
      asked.delete(id);
      counters.pingsAnswered += 1;
    },
    stop: () => {
      clearInterval(timer);
      for (const each of asked.values()) clearTimeout(each);
    },
  };
}

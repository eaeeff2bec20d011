import type { Stanza } from "../scenarios/stanza.ts";
import { node, type Node } from "../wire/nodes.ts";
import type { Connection } from "./connection.ts";
import type { Context } from "./context.ts";

/** A stanza that a test made up, as it goes over the wire. */
export function nodeOf({ tag, attrs, content }: Stanza): Node {
  if (content === undefined) return node(tag, attrs);
  if ("text" in content) return node(tag, attrs, Buffer.from(content.text));
  if ("base64" in content) return node(tag, attrs, Buffer.from(content.base64, "base64"));
  return node(tag, attrs, content.map(nodeOf));
}

/** The account of a connection: logged in, or waiting for a phone that it named or that scanned it. */
const isOf = (connection: Connection, phone: string, device: number | undefined): boolean =>
  connection.loggedIn === undefined
    ? device === undefined && connection.registration?.phone === phone
    : connection.loggedIn.account.phone === phone &&
      (device ?? connection.loggedIn.device.id) === connection.loggedIn.device.id;

/** Who is to get a stanza: all connections of an account, one device of it, or one connection by its number in the stats. */
export type Target = { readonly phone: string; readonly device?: number | undefined } | { readonly connection: number };

/** The open connections that a target names. */
export function connectionsOf(context: Context, target: Target): Connection[] {
  const open = [...context.online.values(), ...context.waiting];
  return open.filter((each) =>
    "connection" in target ? each.record.id === target.connection : isOf(each, target.phone, target.device),
  );
}

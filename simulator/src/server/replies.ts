import { node, server, type Node } from "../wire/nodes.ts";

/** Seconds since the epoch, as attributes carry them. */
export const seconds = (): string => String(Math.floor(Date.now() / 1000));

/** The stanza by which the server ends a connection of a device that logged in anew elsewhere, or that was removed. */
export const conflict = (type: "replaced" | "device_removed"): Node =>
  node("stream:error", type === "device_removed" ? { code: "401" } : {}, [node("conflict", { type })]);

/** A refusal before login, from the site that real servers name most often. */
export const failure = (reason: string): Node => node("failure", { reason, location: "frc" });

export const iqResult = (id: string | undefined, content?: Node[]): Node =>
  node("iq", { from: server, type: "result", id, t: seconds() }, content);

export const iqError = (id: string | undefined, error: { code: string; text: string }): Node =>
  node("iq", { from: server, type: "error", id }, [node("error", { ...error })]);

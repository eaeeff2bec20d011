import type { PodFrame, SessionReport } from "@wa/schema";

type Egress = Extract<PodFrame, { kind: "egress" }>;
type GrantRequest = Extract<PodFrame, { kind: "grant-request" }>;

/** What the hub has not been told yet: of each session, of the queue and of the way out only the newest word. */
export interface Outgoing {
  readonly egress?: Egress;
  readonly sessions: ReadonlyMap<string, SessionReport>;
  readonly queue?: GrantRequest;
}

export const nothingOutgoing: Outgoing = { sessions: new Map() };

export function withSession(outgoing: Outgoing, report: SessionReport): Outgoing {
  return { ...outgoing, sessions: new Map([...outgoing.sessions, [report.device.uid, report]]) };
}

/** The way out first: the hub charges a start to the address that it knows. */
export function framesOf({ egress, sessions, queue }: Outgoing): PodFrame[] {
  return [
    ...(egress ? [egress] : []),
    ...[...sessions.values()].map((session) => ({ kind: "session", session }) as const),
    ...(queue ? [queue] : []),
  ];
}

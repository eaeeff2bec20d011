import { describe, expect, it } from "vitest";
import {
  newOutbox,
  oldestMs,
  outboxStep,
  type OutboxEffect,
  type OutboxEvent,
  type OutboxState,
  type Outgoing,
} from "./outbox-step.ts";

const limits = { answerWithinMs: 60_000, mostUnderWay: 3 };
const fault = { code: 503, message: "busy" };

/** Runs one connection's outbox; `effects` are those of the last event. */
class Scene {
  state: OutboxState = newOutbox;
  effects: readonly OutboxEffect[] = [];
  elapsedMs = 0;

  after(...events: readonly OutboxEvent[]): this {
    for (const event of events)
      [this.state, this.effects] = outboxStep(this.state, event, {
        elapsedMs: this.elapsedMs,
        nowMs: 1_000_000 + this.elapsedMs,
        random: 0,
        limits,
      });
    return this;
  }

  later(ms: number, ...events: readonly OutboxEvent[]): this {
    this.elapsedMs += ms;
    return this.after(...events);
  }
}

const text = (messageId: string, attempts = 0): Outgoing => ({ messageId, attempts });
const listed = (...messages: readonly Outgoing[]): OutboxEvent => ({ kind: "listed", messages });
const sent = (messageId = "A"): OutboxEvent => ({ kind: "sent", messageId });
const acknowledged = (messageId = "A"): OutboxEvent => ({ kind: "acknowledged", messageId, fault: undefined });
const looked: OutboxEvent = { kind: "looked" };
const stored: OutboxEvent = { kind: "stored", messageId: "A" };
const handOver = (messageId = "A"): OutboxEffect => ({ kind: "handOver", messageId });
const settled = (messageId = "A"): OutboxEffect => ({ kind: "store", messageId, fate: { state: "Sent" } });

describe("a text of the outbox", () => {
  it("is handed over once, however often it is listed", () => {
    const scene = new Scene().after(listed(text("A"), text("B")));
    expect(scene.effects).toEqual([handOver("A"), handOver("B")]);
    expect(scene.after(listed(text("A"), text("B"), text("C"))).effects).toEqual([handOver("C")]);
  });

  it("waits in the store while as many as may are under way", () => {
    const scene = new Scene().after(listed(text("A"), text("B"), text("C"), text("D")));
    expect(scene.effects).toHaveLength(3);
    scene.after(sent(), acknowledged(), stored, listed(text("D")));
    expect(scene.effects).toEqual([handOver("D")]);
  });

  it.each([
    ["once it is sent", [sent(), acknowledged()]],
    ["that came before the socket said that it was sent", [acknowledged()]],
  ])("is settled by an acknowledgement %s", (_when, events) => {
    expect(new Scene().after(listed(text("A")), ...events).effects).toEqual([settled()]);
  });

  it.each([
    ["a second acknowledgement", acknowledged()],
    ["a late word of the socket's", sent()],
    ["a late fault of the socket's", { kind: "notSent", messageId: "A", fault }],
    ["an acknowledgement of a text that nobody sent", acknowledged("Z")],
  ] satisfies [string, OutboxEvent][])("is settled once: %s changes nothing", (_what, event) => {
    expect(new Scene().after(listed(text("A")), sent(), acknowledged(), event).effects).toEqual([]);
  });

  it("is not sent again for a list that was read before its fate was stored", () => {
    const scene = new Scene().after(listed(text("A")), sent(), acknowledged(), stored, listed(text("A")));
    expect(scene.effects).toEqual([]);
    expect(scene.after(listed()).state.underWay.size).toBe(0);
  });

  it("that was put back goes again once it is listed as such, and not before", () => {
    const scene = new Scene().after(listed(text("A")), { kind: "notSent", messageId: "A", fault });
    expect(scene.effects).toMatchObject([{ kind: "store", fate: { state: "Queued", attempts: 1 } }]);
    expect(scene.after(stored, listed(text("A"))).effects).toEqual([]);
    expect(scene.after(listed(text("A", 1))).effects).toEqual([handOver()]);
  });

  it("without an answer is sent once more under its id, then put back", () => {
    const scene = new Scene().after(listed(text("A"), text("B")), sent(), sent("B"));
    expect(scene.later(59_999, looked).effects).toEqual([]);
    expect(scene.later(1, looked).effects).toEqual([handOver("A"), handOver("B")]);
    scene.after(sent(), sent("B"));
    scene.later(30_000, acknowledged("B"));
    // The server answers others: the connection is worth something.
    expect(scene.later(30_000, looked).effects).toMatchObject([
      { kind: "store", messageId: "A", fate: { state: "Queued", attempts: 1 } },
    ]);
  });

  it("ends the connection where the server answers none at all", () => {
    const scene = new Scene().after(listed(text("A"), text("B")), sent(), sent("B"));
    scene.later(60_000, looked).after(sent(), sent("B"));
    const { effects } = scene.later(60_000, looked);
    expect(effects.map(({ kind }) => kind)).toEqual(["store", "store", "reconnect"]);
  });

  it("tells for how long it has been under way", () => {
    const scene = new Scene().after(listed(text("A")), sent()).later(61_000, looked);
    expect(oldestMs(scene.state, scene.elapsedMs)).toBe(61_000);
    scene.after(acknowledged(), stored);
    expect(oldestMs(scene.state, scene.elapsedMs)).toBe(0);
  });
});

import type { IncomingMessage } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Duplex } from "node:stream";
import { linkVersion, type HubFrame, type PodFrame, type Welcome } from "@wa/schema";
import type { Logger } from "pino";
import { WebSocketServer, type WebSocket } from "ws";
import type { Transport } from "../kube/transport.ts";
import { Board } from "./board.ts";
import type { Authority } from "./certificates.ts";
import { Grants } from "./grants.ts";
import { LedgerLeases } from "./ledger-lease.ts";
import { Link, mostFrameBytes } from "./link.ts";
import type { BudgetOf, IsOurPod, Links } from "./links.ts";
import type { HubMetrics } from "./metrics.ts";
import { listenTls, refuseUpgrade, type TlsServer, type TlsServerOptions } from "./tls-server.ts";
import { DialError, type PodIdentity } from "./identity.ts";
import { TokenVerifier } from "./tokens.ts";

export interface HubOptions {
  readonly transport: Transport;
  readonly logger: Logger;
  readonly metrics: HubMetrics;
  /** The leader's Lease transitions. */
  readonly term: number;
  readonly authority: Authority;
  /** DNS names that pods dial. */
  readonly names: readonly string[];
  /** 0 takes a free one. */
  readonly port: number;
  /** Where the start ledgers are kept. */
  readonly namespace: string;
  readonly welcome: Omit<Welcome, "kind" | "version" | "term">;
  readonly isOurPod: IsOurPod;
  readonly budgetOf: BudgetOf;
}

/** A pod's UID is recorded a moment after the API server made the pod; its dial may be quicker. */
const recordWaitMs = 5_000;
const recordPollMs = 100;

export interface Hub extends Links, AsyncDisposable {
  readonly port: number;
}

/** The leader's end of all links. Ends every link when it is disposed of; the pods' sessions live on. */
export async function startHub(options: HubOptions): Promise<Hub> {
  const hub = new HubServer(options);
  const port = await hub.listen();
  return Object.assign(hub.links(), { port, [Symbol.asyncDispose]: async () => await hub.stop() });
}

class HubServer {
  readonly #options: HubOptions;
  readonly #tokens: TokenVerifier;
  readonly #grants: Grants;
  readonly #board = new Board(() => performance.now());
  readonly #sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: mostFrameBytes });
  /** The standing link of each pod, by UID. */
  readonly #links = new Map<string, Link>();
  /** Requests of one pod are answered one after the other. */
  readonly #queues = new Map<string, Promise<void>>();
  #server: TlsServer | undefined;

  constructor(options: HubOptions) {
    const { transport, namespace, budgetOf } = options;
    this.#options = options;
    this.#tokens = new TokenVerifier({
      transport,
      mayAskFor: (pod) => options.isOurPod(pod).kind === "Ours",
    });
    this.#grants = new Grants(
      new LedgerLeases(transport, namespace),
      (of, endpoint) => budgetOf(of, endpoint, this.#board.observedIPs(of, endpoint)),
      () => transport.serverNowMs(),
    );
  }

  links(): Links {
    return {
      pods: () => this.#board.pods(),
      onChange: (listener) => this.#board.onChange(listener),
      setDesired: (podUid, desired) => {
        if (this.#board.wish(podUid, desired)) this.#sendDesired(podUid);
      },
      forget: (podUid) => {
        this.#board.forget(podUid);
        this.#links.get(podUid)?.drop();
        this.#inOrder(podUid, async () => await this.#grants.forget(podUid));
      },
    };
  }

  async listen(): Promise<number> {
    const { authority, names, port } = this.#options;
    const onUpgrade: TlsServerOptions["onUpgrade"] = (request, stream, head) =>
      void this.#upgrade(request, stream, head);
    this.#server = await listenTls({ authority, names, port, onUpgrade });
    return this.#server.port;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    await this.#server?.[Symbol.asyncDispose]();
  }

  async #upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): Promise<void> {
    const pod = await this.#identify(request.headers.authorization);
    if (typeof pod === "string") return refuseUpgrade(stream, pod);
    this.#sockets.handleUpgrade(request, stream, head, (socket) => void this.#accept(socket, pod));
  }

  /** The pod, or the HTTP status that its dial is answered with. */
  async #identify(authorization: string | undefined): Promise<PodIdentity | string> {
    try {
      return await this.#tokens.verify((authorization ?? "").replace(/^Bearer /, ""));
    } catch (error) {
      this.#options.metrics.refusals.inc({ reason: "Token" });
      this.#options.logger.warn({ message: error instanceof Error ? error.message : "" }, "dial refused: token");
      return error instanceof DialError && error.kind === "Refused" ? "401 Unauthorized" : "503 Service Unavailable";
    }
  }

  async #accept(socket: WebSocket, pod: PodIdentity): Promise<void> {
    const early: PodFrame[] = [];
    let handle = (frame: PodFrame): void => void early.push(frame);
    const link: Link = new Link(socket, {
      onFrame: (frame) => handle(frame),
      onBadFrame: (fault) =>
        this.#refuse(link, pod, { reason: "BadFrame", message: `frame is not the link's: ${fault}` }),
      // Only of the link that stands: a pod that is refused again and again must not seem to hold its devices.
      onHeard: () => {
        if (this.#links.get(pod.uid) === link) this.#board.heard(pod.uid);
      },
      onClose: () => {
        if (this.#links.get(pod.uid) !== link) return;
        this.#links.delete(pod.uid);
        this.#board.closed(pod.uid);
      },
    });
    const answer = await this.#ours(pod);
    if (answer.kind === "Foreign") return this.#refuse(link, pod, { reason: "ForeignPod", message: answer.message });
    handle = (frame) => this.#frame(link, { ...pod, endpoint: answer.endpoint }, frame);
    for (const frame of early) handle(frame);
  }

  #refuse(link: Link, pod: PodIdentity, { reason, message }: { reason: string; message: string }): void {
    this.#options.metrics.refusals.inc({ reason });
    this.#options.logger.warn({ pod: `${pod.namespace}/${pod.name}`, reason, message }, "link refused");
    link.refuse(reason, message);
    const answer = this.#options.isOurPod(pod);
    if (answer.kind === "Ours") this.#board.refused(pod, answer.endpoint, { reason, message });
  }

  async #ours(pod: PodIdentity): Promise<ReturnType<IsOurPod>> {
    const giveUpMs = performance.now() + recordWaitMs;
    for (;;) {
      const answer = this.#options.isOurPod(pod);
      if (answer.kind === "Ours" || performance.now() > giveUpMs) return answer;
      await delay(recordPollMs);
    }
  }

  #frame(link: Link, pod: PodIdentity & { readonly endpoint: string }, frame: PodFrame): void {
    this.#options.metrics.frames.inc({ direction: "in", kind: frame.kind });
    if (frame.kind !== "hello" && this.#links.get(pod.uid) !== link)
      return this.#refuse(link, pod, {
        reason: "NoHello",
        message: `the first frame is ${frame.kind}; it must be hello`,
      });
    switch (frame.kind) {
      case "hello":
        return this.#hello(link, pod, frame);
      case "session":
        if (!this.#board.reported(pod.uid, frame.session))
          this.#options.metrics.refusals.inc({ reason: "ForeignDevice" });
        return undefined;
      case "egress":
        return this.#board.egress(pod.uid, frame);
      case "grant-request":
        return this.#inOrder(pod.uid, async () => await this.#grant(pod, frame.requests));
      default:
        return frame satisfies never;
    }
  }

  #hello(
    link: Link,
    pod: PodIdentity & { readonly endpoint: string },
    hello: Extract<PodFrame, { kind: "hello" }>,
  ): void {
    if (hello.version !== linkVersion)
      return this.#refuse(link, pod, {
        reason: "Version",
        message: `link version ${hello.version}; this operator speaks ${linkVersion}`,
      });
    const { node } = hello.pod;
    const { namespace, name, uid, endpoint } = pod;
    const older = this.#links.get(uid);
    this.#links.set(uid, link);
    if (older !== link) older?.drop();
    this.#board.linked({ ...hello, pod: { namespace, name, uid, node } }, endpoint);
    this.#send(link, { kind: "welcome", version: linkVersion, term: this.#options.term, ...this.#options.welcome });
    this.#sendDesired(uid);
    this.#inOrder(uid, async () => await this.#grants.charge(pod, hello.selfGranted));
  }

  /** Without a wish nothing is sent: an empty set would release what a pod runs for an earlier leader. */
  #sendDesired(podUid: string): void {
    const desired = this.#board.desired(podUid);
    const link = this.#links.get(podUid);
    if (desired === undefined || link === undefined) return;
    const { egressIPEndpoints, assignments } = desired;
    this.#send(link, {
      kind: "assign",
      term: this.#options.term,
      egressIPEndpoints: [...egressIPEndpoints],
      assignments: [...assignments],
    });
  }

  async #grant(
    pod: PodIdentity & { readonly endpoint: string },
    requests: Extract<PodFrame, { kind: "grant-request" }>["requests"],
  ): Promise<void> {
    const assigned = new Set(this.#board.desired(pod.uid)?.assignments.map(({ device }) => device.uid));
    const grants = await this.#grants.answer(
      pod,
      requests.filter(({ device }) => assigned.has(device.uid)),
    );
    for (const { bucket } of grants) this.#options.metrics.grants.inc({ bucket });
    const link = this.#links.get(pod.uid);
    if (link !== undefined && grants.length > 0) this.#send(link, { kind: "grant", term: this.#options.term, grants });
  }

  #inOrder(podUid: string, work: () => Promise<void>): void {
    const before = this.#queues.get(podUid) ?? Promise.resolve();
    const next = before.then(work).catch((error: unknown) => {
      this.#options.logger.warn({ err: error }, "start ledger not reached; the pod asks again");
      this.#links.get(podUid)?.close();
    });
    this.#queues.set(podUid, next);
  }

  #send(link: Link, frame: HubFrame): void {
    this.#options.metrics.frames.inc({ direction: "out", kind: frame.kind });
    link.send(frame);
  }
}

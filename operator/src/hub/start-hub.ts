import { linkVersion, podAbilities, type HubFrame, type PodFrame, type Welcome } from "@wa/schema";
import type { Logger } from "pino";
import type { Transport } from "../kube/transport.ts";
import { Admission, type AdmittedPod, type HelloCalls } from "./admission.ts";
import { Board } from "./board.ts";
import type { Authority } from "./certificates.ts";
import { Grants } from "./grants/grants.ts";
import { LedgerBooks, type SteadyClock } from "./grants/ledger-books.ts";
import { LedgerLeases, ledgerName } from "./grants/ledger-leases.ts";
import { StartDesk } from "./grants/start-desk.ts";
import { steadyClockOf } from "./grants/steady-clock.ts";
import { Sweeper } from "./grants/sweeper.ts";
import { Inflows } from "./inflow.ts";
import { Link, type LinkEnds } from "./link.ts";
import type { AssignmentOf, BudgetOf, IsOurPod, Links } from "./links.ts";
import type { HubMetrics } from "./metrics.ts";
import { RefusalLog } from "./refusal-log.ts";
import { listenTls, type TlsServer, type TlsServerOptions } from "./tls-server.ts";
import { Turns } from "./turns.ts";

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
  readonly assignedTo: AssignmentOf;
  readonly budgetOf: BudgetOf;
  /** Names of the start ledgers that are not to be removed. */
  readonly namedLedgers: () => ReadonlySet<string>;
}

type Hello = Extract<PodFrame, { kind: "hello" }>;

/** Start ledgers that nobody needs are looked for so often. */
const sweepEveryMs = 600_000;

export interface Hub extends Links, AsyncDisposable {
  readonly port: number;
  /** From now on, what pods are told of the store; those that are linked and understand it hear of it at once. */
  setStoreUrl(url: string): void;
}

/** The leader's end of all links. Ends every link when it is disposed of; the pods' sessions live on. */
export async function startHub(options: HubOptions): Promise<Hub> {
  const hub = new HubServer(options);
  const port = await hub.listen();
  const setStoreUrl = (url: string): void => hub.setStoreUrl(url);
  return Object.assign(hub.links(), { port, setStoreUrl, [Symbol.asyncDispose]: async () => await hub.stop() });
}

class HubServer {
  readonly #options: HubOptions;
  readonly #admission: Admission;
  readonly #refusals: RefusalLog;
  readonly #inflows = new Inflows(new Turns());
  readonly #books: LedgerBooks;
  readonly #desk: StartDesk;
  readonly #sweep: NodeJS.Timeout;
  readonly #board = new Board(() => performance.now());
  /** The standing link of each pod, by UID. */
  readonly #links = new Map<string, Link>();
  /** Pods that take a second welcome over a standing link; those of the first release end their process. */
  readonly #renewable = new WeakSet<Link>();
  #welcome: HubOptions["welcome"];
  #server: TlsServer | undefined;

  constructor(options: HubOptions) {
    const { transport, namespace, logger, namedLedgers } = options;
    this.#options = options;
    this.#welcome = options.welcome;
    this.#refusals = new RefusalLog(options.metrics, options.logger);
    this.#admission = new Admission({
      ...options,
      onAdmitted: (ends, pod, hello) => this.#admitted(ends, pod, hello),
    });
    const clock = steadyClockOf(transport);
    this.#books = new LedgerBooks(new LedgerLeases(transport, namespace), clock);
    this.#desk = this.#deskOf(clock);
    const sweeper = new Sweeper({ books: this.#books, clock, logger, named: namedLedgers });
    this.#sweep = setInterval(() => {
      void sweeper.sweep().catch((error: unknown) => {
        logger.warn({ err: error }, "start ledgers not looked through");
      });
    }, sweepEveryMs);
  }

  #deskOf(clock: SteadyClock): StartDesk {
    const { budgetOf, metrics, logger, term } = this.#options;
    const budget = (namespace: string, endpoint: string) =>
      budgetOf(namespace, endpoint, this.#board.observedIPs(namespace, endpoint));
    return new StartDesk({
      grants: new Grants(this.#books, budget, clock),
      clock,
      metrics,
      isLinked: (podUid) => this.#links.has(podUid),
      assigned: (podUid) => new Set(this.#board.desired(podUid)?.assignments.map(({ device }) => device.uid)),
      send: (podUid, grants) => {
        const link = this.#links.get(podUid);
        if (link !== undefined) this.#send(link, { kind: "grant", term, grants });
      },
      onFailed: (podUid, error) => {
        logger.warn({ err: error }, "start ledger not reached; the pod asks again");
        this.#links.get(podUid)?.close();
      },
    });
  }

  links(): Links {
    return {
      pods: () => this.#board.pods(),
      onChange: (listener) => this.#board.onChange(listener),
      setDesired: (podUid, desired) => {
        if (this.#board.wish(podUid, desired)) this.#sendDesired(podUid);
      },
      cut: (podUid) => this.#admission.cut(podUid),
      forget: (podUid) => {
        this.#board.forget(podUid);
        this.#links.get(podUid)?.drop();
        this.#desk.forget(podUid);
      },
      openLedgers: async (subjects) => {
        for (const name of subjects.map(ledgerName)) await this.#books.open(name);
      },
    };
  }

  setStoreUrl(url: string): void {
    if (url === this.#welcome.store.url) return;
    this.#welcome = { ...this.#welcome, store: { url } };
    for (const link of this.#links.values()) if (this.#renewable.has(link)) this.#sendWelcome(link);
  }

  async listen(): Promise<number> {
    const { authority, names, port } = this.#options;
    const onDial: TlsServerOptions["onDial"] = (dial) => void this.#admission.dial(dial);
    this.#server = await listenTls({ authority, names, port, onDial });
    return this.#server.port;
  }

  async stop(): Promise<void> {
    clearInterval(this.#sweep);
    this.#desk.stop();
    this.#admission.close();
    await this.#server?.[Symbol.asyncDispose]();
  }

  #admitted(ends: Omit<LinkEnds, "inflow">, pod: AdmittedPod, hello: HelloCalls): Link {
    const link: Link = new Link(
      { ...ends, inflow: this.#inflows.of(pod.uid) },
      {
        onFrame: (frame) => {
          hello.came();
          this.#frame(link, pod, frame);
        },
        onBadFrame: (fault) => {
          hello.came();
          this.#refuse(link, pod, { reason: "BadFrame", message: `frame is not the link's: ${fault}` });
        },
        onLargeHello: hello.isLarge,
        // Only of the link that stands: a pod that is refused again and again must not seem to hold its devices.
        onHeard: () => {
          if (this.#links.get(pod.uid) === link) this.#board.heard(pod.uid);
        },
        onClose: () => {
          if (this.#links.get(pod.uid) !== link) return;
          this.#links.delete(pod.uid);
          this.#board.closed(pod.uid);
        },
      },
    );
    link.open();
    return link;
  }

  #refuse(link: Link, pod: AdmittedPod, { reason, message }: { reason: string; message: string }): void {
    this.#refusals.add(reason, { pod: `${pod.namespace}/${pod.name}`, message });
    link.refuse(reason, message);
    this.#board.refused(pod, pod.endpoint, { reason, message });
  }

  #frame(link: Link, pod: AdmittedPod, frame: PodFrame): void {
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
        return this.#desk.asks(pod.uid, frame.requests);
      default:
        return frame satisfies never;
    }
  }

  #hello(link: Link, pod: AdmittedPod, hello: Hello): void {
    if (hello.version !== linkVersion)
      return this.#refuse(link, pod, {
        reason: "Version",
        message: `link version ${hello.version}; this operator speaks ${linkVersion}`,
      });
    const { node } = hello.pod;
    const { namespace, name, uid, endpoint } = pod;
    const older = this.#links.get(uid);
    if (older === link) return this.#refuse(link, pod, { reason: "BadFrame", message: "a second hello on one link" });
    this.#links.set(uid, link);
    older?.drop();
    this.#board.linked({ ...hello, pod: { namespace, name, uid, node } }, endpoint, this.#options.assignedTo(uid));
    void this.#charge(link, pod, hello);
  }

  /** Before the welcome: with it, a pod of the first release forgets what it started by itself. */
  async #charge(link: Link, pod: AdmittedPod, hello: Hello): Promise<void> {
    try {
      const charged = await this.#desk.charge(pod, hello);
      if (this.#links.get(pod.uid) !== link) return;
      this.#sendWelcome(link, charged);
      if (hello.abilities.includes(podAbilities.storeLogin)) this.#renewable.add(link);
      this.#sendDesired(pod.uid);
    } catch (error) {
      this.#options.logger.warn({ err: error }, "start ledger not reached; the pod links again");
      link.close();
    }
  }

  #sendWelcome(link: Link, charged: string[] = []): void {
    this.#send(link, { kind: "welcome", version: linkVersion, term: this.#options.term, charged, ...this.#welcome });
  }

  /** Without a wish nothing is sent: an empty set would release what a pod runs for an earlier leader. */
  #sendDesired(podUid: string): void {
    const desired = this.#board.desired(podUid);
    const link = this.#links.get(podUid);
    if (desired === undefined || link === undefined) return;
    const { egressIPEndpoints, assignments } = desired;
    this.#options.metrics.frames.inc({ direction: "out", kind: "assign" });
    link.sendSet({
      kind: "assign",
      term: this.#options.term,
      egressIPEndpoints: [...egressIPEndpoints],
      assignments: [...assignments],
    });
  }

  #send(link: Link, frame: HubFrame): void {
    this.#options.metrics.frames.inc({ direction: "out", kind: frame.kind });
    link.send(frame);
  }
}

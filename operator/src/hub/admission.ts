import { linkTiming } from "@wa/schema";
import type { Logger } from "pino";
import { WebSocketServer, type WebSocket } from "ws";
import type { Transport } from "../kube/transport.ts";
import { Crowd } from "./crowd.ts";
import { mostHelloBytes } from "./frame-text.ts";
import { HelloQueue } from "./hello-queue.ts";
import { DialError, type PodIdentity } from "./identity.ts";
import { farewell, type Link, type LinkEnds } from "./link.ts";
import type { IsOurPod } from "./links.ts";
import type { HubMetrics } from "./metrics.ts";
import { RefusalLog } from "./refusal-log.ts";
import { refuseUpgrade, type Dial } from "./tls-server.ts";
import { TokenVerifier } from "./tokens.ts";

/** A pod whose token and record have been looked at. */
export interface AdmittedPod extends PodIdentity {
  readonly endpoint: string;
}

export interface HelloCalls {
  /** It has come, or something else in its place. */
  readonly came: () => void;
  /** It is a large one. */
  readonly isLarge: (goOn: () => void) => void;
}

export interface AdmissionOptions {
  readonly transport: Transport;
  readonly isOurPod: IsOurPod;
  readonly metrics: HubMetrics;
  readonly logger: Logger;
  /** Makes its link and reads its hello. */
  readonly onAdmitted: (ends: Omit<LinkEnds, "inflow">, pod: AdmittedPod, hello: HelloCalls) => Link;
}

/** A pod's UID is recorded a moment after the API server made the pod; its dial may be quicker. */
const recordWaitMs = 5_000;
const recordPollMs = 100;
/** Of those that are not recorded; grouped by namespace. */
const waitingLimits = { most: 64, mostOfGroup: 32 };
/** UIDs do not come back; so many pods that went while their links lived are more than any token's life sees. */
const mostGone = 10_000;

/** A WebSocket that nobody reads yet. */
interface Entering {
  readonly socket: WebSocket;
  readonly ends: Omit<LinkEnds, "inflow">;
  readonly pod: PodIdentity;
  readonly giveUpMs: number;
  readonly admit: () => void;
}

/**
 * From a dial to a link: whose token it is, whether the pod is one of ours, and for how long it stays that. Nothing that a pod says
 * is read before that is known.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #tokens: TokenVerifier;
  readonly #refusals: RefusalLog;
  readonly #sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: mostHelloBytes,
    autoPong: false,
    maxFragments: 128,
    maxBufferedChunks: 16 * 1024,
  });
  /** Before their first frame, by pod UID: one of each. */
  readonly #entering = new Map<string, Entering>();
  readonly #unrecorded = new Crowd<Entering>(waitingLimits);
  readonly #hellos = new HelloQueue();
  readonly #links = new Map<Link, PodIdentity>();
  readonly #gone = new Set<string>();
  readonly #sweeper: NodeJS.Timeout;
  #poll: NodeJS.Timeout | undefined;

  constructor(options: AdmissionOptions) {
    const { transport, isOurPod, metrics, logger } = options;
    this.#options = options;
    this.#tokens = new TokenVerifier({ transport, mayAskFor: (pod) => isOurPod(pod).kind === "Ours" });
    this.#refusals = new RefusalLog(metrics, logger);
    this.#sweeper = setInterval(() => this.#endExpired(), linkTiming.pingIntervalMs);
  }

  async dial({ request, stream, head, identified, admit }: Dial): Promise<void> {
    const pod = await this.#identify(request.headers.authorization);
    if (typeof pod === "string") return refuseUpgrade(stream, pod);
    identified();
    this.#sockets.handleUpgrade(request, stream, head, (socket) => {
      socket.pause();
      this.#enter({ socket, ends: { socket, stream }, pod, giveUpMs: performance.now() + recordWaitMs, admit });
    });
  }

  /** The API server has no such pod any more: whoever has its token is nobody. */
  cut(podUid: string): void {
    this.#gone.add(podUid);
    for (const oldest of this.#gone) if (this.#gone.size > mostGone) this.#gone.delete(oldest);
    for (const [link, { uid }] of this.#links) if (uid === podUid) this.#sendAway(link, "PodGone");
  }

  close(): void {
    clearInterval(this.#sweeper);
    clearInterval(this.#poll);
    this.#hellos.close();
  }

  /** The pod, or the HTTP status that its dial is answered with. */
  async #identify(authorization: string | undefined): Promise<PodIdentity | string> {
    try {
      return await this.#tokens.verify((authorization ?? "").replace(/^Bearer /, ""));
    } catch (error) {
      this.#refusals.add("Token", { message: error instanceof Error ? error.message : "" });
      return error instanceof DialError && error.kind === "Refused" ? "401 Unauthorized" : "503 Service Unavailable";
    }
  }

  #enter(entering: Entering): void {
    const { socket, pod } = entering;
    this.#entering.get(pod.uid)?.socket.terminate();
    this.#entering.set(pod.uid, entering);
    socket.on("error", () => socket.terminate());
    socket.once("close", () => this.#left(entering));
    if (this.#settled(entering)) return;
    this.#unrecorded.add(entering, { group: pod.namespace, onOut: () => this.#refuse(entering, "TooMany", tooMany) });
    this.#poll ??= setInterval(() => this.#look(), recordPollMs);
  }

  #left(entering: Entering): void {
    this.#unrecorded.remove(entering);
    this.#hellos.leave(entering);
    const { uid } = entering.pod;
    if (this.#entering.get(uid) === entering) this.#entering.delete(uid);
  }

  /** All at once, so that many who wait cost one look at the world. */
  #look(): void {
    for (const entering of this.#unrecorded.keys()) if (this.#settled(entering)) this.#unrecorded.remove(entering);
    if (this.#unrecorded.size > 0) return;
    clearInterval(this.#poll);
    this.#poll = undefined;
  }

  /** False: it has to wait for its record. */
  #settled(entering: Entering): boolean {
    const { pod, giveUpMs } = entering;
    if (this.#gone.has(pod.uid)) this.#refuse(entering, "PodGone", "the API server has no pod of this UID any more");
    else {
      const answer = this.#options.isOurPod(pod);
      if (answer.kind === "Ours") this.#welcome(entering, { ...pod, endpoint: answer.endpoint });
      else if (performance.now() < giveUpMs) return false;
      else this.#refuse(entering, "ForeignPod", answer.message);
    }
    return true;
  }

  #refuse({ pod, ends }: Entering, reason: string, message: string): void {
    this.#refusals.add(reason, { pod: `${pod.namespace}/${pod.name}`, message });
    farewell(ends, { kind: "refused", reason, message });
  }

  #welcome(entering: Entering, pod: AdmittedPod): void {
    entering.admit();
    this.#hellos.enter(entering, () => {
      const link = this.#options.onAdmitted(entering.ends, pod, {
        came: () => this.#left(entering),
        isLarge: (goOn) => this.#hellos.enlarge(entering, goOn),
      });
      this.#links.set(link, pod);
      entering.socket.once("close", () => this.#links.delete(link));
      return link;
    });
  }

  #endExpired(): void {
    const nowMs = this.#options.transport.serverNowMs();
    for (const [link, { validUntilMs }] of this.#links) if (nowMs >= validUntilMs) this.#sendAway(link, "TokenEnded");
  }

  /** It dials anew at once, with the token that it has by now. */
  #sendAway(link: Link, reason: string): void {
    const pod = this.#links.get(link);
    this.#links.delete(link);
    this.#refusals.add(reason, { pod: `${pod?.namespace ?? ""}/${pod?.name ?? ""}`, message: "link ended" });
    link.close({ kind: "not-leader" });
  }
}

const tooMany = "too many pods wait to be recorded; dial again";

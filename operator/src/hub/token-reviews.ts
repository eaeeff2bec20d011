import { createHash } from "node:crypto";
import { hubAudience } from "@wa/schema";
import { z } from "zod";
import type { Transport } from "../kube/transport.ts";
import { OneAtATime } from "../kube/one-at-a-time.ts";
import { DialError, type PodIdentity, type PodName } from "./identity.ts";

/** In the words of authentication.k8s.io/v1; the extra fields name the pod that the token is bound to. */
const Review = z.object({
  status: z.object({
    authenticated: z.boolean().default(false),
    audiences: z.array(z.string()).default([]),
    error: z.string().max(1_000).catch("").default(""),
    user: z
      .object({
        username: z.string().default(""),
        extra: z.record(z.string(), z.array(z.string())).default({}),
      })
      .prefault({}),
  }),
});
type Status = z.infer<typeof Review>["status"];

const reviewDeadlineMs = 5_000;
/** Waiting ones, altogether and of one pod: whoever dials may name a pod that is not his. */
const mostWaiting = 256;
const mostWaitingOfPod = 4;
/** Answers that are kept; about 300 bytes each. */
const mostKept = 10_000;
/** A refused token is not asked about again for this long; what was refused may be a pod that the server had not seen yet. */
const refusedForMs = 10_000;

/** What a token says of itself, unproven. */
export interface TokenClaims {
  readonly pod: PodName;
  /** By the API server's clock, in milliseconds since the epoch. */
  readonly validUntilMs: number;
}

type Answer =
  | { readonly kind: "Pod"; readonly pod: PodIdentity; readonly untilMs: number }
  | { readonly kind: "Refused"; readonly fault: string; readonly untilMs: number };

/**
 * Asks the API server about tokens that cannot be judged here: of another issuer, of a key that it does not publish. One at a
 * time, few waiting, and each once for as long as it is valid.
 */
export class TokenReviews {
  readonly #transport: Transport;
  readonly #asking = new OneAtATime();
  /** By the token's hash: tokens themselves are kept nowhere. */
  readonly #answers = new Map<string, Answer>();
  readonly #waiting = new Map<string, { readonly podUid: string; readonly answer: Promise<Answer> }>();

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** What was answered about this token before; undefined: it was not asked about, or too long ago. */
  known(token: string): PodIdentity | undefined {
    const answer = this.#answers.get(keyOf(token));
    if (answer?.kind !== "Pod" || this.#transport.serverNowMs() >= answer.untilMs) return undefined;
    return answer.pod;
  }

  /** @throws {DialError} Refused: the API server does not know it, or not for the hub; Unknown: it cannot be asked now. */
  async ask(token: string, claims: TokenClaims): Promise<PodIdentity> {
    const key = keyOf(token);
    const found = this.#answers.get(key);
    const isFresh = found !== undefined && this.#transport.serverNowMs() < found.untilMs;
    const answer = isFresh ? found : await (this.#waiting.get(key)?.answer ?? this.#enqueue(key, token, claims));
    if (answer.kind === "Pod") return answer.pod;
    throw new DialError("Refused", answer.fault);
  }

  async #enqueue(key: string, token: string, claims: TokenClaims): Promise<Answer> {
    const { uid: podUid } = claims.pod;
    const ofPod = [...this.#waiting.values()].filter((waiting) => waiting.podUid === podUid).length;
    if (this.#waiting.size >= mostWaiting || ofPod >= mostWaitingOfPod)
      throw new DialError("Unknown", "too many tokens wait for the API server's review");
    const answer = this.#asking.run(async () => await this.#review(token, claims));
    this.#waiting.set(key, { podUid, answer });
    try {
      return this.#keep(key, await answer);
    } catch (error) {
      throw new DialError("Unknown", `TokenReview failed: ${error instanceof Error ? error.message : "no answer"}`);
    } finally {
      this.#waiting.delete(key);
    }
  }

  async #review(token: string, { validUntilMs }: TokenClaims): Promise<Answer> {
    const { status } = Review.parse(
      await this.#transport.call({
        method: "POST",
        path: "/apis/authentication.k8s.io/v1/tokenreviews",
        body: {
          apiVersion: "authentication.k8s.io/v1",
          kind: "TokenReview",
          spec: { token, audiences: [hubAudience] },
        },
        deadlineMs: reviewDeadlineMs,
      }),
    );
    const judged = judge(status);
    if (typeof judged !== "string") return { kind: "Pod", pod: { ...judged, validUntilMs }, untilMs: validUntilMs };
    return { kind: "Refused", fault: judged, untilMs: this.#transport.serverNowMs() + refusedForMs };
  }

  #keep(key: string, answer: Answer): Answer {
    this.#answers.delete(key);
    this.#answers.set(key, answer);
    if (this.#answers.size > mostKept)
      for (const oldest of [...this.#answers.keys()].slice(0, mostKept / 10)) this.#answers.delete(oldest);
    return answer;
  }
}

const keyOf = (token: string): string => createHash("sha256").update(token).digest("base64");

/** Prefix that the API server keeps to itself: no other authenticator may give such a name. */
const serviceAccount = /^system:serviceaccount:([^:]+):[^:]+$/;

/** The pod that the API server vouches for, or why it vouches for none. */
export function judge({ authenticated, audiences, error, user }: Status): PodName | string {
  if (!authenticated) return `the API server does not accept the token${error === "" ? "" : `: ${error}`}`;
  // A server that does not look at audiences names none.
  if (!audiences.includes(hubAudience)) return `the API server does not say that the token is for ${hubAudience}`;
  const namespace = serviceAccount.exec(user.username)?.[1];
  const [name] = user.extra["authentication.kubernetes.io/pod-name"] ?? [];
  const [uid] = user.extra["authentication.kubernetes.io/pod-uid"] ?? [];
  if (namespace === undefined || name === undefined || uid === undefined) return "the token is not bound to a pod";
  return { namespace, name, uid };
}

import { hubAudience } from "@wa/schema";
import { createLocalJWKSet, decodeJwt, errors, jwtVerify, type JSONWebKeySet, type JWTPayload } from "jose";
import { z } from "zod";
import { isNotFound } from "../kube/api-error.ts";
import { OneAtATime } from "../kube/one-at-a-time.ts";
import type { Transport } from "../kube/transport.ts";
import { DialError, type PodIdentity, type PodName } from "./identity.ts";
import { TokenReviews, type TokenClaims } from "./token-reviews.ts";

/** Names as the API server limits them; a token may come from anybody. */
const Claims = z.object({
  exp: z.number().positive(),
  "kubernetes.io": z.object({
    namespace: z.string().max(63),
    pod: z.object({ name: z.string().max(253), uid: z.string().max(64) }),
  }),
});
const Discovery = z.object({ issuer: z.string() });
const Keys = z.custom<JSONWebKeySet>(
  (value) => z.object({ keys: z.array(z.record(z.string(), z.unknown())) }).safeParse(value).success,
);

/** Keys are read again after this, and at once when a token names an unknown one, but no more often than `leastMs`. */
const refreshMs = 3_600_000;
/** Counts after a failed reading too: dials that nobody can judge must not reach the API server one by one. */
const leastMs = 10_000;
const readDeadlineMs = 5_000;
/** What the API server allows itself when it looks at a token's times (go-jose's DefaultLeeway). */
const leewayS = 60;
/** Kubernetes signs with RSA or ECDSA keys, and external signers may use no others. */
const algorithms = ["RS256", "ES256", "ES384", "ES512"];

interface KeySet {
  readonly keyOf: ReturnType<typeof createLocalJWKSet>;
  /** The first of the API server's issuers; it accepts tokens of others as well. */
  readonly issuer: string;
}

/** Undecided: these keys and this issuer say nothing about it. */
type Judged =
  | { readonly kind: "Pod"; readonly pod: PodIdentity }
  | { readonly kind: "Undecided"; readonly fault: string };

export interface TokenVerifierOptions {
  readonly transport: Transport;
  /** Whether the API server may be asked about a token that names this pod; nothing of the token is proven yet. */
  readonly mayAskFor: (pod: PodName) => boolean;
}

/**
 * Verifies projected service-account tokens: by the API server's published keys, without asking it about each one; and those that
 * these say nothing about, such as a second issuer's, by asking.
 */
export class TokenVerifier {
  readonly #transport: Transport;
  readonly #mayAskFor: TokenVerifierOptions["mayAskFor"];
  readonly #reviews: TokenReviews;
  readonly #reading = new OneAtATime();
  #found: KeySet | undefined;
  /** When keys were last asked for, whatever came of it. */
  #askedAtMs = Number.NEGATIVE_INFINITY;

  constructor({ transport, mayAskFor }: TokenVerifierOptions) {
    this.#transport = transport;
    this.#mayAskFor = mayAskFor;
    this.#reviews = new TokenReviews(transport);
  }

  /** @throws {DialError} which says what is wrong with the token, and never the token. */
  async verify(token: string): Promise<PodIdentity> {
    const reviewed = this.#reviews.known(token);
    if (reviewed !== undefined) return reviewed;
    const claims = unprovenClaims(token);
    // Whoever signed it; and the API server remembers for some seconds that it was good.
    if (this.#transport.serverNowMs() >= claims.validUntilMs) throw new DialError("Refused", "the token has ended");
    const first = await this.#judge(token, refreshMs);
    // Keys and issuer may be newer than what was read.
    const judged = first.kind === "Pod" ? first : await this.#judge(token, leastMs);
    if (judged.kind === "Pod") return judged.pod;
    if (!this.#mayAskFor(claims.pod)) throw new DialError("Refused", judged.fault);
    return await this.#reviews.ask(token, claims);
  }

  /** @throws {DialError} for what no other key or issuer would mend */
  async #judge(token: string, newestMs: number): Promise<Judged> {
    const found = await this.#keys(newestMs);
    if (found === undefined) return { kind: "Undecided", fault: "the API server publishes no keys" };
    try {
      const { payload } = await jwtVerify(token, found.keyOf, {
        issuer: found.issuer,
        audience: hubAudience,
        algorithms,
        requiredClaims: ["exp"],
        // The clock by which the API server made the token; ours may be another.
        currentDate: new Date(this.#transport.serverNowMs()),
        clockTolerance: leewayS,
      });
      const { pod, validUntilMs } = claimsIn(payload);
      return { kind: "Pod", pod: { ...pod, validUntilMs } };
    } catch (error) {
      if (isUndecided(error)) return { kind: "Undecided", fault: error.message };
      throw error instanceof errors.JOSEError ? new DialError("Refused", error.message) : error;
    }
  }

  async #keys(newestMs: number): Promise<KeySet | undefined> {
    return await this.#reading.run(async () => {
      const mostMs = this.#found === undefined ? leastMs : newestMs;
      if (performance.now() - this.#askedAtMs < mostMs) return this.#found;
      this.#askedAtMs = performance.now();
      this.#found = await this.#read().catch((error: unknown) => {
        // Keys of before are better than none while the API server is away; where it has none any more, they are worth nothing.
        return isNotFound(error) ? undefined : this.#found;
      });
      return this.#found;
    });
  }

  /** @throws where the issuer is no https address: the API server publishes nothing then. */
  async #read(): Promise<KeySet> {
    const get = async (path: string): Promise<unknown> =>
      await this.#transport.call({ method: "GET", path, deadlineMs: readDeadlineMs });
    const { issuer } = Discovery.parse(await get("/.well-known/openid-configuration"));
    return { issuer, keyOf: createLocalJWKSet(Keys.parse(await get("/openid/v1/jwks"))) };
  }
}

/** A key that is not among them, another issuer, or a server whose clock is ahead of the one that was asked. */
const isUndecided = (error: unknown): error is errors.JOSEError =>
  error instanceof errors.JWKSNoMatchingKey ||
  (error instanceof errors.JWTClaimValidationFailed && (error.claim === "iss" || error.claim === "nbf"));

/** @throws {DialError} */
function unprovenClaims(token: string): TokenClaims {
  let payload: JWTPayload;
  try {
    payload = decodeJwt(token);
  } catch {
    throw new DialError("Refused", "no token");
  }
  return claimsIn(payload);
}

/** @throws {DialError} */
function claimsIn(payload: JWTPayload): TokenClaims {
  const claims = Claims.safeParse(payload);
  if (!claims.success) {
    const isEndless = claims.error.issues.some(({ path }) => path[0] === "exp");
    throw new DialError("Refused", isEndless ? "the token has no end (exp)" : "the token is not bound to a pod");
  }
  const { exp, "kubernetes.io": bound } = claims.data;
  const { namespace, pod } = bound;
  return { pod: { namespace, ...pod }, validUntilMs: (exp + leewayS) * 1_000 };
}

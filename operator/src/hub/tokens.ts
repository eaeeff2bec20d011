import { hubAudience } from "@wa/schema";
import { createLocalJWKSet, errors, jwtVerify, type JSONWebKeySet } from "jose";
import { z } from "zod";
import type { Transport } from "../kube/transport.ts";

/** The pod that a token speaks for. */
export interface PodIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

const Claims = z.object({
  "kubernetes.io": z.object({ namespace: z.string(), pod: z.object({ name: z.string(), uid: z.string() }) }),
});
const Discovery = z.object({ issuer: z.string() });
const Keys = z.custom<JSONWebKeySet>(
  (value) => z.object({ keys: z.array(z.record(z.string(), z.unknown())) }).safeParse(value).success,
);

/** Keys are read again after this, and at once when a token names an unknown one, but no more often than `leastMs`. */
const refreshMs = 3_600_000;
const leastMs = 10_000;

/** Verifies projected service-account tokens without asking the API server about each one. */
export class TokenVerifier {
  readonly #transport: Transport;
  #keys: { readonly set: JSONWebKeySet; readonly issuer: string; readonly readAtMs: number } | undefined;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** @throws an error that says what is wrong with the token, and never the token. */
  async verify(token: string): Promise<PodIdentity> {
    try {
      return await this.#verify(token, refreshMs);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      return await this.#verify(token, leastMs);
    }
  }

  async #verify(token: string, newestMs: number): Promise<PodIdentity> {
    const { set, issuer } = await this.#read(newestMs);
    const { payload } = await jwtVerify(token, createLocalJWKSet(set), { issuer, audience: hubAudience });
    const claims = Claims.safeParse(payload);
    if (!claims.success) throw new Error("the token is not bound to a pod");
    const { namespace, pod } = claims.data["kubernetes.io"];
    return { namespace, name: pod.name, uid: pod.uid };
  }

  async #read(newestMs: number) {
    const found = this.#keys;
    if (found !== undefined && performance.now() - found.readAtMs < newestMs) return found;
    const { issuer } = Discovery.parse(
      await this.#transport.call({ method: "GET", path: "/.well-known/openid-configuration" }),
    );
    const set = Keys.parse(await this.#transport.call({ method: "GET", path: "/openid/v1/jwks" }));
    this.#keys = { set, issuer, readAtMs: performance.now() };
    return this.#keys;
  }
}

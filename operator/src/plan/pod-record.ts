import type { EgressEndpoint, PodRecord } from "@wa/schema";
import type { PodFacts } from "./world.ts";

/** The record's own: by UID, or by the nonce while no UID is recorded. */
export const isPodOf = ({ name, uid, nonce }: PodRecord, pod: PodFacts): boolean =>
  pod.name === name && (uid === undefined ? pod.nonce === nonce : pod.uid === uid);

/** Made for this endpoint, and none of its records knows it: nothing of ours runs in it, for the hub refuses its link. */
export const isStrayOf = ({ metadata, status }: EgressEndpoint, pod: PodFacts): boolean =>
  pod.endpointUid === metadata.uid && !status.pods.some((record) => isPodOf(record, pod));

import { group } from "./v1alpha1/api.ts";

/** Labels on endpoints and session pods. */
export const labels = {
  pool: `${group}/pool`,
  member: `${group}/member`,
  endpoint: `${group}/endpoint`,
  component: "app.kubernetes.io/component",
  managedBy: "app.kubernetes.io/managed-by",
  /** On the leader's own pod: the hub's Service selects it. */
  leader: `${group}/leader`,
} as const;

export const labelValues = { sessionPod: "session-pod", operator: "operator", manager: "whatsapp-operator" } as const;

export const annotations = {
  /** A new value opens a new pairing window of a hibernated or logged-out device. */
  pairRequestedAt: `${group}/pair-requested-at`,
  /** "true" ends a deletion that waits for a logout. */
  forceDelete: `${group}/force-delete`,
  /** On session pods: the nonce that the endpoint's status recorded before the pod was created. */
  nonce: `${group}/nonce`,
  /** On session pods: hash of the template they were built from. */
  templateHash: `${group}/template-hash`,
} as const;

export const finalizers = {
  /** On devices with deletionPolicy Logout. */
  logout: `${group}/logout`,
  /** On pools while devices use them. */
  poolInUse: `${group}/pool-in-use`,
} as const;

/**
 * Times of the link and of the fence around a device, in milliseconds of each program's monotonic clock. The session pod and the
 * operator never meet on a clock, so what one of them gives up has to lie before what the other takes: all follow from the first.
 */

/** Neither the operator's link nor the store answered a pod for this long: it ends its sockets. */
export const entitledForMs = 30_000;

/** How often a pod looks whether it is still entitled. */
export const entitlementCheckMs = 1_000;

/** The longest that a socket lives on after it was cut: a terminated socket is gone at once, on an event loop that is busy. */
export const cutMs = 1_000;

/** For clocks that run at different speeds, and for scheduling. */
const marginMs = 3_000;

/** The hub has not heard a pod for this long: its devices may go to another. */
export const takeoverAfterMs = entitledForMs + entitlementCheckMs + cutMs + marginMs;

/** Without a word for this long a link counts as down, and the pod asks the store in its place. */
export const linkDownAfterMs = entitledForMs / 3;

/** While its link is down a pod asks the store this often: several answers may be lost before the entitlement ends. */
export const storeCheckEveryMs = entitledForMs / 6;

/** Timing of the link, both ends. */
export const linkTiming = {
  dialTimeoutMs: 2_000,
  pingIntervalMs: entitledForMs / 6,
  /** A peer that is silent for longer has lost its entitlement by this link. */
  deadAfterMs: entitledForMs,
  redialMaxMs: 5_000,
} as const;

/**
 * How late a grant may be used, both ends: the ledgers count with it. A pod that cannot tell when a grant was sent counts it from
 * the last moment at which it surely was not, and voids what is too old.
 */
export const grantTiming = {
  /** How long after it is due a start may still be made. */
  validForMs: 5_000,
  /** The longest way of a frame that a grant outlives. */
  mostOnTheWayMs: 4_000,
} as const;

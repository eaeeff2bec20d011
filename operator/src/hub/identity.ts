/** The pod that a token speaks for. */
export interface PodName {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface PodIdentity extends PodName {
  /** The token's end, Kubernetes' leeway included, by the API server's clock in milliseconds since the epoch: so does its link. */
  readonly validUntilMs: number;
}

/** Refused: the dial is nobody's whom we know. Unknown: it cannot be told now, and may be another time. */
export class DialError extends Error {
  override readonly name = "DialError";
  readonly kind: "Refused" | "Unknown";

  constructor(kind: "Refused" | "Unknown", message: string) {
    super(message);
    this.kind = kind;
  }
}

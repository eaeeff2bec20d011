import { isDeepStrictEqual } from "node:util";
import type { ProxyLogin } from "../sessions/ports.ts";
import type { Dialer } from "../sessions/ports.ts";
import { isMeasurementDue, unknownWayOut, withEchoUrls, type WayOut } from "./way-out.ts";

const checkEveryMs = 3_000;

export interface WayOutWatchOptions {
  readonly observeIP: Dialer["observeIP"];
  readonly lookAtProxyLogin: () => Promise<ProxyLogin>;
  readonly onChange: (wayOut: WayOut) => void;
  /** The proxy's login is another one than before, or there again. */
  readonly onProxyLoginChanged: () => void;
}

/** Keeps looking at the proxy's Secret and at the address that the outside sees; what is missing or wrong heals by itself. */
export class WayOutWatch {
  readonly #options: WayOutWatchOptions;
  readonly #timer: NodeJS.Timeout;
  /** Resolves once the proxy's Secret was looked for the first time. */
  readonly looked: Promise<void>;
  #wayOut: WayOut = unknownWayOut;
  #login: ProxyLogin | undefined;
  #isChecking = false;

  constructor(options: WayOutWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#check(), checkEveryMs);
    this.looked = this.#check();
  }

  setEchoUrls(echoUrls: readonly string[]): void {
    this.#become(withEchoUrls(this.#wayOut, echoUrls));
    void this.#check();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #check(): Promise<void> {
    if (this.#isChecking) return;
    this.#isChecking = true;
    try {
      await this.#lookAtProxyLogin();
      if (isMeasurementDue(this.#wayOut, performance.now())) await this.#measure();
    } finally {
      this.#isChecking = false;
    }
  }

  async #lookAtProxyLogin(): Promise<void> {
    const before = this.#login;
    const login = await this.#options.lookAtProxyLogin();
    this.#login = login;
    const { missing: _before, ...rest } = this.#wayOut;
    this.#become(login.kind === "Missing" ? { ...rest, missing: login.problem } : rest);
    if (before !== undefined && login.kind === "Present" && !isDeepStrictEqual(before, login))
      this.#options.onProxyLoginChanged();
  }

  async #measure(): Promise<void> {
    const { echoUrls } = this.#wayOut;
    const change = await this.#options.observeIP(echoUrls).then(
      (observedIP) => ({ observedIP, measured: { atMs: performance.now() } }),
      (error: unknown) => ({ measured: { atMs: performance.now(), failure: describe(error) } }),
    );
    if (this.#wayOut.echoUrls === echoUrls) this.#become({ ...this.#wayOut, ...change });
  }

  #become(next: WayOut): void {
    const hasChanged = JSON.stringify(next) !== JSON.stringify(this.#wayOut);
    this.#wayOut = next;
    if (hasChanged) this.#options.onChange(next);
  }
}

const describe = (error: unknown): string => (error instanceof Error ? error.message : "the measurement failed");

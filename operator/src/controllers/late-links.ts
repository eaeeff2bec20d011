import type { DesiredSessions, LinkChange, LinkedPod, Links } from "../hub/links.ts";

/** The links before there is a hub: the mirror is warm long before this process leads, and only a leader has links. */
export class LateLinks implements Links {
  readonly #listeners: ((change: LinkChange) => void)[] = [];
  #hub: Links | undefined;

  attach(hub: Links): void {
    this.#hub = hub;
    for (const listener of this.#listeners) hub.onChange(listener);
  }

  pods(): ReadonlyMap<string, LinkedPod> {
    return this.#hub?.pods() ?? nobody;
  }

  setDesired(podUid: string, desired: DesiredSessions): void {
    this.#hub?.setDesired(podUid, desired);
  }

  forget(podUid: string): void {
    this.#hub?.forget(podUid);
  }

  cut(podUid: string): void {
    this.#hub?.cut(podUid);
  }

  /** Before there is a hub, no status is written either. */
  async openLedgers(subjects: readonly string[]): Promise<void> {
    await this.#hub?.openLedgers(subjects);
  }

  onChange(listener: (change: LinkChange) => void): void {
    this.#listeners.push(listener);
    this.#hub?.onChange(listener);
  }
}

const nobody: ReadonlyMap<string, LinkedPod> = new Map();

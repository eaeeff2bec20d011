interface Member {
  readonly group: string;
  /** Ends it; it is not in the crowd any more. */
  readonly onOut: () => void;
}

export interface CrowdLimits {
  readonly most: number;
  readonly mostOfGroup: number;
}

/**
 * Things that somebody unknown makes us hold, few at a time. Where there are too many, the largest group loses its oldest: who
 * comes with a thousand pushes out his own, and one who comes alone is hardly ever in the largest.
 */
export class Crowd<Key> {
  readonly #limits: CrowdLimits;
  /** In the order of coming. */
  readonly #members = new Map<Key, Member>();
  readonly #groups = new Map<string, Set<Key>>();

  constructor(limits: CrowdLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#members.size;
  }

  has(key: Key): boolean {
    return this.#members.has(key);
  }

  keys(): readonly Key[] {
    return [...this.#members.keys()];
  }

  add(key: Key, member: Member): void {
    this.remove(key);
    this.#members.set(key, member);
    const group = this.#groups.get(member.group) ?? new Set<Key>();
    this.#groups.set(member.group, group.add(key));
    if (group.size > this.#limits.mostOfGroup) this.#pushOut(group);
    else if (this.#members.size > this.#limits.most) this.#pushOut(this.#largest());
  }

  /** False: it was not there. */
  remove(key: Key): boolean {
    const member = this.#members.get(key);
    if (member === undefined) return false;
    this.#members.delete(key);
    const group = this.#groups.get(member.group);
    group?.delete(key);
    if (group?.size === 0) this.#groups.delete(member.group);
    return true;
  }

  #pushOut(group: ReadonlySet<Key>): void {
    for (const oldest of group) {
      const member = this.#members.get(oldest);
      this.remove(oldest);
      member?.onOut();
      return;
    }
  }

  #largest(): ReadonlySet<Key> {
    let largest: ReadonlySet<Key> = new Set();
    for (const group of this.#groups.values()) if (group.size > largest.size) largest = group;
    return largest;
  }
}

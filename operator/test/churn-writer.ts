import { setTimeout as delay } from "node:timers/promises";
import type { ObjectName, RawObject } from "../src/kube/object.ts";
import { isRawObject } from "../src/kube/object.ts";
import { resource, type Resource } from "../src/kube/resource.ts";
import type { Transport } from "../src/kube/transport.ts";
import type { Subject } from "./churn-subjects.ts";
import { chanceOf, oneOf } from "./random-faults.ts";

const finalizer = "whatsapp-operator.io/churn";
const namesEach = 6;
const loops = 4;
const pauseMs = 80;

/** What was written, by verb. */
export interface Written {
  created: number;
  changed: number;
  deleted: number;
  /** Deleted and created again at once under the same name. */
  remade: number;
}

/** Creates, changes, deletes and remakes objects of all subjects, each name by one of several loops. */
export class ChurnWriter implements AsyncDisposable {
  readonly written: Written = { created: 0, changed: 0, deleted: 0, remade: 0 };
  readonly #stopped = new AbortController();
  readonly #working: Promise<unknown>;
  #pause: PromiseWithResolvers<void> | undefined;
  #busy = 0;

  constructor(transport: Transport, subjects: readonly Subject[], namespaces: readonly string[], seed: number) {
    const targets = subjects.flatMap((subject) =>
      (subject.kind.isNamespaced ? namespaces : [""]).flatMap((namespace) =>
        Array.from({ length: namesEach }, (_, index) => {
          const name = { namespace, name: `churn-${index}` };
          return new Target(transport, subject, name, this.written);
        }),
      ),
    );
    this.#working = Promise.all(
      Array.from({ length: loops }, async (_, loop) => {
        const own = targets.filter((_target, index) => index % loops === loop);
        await this.#loop(own, chanceOf(seed + loop));
      }),
    );
  }

  /** Nothing is being written once it resolves. */
  async pause(): Promise<void> {
    this.#pause ??= Promise.withResolvers();
    while (this.#busy > 0) await delay(10);
  }

  resume(): void {
    this.#pause?.resolve();
    this.#pause = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort();
    this.resume();
    await this.#working;
  }

  async #loop(targets: readonly Target[], chance: () => number): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      // A pause that follows a resumption at once finds loops that the gate has let through already.
      while (this.#pause !== undefined) await this.#pause.promise;
      this.#busy += 1;
      await oneOf(targets, chance).act(chance);
      this.#busy -= 1;
      await delay(pauseMs * 2 * chance());
    }
  }
}

/** One name of one kind. */
class Target {
  readonly #resource: Resource<RawObject>;
  readonly #subject: Subject;
  readonly #name: ObjectName;
  readonly #written: Written;
  #object: RawObject | undefined;
  #revision = 0;

  constructor(transport: Transport, subject: Subject, name: ObjectName, written: Written) {
    this.#resource = resource(transport, { ...subject.kind, parse: rawOf });
    this.#subject = subject;
    this.#name = name;
    this.#written = written;
  }

  async act(chance: () => number): Promise<void> {
    const found = this.#object;
    if (found === undefined) {
      await this.#create(chance() < 0.2);
      this.#written.created += 1;
    } else if (chance() < 0.6) {
      this.#revision += 1;
      this.#object = await this.#resource.mergePatch(this.#name, this.#subject.change(this.#revision));
      this.#written.changed += 1;
    } else {
      await this.#delete(found);
      this.#written.deleted += 1;
      if (chance() < 0.5) return;
      await this.#create(false);
      this.#written.remade += 1;
    }
  }

  async #create(isFinalized: boolean): Promise<void> {
    const { body, labels = {} } = this.#subject;
    const metadata = { ...this.#name, labels, finalizers: isFinalized ? [finalizer] : [] };
    this.#object = await this.#resource.create({ metadata, ...body });
  }

  async #delete({ metadata: { uid = "", finalizers } }: RawObject): Promise<void> {
    await this.#resource.delete(this.#name, { uid, gracePeriodSeconds: 0 });
    if (Array.isArray(finalizers) && finalizers.length > 0)
      await this.#resource.mergePatch(this.#name, { metadata: { finalizers: [] } });
    this.#object = undefined;
  }
}

function rawOf(value: unknown): RawObject {
  if (!isRawObject(value)) throw new TypeError("the API server's answer is no object");
  return value;
}

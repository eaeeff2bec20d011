import { matchRule, type Moment } from "./match.ts";
import { Scenario, type PhoneScenario, type Rule } from "./scenario.ts";

/** Rules in force, and how often each has applied. */
class RuleList {
  readonly rules: readonly Rule[];
  readonly #uses = new Map<number, number>();

  constructor(rules: readonly Rule[]) {
    this.rules = rules;
  }

  take(moment: Moment): Rule | undefined {
    const place = matchRule(this.rules, moment, this.#uses);
    if (place === undefined) return undefined;
    this.#uses.set(place, (this.#uses.get(place) ?? 0) + 1);
    return this.rules[place];
  }

  uses(prefix: string): [string, number][] {
    return this.rules.map((_rule, place) => [`${prefix}rules[${place}]`, this.#uses.get(place) ?? 0]);
  }
}

/** The scenario in force, replaced whole at run time; beside it the rules of single accounts, which come first. */
export class Director {
  #scenario: Scenario = Scenario.parse({});
  #everybody = new RuleList([]);
  readonly #byPhone = new Map<string, RuleList>();

  get scenario(): Scenario {
    return this.#scenario;
  }

  replace(scenario: Scenario): void {
    this.#scenario = scenario;
    this.#everybody = new RuleList(scenario.rules);
  }

  replaceFor(phone: string, scenario: PhoneScenario): void {
    this.#byPhone.set(phone, new RuleList(scenario.rules.map((rule) => ({ ...rule, phone }))));
  }

  /** Back to a server that works, for one account or for all. */
  clear(phone?: string): void {
    if (phone !== undefined) return void this.#byPhone.delete(phone);
    this.#byPhone.clear();
    this.replace(Scenario.parse({}));
  }

  /** The rule for this moment, counted as used. */
  take(moment: Moment): Rule | undefined {
    return this.#byPhone.get(moment.phone ?? "")?.take(moment) ?? this.#everybody.take(moment);
  }

  uses(): Record<string, number> {
    const ofPhones = [...this.#byPhone].flatMap(([phone, list]) => list.uses(`${phone}.`));
    return Object.fromEntries([...this.#everybody.uses(""), ...ofPhones]);
  }
}

/** The variables that a place of a template sees: its own, then those around it. */
import { nothing, type Value } from './values.ts';

export class Scope {
  readonly variables = new Map<string, Value>();
  readonly #outer: Scope | undefined;

  constructor(outer?: Scope) {
    this.#outer = outer;
  }

  find(name: string): Value | undefined {
    return this.variables.get(name) ?? this.#outer?.find(name);
  }

  get(name: string): Value {
    return this.find(name) ?? nothing(name);
  }

  set(name: string, value: Value): this {
    this.variables.set(name, value);
    return this;
  }
}

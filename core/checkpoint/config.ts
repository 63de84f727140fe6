/** Reads config.json of a checkpoint. Its values are checked when they are read, as GGUF metadata is. */
import { UserError } from '../../errors.ts';

/** More columns than any real model has of what a config counts. */
const MOST_COUNTED = 1 << 20;

type Json = Readonly<Record<string, unknown>>;

export class Config {
  readonly path: string;
  readonly #values: Json;

  constructor(path: string, values: Json) {
    this.path = path;
    this.#values = values;
  }

  get names(): readonly string[] {
    return Object.keys(this.#values);
  }

  has(name: string): boolean {
    return this.#values[name] !== undefined && this.#values[name] !== null;
  }

  /** The number under the first of these names that is there. */
  number(...names: readonly string[]): number | undefined {
    return this.#first(names, 'a number', (value) => typeof value === 'number' && Number.isFinite(value));
  }

  /** A number that every checkpoint of the family has. */
  required(...names: readonly string[]): number {
    return this.number(...names) ?? this.#fail(names.join(' or '), 'a number', undefined);
  }

  /** A number of heads, layers or columns, as lists are as long as it. */
  count(...names: readonly string[]): number {
    const value = this.required(...names);
    if (Number.isInteger(value) && value >= 1 && value <= MOST_COUNTED) return value;
    return this.#fail(names.join(' or '), `an integer from 1 to ${MOST_COUNTED}`, value);
  }

  flag(name: string): boolean | undefined {
    return this.#first([name], 'true or false', (value) => typeof value === 'boolean');
  }

  text(name: string): string | undefined {
    return this.#first([name], 'a text', (value) => typeof value === 'string');
  }

  list(name: string): readonly unknown[] | undefined {
    return this.#first([name], 'a list', Array.isArray);
  }

  numbers(name: string): readonly number[] | undefined {
    const of = (value: unknown) =>
      Array.isArray(value) && value.every((each) => typeof each === 'number' && Number.isFinite(each));
    return this.#first([name], 'a list of numbers', of);
  }

  /** A number, or a list of them. */
  numbersOrOne(name: string): readonly number[] {
    const value = this.#values[name];
    return typeof value === 'number' ? [value] : (this.numbers(name) ?? []);
  }

  /** A text, or the text under `key` of an object. */
  textOrOf(name: string, key: string): string | undefined {
    return typeof this.#values[name] === 'object' ? this.part(name)?.text(key) : this.text(name);
  }

  /** A text, or a list. */
  textOrList(name: string): string | readonly unknown[] | undefined {
    return typeof this.#values[name] === 'string' ? this.text(name) : this.list(name);
  }

  /** The config of a part, such as the text model of one that also sees. */
  part(name: string): Config | undefined {
    const values: Json | undefined = this.#first([name], 'an object', isObject);
    return values && new Config(this.path, values);
  }

  #first<T>(names: readonly string[], expected: string, is: (value: unknown) => boolean): T | undefined {
    const name = names.find((each) => this.has(each));
    if (name === undefined) return undefined;
    const value = this.#values[name];
    return is(value) ? (value as T) : this.#fail(name, expected, value);
  }

  #fail(name: string, expected: string, value: unknown): never {
    const got = value === undefined ? 'nothing' : JSON.stringify(value)?.slice(0, 60);
    throw new UserError(
      `Expected ${name} in ${this.path} to be ${expected}, got ${got}.`,
      'The checkpoint is damaged, or of a kind that percept does not know: get it again.',
    );
  }
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

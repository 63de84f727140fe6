/** The values of a template: those of Python that Jinja knows. */
import type { Spans } from '../tokenizer/spans.ts';

/** A value: its type by name, and its content. */
export interface Value {
  readonly type: string;
  readonly value: unknown;
  /** Of a string: the parts that come from the template. The rest comes from its input. */
  readonly markup?: Spans;
  /** Of a string: it is HTML, so that what is added to it is escaped. */
  readonly safe?: true;
}

/** Arguments of a call: by position, then by name. */
export interface Arguments {
  readonly list: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

/** @param caller the body of {% call %} */
export type FunctionOfValues = (args: Arguments, caller?: Value) => Value;

/** A class of values with content of type T. */
function classOf<T>(type: string) {
  return class implements Value {
    readonly type: string = type;
    readonly value: T;

    constructor(value: T) {
      this.value = value;
    }
  };
}

export class FloatValue extends classOf<number>('float') {}
export class ArrayValue extends classOf<readonly Value[]>('list') {}
export class TupleValue extends classOf<readonly Value[]>('tuple') {}
/** What filters such as `map` give: a list that is true even if it is empty. */
export class GeneratorValue extends classOf<readonly Value[]>('generator') {}
/** Keys as toKey makes them. */
export class ObjectValue extends classOf<ReadonlyMap<string, Value>>('mapping') {}
/** An object with members that templates may set. */
export class NamespaceValue extends classOf<Map<string, Value>>('namespace') {}
export class FunctionValue extends classOf<FunctionOfValues>('function') {
  readonly name: string;

  constructor(value: FunctionOfValues, name = '') {
    super(value);
    this.name = name;
  }
}

export const none = (): Value => ({ type: 'none', value: null });
/** @param hint the name that has no value */
export const nothing = (hint?: string): Value & { readonly hint?: string } => ({
  ...{ type: 'undefined value', value: undefined, hint },
});
export const truth = (value: boolean): Value => ({ type: 'truth value', value });
export const integer = (value: number): Value => ({ type: 'whole number', value });

/** A string; `markup` are its parts that come from the template. */
export function textValue(text: string, markup?: Spans): Value {
  const value = { type: 'text', value: text };
  return markup && markup.length > 0 ? { ...value, markup } : value;
}

export const isText = ({ type }: Value): boolean => type === 'text';
export const isNone = ({ type }: Value): boolean => type === 'none';
export const isMissing = ({ type }: Value): boolean => type === 'undefined value';
export const isFloat = ({ type }: Value): boolean => type === 'float';
export const isNumber = ({ value }: Value): boolean => typeof value === 'number';

/** Elements of a list or tuple. */
export function listOf({ value }: Value): readonly Value[] | undefined {
  return Array.isArray(value) ? value : undefined;
}

/** Entries of a dictionary or namespace. */
export function mappingOf({ value }: Value): ReadonlyMap<string, Value> | undefined {
  return value instanceof Map ? value : undefined;
}

/** Keys of a mapping are texts; numbers are told apart by this. */
const NUMBER = '\0';

/** The key under which a mapping holds `value`. Equal numbers are one key, as in Python; other values are none. */
export function toKey(value: Value): string | undefined {
  if (isText(value)) return value.value as string;
  return isNumber(value) ? `${NUMBER}${value.value}` : undefined;
}

/** The value that a key stands for. */
export function fromKey(key: string): Value {
  if (!key.startsWith(NUMBER)) return textValue(key);
  const number = Number(key.slice(NUMBER.length));
  return Number.isInteger(number) ? integer(number) : new FloatValue(number);
}

/** Whether Python takes the value for true. */
export function isTrue(value: Value): boolean {
  if (value instanceof GeneratorValue || value instanceof NamespaceValue) return true;
  const list = listOf(value);
  if (list) return list.length > 0;
  const mapping = mappingOf(value);
  return mapping ? mapping.size > 0 : Boolean(value.value);
}

/**
 * A value of JavaScript as one of a template; adds its characters and elements to `size`. A number in an object, as
 * readers of JSON make of 1.0, is a float.
 */
export function toValue(input: unknown, size: { characters: number }): Value {
  size.characters += typeof input === 'string' ? input.length : 1;
  if (typeof input === 'string') return textValue(input);
  if (input instanceof Number) return new FloatValue(Number(input));
  if (Array.isArray(input)) return new ArrayValue(input.map((element) => toValue(element, size)));
  if (input === undefined) return nothing();
  if (input === null) return none();
  if (typeof input === 'boolean') return truth(input);
  if (typeof input === 'number') return Number.isInteger(input) ? integer(input) : new FloatValue(input);
  if (typeof input !== 'object') throw new Error(`it gets a ${typeof input}`);
  const entries = Object.entries(input).map(([key, value]): [string, Value] => {
    size.characters += key.length;
    return [key, toValue(value, size)];
  });
  return new ObjectValue(new Map(entries));
}

/** The argument at a position or under a name; undefined if it is not given or None. */
export function argument({ list, named }: Arguments, at: number, name?: string): Value | undefined {
  const value = list[at] ?? (name === undefined ? undefined : named.get(name));
  return value === undefined || isNone(value) ? undefined : value;
}

export function textArgument(args: Arguments, at: number, name?: string): Value | undefined {
  const value = argument(args, at, name);
  if (value && !isText(value)) throw new Error(`it gives a ${value.type} where a text is expected`);
  return value;
}

export function numberArgument(args: Arguments, at: number, name: string, byDefault: number): number {
  const value = argument(args, at, name)?.value ?? byDefault;
  if (typeof value !== 'number') throw new Error(`it gives ${name} a ${typeof value} instead of a number`);
  return value;
}

export function flagArgument(args: Arguments, at: number, name: string): boolean {
  const value = argument(args, at, name);
  return value !== undefined && isTrue(value);
}

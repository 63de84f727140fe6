/** Values of @huggingface/jinja. It exports no classes of them, so that they are taken from values it makes. */
import { Environment, Interpreter } from '@huggingface/jinja';
import type { Spans } from '../tokenizer/spans.ts';

export type Scope = Environment;

/** A value of the interpreter: StringValue, ArrayValue, ... by `type`, with its content. */
export interface Value {
  readonly type: string;
  readonly value: unknown;
  /** Of a string: the parts that come from the template. The rest comes from its input. */
  readonly markup?: Spans;
}

export type FunctionOfValues = (args: readonly Value[], scope: Scope) => Value;
type Maker<T> = new (value: T) => Value;

function makerOf<T>(value: unknown): Maker<T> {
  return new Environment().set('value', value).constructor as Maker<T>;
}

export const IntegerValue = makerOf<number>(1);
export const FloatValue = makerOf<number>(0.5);
export const ArrayValue = makerOf<readonly Value[]>([]);
export const ObjectValue = makerOf<Map<string, Value>>({});
export const FunctionValue = makerOf<FunctionOfValues>(() => null);
export const NamespaceValue = new Environment().variables.get('namespace')!.value([]).constructor as Maker<
  Map<string, Value>
>;
export const TupleValue = new Interpreter(new Environment()).evaluate(
  { type: 'TupleLiteral', value: [] } as never,
  new Environment(),
).constructor as unknown as Maker<readonly Value[]>;
const StringValue = makerOf<string>('');
const BooleanValue = makerOf<boolean>(true);
const NullValue = makerOf<null>(null);
const UndefinedValue = makerOf<undefined>(undefined);

export const none = (): Value => new NullValue(null);
export const nothing = (): Value => new UndefinedValue(undefined);
export const truth = (value: boolean): Value => new BooleanValue(value);
export const integer = (value: number): Value => new IntegerValue(value);

/** A string; `markup` are its parts that come from the template. */
export function textValue(text: string, markup?: Spans): Value {
  const value = new StringValue(text);
  return markup && markup.length > 0 ? Object.assign(value, { markup }) : value;
}

export const isText = ({ type }: Value): boolean => type === 'StringValue';
export const isNone = ({ type }: Value): boolean => type === 'NullValue';
export const isMissing = ({ type }: Value): boolean => type === 'UndefinedValue';
export const isFloat = ({ type }: Value): boolean => type === 'FloatValue';
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
  return (value as unknown as { __bool__(): { value: boolean } }).__bool__().value;
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
  if (typeof input !== 'object' || input === null) return new Environment().set('value', input) as Value;
  const entries = Object.entries(input).map(([key, value]): [string, Value] => {
    size.characters += key.length;
    return [key, toValue(value, size)];
  });
  return new ObjectValue(new Map(entries));
}

/** Arguments of a call: by position, then by name. */
export interface Arguments {
  readonly list: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

/** Arguments as a function of the interpreter gets them: those by name come last, in one value. */
export function argumentsOf(values: readonly Value[]): Arguments {
  const last = values.at(-1);
  if (last?.type !== 'KeywordArgumentsValue') return { list: values, named: new Map() };
  return { list: values.slice(0, -1), named: mappingOf(last)! };
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

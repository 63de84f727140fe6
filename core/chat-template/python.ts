/** Python's semantics for values of a template. */
import type { Budget } from './budget.ts';
import {
  fromKey,
  isFloat,
  isMissing,
  isNone,
  isNumber,
  isText,
  listOf,
  mappingOf,
  textValue,
  toKey,
  type Value,
} from './values.ts';

/** Python's str(); an undefined variable prints as nothing. */
export function str(value: Value, budget: Budget): Value {
  if (isMissing(value)) return textValue('');
  return isText(value) ? value : textValue(repr(value, budget));
}

/** Python's repr(). */
export function repr(value: Value, budget: Budget): string {
  if (isText(value)) return quote(value.value as string, budget);
  if (isMissing(value)) return 'Undefined';
  if (isNone(value)) return 'None';
  if (value.type === 'truth value') return value.value ? 'True' : 'False';
  const mapping = mappingOf(value);
  const list = listOf(value);
  if (!mapping && !list) return isNumber(value) ? number(value) : `<${value.type}>`;
  const parts = mapping
    ? Array.from(mapping, ([key, element]) => `${repr(fromKey(key), budget)}: ${repr(element, budget)}`)
    : list!.map((element) => repr(element, budget));
  const text = joined(parts, ', ', budget);
  if (mapping) return `{${text}}`;
  if (value.type !== 'tuple') return `[${text}]`;
  return list!.length === 1 ? `(${text},)` : `(${text})`;
}

function joined(parts: readonly string[], separator: string, budget: Budget): string {
  budget.step(parts.length);
  budget.make(parts.reduce((sum, part) => sum + part.length + separator.length, 0));
  return parts.join(separator);
}

/** 1.0, 1e+16, inf as Python writes them. */
function number(value: Value): string {
  const { value: x } = value as { value: number };
  if (!isFloat(value)) return String(x);
  if (!Number.isFinite(x)) return Number.isNaN(x) ? 'nan' : x < 0 ? '-inf' : 'inf';
  if (x !== 0 && (Math.abs(x) >= 1e16 || Math.abs(x) < 1e-4)) {
    return x.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
  }
  const text = Object.is(x, -0) ? '-0' : String(x);
  return text.includes('.') ? text : `${text}.0`;
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** A string literal, in double quotes only if that avoids escaping single ones. */
function quote(text: string, budget: Budget): string {
  budget.make(text.length);
  budget.call(text.length);
  const escaped = text.replace(
    /[\\\x00-\x1f\x7f]/g,
    (character) => ESCAPES[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  if (text.includes("'") && !text.includes('"')) return `"${escaped}"`;
  return `'${escaped.replaceAll("'", "\\'")}'`;
}

/** Python's ==, by type and content; JavaScript's converts types and compares lists by identity. */
export function equal(a: Value, b: Value, budget: Budget): boolean {
  budget.step(0.1);
  if (isNumeric(a) && isNumeric(b)) return Number(a.value) === Number(b.value);
  if (a.type !== b.type) return false;
  const list = listOf(a);
  const otherList = listOf(b);
  if (list && otherList) {
    return (
      list.length === otherList.length && list.every((element, i) => equal(element, otherList[i]!, budget))
    );
  }
  const mapping = mappingOf(a);
  const otherMapping = mappingOf(b);
  if (mapping && otherMapping) {
    const sameIn = ([key, element]: [string, Value]) => {
      const other = otherMapping.get(key);
      return other !== undefined && equal(element, other, budget);
    };
    return mapping.size === otherMapping.size && [...mapping].every(sameIn);
  }
  if (isText(a)) budget.read(Math.min((a.value as string).length, (b.value as string).length));
  return a.value === b.value;
}

/** Numbers and booleans, which are numbers in Python. */
export function isNumeric({ value }: Value): boolean {
  return typeof value === 'number' || typeof value === 'boolean';
}

/** Python's `in`. */
export function contains(collection: Value, value: Value, budget: Budget): boolean {
  if (isMissing(collection)) return false;
  if (isText(collection) && isText(value)) {
    budget.search(collection.value as string, value.value as string);
    return (collection.value as string).includes(value.value as string);
  }
  const list = listOf(collection);
  if (list) return list.some((element) => equal(element, value, budget));
  const mapping = mappingOf(collection);
  if (mapping) return mapping.has(toKey(value) ?? '');
  throw new Error(`it looks for a ${value.type} in a ${collection.type}`);
}

/** Order of two values; text by code points, without regard to case unless `cased`. */
export function compare(a: Value, b: Value, budget: Budget, cased = true): number {
  budget.step(0.2);
  if (isNumeric(a) && isNumeric(b)) return Number(a.value) - Number(b.value);
  const list = listOf(a);
  const otherList = listOf(b);
  if (list && otherList) {
    for (let i = 0; i < Math.min(list.length, otherList.length); i++) {
      const order = compare(list[i]!, otherList[i]!, budget, cased);
      if (order !== 0) return order;
    }
    return list.length - otherList.length;
  }
  if (!isText(a) || !isText(b)) throw new Error(`it orders a ${a.type} and a ${b.type}`);
  const [left, right] = [a.value as string, b.value as string];
  budget.read(Math.min(left.length, right.length));
  if (cased) return left < right ? -1 : Number(left > right);
  budget.make(left.length + right.length);
  const [small, otherSmall] = [left.toLowerCase(), right.toLowerCase()];
  return small < otherSmall ? -1 : Number(small > otherSmall);
}

export interface JsonOptions {
  readonly indent?: number;
  readonly ascii?: boolean;
  readonly separators?: readonly [item: string, key: string];
  readonly sorted?: boolean;
}

/** Python's json.dumps. */
export function json(value: Value, budget: Budget, options: JsonOptions = {}, depth = 0): string {
  budget.step(0.5);
  const { indent, separators = [indent === undefined ? ', ' : ',', ': '] } = options;
  if (isNone(value) || isMissing(value)) return 'null';
  if (isText(value)) return jsonText(value.value as string, budget, options);
  if (isNumber(value)) return number(value).replace('inf', 'Infinity').replace('nan', 'NaN');
  if (value.type === 'truth value') return String(value.value);
  const mapping = mappingOf(value);
  const list = listOf(value);
  if (!mapping && !list) throw new Error(`it writes a ${value.type} as JSON`);
  const entries = mapping && [...mapping];
  if (options.sorted) entries?.sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
  const inner = (element: Value) => json(element, budget, options, depth + 1);
  const parts = entries
    ? entries.map(
        ([key, element]) => jsonText(jsonKey(key), budget, options) + separators[1] + inner(element),
      )
    : list!.map(inner);
  const [open, close] = mapping ? '{}' : '[]';
  if (indent === undefined || parts.length === 0) return open + joined(parts, separators[0], budget) + close;
  budget.make((parts.length + 1) * (indent * (depth + 1) + 1));
  const line = `\n${' '.repeat(indent * (depth + 1))}`;
  const text = joined(parts, separators[0] + line, budget);
  return `${open}${line}${text}\n${' '.repeat(indent * depth)}${close}`;
}

/** JSON has no numbers for keys. */
function jsonKey(key: string): string {
  const value = fromKey(key);
  return isText(value) ? key : number(value);
}

function jsonText(text: string, budget: Budget, { ascii = false }: JsonOptions): string {
  budget.make(text.length);
  const quoted = JSON.stringify(text);
  if (!ascii) return quoted;
  budget.call(text.length);
  return quoted.replace(
    /[\x7f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** `format % values`, as of Python: %s, %r, %d, %i, %f, %x, %c, %% with flags, width and precision. */
export function formatted(format: string, values: readonly Value[], budget: Budget): string {
  let next = 0;
  budget.make(format.length);
  budget.call(format.length);
  return format.replace(/%([-+ 0#]*)(\d*)(?:\.(\d+))?([a-zA-Z%])/g, (_, flags, width, digits, letter) => {
    if (letter === '%') return '%';
    const value = values[next++];
    if (!value) throw new Error('it gives too few values for a format');
    const text = formattedValue(value, letter, digits, budget);
    const sign = flags.includes('+') && isNumeric(value) && !text.startsWith('-') ? `+${text}` : text;
    budget.make(Number(width));
    if (flags.includes('-')) return sign.padEnd(Number(width));
    if (!flags.includes('0') || letter === 's') return sign.padStart(Number(width));
    const [, minus, rest] = /^([-+]?)(.*)$/s.exec(sign)!;
    return minus + rest!.padStart(Number(width) - minus!.length, '0');
  });
}

/** With as many digits; a tie goes to the even digit, as in Python. */
export function fixed(x: number, digits: number): string {
  const scaled = x * 10 ** digits;
  const isTie =
    Math.abs(scaled % 1) === 0.5 && Number.isSafeInteger(2 * scaled) && scaled / 10 ** digits === x;
  if (!isTie) return x.toFixed(digits);
  const even = 2 * Math.round(scaled / 2);
  return (even / 10 ** digits).toFixed(digits);
}

function formattedValue(value: Value, letter: string, digits: string | undefined, budget: Budget): string {
  if (letter === 's' || letter === 'r') {
    const text = letter === 'r' ? repr(value, budget) : (str(value, budget).value as string);
    return digits === undefined ? text : text.slice(0, Number(digits));
  }
  const number = Number(value.value);
  if (!isNumeric(value)) throw new Error(`it formats a ${value.type} with %${letter}`);
  const precision = Math.min(Number(digits ?? 6), 100);
  switch (letter) {
    case 'd':
    case 'i':
      return String(Math.trunc(number));
    case 'f':
      return fixed(number, precision);
    case 'e':
      return number.toExponential(precision).replace(/e([+-])(\d)$/, 'e$10$2');
    case 'x':
      return Math.trunc(number).toString(16);
    case 'X':
      return Math.trunc(number).toString(16).toUpperCase();
    case 'c':
      return String.fromCodePoint(number);
  }
  throw new Error(`it formats with %${letter}`);
}

/** Where Python's [start:stop:step] begins and ends in a sequence. */
export function places(
  length: number,
  start: number | undefined,
  stop: number | undefined,
  step: number,
): [number, number] {
  if (step === 0) throw new Error('it cuts with a step of zero');
  const [least, most] = step > 0 ? [0, length] : [-1, length - 1];
  const clamped = (at: number | undefined, byDefault: number) =>
    at === undefined ? byDefault : Math.min(Math.max(at < 0 ? at + length : at, least), most);
  return [clamped(start, step > 0 ? least : most), clamped(stop, step > 0 ? most : least)];
}

/** Python's elements[start:stop:step]. */
export function sliced<T>(
  elements: readonly T[],
  start: number | undefined,
  stop: number | undefined,
  step: number,
): T[] {
  const [from, to] = places(elements.length, start, stop, step);
  const chosen: T[] = [];
  for (let at = from; step > 0 ? at < to : at > to; at += step) chosen.push(elements[at]!);
  return chosen;
}

/** Python's methods of strings. */
import type { Budget } from './budget.ts';
import { elementsOf } from './list-filters.ts';
import { places } from './python.ts';
import {
  capitalized,
  cased,
  join,
  occurrences,
  part,
  replace,
  split,
  strip,
  TextBuilder,
  textOf,
  title,
} from './strings.ts';
import {
  type Arguments,
  ArrayValue,
  argument,
  flagArgument,
  integer,
  isText,
  listOf,
  numberArgument,
  TupleValue,
  textArgument,
  textValue,
  truth,
  type Value,
} from './values.ts';

type Method = (of: Value, args: Arguments, budget: Budget) => Value;

/** str.rsplit with a separator. */
function splitRight(of: Value, budget: Budget, separator: Value, most: number): Value[] {
  const parts = split(of, budget, separator);
  const joined = most < 0 ? 0 : parts.length - 1 - most;
  if (joined <= 0) return parts;
  const width = textOf(separator).length;
  const length = parts
    .slice(0, joined + 1)
    .reduce((sum, piece) => sum + textOf(piece).length, joined * width);
  return [part(of, 0, length), ...parts.slice(joined + 1)];
}

/** An argument that must be there. */
function required(args: Arguments, at: number): Value {
  const value = textArgument(args, at);
  if (!value) throw new Error('it calls a method of a text without a text');
  return value;
}

/** startswith and endswith, with a text or a tuple of texts, and the bounds of a part of the text. */
function isAtEnd(
  of: Value,
  args: Arguments,
  budget: Budget,
  is: (text: string, end: string) => boolean,
): Value {
  const wanted = args.list[0];
  const ends = wanted && (wanted.type === 'tuple' ? listOf(wanted)! : [wanted]);
  if (!ends?.every(({ value }) => typeof value === 'string'))
    throw new Error('it looks for an end without a text');
  for (const end of ends) budget.read(textOf(end).length);
  const bounds = boundsOf(of, args, budget);
  if (!bounds) return truth(false);
  const text = textOf(of).slice(...bounds);
  return truth(ends.some((end) => is(text, textOf(end))));
}

/** Python's index in code points of an index in UTF-16 units. */
function codePoints(text: string, end: number): number {
  let count = 0;
  for (let at = 0; at < end; count++) at += text.codePointAt(at)! > 0xffff ? 2 : 1;
  return count;
}

/** The index in UTF-16 units of Python's index in code points. */
function units(text: string, index: number): number {
  let at = 0;
  for (let count = 0; count < index; count++) at += text.codePointAt(at)! > 0xffff ? 2 : 1;
  return at;
}

/**
 * The part [start, end) of a text, in UTF-16 units, that the second and the third argument bound in code points.
 * Undefined if the start is after the end of the part or of the text: there is no text, not even an empty one.
 */
function boundsOf(of: Value, args: Arguments, budget: Budget): [number, number] | undefined {
  const [start, end] = [argument(args, 1), argument(args, 2)];
  const text = textOf(of);
  if (!start && !end) return [0, text.length];
  if ([start, end].some((bound) => bound && bound.type !== 'whole number'))
    throw new Error('it bounds a text by what is no whole number');
  budget.call(text.length);
  const length = codePoints(text, text.length);
  const first = start?.value as number | undefined;
  const [from, to] = places(length, first, end?.value as number | undefined, 1);
  return from > to || (first ?? 0) > length ? undefined : [units(text, from), units(text, to)];
}

function find(of: Value, args: Arguments, budget: Budget, last: boolean): number {
  const wanted = textOf(required(args, 0));
  const bounds = boundsOf(of, args, budget);
  if (!bounds) return -1;
  const text = textOf(of).slice(...bounds);
  budget.search(text, wanted);
  const at = last ? text.lastIndexOf(wanted) : text.indexOf(wanted);
  if (at < 0) return -1;
  budget.make(bounds[0] + at);
  return codePoints(textOf(of), bounds[0] + at);
}

/** str.count: places without overlaps. */
function count(of: Value, args: Arguments, budget: Budget): number {
  const wanted = textOf(required(args, 0));
  const bounds = boundsOf(of, args, budget);
  if (!bounds) return 0;
  const text = textOf(of).slice(...bounds);
  budget.call(text.length);
  if (wanted === '') return codePoints(text, text.length) + 1;
  let found = 0;
  for (const _ of occurrences(text, wanted, budget)) found++;
  return found;
}

/** str.splitlines. */
function splitLines(of: Value, args: Arguments, budget: Budget): Value {
  const keepsEnds = flagArgument(args, 0, 'keepends');
  const text = textOf(of);
  budget.make(text.length, of.markup);
  const lines: Value[] = [];
  let start = 0;
  for (const { 0: end, index } of text.matchAll(/\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g)) {
    budget.step(2);
    lines.push(part(of, start, keepsEnds ? index + end.length : index));
    start = index + end.length;
  }
  if (start < text.length) lines.push(part(of, start, text.length));
  return new ArrayValue(lines);
}

/** str.join: of texts, or of what else a loop gives texts from. */
function joinTexts(separator: Value, args: Arguments, budget: Budget): Value {
  const [of] = args.list;
  const texts = of && elementsOf(of, budget);
  if (!texts?.every(isText)) throw new Error('it joins what is no list of texts');
  return join(texts, separator, budget);
}

/** For index and rindex, which fail where find gives -1. */
function found(at: number): number {
  if (at < 0) throw new Error('it asks for the place of a text that is not there');
  return at;
}

/** str.center, ljust and rjust, with a fill of one character. */
function padded(of: Value, args: Arguments, budget: Budget, side: 'left' | 'right' | 'both'): Value {
  const width = numberArgument(args, 0, 'width', 0);
  const fill = textArgument(args, 1, 'fillchar') ?? textValue(' ');
  const missing = width - codePoints(textOf(of), textOf(of).length);
  if (!(missing > 0)) return of;
  budget.make(missing * textOf(fill).length);
  const left = side === 'left' ? missing : side === 'right' ? 0 : (missing >> 1) + (missing & width & 1);
  const text = new TextBuilder(budget).add(textOf(fill).repeat(left)).addValue(of);
  return text.add(textOf(fill).repeat(missing - left)).value;
}

/** Zeros after the sign. */
function zeroFilled(of: Value, args: Arguments, budget: Budget): Value {
  const missing = Math.max(0, numberArgument(args, 0, 'width', 0) - textOf(of).length);
  budget.make(missing);
  const sign = /^[-+]/.test(textOf(of)) ? 1 : 0;
  const text = new TextBuilder(budget).addPart(of, 0, sign).add('0'.repeat(missing));
  return text.addPart(of, sign, textOf(of).length).value;
}

function swapped(text: string): string {
  return Array.from(text, (letter) => {
    const upper = letter.toUpperCase();
    return letter === upper ? letter.toLowerCase() : upper;
  }).join('');
}

const consistsOf =
  (pattern: RegExp): Method =>
  (of, _args, budget) => {
    budget.make(textOf(of).length);
    return truth(pattern.test(textOf(of)));
  };

export const STRING_METHODS: ReadonlyMap<string, Method> = new Map<string, Method>([
  ['upper', (of, _, budget) => cased(of, budget, (text) => text.toUpperCase())],
  ['lower', (of, _, budget) => cased(of, budget, (text) => text.toLowerCase())],
  ['title', (of, _, budget) => cased(of, budget, title)],
  ['capitalize', (of, _, budget) => cased(of, budget, capitalized)],
  ['strip', (of, args, budget) => strip(of, 'both', budget, textArgument(args, 0))],
  ['lstrip', (of, args, budget) => strip(of, 'left', budget, textArgument(args, 0))],
  ['rstrip', (of, args, budget) => strip(of, 'right', budget, textArgument(args, 0))],
  ['startswith', (of, args, budget) => isAtEnd(of, args, budget, (text, end) => text.startsWith(end))],
  ['endswith', (of, args, budget) => isAtEnd(of, args, budget, (text, end) => text.endsWith(end))],
  [
    'split',
    (of, args, budget) =>
      new ArrayValue(
        split(of, budget, textArgument(args, 0, 'sep'), numberArgument(args, 1, 'maxsplit', -1)),
      ),
  ],
  [
    'rsplit',
    (of, args, budget) => {
      const separator = textArgument(args, 0, 'sep');
      if (!separator) throw new Error('it calls rsplit without a separator');
      return new ArrayValue(splitRight(of, budget, separator, numberArgument(args, 1, 'maxsplit', -1)));
    },
  ],
  [
    'partition',
    (of, args, budget) => {
      const separator = required(args, 0);
      const [head, tail] = split(of, budget, separator, 1);
      return new TupleValue([head!, tail ? separator : textValue(''), tail ?? textValue('')]);
    },
  ],
  ['splitlines', splitLines],
  ['replace', (of, args, budget) => replace(of, budget, args)],
  ['join', joinTexts],
  ['find', (of, args, budget) => integer(find(of, args, budget, false))],
  ['rfind', (of, args, budget) => integer(find(of, args, budget, true))],
  ['count', (of, args, budget) => integer(count(of, args, budget))],
  [
    'removeprefix',
    (of, args, budget) => {
      const prefix = textOf(required(args, 0));
      budget.make(textOf(of).length);
      return textOf(of).startsWith(prefix) ? part(of, prefix.length, textOf(of).length) : of;
    },
  ],
  [
    'removesuffix',
    (of, args, budget) => {
      const suffix = textOf(required(args, 0));
      budget.make(textOf(of).length);
      return textOf(of).endsWith(suffix) ? part(of, 0, textOf(of).length - suffix.length) : of;
    },
  ],
  [
    'rpartition',
    (of, args, budget) => {
      const separator = required(args, 0);
      const [head, tail] = splitRight(of, budget, separator, 1);
      if (!tail) return new TupleValue([textValue(''), textValue(''), of]);
      return new TupleValue([head!, separator, tail]);
    },
  ],
  ['index', (of, args, budget) => integer(found(find(of, args, budget, false)))],
  ['rindex', (of, args, budget) => integer(found(find(of, args, budget, true)))],
  ['center', (of, args, budget) => padded(of, args, budget, 'both')],
  ['ljust', (of, args, budget) => padded(of, args, budget, 'right')],
  ['rjust', (of, args, budget) => padded(of, args, budget, 'left')],
  ['zfill', (of, args, budget) => zeroFilled(of, args, budget)],
  ['casefold', (of, _, budget) => cased(of, budget, (text) => text.toLowerCase())],
  ['swapcase', (of, _, budget) => cased(of, budget, swapped)],
  ['isalnum', consistsOf(/^[\p{L}\p{N}]+$/u)],
  ['isnumeric', consistsOf(/^\p{N}+$/u)],
  ['isdecimal', consistsOf(/^\p{Nd}+$/u)],
  ['isascii', consistsOf(/^[\x00-\x7f]*$/)],
  ['isidentifier', consistsOf(/^[\p{L}_][\p{L}\p{N}\p{M}_]*$/u)],
  ['islower', consistsOf(/^(?=.*\p{Lowercase})[^\p{Uppercase}\p{Lt}]*$/su)],
  ['isupper', consistsOf(/^(?=.*\p{Uppercase})[^\p{Lowercase}\p{Lt}]*$/su)],
  ['isdigit', consistsOf(/^\p{Nd}+$/u)],
  ['isalpha', consistsOf(/^\p{L}+$/u)],
  ['isspace', consistsOf(/^[\s\x1c-\x1f\x85]+$/)],
]);

/** Texts, each part of which knows whether it comes from the template or from its input. */
import { addSpans, cutSpans, type Spans } from '../tokenizer/spans.ts';
import type { Budget } from './budget.ts';
import { type Arguments, numberArgument, textArgument, textValue, type Value } from './values.ts';

const NO_SPANS: Spans = [];
const SPACE =
  '\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'; // str.isspace
const SPACES: ReadonlySet<string> = new Set(SPACE);

/** Joins texts and their markup. */
export class TextBuilder {
  readonly #budget: Budget;
  readonly #markup: number[] = [];
  #text = '';

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  add(text: string, markup: Spans = NO_SPANS): this {
    this.#budget.make(text.length, markup);
    addSpans(this.#markup, markup, this.#text.length);
    this.#text += text;
    this.#budget.fit(this.#text.length);
    return this;
  }

  /** Adds [start, end) of a string. */
  addPart(of: Value, start: number, end: number): this {
    return this.add(textOf(of).slice(start, end), of.markup && cutSpans(of.markup, start, end));
  }

  addValue(value: Value): this {
    return this.add(textOf(value), value.markup);
  }

  get value(): Value {
    return textValue(this.#text, this.#markup);
  }
}

export function textOf(value: Value): string {
  return value.value as string;
}

/** [start, end) of a string. */
export function part(of: Value, start: number, end: number): Value {
  return textValue(textOf(of).slice(start, end), of.markup && cutSpans(of.markup, start, end));
}

/** The characters of a string. */
export function charactersOf(of: Value, budget: Budget): Value[] {
  const characters: Value[] = [];
  for (let start = 0; start < textOf(of).length; ) {
    const end = start + (textOf(of).codePointAt(start)! > 0xffff ? 2 : 1);
    budget.step(2);
    characters.push(part(of, start, end));
    start = end;
  }
  return characters;
}

/** Applies a conversion of case. Markup stays markup if no character changes its length. */
export function cased(of: Value, budget: Budget, convert: (text: string) => string): Value {
  budget.make(textOf(of).length, of.markup);
  budget.call(textOf(of).length);
  const text = convert(textOf(of));
  return textValue(text, text.length === textOf(of).length ? of.markup : undefined);
}

export const title = (text: string): string =>
  text.replace(/\p{L}+/gu, (word) => word[0]!.toUpperCase() + word.slice(1).toLowerCase());

export const capitalized = (text: string): string =>
  text.slice(0, 1).toUpperCase() + text.slice(1).toLowerCase();

/** str.strip, lstrip and rstrip: removes the characters of `unwanted`, or white space, from these ends. */
export function strip(of: Value, ends: 'both' | 'left' | 'right', budget: Budget, unwanted?: Value): Value {
  const text = textOf(of);
  budget.make(text.length, of.markup);
  const set = unwanted ? new Set(textOf(unwanted)) : SPACES;
  let start = 0;
  let end = text.length;
  const isUnwanted = (from: number, to: number) => set.has(text.slice(from, to));
  const lengthAt = (at: number) => (text.codePointAt(at)! > 0xffff ? 2 : 1);
  const lengthBefore = (at: number) => (at > 1 && text.codePointAt(at - 2)! > 0xffff ? 2 : 1);
  if (ends !== 'right')
    while (start < end && isUnwanted(start, start + lengthAt(start))) start += lengthAt(start);
  if (ends !== 'left')
    while (end > start && isUnwanted(end - lengthBefore(end), end)) end -= lengthBefore(end);
  budget.call(text.length - (end - start));
  return part(of, start, end);
}

/** str.split: by white space if there is no separator; at most `most` times. */
export function split(of: Value, budget: Budget, separator?: Value, most = -1): Value[] {
  const text = textOf(of);
  const limit = most < 0 ? Number.POSITIVE_INFINITY : most;
  const parts: Value[] = [];
  budget.make(text.length, of.markup);
  const push = (start: number, end: number) => {
    budget.step(2);
    parts.push(part(of, start, end));
  };
  if (separator === undefined) {
    const words = /[^\s\x1c-\x1f\x85]+/g;
    for (let word = words.exec(text); word !== null; word = words.exec(text)) {
      if (parts.length >= limit) {
        push(word.index, text.length);
        break;
      }
      push(word.index, words.lastIndex);
    }
    return parts;
  }
  let start = 0;
  for (const at of occurrences(text, textOf(separator), budget)) {
    if (parts.length >= limit) break;
    push(start, at);
    start = at + textOf(separator).length;
  }
  push(start, text.length);
  return parts;
}

export function replace(of: Value, budget: Budget, args: Arguments): Value {
  const old = textArgument(args, 0, 'old');
  const by = textArgument(args, 1, 'new');
  if (!old || !by) throw new Error('it calls replace without two texts');
  const count = numberArgument(args, 2, 'count', -1);
  let left = count < 0 ? Number.POSITIVE_INFINITY : count;
  const text = textOf(of);
  const result = new TextBuilder(budget);
  let start = 0;
  for (const at of textOf(old) === '' ? everyPlace(text) : occurrences(text, textOf(old), budget)) {
    if (left-- <= 0) break;
    budget.step(0.5);
    result.addPart(of, start, at).addValue(by);
    start = at + textOf(old).length;
  }
  return result.addPart(of, start, text.length).value;
}

function* everyPlace(text: string): Generator<number> {
  for (let at = 0; at <= text.length; at++) yield at;
}

/** Where `wanted` is, without overlaps. */
export function* occurrences(text: string, wanted: string, budget: Budget): Generator<number> {
  if (wanted === '') throw new Error('it splits by an empty separator');
  budget.search(text, wanted);
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) yield at;
}

export function join(values: readonly Value[], separator: Value | undefined, budget: Budget): Value {
  const result = new TextBuilder(budget);
  for (const [i, value] of values.entries()) {
    budget.step(0.5);
    if (i > 0 && separator) result.addValue(separator);
    result.addValue(value);
  }
  return result.value;
}

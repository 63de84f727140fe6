/** Jinja's filters of texts that write HTML, or lay text out. */
import type { Budget } from './budget.ts';
import type { Filter } from './list-filters.ts';
import { pairsOf } from './list-filters.ts';
import { str } from './python.ts';
import { part, TextBuilder, textOf } from './strings.ts';
import {
  flagArgument,
  isMissing,
  isNone,
  isText,
  listOf,
  mappingOf,
  numberArgument,
  textArgument,
  textValue,
  type Value,
} from './values.ts';

const HTML: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&#39;',
  '"': '&#34;',
};

/** As HTML; what is HTML already stays. */
export function escapedText(value: Value, budget: Budget): Value {
  if (value.safe) return value;
  const text = textOf(str(value, budget));
  budget.make(5 * text.length);
  budget.call(text.length);
  const plain = !/[&<>'"]/.test(text) && isText(value) ? value.markup : undefined;
  return {
    ...textValue(
      text.replace(/[&<>'"]/g, (character) => HTML[character]!),
      plain,
    ),
    safe: true,
  };
}

export const center: Filter = (operand, args, budget) => {
  const missing = numberArgument(args, 0, 'width', 80) - textOf(operand).length;
  if (missing <= 0) return operand;
  budget.make(missing + textOf(operand).length);
  // Python puts the odd space to the left of an odd width.
  const left = (missing >> 1) + (missing & (missing + textOf(operand).length) & 1);
  return new TextBuilder(budget)
    .add(' '.repeat(left))
    .addValue(operand)
    .add(' '.repeat(missing - left)).value;
};

export const filesize: Filter = (operand, args, budget) => {
  const bytes = Number(operand.value);
  const binary = flagArgument(args, 0, 'binary');
  const base = binary ? 1024 : 1000;
  budget.step(1);
  if (bytes === 1) return textValue('1 Byte');
  if (bytes < base) return textValue(`${Math.trunc(bytes)} Bytes`);
  const units = binary
    ? ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB']
    : ['kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB', 'YB'];
  const index = units.findIndex((_, i) => bytes < base ** (i + 2));
  const at = index < 0 ? units.length - 1 : index;
  return textValue(`${(bytes / base ** (at + 1)).toFixed(1)} ${units[at]}`);
};

/** Without tags and comments of HTML, and with single spaces. */
export const stripTags: Filter = (operand, _args, budget) => {
  const text = textOf(operand);
  budget.make(text.length);
  budget.call(text.length);
  let result = '';
  for (let at = 0; at < text.length; ) {
    const open = text.indexOf('<', at);
    const end =
      open < 0 ? -1 : text.startsWith('<!--', open) ? text.indexOf('-->', open) : text.indexOf('>', open);
    if (open < 0 || end < 0) {
      result += text.slice(at);
      break;
    }
    result += text.slice(at, open);
    at = end + (text.startsWith('<!--', open) ? 3 : 1);
  }
  return textValue(result.split(/\s+/).filter(Boolean).join(' '));
};

/** Of a text, or of the pairs of a mapping or a list. */
export function urlEncoded(operand: Value, budget: Budget): Value {
  const quoted = (value: Value, kept: RegExp) => {
    const text = textOf(str(value, budget)).toWellFormed();
    budget.make(9 * text.length);
    budget.call(text.length);
    return encodeURIComponent(text)
      .replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
      .replace(kept, '/');
  };
  const pairs = mappingOf(operand) ? pairsOf(operand, budget) : listOf(operand);
  if (!pairs) return textValue(quoted(operand, /%2F/g));
  const texts = pairs.map((pair) =>
    (listOf(pair) ?? []).map((each) => quoted(each, /(?!)/).replaceAll('%20', '+')),
  );
  return textValue(texts.map((pair) => pair.join('=')).join('&'));
}

/** Lines of at most `width` characters, cut at spaces; longer words are cut if break_long_words says so. */
export const wordwrap: Filter = (operand, args, budget) => {
  const width = numberArgument(args, 0, 'width', 79);
  const breaks =
    args.list[1] === undefined && !args.named.has('break_long_words')
      ? true
      : flagArgument(args, 1, 'break_long_words');
  const newline = textArgument(args, 2, 'wrapstring') ?? textValue('\n');
  if (!(width >= 1)) throw new Error(`it wraps lines at a width of ${width}`);
  budget.make(2 * textOf(operand).length);
  budget.call(textOf(operand).length);
  const lines = textOf(operand)
    .split('\n')
    .map((line) => wrapped(line, width, breaks).join(textOf(newline)));
  return textValue(lines.join(textOf(newline)));
};

function wrapped(line: string, width: number, breaks: boolean): string[] {
  const lines: string[] = [];
  let current = '';
  for (const chunk of line.split(/(\s+)/).filter(Boolean)) {
    let rest = chunk;
    if (current.length + rest.length > width && current.trim() !== '') {
      lines.push(current.trimEnd());
      current = '';
      if (rest.trim() === '') continue;
    }
    while (breaks && rest.length > width) {
      lines.push(rest.slice(0, width));
      rest = rest.slice(width);
    }
    current += rest;
  }
  if (current.trim() !== '') lines.push(current.trimEnd());
  return lines;
}

/** Attributes of a tag, of the entries that are not none. */
export const xmlAttributes: Filter = (operand, args, budget) => {
  const result = new TextBuilder(budget);
  const spaced = args.list.length === 0 || flagArgument(args, 0, 'autospace');
  for (const pair of pairsOf(operand, budget)) {
    const [key, value] = listOf(pair)!;
    if (isNone(value!) || isMissing(value!)) continue;
    if (/[\s/>=]/.test(textOf(str(key!, budget))))
      throw new Error('it writes an attribute with a sign that none may have');
    result.add(textOf(result.value) !== '' || spaced ? ' ' : '');
    result.addValue(escapedText(key!, budget)).add('="').addValue(escapedText(value!, budget)).add('"');
  }
  const { value } = result;
  return { ...part(value, 0, textOf(value).length), safe: true };
};

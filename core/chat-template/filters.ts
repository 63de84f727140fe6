/** Jinja's filters by name. */

import { elementsOf, type Filter, LIST_FILTERS, pathOf } from './list-filters.ts';
import { attributeOf } from './members.ts';
import { formatted, json, repr, str } from './python.ts';
import { capitalized, cased, replace, split, strip, TextBuilder, textOf, title } from './strings.ts';
import {
  center,
  escapedText,
  filesize,
  stripTags,
  urlEncoded,
  wordwrap,
  xmlAttributes,
} from './text-filters.ts';
import {
  argument,
  FloatValue,
  flagArgument,
  GeneratorValue,
  integer,
  isFloat,
  isMissing,
  isNumber,
  isText,
  isTrue,
  listOf,
  mappingOf,
  numberArgument,
  textArgument,
  textValue,
} from './values.ts';

const map: Filter = (operand, args, budget) => {
  const elements = isTrue(operand) ? elementsOf(operand, budget) : []; // as in Jinja, None is nothing
  const attribute = args.named.get('attribute');
  if (attribute) {
    const byDefault = args.named.get('default');
    const attributes = elements.map((element) => pathOf(element, String(attribute.value)));
    return new GeneratorValue(attributes.map((value) => (isMissing(value) ? (byDefault ?? value) : value)));
  }
  const filter = FILTERS.get(String(args.list[0]?.value));
  if (!filter) throw new Error('it maps by an unknown filter');
  const rest = { list: args.list.slice(1), named: args.named };
  return new GeneratorValue(elements.map((element) => filter(element, rest, budget)));
};

const indent: Filter = (operand, args, budget) => {
  const width = argument(args, 0, 'width');
  const spaces = width && isText(width) ? textOf(width).length : numberArgument(args, 0, 'width', 4);
  const first = flagArgument(args, 1, 'first');
  const blank = flagArgument(args, 2, 'blank');
  budget.make(spaces);
  const prefix = width && isText(width) ? textOf(width) : ' '.repeat(spaces);
  const result = new TextBuilder(budget);
  for (const [i, line] of split(operand, budget, textValue('\n')).entries()) {
    if (i > 0) result.add('\n');
    if ((i > 0 || first) && (textOf(line) !== '' || blank)) result.add(prefix);
    result.addValue(line);
  }
  return result.value;
};

const tojson: Filter = (operand, args, budget) => {
  const separators = argument(args, 2, 'separators');
  const width = argument(args, 1, 'indent');
  const texts = separators && listOf(separators)?.map(({ value }) => String(value));
  const options = {
    indent: width && isNumber(width) ? (width.value as number) : undefined,
    ascii: flagArgument(args, 0, 'ensure_ascii'),
    separators: texts?.length === 2 ? ([texts[0]!, texts[1]!] as const) : undefined,
    sorted: flagArgument(args, 3, 'sort_keys'),
  };
  return textValue(json(operand, budget, options));
};

const truncate: Filter = (operand, args, budget) => {
  const length = numberArgument(args, 0, 'length', 255);
  const words = !flagArgument(args, 1, 'killwords');
  const end = textArgument(args, 2, 'end') ?? textValue('...');
  const leeway = numberArgument(args, 3, 'leeway', 5);
  const text = textOf(operand);
  budget.make(text.length);
  if (text.length <= length + leeway) return operand;
  const room = Math.max(0, length - textOf(end).length);
  const space = words ? text.lastIndexOf(' ', room - 1) : -1;
  const kept = space >= 0 ? space : room;
  return new TextBuilder(budget).addPart(operand, 0, kept).addValue(end).value;
};

const escaped: Filter = (operand, _args, budget) => escapedText(operand, budget);

/** Made of other texts, it escapes them. */
const safe: Filter = (operand, _args, budget) => ({ ...str(operand, budget), safe: true });

const round: Filter = (operand, args) => {
  const digits = 10 ** Math.min(numberArgument(args, 0, 'precision', 0), 15);
  const method = argument(args, 1, 'method')?.value;
  const scaled = Number(operand.value) * digits;
  if (method === 'ceil') return new FloatValue(Math.ceil(scaled) / digits);
  if (method === 'floor') return new FloatValue(Math.floor(scaled) / digits);
  const near = Math.round(scaled);
  const isTie = Math.abs(scaled % 1) === 0.5;
  return new FloatValue((isTie && near % 2 !== 0 ? near - 1 : near) / digits); // half to even
};

const toInteger: Filter = (operand, args) => {
  const { value } = operand;
  if (typeof value === 'number' || typeof value === 'boolean') return integer(Math.trunc(Number(value)));
  const text = typeof value === 'string' ? value.trim().replaceAll('_', '') : '';
  if (/^[-+]?\d+(\.\d*)?$/.test(text)) return integer(Math.trunc(Number(text)));
  return argument(args, 0, 'default') ?? integer(0);
};

const toFloat: Filter = (operand, args) => {
  const { value } = operand;
  if (typeof value === 'number' || typeof value === 'boolean') return new FloatValue(Number(value));
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;
  return Number.isNaN(number) ? (argument(args, 0, 'default') ?? new FloatValue(0)) : new FloatValue(number);
};

const byDefault: Filter = (operand, { list, named }) => {
  const flag = list[1] ?? named.get('boolean');
  const isUnset = isMissing(operand) || (flag !== undefined && isTrue(flag) && !isTrue(operand));
  return isUnset ? (list[0] ?? named.get('default_value') ?? textValue('')) : operand;
};

const lengthOf: Filter = (operand, _args, budget) => {
  const size = listOf(operand)?.length ?? mappingOf(operand)?.size;
  if (size !== undefined || isMissing(operand)) return integer(size ?? 0);
  if (!isText(operand)) throw new Error(`it asks for the length of a ${operand.type}`);
  budget.make(textOf(operand).length);
  let pairs = 0; // of surrogates: a character beyond U+FFFF is one in Python
  for (let at = 0; at < textOf(operand).length - 1; at++)
    if (textOf(operand).codePointAt(at)! > 0xffff) pairs++;
  return integer(textOf(operand).length - pairs);
};

/** A filter of texts; another operand is printed first. */
const ofText =
  (filter: Filter): Filter =>
  (operand, args, budget) =>
    filter(str(operand, budget), args, budget);

export const FILTERS: ReadonlyMap<string, Filter> = new Map<string, Filter>([
  ...LIST_FILTERS,
  ['upper', ofText((text, _, budget) => cased(text, budget, (characters) => characters.toUpperCase()))],
  ['lower', ofText((text, _, budget) => cased(text, budget, (characters) => characters.toLowerCase()))],
  ['title', ofText((text, _, budget) => cased(text, budget, title))],
  ['capitalize', ofText((text, _, budget) => cased(text, budget, capitalized))],
  ['trim', ofText((text, args, budget) => strip(text, 'both', budget, textArgument(args, 0, 'chars')))],
  ['replace', ofText((text, args, budget) => replace(text, budget, args))],
  ['indent', ofText(indent)],
  ['truncate', ofText(truncate)],
  ['wordcount', ofText((text, _, budget) => integer(split(text, budget).length))],
  ['format', ofText((text, { list }, budget) => textValue(formatted(textOf(text), list, budget)))],
  ['string', ofText((text) => text)],
  ['escape', escaped],
  ['e', escaped],
  ['forceescape', (operand, _, budget) => escapedText(textValue(textOf(str(operand, budget))), budget)],
  ['safe', safe],
  ['filesizeformat', filesize],
  ['center', ofText(center)],
  ['attr', (operand, { list }, budget) => attributeOf(operand, String(list[0]?.value), budget)],
  ['pprint', (operand, _, budget) => textValue(repr(operand, budget))],
  ['striptags', ofText(stripTags)],
  ['urlencode', (operand, _, budget) => urlEncoded(operand, budget)],
  ['wordwrap', ofText(wordwrap)],
  ['xmlattr', xmlAttributes],
  ['length', lengthOf],
  ['count', lengthOf],
  ['map', map],
  ['tojson', tojson],
  ['round', round],
  ['int', toInteger],
  ['float', toFloat],
  [
    'abs',
    (operand) =>
      isFloat(operand)
        ? new FloatValue(Math.abs(Number(operand.value)))
        : integer(Math.abs(Number(operand.value))),
  ],
  ['default', byDefault],
  ['d', byDefault],
]);

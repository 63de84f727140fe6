/** Jinja's filters. What is not in the table is left to @huggingface/jinja. */
import type { Budget } from './budget.ts';
import { TESTS } from './predicates.ts';
import { compare, equal, formatted, json, str } from './python.ts';
import {
  capitalized,
  cased,
  charactersOf,
  join,
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
  FloatValue,
  integer,
  isFloat,
  isMissing,
  isNumber,
  isText,
  isTrue,
  listOf,
  mappingOf,
  none,
  nothing,
  numberArgument,
  TupleValue,
  textArgument,
  textValue,
  truth,
  type Value,
} from './values.ts';

export type Filter = (operand: Value, args: Arguments, budget: Budget) => Value;

/** What a loop over the value gives: elements, keys, characters. */
export function elementsOf(value: Value, budget: Budget): readonly Value[] {
  const list = listOf(value) ?? (isMissing(value) ? [] : undefined);
  if (list) {
    budget.step(list.length / 4);
    return list;
  }
  if (isText(value)) return charactersOf(value, budget);
  const mapping = mappingOf(value);
  if (!mapping) throw new Error(`it goes through a ${value.type}, which has no elements`);
  budget.step(mapping.size);
  return Array.from(mapping.keys(), (key) => textValue(key));
}

/** Key and value of each entry, as tuples. */
export function pairsOf(value: Value, budget: Budget): Value[] {
  const mapping = mappingOf(value);
  if (!mapping) throw new Error(`it asks for the entries of a ${value.type}`);
  budget.step(2 * mapping.size);
  return Array.from(mapping, ([key, element]) => new TupleValue([textValue(key), element]));
}

/** `a.b.0` of a value. */
function attributeOf(value: Value, path: string): Value {
  let found: Value | undefined = value;
  for (const name of path.split('.')) {
    found = mappingOf(found)?.get(name) ?? listOf(found)?.[Number(name)];
    if (!found) return nothing();
  }
  return found;
}

function keyOf(args: Arguments, at: number): (value: Value) => Value {
  const attribute = argument(args, at, 'attribute');
  return attribute === undefined ? (value) => value : (value) => attributeOf(value, String(attribute.value));
}

const flagArgument = (args: Arguments, at: number, name: string): boolean => {
  const value = argument(args, at, name);
  return value !== undefined && isTrue(value);
};

function selection(args: Arguments, at: number): (value: Value, budget: Budget) => boolean {
  const name = args.list[at];
  if (!name) return (value) => isTrue(value);
  const test = TESTS.get(String(name.value));
  if (!test) throw new Error(`it uses the unknown test ${String(name.value).slice(0, 40)}`);
  const wanted = args.list[at + 1] ?? nothing();
  return (value, budget) => test(value, wanted, budget);
}

function select(wanted: boolean, byAttribute: boolean): Filter {
  return (operand, args, budget) => {
    const path = byAttribute ? String(args.list[0]?.value) : undefined;
    const holds = selection(args, byAttribute ? 1 : 0);
    const test = (element: Value) => holds(path === undefined ? element : attributeOf(element, path), budget);
    return new ArrayValue(elementsOf(operand, budget).filter((element) => test(element) === wanted));
  };
}

const map: Filter = (operand, args, budget) => {
  const elements = elementsOf(operand, budget);
  const attribute = args.named.get('attribute');
  if (attribute) {
    const byDefault = args.named.get('default');
    const attributes = elements.map((element) => attributeOf(element, String(attribute.value)));
    return new ArrayValue(attributes.map((value) => (isMissing(value) ? (byDefault ?? value) : value)));
  }
  const filter = FILTERS.get(String(args.list[0]?.value));
  if (!filter) throw new Error('it maps by an unknown filter');
  const rest = { list: args.list.slice(1), named: args.named };
  return new ArrayValue(elements.map((element) => filter(element, rest, budget)));
};

const sort: Filter = (operand, args, budget) => {
  const reverse = flagArgument(args, 0, 'reverse');
  const isCased = flagArgument(args, 1, 'case_sensitive');
  const key = keyOf(args, 2);
  const elements = [...elementsOf(operand, budget)];
  const sign = reverse ? -1 : 1;
  return new ArrayValue(elements.sort((a, b) => sign * compare(key(a), key(b), budget, isCased)));
};

const dictsort: Filter = (operand, args, budget) => {
  const isCased = flagArgument(args, 0, 'case_sensitive');
  const at = argument(args, 1, 'by')?.value === 'value' ? 1 : 0;
  const sign = flagArgument(args, 2, 'reverse') ? -1 : 1;
  const pairs = pairsOf(operand, budget);
  return new ArrayValue(
    pairs.sort((a, b) => sign * compare(listOf(a)![at]!, listOf(b)![at]!, budget, isCased)),
  );
};

/** Keeps the first of equal elements. Texts and numbers are found by content, others compared one by one. */
const unique: Filter = (operand, args, budget) => {
  const isCased = flagArgument(args, 0, 'case_sensitive');
  const key = keyOf(args, 1);
  const simple = new Set<unknown>();
  const others: Value[] = [];
  const isNew = (value: Value) => {
    budget.step(1);
    if (isText(value)) budget.make(textOf(value).length);
    const content = isText(value) && !isCased ? textOf(value).toLowerCase() : value.value;
    if (typeof content !== 'object') return !simple.has(content) && simple.add(content) !== undefined;
    return !others.some((other) => equal(other, value, budget)) && others.push(value) > 0;
  };
  return new ArrayValue(elementsOf(operand, budget).filter((element) => isNew(key(element))));
};

function extreme(isBetter: (order: number) => boolean): Filter {
  return (operand, args, budget) => {
    const isCased = flagArgument(args, 0, 'case_sensitive');
    const key = keyOf(args, 1);
    const elements = elementsOf(operand, budget);
    const better = (a: Value, b: Value) => isBetter(compare(key(b), key(a), budget, isCased));
    return elements.reduce(
      (best, element) => (better(best, element) ? element : best),
      elements[0] ?? nothing(),
    );
  };
}

const sum: Filter = (operand, args, budget) => {
  const key = keyOf(args, 0);
  const elements = elementsOf(operand, budget).map(key);
  const start = argument(args, 1, 'start');
  if (start && listOf(start)) {
    const lists = [start, ...elements].map((value) => elementsOf(value, budget));
    budget.step(lists.reduce((total, list) => total + list.length, 0));
    return new ArrayValue(lists.flat());
  }
  const numbers = [...(start ? [start] : []), ...elements];
  const total = numbers.reduce((value, number) => value + Number(number.value), 0);
  return numbers.some(isFloat) ? new FloatValue(total) : integer(total);
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
  const width = argument(args, 1, 'indent') ?? args.named.get('indent');
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

const batch: Filter = (operand, args, budget) => {
  const size = Math.max(1, numberArgument(args, 0, 'linecount', 1));
  const fill = argument(args, 1, 'fill_with');
  const elements = elementsOf(operand, budget);
  const rows: Value[][] = [];
  for (let start = 0; start < elements.length; start += size) {
    budget.step(1);
    rows.push(elements.slice(start, start + size));
  }
  if (fill) budget.fit(size);
  while (fill && rows.length > 0 && rows.at(-1)!.length < size) rows.at(-1)!.push(fill);
  return new ArrayValue(rows.map((row) => new ArrayValue(row)));
};

/** `n` columns of about the same length. */
const slice: Filter = (operand, args, budget) => {
  const columns = numberArgument(args, 0, 'slices', 1);
  const fill = argument(args, 1, 'fill_with');
  const elements = elementsOf(operand, budget);
  budget.step(columns);
  const rows: Value[] = [];
  const short = Math.floor(elements.length / columns);
  const longer = elements.length % columns;
  for (let i = 0, start = 0; i < columns; i++) {
    const end = start + short + Number(i < longer);
    rows.push(new ArrayValue([...elements.slice(start, end), ...(fill && i >= longer ? [fill] : [])]));
    start = end;
  }
  return new ArrayValue(rows);
};

const groupby: Filter = (operand, args, budget) => {
  const key = keyOf(args, 0);
  const groups: { key: Value; list: Value[] }[] = [];
  for (const element of listOf(
    sort(operand, { list: [none(), none(), args.list[0] ?? none()], named: new Map() }, budget),
  )!) {
    const last = groups.at(-1);
    if (last && equal(last.key, key(element), budget)) last.list.push(element);
    else groups.push({ key: key(element), list: [element] });
  }
  return new ArrayValue(groups.map((group) => new TupleValue([group.key, new ArrayValue(group.list)])));
};

const HTML: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&#39;',
  '"': '&#34;',
};

const escaped: Filter = (operand, _args, budget) => {
  const text = textOf(str(operand, budget));
  budget.make(5 * text.length);
  budget.call(text.length);
  return textValue(text.replace(/[&<>'"]/g, (character) => HTML[character]!));
};

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

const first: Filter = (operand, _args, budget) => {
  if (isText(operand)) return part(operand, 0, textOf(operand).codePointAt(0)! > 0xffff ? 2 : 1);
  return elementsOf(operand, budget)[0] ?? nothing();
};

const last: Filter = (operand, _args, budget) => elementsOf(operand, budget).at(-1) ?? nothing();

const reverse: Filter = (operand, _args, budget) => {
  const elements = [...elementsOf(operand, budget)].reverse();
  return isText(operand) ? join(elements, undefined, budget) : new ArrayValue(elements);
};

const joined: Filter = (operand, args, budget) => {
  const key = keyOf(args, 1);
  const texts = elementsOf(operand, budget).map((element) => str(key(element), budget));
  return join(texts, argument(args, 0, 'd'), budget);
};

/** A filter of texts; another operand is printed first. */
const ofText =
  (filter: Filter): Filter =>
  (operand, args, budget) =>
    filter(str(operand, budget), args, budget);

export const FILTERS: ReadonlyMap<string, Filter> = new Map<string, Filter>([
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
  ['safe', (operand) => operand],
  ['list', (operand, _, budget) => new ArrayValue(elementsOf(operand, budget))],
  ['first', first],
  ['last', last],
  ['length', lengthOf],
  ['count', lengthOf],
  ['reverse', reverse],
  ['join', joined],
  ['sort', sort],
  ['unique', unique],
  ['max', extreme((sign) => sign > 0)],
  ['min', extreme((sign) => sign < 0)],
  ['sum', sum],
  ['map', map],
  ['select', select(true, false)],
  ['reject', select(false, false)],
  ['selectattr', select(true, true)],
  ['rejectattr', select(false, true)],
  ['items', (operand, _, budget) => new ArrayValue(isMissing(operand) ? [] : pairsOf(operand, budget))],
  ['dictsort', dictsort],
  ['batch', batch],
  ['slice', slice],
  ['groupby', groupby],
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
  ...[...TESTS].flatMap(([name, test]): [string, Filter][] => [
    [`is ${name}`, (operand, { list }, budget) => truth(test(operand, list[0] ?? nothing(), budget))],
    [`is not ${name}`, (operand, { list }, budget) => truth(!test(operand, list[0] ?? nothing(), budget))],
  ]),
]);

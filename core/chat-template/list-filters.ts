/** Jinja's filters of lists, and of whatever else a loop goes through. */
import type { Budget } from './budget.ts';
import { holds } from './predicates.ts';
import { compare, equal, str } from './python.ts';
import { charactersOf, join, part, textOf } from './strings.ts';
import {
  type Arguments,
  ArrayValue,
  argument,
  FloatValue,
  flagArgument,
  fromKey,
  GeneratorValue,
  integer,
  isFloat,
  isMissing,
  isText,
  isTrue,
  listOf,
  mappingOf,
  nothing,
  numberArgument,
  TupleValue,
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
  return Array.from(mapping.keys(), fromKey);
}

/** Key and value of each entry, as tuples. */
export function pairsOf(value: Value, budget: Budget): Value[] {
  const mapping = mappingOf(value);
  if (!mapping) throw new Error(`it asks for the entries of a ${value.type}`);
  budget.step(2 * mapping.size);
  return Array.from(mapping, ([key, element]) => new TupleValue([fromKey(key), element]));
}

/** `a.b.0` of a value. */
export function pathOf(value: Value, path: string): Value {
  let found: Value | undefined = value;
  for (const name of path.split('.')) {
    found = mappingOf(found)?.get(name) ?? listOf(found)?.[Number(name)];
    if (!found) return nothing();
  }
  return found;
}

function keyOf(args: Arguments, at: number): (value: Value) => Value {
  const attribute = argument(args, at, 'attribute');
  return attribute === undefined ? (value) => value : (value) => pathOf(value, String(attribute.value));
}

function selection(args: Arguments, at: number): (value: Value, budget: Budget) => boolean {
  const [name, ...others] = args.list.slice(at);
  if (!name) return isTrue;
  return (value, budget) => holds(String(name.value), value, others, budget);
}

function select(wanted: boolean, byAttribute: boolean): Filter {
  return (operand, args, budget) => {
    const path = byAttribute ? String(args.list[0]?.value) : undefined;
    const isSelected = selection(args, byAttribute ? 1 : 0);
    const test = (element: Value) => isSelected(path === undefined ? element : pathOf(element, path), budget);
    const elements = isTrue(operand) ? elementsOf(operand, budget) : []; // as in Jinja, None is nothing
    return new GeneratorValue(elements.filter((element) => test(element) === wanted));
  };
}

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
  return new GeneratorValue(elementsOf(operand, budget).filter((element) => isNew(key(element))));
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
  return new GeneratorValue(rows.map((row) => new ArrayValue(row)));
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
  return new GeneratorValue(rows);
};

const groupby: Filter = (operand, args, budget) => {
  const attributeIn = keyOf(args, 0);
  const byDefault = argument(args, 1, 'default');
  const isCased = flagArgument(args, 2, 'case_sensitive');
  const key = (element: Value) => {
    const value = attributeIn(element);
    return isMissing(value) ? (byDefault ?? value) : value;
  };
  const order = (a: Value, b: Value) => compare(a, b, budget, isCased);
  const groups: { key: Value; list: Value[] }[] = [];
  for (const element of [...elementsOf(operand, budget)].sort((a, b) => order(key(a), key(b)))) {
    const last = groups.at(-1);
    if (last && order(last.key, key(element)) === 0) last.list.push(element);
    else groups.push({ key: key(element), list: [element] });
  }
  return new ArrayValue(groups.map((group) => new TupleValue([group.key, new ArrayValue(group.list)])));
};

const first: Filter = (operand, _args, budget) => {
  if (isText(operand)) return part(operand, 0, textOf(operand).codePointAt(0)! > 0xffff ? 2 : 1);
  return elementsOf(operand, budget)[0] ?? nothing();
};

const last: Filter = (operand, _args, budget) => elementsOf(operand, budget).at(-1) ?? nothing();

const reverse: Filter = (operand, _args, budget) => {
  const elements = [...elementsOf(operand, budget)].reverse();
  return isText(operand) ? join(elements, undefined, budget) : new GeneratorValue(elements);
};

const joined: Filter = (operand, args, budget) => {
  const key = keyOf(args, 1);
  const texts = elementsOf(operand, budget).map((element) => str(key(element), budget));
  return join(texts, argument(args, 0, 'd'), budget);
};

export const LIST_FILTERS: ReadonlyMap<string, Filter> = new Map<string, Filter>([
  ['list', (operand, _, budget) => new ArrayValue(elementsOf(operand, budget))],
  ['first', first],
  ['last', last],
  ['reverse', reverse],
  ['join', joined],
  ['sort', sort],
  ['unique', unique],
  ['max', extreme((sign) => sign > 0)],
  ['min', extreme((sign) => sign < 0)],
  ['sum', sum],
  ['select', select(true, false)],
  ['reject', select(false, false)],
  ['selectattr', select(true, true)],
  ['rejectattr', select(false, true)],
  ['items', (operand, _, budget) => new GeneratorValue(isMissing(operand) ? [] : pairsOf(operand, budget))],
  ['dictsort', dictsort],
  ['batch', batch],
  ['slice', slice],
  ['groupby', groupby],
]);

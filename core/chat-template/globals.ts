/** Jinja's functions, which every template may call; there is no `lipsum`. */
import type { Budget } from './budget.ts';
import { elementsOf } from './list-filters.ts';
import {
  type Arguments,
  ArrayValue,
  type FunctionOfValues,
  FunctionValue,
  integer,
  mappingOf,
  NamespaceValue,
  none,
  ObjectValue,
  textArgument,
  textValue,
  toKey,
  type Value,
} from './values.ts';

const MAX_RANGE = 100_000; // as jinja2.sandbox.MAX_RANGE

/** The functions by name; their work is charged to the budget. */
export function functionsOf(budget: Budget): ReadonlyMap<string, FunctionOfValues> {
  return new Map<string, FunctionOfValues>([
    ['range', ({ list }) => range(list, budget)],
    ['dict', (args) => dict(args, budget)],
    ['namespace', (args) => new NamespaceValue(new Map(mappingOf(dict(args, budget))))],
    ['joiner', joiner],
    ['cycler', cycler],
  ]);
}

/** Python's range. */
function range(values: readonly Value[], budget: Budget): Value {
  const [first, second, step = 1] = values.map(({ value }) => value as number);
  const [start, stop] = second === undefined ? [0, first!] : [first!, second];
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= MAX_RANGE))
    throw new Error(`it asks for a range of ${length} numbers, more than ${MAX_RANGE}`);
  budget.step(length);
  return new ArrayValue(Array.from({ length }, (_, i) => integer(start + i * step)));
}

/** Python's dict, of a mapping or of pairs, and of arguments by name. */
function dict({ list, named }: Arguments, budget: Budget): Value {
  if (list.length > 1) throw new Error(`it makes a mapping of ${list.length} values instead of one`);
  const [of] = list;
  const entries = of ? (mappingOf(of) ?? elementsOf(of, budget).map((pair) => entryOf(pair, budget))) : [];
  const mapping = new Map([...entries, ...named]);
  budget.step(mapping.size);
  return new ObjectValue(mapping);
}

function entryOf(pair: Value, budget: Budget): [string, Value] {
  const [key, value, ...others] = elementsOf(pair, budget);
  const name = key && toKey(key);
  if (name === undefined || !value || others.length > 0)
    throw new Error('it makes a mapping of what are no pairs of a key and a value');
  return [name, value];
}

/** A function that gives the separator, except at its first call. */
function joiner(args: Arguments): Value {
  const separator = textArgument(args, 0, 'sep') ?? textValue(', ');
  let isFirst = true;
  return new FunctionValue(() => {
    const result = isFirst ? textValue('') : separator;
    isFirst = false;
    return result;
  });
}

/** An object that gives one of its items after the other. */
function cycler({ list: items }: Arguments): Value {
  let at = 0;
  const current = () => cycled(items, at);
  const members = new Map([['current', current()]]);
  const moveTo = (place: number) => {
    at = place;
    members.set('current', current());
  };
  const next = () => {
    const item = current();
    moveTo((at + 1) % items.length);
    return item;
  };
  const reset = () => {
    moveTo(0);
    return none();
  };
  members.set('next', new FunctionValue(next)).set('reset', new FunctionValue(reset));
  return new NamespaceValue(members);
}

/** One of the items, which repeat without end. */
export function cycled(items: readonly Value[], index: number): Value {
  if (items.length === 0) throw new Error('it goes through no items over and over');
  return items[index % items.length]!;
}

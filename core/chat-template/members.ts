/** Attributes, items and parts of values, as Jinja's sandbox lets templates read them. */
import type { Budget } from './budget.ts';
import { format, type Member } from './format.ts';
import { elementsOf, pairsOf } from './list-filters.ts';
import { equal, places, sliced } from './python.ts';
import { STRING_METHODS } from './string-methods.ts';
import { part, TextBuilder, textOf } from './strings.ts';
import {
  type Arguments,
  ArrayValue,
  FunctionValue,
  integer,
  isMissing,
  isNone,
  isText,
  listOf,
  mappingOf,
  NamespaceValue,
  none,
  nothing,
  ObjectValue,
  TupleValue,
  textValue,
  toKey,
  type Value,
} from './values.ts';

type Method = (of: Value, args: Arguments, budget: Budget) => Value;

const MAPPING_METHODS: ReadonlyMap<string, Method> = new Map<string, Method>([
  ['items', (of, _, budget) => new ArrayValue(pairsOf(of, budget))],
  ['keys', (of, _, budget) => new ArrayValue(elementsOf(of, budget))],
  ['values', (of) => new ArrayValue([...mappingOf(of)!.values()])],
  ['copy', (of) => new ObjectValue(new Map(mappingOf(of)!))],
  [
    'get',
    (of, { list: [key, byDefault] }) => {
      const name = key && toKey(key);
      return (name === undefined ? undefined : mappingOf(of)!.get(name)) ?? byDefault ?? none();
    },
  ],
]);

const LIST_METHODS: ReadonlyMap<string, Method> = new Map<string, Method>([
  ['copy', (of) => new ArrayValue([...listOf(of)!])],
  [
    'count',
    (of, { list: [wanted] }, budget) =>
      integer(listOf(of)!.filter((element) => wanted && equal(element, wanted, budget)).length),
  ],
  [
    'index',
    (of, { list: [wanted] }, budget) => {
      const at = listOf(of)!.findIndex((element) => wanted && equal(element, wanted, budget));
      if (at < 0) throw new Error('it asks for the place of what is not in the list');
      return integer(at);
    },
  ],
]);

/** Methods of texts, and those that read members of other values. */
const TEXT_METHODS: ReadonlyMap<string, Method> = new Map<string, Method>([
  ...STRING_METHODS,
  ['format', (of, args, budget) => format(of, args, budget, memberIn(budget))],
  [
    'format_map',
    (of, { list: [mapping] }, budget) =>
      format(of, { list: [], named: (mapping && mappingOf(mapping)) ?? new Map() }, budget, memberIn(budget)),
  ],
]);

const memberIn =
  (budget: Budget): Member =>
  (of, name, isIndex) => {
    if (!isIndex) return attributeOf(of, name, budget);
    return itemOf(of, /^\d+$/.test(name) ? integer(Number(name)) : textValue(name), budget);
  };

/** Methods that would change a value; the sandbox forbids them. */
const CHANGING = new Set([
  ...['append', 'clear', 'extend', 'insert', 'pop', 'popitem', 'remove', 'reverse', 'setdefault', 'sort'],
  ...['update', 'add', 'discard'],
]);

/** of.name: a method, else an entry. */
export function attributeOf(of: Value, name: string, budget: Budget): Value {
  if (isMissing(of)) throw undefinedError(of, name);
  const own = (of as { members?: ReadonlyMap<string, Value> }).members;
  if (own) return own.get(name) ?? nothing(name);
  if (of instanceof NamespaceValue) return of.value.get(name) ?? nothing(name);
  const method = methodsOf(of)?.get(name);
  if (method) return new FunctionValue((args) => method(of, args, budget), name);
  if (CHANGING.has(name) && (listOf(of) || of instanceof ObjectValue) && !mappingOf(of)?.has(name)) {
    return new FunctionValue(() => {
      throw new Error(`it calls ${name}, which would change a value`);
    });
  }
  return mappingOf(of)?.get(name) ?? nothing(name);
}

function methodsOf(of: Value): ReadonlyMap<string, Method> | undefined {
  if (isText(of)) return TEXT_METHODS;
  if (of instanceof ObjectValue) return MAPPING_METHODS;
  return listOf(of) ? LIST_METHODS : undefined;
}

/** of[index]: an entry, else an attribute. */
export function itemOf(of: Value, index: Value, budget: Budget): Value {
  if (isMissing(of)) throw undefinedError(of, isText(index) ? textOf(index) : undefined);
  if (of instanceof ObjectValue) {
    const key = toKey(index);
    const found = key === undefined ? undefined : of.value.get(key);
    if (found) return found;
  }
  const at = index.type === 'whole number' || index.type === 'truth value' ? Number(index.value) : undefined;
  if (at !== undefined && isText(of)) return character(of, at);
  if (at !== undefined && listOf(of)) return listOf(of)!.at(at) ?? nothing();
  return isText(index) ? attributeOf(of, textOf(index), budget) : nothing();
}

function character(text: Value, index: number): Value {
  const { length } = textOf(text);
  const at = index < 0 ? length + index : index;
  return at >= 0 && at < length ? part(text, at, at + 1) : nothing();
}

const SURROGATE = /[\ud800-\udfff]/;

export function sliceOf(
  of: Value,
  bounds: Readonly<Record<'start' | 'stop' | 'step', Value | undefined>>,
  budget: Budget,
): Value {
  if (isMissing(of)) throw undefinedError(of, undefined);
  if (!isText(of) && !listOf(of)) return nothing();
  const [start, stop, step = 1] = [bounds.start, bounds.stop, bounds.step].map(boundIn);
  if (isText(of) && step === 1 && !SURROGATE.test(textOf(of))) {
    const [from, to] = places(textOf(of).length, start, stop, 1);
    return part(of, from, Math.max(from, to));
  }
  const chosen = sliced(elementsOf(of, budget), start, stop, step);
  if (!isText(of)) return of instanceof TupleValue ? new TupleValue(chosen) : new ArrayValue(chosen);
  const text = new TextBuilder(budget);
  for (const each of chosen) text.addValue(each);
  return text.value;
}

function boundIn(bound: Value | undefined): number | undefined {
  if (bound === undefined || isNone(bound)) return undefined;
  if (bound.type === 'whole number' || bound.type === 'truth value') return Number(bound.value);
  throw new Error(`it cuts at a ${bound.type}`);
}

function undefinedError(of: Value, name: string | undefined): Error {
  const hint = (of as { hint?: string }).hint ?? 'a value';
  return new Error(
    name === undefined ? `${hint} is undefined` : `it asks for ${name} of ${hint}, which is undefined`,
  );
}

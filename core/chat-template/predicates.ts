/** Jinja's tests by name, for `is` and for filters. "filter" is not among them. */
import type { Budget } from './budget.ts';
import { compare, contains, equal, isNumeric, str } from './python.ts';
import { textOf } from './strings.ts';
import {
  FunctionValue,
  GeneratorValue,
  integer,
  isFloat,
  isMissing,
  isNone,
  isText,
  listOf,
  nothing,
  type Value,
} from './values.ts';

type Test = (value: Value, wanted: Value, budget: Budget) => boolean;
const order =
  (holds: (order: number) => boolean): Test =>
  (a, b, budget) =>
    holds(compare(a, b, budget));
const isEqual: Test = (a, b, budget) => equal(a, b, budget);
const isUnequal: Test = (a, b, budget) => !equal(a, b, budget);
const isLess = order((sign) => sign < 0);
const isMore = order((sign) => sign > 0);
const isAtMost = order((sign) => sign <= 0);
const isAtLeast = order((sign) => sign >= 0);

const COMPARISONS: readonly (readonly [string, Test])[] = [
  ...['eq', 'equalto', '=='].map((name) => [name, isEqual] as const),
  ...['ne', '!='].map((name) => [name, isUnequal] as const),
  ...['lt', 'lessthan', '<'].map((name) => [name, isLess] as const),
  ...['gt', 'greaterthan', '>'].map((name) => [name, isMore] as const),
  ...['le', '<='].map((name) => [name, isAtMost] as const),
  ...['ge', '>='].map((name) => [name, isAtLeast] as const),
  ['in', (value, wanted, budget) => contains(wanted, value, budget)],
  ['sameas', (value, wanted) => value.type === wanted.type && value.value === wanted.value],
  ['divisibleby', (value, by) => remainderOf(value, by) === 0],
];

/** Tests that take one argument; the others take none. */
export const TESTS_WITH_ARGUMENT: ReadonlySet<string> = new Set(COMPARISONS.map(([name]) => name));

const TWO = integer(2);

const TESTS: ReadonlyMap<string, Test> = new Map<string, Test>([
  ...COMPARISONS,
  ['defined', (value) => !isMissing(value)],
  ['undefined', isMissing],
  ['none', isNone],
  ['string', isText],
  ['number', isNumeric],
  ['integer', ({ type }) => type === 'whole number'],
  ['float', isFloat],
  ['boolean', ({ type }) => type === 'truth value'],
  ['true', ({ value }) => value === true],
  ['false', ({ value }) => value === false],
  ['mapping', isMapping],
  ['iterable', isIterable],
  ['sequence', (value) => isIterable(value) && !(value instanceof GeneratorValue)],
  ['escaped', (value) => value.safe === true],
  ['callable', (value) => value instanceof FunctionValue || isMissing(value)], // Jinja's Undefined has __call__
  ['lower', (value, _, budget) => hasCase(value, budget, /\p{Lowercase}/u, /[\p{Uppercase}\p{Lt}]/u)],
  ['upper', (value, _, budget) => hasCase(value, budget, /\p{Uppercase}/u, /[\p{Lowercase}\p{Lt}]/u)],
  ['odd', (value) => Math.abs(remainderOf(value, TWO)) === 1],
  ['even', (value) => remainderOf(value, TWO) === 0],
  ['test', ({ value }) => TESTS.has(String(value))],
]);

/** Applies a test. Throws an Error if there is none of this name, or if it takes another number of arguments. */
export function holds(name: string, value: Value, args: readonly Value[], budget: Budget): boolean {
  const test = TESTS.get(name);
  if (!test) throw new Error(`it uses the unknown test ${name.slice(0, 40)}`);
  const expected = TESTS_WITH_ARGUMENT.has(name) ? 1 : 0;
  if (args.length !== expected) {
    throw new Error(`it gives the test ${name} ${args.length} arguments instead of ${expected}`);
  }
  return test(value, args[0] ?? nothing(), budget);
}

/** A namespace is none. */
function isMapping({ type }: Value): boolean {
  return type === 'mapping';
}

function isIterable(value: Value): boolean {
  return isText(value) || isMapping(value) || isMissing(value) || listOf(value) !== undefined;
}

/** Python's islower and isupper: some letters of one case and none of another. */
function hasCase(value: Value, budget: Budget, wanted: RegExp, other: RegExp): boolean {
  const text = textOf(str(value, budget));
  budget.call(text.length);
  return wanted.test(text) && !other.test(text);
}

/** With the sign of the dividend. */
function remainderOf(value: Value, by: Value): number {
  if (!isNumeric(value) || !isNumeric(by)) throw new Error(`it divides a ${value.type} by a ${by.type}`);
  if (Number(by.value) === 0) throw new Error('it divides by zero');
  return Number(value.value) % Number(by.value);
}

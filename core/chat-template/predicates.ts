/** Jinja's tests as filters and operators use them: by name, with at most one argument. */
import type { Budget } from './budget.ts';
import { compare, contains, equal } from './python.ts';
import { isFloat, isMissing, isNone, isNumber, isText, mappingOf, type Value } from './values.ts';

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

export const TESTS: ReadonlyMap<string, Test> = new Map<string, Test>([
  ...['eq', 'equalto', '=='].map((name) => [name, isEqual] as const),
  ...['ne', '!='].map((name) => [name, isUnequal] as const),
  ...['lt', 'lessthan', '<'].map((name) => [name, isLess] as const),
  ...['gt', 'greaterthan', '>'].map((name) => [name, isMore] as const),
  ...['le', '<='].map((name) => [name, isAtMost] as const),
  ...['ge', '>='].map((name) => [name, isAtLeast] as const),
  ['in', (value, wanted, budget) => contains(wanted, value, budget)],
  ['defined', (value) => !isMissing(value)],
  ['undefined', isMissing],
  ['none', isNone],
  ['string', isText],
  ['number', isNumber],
  ['integer', ({ type }) => type === 'IntegerValue'],
  ['float', isFloat],
  ['boolean', ({ type }) => type === 'BooleanValue'],
  ['true', ({ value }) => value === true],
  ['false', ({ value }) => value === false],
  ['mapping', (value) => mappingOf(value) !== undefined],
  ['odd', ({ value }) => Math.abs(Number(value) % 2) === 1],
  ['even', ({ value }) => Number(value) % 2 === 0],
  ['divisibleby', ({ value }, by) => Number(value) % Number(by.value) === 0],
]);

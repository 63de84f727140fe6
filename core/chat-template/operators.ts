/** Python's operators. */
import { type Budget, ELEMENT } from './budget.ts';
import { compare, contains, equal, formatted, isNumeric, str } from './python.ts';
import { TextBuilder, textOf } from './strings.ts';
import { escapedText } from './text-filters.ts';
import {
  ArrayValue,
  FloatValue,
  integer,
  isFloat,
  isMissing,
  isNone,
  isText,
  listOf,
  TupleValue,
  textValue,
  truth,
  type Value,
} from './values.ts';

const ORDERS: Readonly<Record<string, (order: number) => boolean>> = {
  '<': (order) => order < 0,
  '>': (order) => order > 0,
  '<=': (order) => order <= 0,
  '>=': (order) => order >= 0,
};

/** Throws an Error for values that Python does not combine. */
export function operation(operator: string, a: Value, b: Value, budget: Budget): Value {
  switch (operator) {
    case '==':
    case '!=':
      return truth(equal(a, b, budget) === (operator === '=='));
    case 'in':
    case 'not in':
      return truth(contains(b, a, budget) === (operator === 'in'));
    case '~':
      return new TextBuilder(budget).addValue(str(a, budget)).addValue(str(b, budget)).value;
    case '<':
    case '>':
    case '<=':
    case '>=':
      return truth(ORDERS[operator]!(compare(a, b, budget)));
  }
  const special = operator === '+' ? sum(a, b, budget) : operator === '*' ? product(a, b, budget) : undefined;
  if (special) return special;
  if (operator === '%' && isText(a)) return textValue(formatted(textOf(a), listOf(b) ?? [b], budget));
  if (!isNumeric(a) || !isNumeric(b))
    throw new Error(`it puts ${operator} between a ${a.type} and a ${b.type}`);
  return calculated(operator, a, b);
}

const product = (a: Value, b: Value, budget: Budget) =>
  isText(b) || listOf(b) ? repeated(b, a, budget) : repeated(a, b, budget);

/** Numbers and booleans, which are numbers in Python. Only whole numbers make whole ones, and division never does. */
function calculated(operator: string, a: Value, b: Value): Value {
  const [x, y] = [Number(a.value), Number(b.value)];
  if (y === 0 && (operator === '/' || operator === '//' || operator === '%'))
    throw new Error('it divides by zero');
  const results: Readonly<Record<string, () => number>> = {
    '+': () => x + y,
    '-': () => x - y,
    '*': () => x * y,
    '/': () => x / y,
    '//': () => Math.floor(x / y),
    '%': () => x - y * Math.floor(x / y),
    '**': () => x ** y,
  };
  const result = results[operator]!();
  const isWhole = !isFloat(a) && !isFloat(b) && operator !== '/' && Number.isInteger(result);
  return isWhole ? integer(result) : new FloatValue(result);
}

export function negated(value: Value): Value {
  if (!isNumeric(value)) throw new Error(`it negates a ${value.type}`);
  const result = -Number(value.value);
  return isFloat(value) ? new FloatValue(result) : integer(result === 0 ? 0 : result);
}

function sum(a: Value, b: Value, budget: Budget): Value | undefined {
  const list = listOf(a);
  const other = listOf(b);
  if (list && other) {
    budget.fit(ELEMENT * (list.length + other.length));
    budget.step((list.length + other.length) / 4);
    return new (a.type === 'tuple' ? TupleValue : ArrayValue)([...list, ...other]);
  }
  if (!isText(a) && !isText(b)) return undefined;
  if (isMissing(a) || isMissing(b) || isNone(a) || isNone(b)) return undefined;
  const isHtml = a.safe || b.safe;
  const [left, right] = [a, b].map((text) => (isHtml ? escapedText(text, budget) : str(text, budget)));
  const { value } = new TextBuilder(budget).addValue(left!).addValue(right!);
  return isHtml ? { ...value, safe: true } : value;
}

function repeated(of: Value, times: Value, budget: Budget): Value | undefined {
  const list = listOf(of);
  if ((!list && !isText(of)) || times.type !== 'whole number') return undefined;
  const count = Math.max(0, times.value as number);
  budget.fit(count * (list ? ELEMENT * list.length : textOf(of).length));
  budget.step(count * (1 + (list?.length ?? 0)));
  if (list) return new ArrayValue(Array.from({ length: count }, () => list).flat());
  const text = new TextBuilder(budget);
  for (let i = 0; i < count; i++) text.addValue(of);
  return text.value;
}

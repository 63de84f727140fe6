/** Python's binary operators, where @huggingface/jinja differs. */
import { type Budget, ELEMENT } from './budget.ts';
import { compare, contains, equal, formatted, remainder, str } from './python.ts';
import { TextBuilder, textOf } from './strings.ts';
import {
  ArrayValue,
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

/** Undefined where the package agrees with Python. */
export function operation(operator: string, a: Value, b: Value, budget: Budget): Value | undefined {
  switch (operator) {
    case '==':
    case '!=':
      return truth(equal(a, b, budget) === (operator === '=='));
    case 'in':
    case 'not in':
      return truth(contains(b, a, budget) === (operator === 'in'));
    case '~':
      return new TextBuilder(budget).addValue(str(a, budget)).addValue(str(b, budget)).value;
    case '+':
      return sum(a, b, budget);
    case '*':
      return isText(b) || listOf(b) ? repeated(b, a, budget) : repeated(a, b, budget);
    case '%':
      if (isText(a)) return textValue(formatted(textOf(a), listOf(b) ?? [b], budget));
      return remainder(a, b);
    case '<':
    case '>':
    case '<=':
    case '>=':
      return isText(a) && isText(b) ? truth(ORDERS[operator]!(compare(a, b, budget))) : undefined;
  }
  return undefined;
}

function sum(a: Value, b: Value, budget: Budget): Value | undefined {
  const list = listOf(a);
  const other = listOf(b);
  if (list && other) {
    budget.fit(ELEMENT * (list.length + other.length));
    budget.step((list.length + other.length) / 4);
    return new (a.type === 'TupleValue' ? TupleValue : ArrayValue)([...list, ...other]);
  }
  if (!isText(a) && !isText(b)) return undefined;
  if (isMissing(a) || isMissing(b) || isNone(a) || isNone(b)) return undefined;
  return new TextBuilder(budget).addValue(str(a, budget)).addValue(str(b, budget)).value;
}

function repeated(of: Value, times: Value, budget: Budget): Value | undefined {
  const list = listOf(of);
  if ((!list && !isText(of)) || times.type !== 'IntegerValue') return undefined;
  const count = Math.max(0, times.value as number);
  budget.fit(count * (list ? ELEMENT * list.length : textOf(of).length));
  budget.step(count * (1 + (list?.length ?? 0)));
  if (list) return new ArrayValue(Array.from({ length: count }, () => list).flat());
  const text = new TextBuilder(budget);
  for (let i = 0; i < count; i++) text.addValue(of);
  return text.value;
}

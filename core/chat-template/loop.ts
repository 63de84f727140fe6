/** The variable `loop` of a loop. */
import type { Budget } from './budget.ts';
import { cycled } from './globals.ts';
import { equal } from './python.ts';
import { FunctionValue, integer, NamespaceValue, nothing, TupleValue, truth, type Value } from './values.ts';

export interface Loop {
  readonly elements: readonly Value[];
  readonly depth: number; // 1, and one more for each call of `loop`
  readonly again: ((list: Value) => Value) | undefined; // of a recursive loop
  index: number;
  seen: Value | undefined; // by loop.changed
}

/** As it is in an iteration. A recursive one is a function, too. */
export function loopVariable(loop: Loop, budget: Budget): Value {
  const { elements, index, depth } = loop;
  const left = elements.length - index;
  const members = new Map<string, Value>([
    ['index', integer(index + 1)],
    ['index0', integer(index)],
    ['revindex', integer(left)],
    ['revindex0', integer(left - 1)],
    ['first', truth(index === 0)],
    ['last', truth(left === 1)],
    ['length', integer(elements.length)],
    ['depth', integer(depth)],
    ['depth0', integer(depth - 1)],
    ['previtem', elements[index - 1] ?? nothing('previtem')],
    ['nextitem', elements[index + 1] ?? nothing('nextitem')],
    ['cycle', new FunctionValue(({ list }) => cycled(list, index))],
    ['changed', new FunctionValue(({ list }) => changed(loop, new TupleValue(list), budget))],
  ]);
  const { again } = loop;
  if (!again) return new NamespaceValue(members);
  const call = new FunctionValue(({ list: [inner] }) => {
    if (!inner) throw new Error('it calls a loop without a list');
    return again(inner);
  });
  return Object.assign(call, { members });
}

/** Whether the values differ from those of the call before. */
function changed(loop: Loop, values: Value, budget: Budget): Value {
  const isSame = loop.seen !== undefined && equal(loop.seen, values, budget);
  loop.seen = values;
  return truth(!isSame);
}

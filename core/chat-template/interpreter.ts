/**
 * Runs chat templates as transformers does: Jinja in its sandbox, in which no method changes a value.
 *
 * The result says which of its parts the template wrote, because only there are the texts of special tokens special. A text
 * from the input stays one whatever the template does with it.
 *
 * A template comes from the model file, so budget.ts bounds its work and its values.
 */
import type { Spans } from '../tokenizer/spans.ts';
import { Budget, ELEMENT } from './budget.ts';
import { FILTERS } from './filters.ts';
import { functionsOf } from './globals.ts';
import { elementsOf } from './list-filters.ts';
import { type Loop, loopVariable } from './loop.ts';
import { attributeOf, itemOf, sliceOf } from './members.ts';
import { negated, operation } from './operators.ts';
import { holds } from './predicates.ts';
import { str } from './python.ts';
import { Scope } from './scope.ts';
import { TextBuilder, textOf } from './strings.ts';
import type {
  Block,
  CallArguments,
  CallExpression,
  Comparison,
  Expression,
  FilterExpression,
  ForStatement,
  Macro,
  Statement,
  Target,
} from './syntax.ts';
import { escapedText } from './text-filters.ts';
import {
  type Arguments,
  ArrayValue,
  type FunctionOfValues,
  FunctionValue,
  isMissing,
  isText,
  isTrue,
  listOf,
  mappingOf,
  NamespaceValue,
  nothing,
  ObjectValue,
  TupleValue,
  textValue,
  toKey,
  toValue,
  truth,
  type Value,
} from './values.ts';

const MOST_CALLS = 200; // within each other: no stack overflows before
const ITERATION_STEPS = 10; // an iteration of a loop takes the time of this many nodes

/** The message that a template passes to raise_exception. */
export class Raised extends Error {}

/** {% break %} or {% continue %} on its way to the loop. */
class LoopControl {
  readonly kind: 'break' | 'continue';

  constructor(kind: 'break' | 'continue') {
    this.kind = kind;
  }
}

/** Variables of a template: the texts of `markup` count as parts of the template, those of `input` do not. */
export interface Variables {
  readonly markup: Readonly<Record<string, string | undefined>>;
  readonly input: Readonly<Record<string, unknown>>;
  readonly strftime: (format: string) => string;
}

/** What a template made. */
export interface Rendered {
  readonly text: string;
  /** The parts that come from the template, where the texts of special tokens stand for the tokens. */
  readonly markup: Spans;
}

/**
 * Throws Raised if the template refuses its input, another Error if it fails.
 * @public imported on first use
 */
export function runTemplate(program: Block, { markup, input, strftime }: Variables): Rendered {
  const size = { characters: 0 };
  const variables = Object.entries(input).map(([name, value]) => [name, toValue(value, size)] as const);
  const budget = new Budget(size.characters);
  const scope = new Scope();
  const functions: [string, FunctionOfValues][] = [
    ...functionsOf(budget),
    ['raise_exception', ({ list: [message] }) => raise(message ? textOf(str(message, budget)) : '')],
    ['strftime_now', ({ list: [format] }) => textValue(strftime(formatIn(format, budget)))],
  ];
  for (const [name, call] of functions) scope.set(name, new FunctionValue(call));
  for (const [name, value] of variables) scope.set(name, value);
  for (const [name, text] of Object.entries(markup)) if (text !== undefined) scope.set(name, literal(text));
  for (const message of listOf(scope.get('messages')) ?? [])
    markRole(mappingOf(message) as Map<string, Value>);
  const text = new TextBuilder(budget);
  new Interpreter(budget).run(program, new Scope(scope), text);
  const { value } = text;
  return { text: textOf(value), markup: value.markup ?? [] };
}

function raise(message: string): never {
  throw new Raised(message);
}

function formatIn(format: Value | undefined, budget: Budget): string {
  if (!format || !isText(format)) throw new Error('it calls strftime_now without a format');
  budget.step(textOf(format).length);
  return textOf(format);
}

/** A text of the template itself. */
function literal(text: string): Value {
  return textValue(text, text === '' ? [] : [0, text.length]);
}

/** Templates make tokens such as <|user|> of roles. A role that is one word cannot hold more. */
function markRole(message: Map<string, Value>): void {
  const role = message.get('role')!;
  if (isText(role) && /^[a-z_]{1,40}$/i.test(textOf(role))) message.set('role', literal(textOf(role)));
}

class Interpreter {
  readonly #budget: Budget;
  readonly #sizes = new WeakMap<Value, number>();
  #escapes = false; // {% autoescape true %}
  #calls = 0; // within each other

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  run(block: Block, scope: Scope, out: TextBuilder): void {
    for (const statement of block) {
      this.#budget.step(1);
      this.#execute(statement, scope, out);
    }
  }

  /** The text that a block prints, in a scope of its own. */
  #textOf(block: Block, scope: Scope): Value {
    const out = new TextBuilder(this.#budget);
    this.run(block, new Scope(scope), out);
    return out.value;
  }

  // ----- statements

  #execute(statement: Statement, scope: Scope, out: TextBuilder) {
    switch (statement.kind) {
      case 'text':
        out.addValue(statement.text);
        return;
      case 'output':
        return this.#print(statement.value, scope, out);
      case 'if': {
        const branch = statement.branches.find(([test]) => isTrue(this.evaluate(test, scope)));
        return this.run(branch?.[1] ?? statement.otherwise, scope, out);
      }
      case 'for':
        return this.#for(statement, this.evaluate(statement.list, scope), scope, out, 1);
      case 'set':
        return this.#assign(statement.target, this.evaluate(statement.value, scope), scope);
      case 'capture': {
        const text = this.#textOf(statement.body, scope);
        const value = statement.filter ? this.evaluate(statement.filter, scope, text) : text;
        return this.#assign(statement.target, value, scope);
      }
      case 'with': {
        const values = statement.bindings.map(([, value]) => this.evaluate(value, scope));
        const inner = new Scope(scope);
        for (const [i, [target]] of statement.bindings.entries()) this.#assign(target, values[i]!, inner);
        return this.run(statement.body, inner, out);
      }
      case 'filtered': {
        const text = this.#textOf(statement.body, scope);
        out.addValue(str(this.evaluate(statement.filter, scope, text), this.#budget));
        return;
      }
      case 'escaping':
        return this.#escaping(isTrue(this.evaluate(statement.on, scope)), () =>
          this.run(statement.body, new Scope(scope), out),
        );
      case 'scope':
        return this.run(statement.body, new Scope(scope), out);
      case 'macro':
        scope.set(statement.name, this.#macro(statement, scope));
        return;
      case 'call': {
        const caller = this.#macro(statement.caller, scope);
        out.addValue(str(this.#call(statement.call, scope, caller), this.#budget));
        return;
      }
      case 'break':
      case 'continue':
        throw new LoopControl(statement.kind);
    }
  }

  #escaping(on: boolean, work: () => void): void {
    const before = this.#escapes;
    this.#escapes = on;
    try {
      work();
    } finally {
      this.#escapes = before;
    }
  }

  #print(expression: Expression, scope: Scope, out: TextBuilder): void {
    const value = this.evaluate(expression, scope);
    out.addValue(this.#escapes ? escapedText(value, this.#budget) : str(value, this.#budget));
  }

  #assign(target: Target, value: Value, scope: Scope): void {
    if (target.kind === 'name') {
      scope.set(target.name, value);
      return;
    }
    if (target.kind === 'member') {
      const namespace = scope.get(target.namespace);
      if (!(namespace instanceof NamespaceValue))
        throw new Error(`it gives a value to ${target.namespace}.${target.name}, which is no namespace`);
      namespace.value.set(target.name, value);
      return;
    }
    const elements = elementsOf(value, this.#budget);
    if (elements.length !== target.items.length)
      throw new Error(`it unpacks ${elements.length} values into ${target.items.length} names`);
    for (const [i, item] of target.items.entries()) this.#assign(item, elements[i]!, scope);
  }

  #for(loop: ForStatement, list: Value, scope: Scope, out: TextBuilder, depth: number) {
    let elements = elementsOf(list, this.#budget);
    this.#budget.step(elements.length * ITERATION_STEPS);
    const { target, test } = loop;
    if (test) {
      elements = elements.filter((element) => {
        const inner = new Scope(scope);
        this.#assign(target, element, inner);
        return isTrue(this.evaluate(test, inner));
      });
    }
    if (elements.length === 0) return this.run(loop.otherwise, new Scope(scope), out);
    const again = (inner: Value) => {
      const text = new TextBuilder(this.#budget);
      this.#for(loop, inner, scope, text, depth + 1);
      return text.value;
    };
    const state: Loop = {
      elements,
      depth,
      again: loop.recursive ? again : undefined,
      index: 0,
      seen: undefined,
    };
    for (const [index, element] of elements.entries()) {
      state.index = index;
      const inner = new Scope(scope).set('loop', loopVariable(state, this.#budget));
      this.#assign(target, element, inner);
      if (this.#iterates(loop.body, inner, out)) continue;
      break;
    }
  }

  /** False after {% break %}. */
  #iterates(body: Block, scope: Scope, out: TextBuilder): boolean {
    try {
      this.run(body, scope, out);
      return true;
    } catch (control) {
      if (!(control instanceof LoopControl)) throw control;
      return control.kind === 'continue';
    }
  }

  #macro({ name, parameters, body }: Macro, scope: Scope): Value {
    return new FunctionValue(({ list, named }, caller) => {
      const inner = new Scope(scope);
      const rest = new Map(named);
      for (const [i, [parameter, byDefault]] of parameters.entries()) {
        const given = list[i] ?? rest.get(parameter);
        rest.delete(parameter);
        inner.set(parameter, given ?? (byDefault ? this.evaluate(byDefault, inner) : nothing(parameter)));
      }
      inner.set('varargs', new TupleValue(list.slice(parameters.length)));
      inner.set('kwargs', new ObjectValue(rest));
      inner.set('caller', caller ?? nothing('caller'));
      return this.#textOf(body, inner);
    }, name);
  }

  // ----- expressions

  /** @param text what a filter without an operand is applied to */
  evaluate(expression: Expression, scope: Scope, text?: Value): Value {
    this.#budget.step(1);
    const value = this.#evaluate(expression, scope, text);
    this.#budget.fit(this.#size(value));
    return value;
  }

  #evaluate(e: Expression, scope: Scope, text?: Value): Value {
    const of = (inner: Expression) => this.evaluate(inner, scope, text);
    switch (e.kind) {
      case 'constant':
        return e.value;
      case 'name':
        return scope.get(e.name);
      case 'tuple':
        return new TupleValue(e.items.map(of));
      case 'list':
        return new ArrayValue(e.items.map(of));
      case 'mapping':
        return new ObjectValue(
          new Map(e.entries.map(([key, value]) => [keyIn(of(key)), of(value)] as const)),
        );
      case 'choice':
        if (isTrue(of(e.test))) return of(e.chosen);
        return e.otherwise ? of(e.otherwise) : nothing();
      case 'not':
        return truth(!isTrue(of(e.of)));
      case 'negative':
        return negated(of(e.of));
      case 'positive':
        return operation('+', of(e.of), truth(false), this.#budget);
      case 'and':
      case 'or': {
        const left = of(e.left);
        return isTrue(left) === (e.kind === 'or') ? left : of(e.right);
      }
      case 'binary':
        return operation(e.operator, of(e.left), of(e.right), this.#budget);
      case 'comparison':
        return this.#comparison(e, of);
      case 'attribute':
        return attributeOf(of(e.of), e.name, this.#budget);
      case 'item':
        return itemOf(of(e.of), of(e.index), this.#budget);
      case 'slice': {
        const [start, stop, step] = [e.start, e.stop, e.step].map((bound) => bound && of(bound));
        return sliceOf(of(e.of), { start, stop, step }, this.#budget);
      }
      case 'call':
        return this.#call(e, scope);
      case 'filter':
        return this.#filter(e, scope, text);
      case 'test': {
        const { list } = this.#arguments(e.args, scope);
        return truth(holds(e.name, of(e.of!), list, this.#budget));
      }
    }
  }

  #comparison({ first, rest }: Comparison, of: (e: Expression) => Value): Value {
    let left = of(first);
    let result: Value = truth(true);
    for (const [operator, expression] of rest) {
      const right = of(expression);
      result = operation(operator, left, right, this.#budget);
      if (!isTrue(result)) break;
      left = right;
    }
    return result;
  }

  #call({ callee, args }: CallExpression, scope: Scope, caller?: Value): Value {
    const called = this.evaluate(callee, scope);
    if (!(called instanceof FunctionValue)) {
      const name = 'name' in callee ? callee.name : 'what it calls';
      throw new Error(
        isMissing(called) ? `${name} is undefined` : `${name} is no function, but a ${called.type}`,
      );
    }
    if (++this.#calls > MOST_CALLS)
      throw new Error(`it makes more than ${MOST_CALLS} calls within each other`);
    const result = called.value(this.#arguments(args, scope), caller);
    this.#calls--;
    return result;
  }

  #filter({ of, name, args }: FilterExpression, scope: Scope, text?: Value): Value {
    const filter = FILTERS.get(name);
    if (!filter) throw new Error(`it uses the unknown filter ${name.slice(0, 40)}`);
    const operand = of ? this.evaluate(of, scope, text) : text!;
    return filter(operand, this.#arguments(args, scope), this.#budget);
  }

  #arguments({ list, named, star, stars }: CallArguments, scope: Scope): Arguments {
    const values = list.map((each) => this.evaluate(each, scope));
    const names = new Map(named.map(([name, each]) => [name, this.evaluate(each, scope)] as const));
    if (star) values.push(...elementsOf(this.evaluate(star, scope), this.#budget));
    const more = stars && mappingOf(this.evaluate(stars, scope));
    for (const [name, value] of more ?? []) names.set(name, value);
    this.#budget.step((values.length + names.size) / 4); // * and ** unpack any number
    return { list: values, named: names };
  }

  /** Characters and elements of a value, a bound on its text; shared parts count each time they occur. */
  #size(value: Value): number {
    if (isText(value)) return textOf(value).length;
    const elements = listOf(value) ?? (value instanceof ObjectValue ? value.value.values() : undefined);
    if (!elements) return 1;
    let size = this.#sizes.get(value);
    if (size === undefined) {
      size = 1;
      for (const key of mappingOf(value)?.keys() ?? []) size += key.length;
      for (const element of elements) {
        this.#budget.step(0.1);
        size += ELEMENT + this.#size(element);
      }
      this.#sizes.set(value, size);
    }
    return size;
  }
}

function keyIn(value: Value): string {
  const key = toKey(value);
  if (key === undefined) throw new Error(`it has a ${value.type} for the key of a mapping`);
  return key;
}

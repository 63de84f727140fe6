/**
 * Runs chat templates as transformers does, with @huggingface/jinja as parser and interpreter of statements. Version
 * 0.5.11 silently differs from Python's Jinja in many points; operators, methods of strings and filters are ours.
 *
 * The result says which of its parts the template wrote, because only there are the texts of special tokens special.
 * A text from the input stays one whatever the template does with it: what comes out of an operation that is not ours
 * counts as input.
 *
 * A template comes from the model file, so budget.ts bounds its work and its values.
 */
import { Environment } from '@huggingface/jinja';
import type { Spans } from '../tokenizer/spans.ts';
import { Budget, ELEMENT } from './budget.ts';
import { FILTERS } from './filters.ts';
import { cycled, functionsOf } from './globals.ts';
import { elementsOf, pairsOf } from './list-filters.ts';
import { known, type Node, OpenInterpreter } from './open-interpreter.ts';
import { operation } from './operators.ts';
import { CALL_CALLER, type Program, RECURSIVE } from './parser.ts';
import { holds } from './predicates.ts';
import { places, sliced, str } from './python.ts';
import { STRING_METHODS } from './string-methods.ts';
import { part, TextBuilder, textOf } from './strings.ts';
import {
  type Arguments,
  ArrayValue,
  argumentsOf,
  type FunctionOfValues,
  FunctionValue,
  integer,
  isNone,
  isNumber,
  isText,
  listOf,
  mappingOf,
  none,
  nothing,
  ObjectValue,
  type Scope,
  TupleValue,
  textValue,
  toKey,
  toValue,
  truth,
  type Value,
} from './values.ts';

const ITERATION_STEPS = 10; // an iteration of a loop takes the time of this many nodes

/** The message that a template passes to raise_exception. */
export class Raised extends Error {}

/** {% break %} or {% continue %} on its way to the loop, with the text printed before it in this iteration. */
class LoopControl {
  readonly type: string;
  readonly text: TextBuilder;

  constructor(type: string, text: TextBuilder) {
    this.type = type;
    this.text = text;
  }
}

/** A loop that runs. */
interface Loop {
  readonly node: Node;
  readonly scope: Scope; // around it
  readonly depth: number; // 1, and one more for each call of `loop`
  readonly text: TextBuilder;
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
export function runTemplate(program: Program, { markup, input, strftime }: Variables): Rendered {
  const globals = new Environment();
  const constants = { true: true, false: false, none: null, True: true, False: false, None: null };
  const size = { characters: 0 };
  const variables = Object.entries({ ...constants, raise_exception: raise, ...input }).map(
    ([name, value]): [string, Value] => [name, toValue(value, size)],
  );
  const budget = new Budget(size.characters);
  globals.set('strftime_now', (format: string) => {
    budget.step(format.length);
    return strftime(format);
  });
  globals.setVariable(CALL_CALLER, new FunctionValue(callCaller) as never);
  for (const [name, call] of functionsOf(budget)) {
    globals.setVariable(name, new FunctionValue(call) as never);
  }
  for (const [name, value] of variables) globals.setVariable(name, value as never);
  for (const [name, text] of Object.entries(markup)) {
    globals.setVariable(name, (text === undefined ? nothing() : literal(text)) as never);
  }
  const messages = listOf(globals.lookupVariable('messages')) ?? [];
  for (const message of messages) markRole(mappingOf(message) as Map<string, Value>);
  const value = str(new PythonInterpreter(globals, budget).run(program), budget);
  return { text: textOf(value), markup: value.markup ?? [] };
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

class PythonInterpreter extends OpenInterpreter {
  readonly #budget: Budget;
  readonly #loopBodies = new Set<readonly Node[]>();
  readonly #broken = new WeakSet<Scope>(); // scopes of loops that met {% break %}
  readonly #loops: Loop[] = []; // the innermost last
  readonly #recursions = new WeakMap<Value, Value>(); // of a recursive `loop`: the function that it is
  readonly #sizes = new WeakMap<Value, number>();
  readonly #nodes = new WeakMap<Node, number>(); // in the body of a macro

  constructor(globals: Scope, budget: Budget) {
    super(globals);
    this.#budget = budget;
  }

  override evaluate(node: Node | undefined, scope: Scope): Value {
    this.#budget.step(1);
    const value = node === undefined ? nothing() : (this.#evaluate(node, scope) ?? nothing());
    this.#budget.fit(this.#size(value));
    return value;
  }

  #evaluate(node: Node, scope: Scope): Value {
    if (node.type === 'Known') return node.known;
    // The package goes through the whole body of a macro whenever it is defined.
    if (node.type === 'Macro' || node.type === 'CallStatement') this.#budget.step(this.#nodesIn(node));
    if (node.type === 'ObjectLiteral') return this.#mapping(node, scope);
    return node.type === 'StringLiteral' ? literal(node.value) : super.evaluate(node, scope);
  }

  /** The package takes texts only for keys. */
  #mapping(node: Node, scope: Scope): Value {
    const entries = Array.from(node.value as unknown as Map<Node, Node>, ([key, value]): [string, Value] => {
      const evaluated = this.evaluate(key, scope);
      const name = toKey(evaluated);
      if (name === undefined) throw new Error(`it has a ${evaluated.type} for the key of a mapping`);
      return [name, this.evaluate(value, scope)];
    });
    return new ObjectValue(new Map(entries));
  }

  /** The text that a block prints. */
  override evaluateBlock(body: readonly Node[], scope: Scope): Value {
    const loop = this.#loops.at(-1);
    const isBody = this.#loopBodies.has(body);
    if (isBody && this.#broken.has(scope)) return super.evaluate({ type: 'Break' } as Node, scope);
    if (isBody) this.#complete(scope.lookupVariable('loop') as unknown as Value, loop!);
    const value = this.#print(body, scope, isBody);
    if (loop && (body === loop.node.body || body === loop.node.defaultBlock)) loop.text.addValue(value);
    return value;
  }

  #print(body: readonly Node[], scope: Scope, isLoop: boolean): Value {
    const inner = isLoop ? new Environment(scope) : scope;
    const text = new TextBuilder(this.#budget);
    try {
      for (const node of body) {
        if (node.type === 'Break' || node.type === 'Continue') {
          throw new LoopControl(node.type, new TextBuilder(this.#budget));
        }
        const value = this.evaluate(node, inner);
        if (!isNone(value) || !STATEMENTS.has(node.type)) text.addValue(str(value, this.#budget));
      }
    } catch (control) {
      if (!(control instanceof LoopControl)) throw control;
      text.addValue(control.text.value);
      if (!isLoop) throw new LoopControl(control.type, text);
      if (control.type === 'Break') this.#broken.add(scope); // the next iteration ends the loop
    }
    return text.value;
  }

  /** Gives the variable `loop` what it lacks in the package. */
  #complete(variable: Value, { node, scope, depth }: Loop): void {
    const members = mappingOf(variable) as Map<string, Value> | undefined;
    const index = members?.get('index0')?.value;
    if (!members || typeof index !== 'number') throw new Error('it names the variable of a loop "loop"');
    members.set('depth', integer(depth)).set('depth0', integer(depth - 1));
    members.set('cycle', new FunctionValue((values) => cycled(values, index)));
    const [first] = node.body;
    if (first?.type !== 'Comment' || first.value !== RECURSIVE) return;
    const recursion = new FunctionValue(([list]) => {
      if (!list) throw new Error('it calls a loop without a list');
      const { iterable } = node;
      const inner = iterable.type === 'SelectExpression' ? { ...iterable, lhs: known(list) } : known(list);
      return this.#loop({ ...node, iterable: inner }, scope, depth + 1);
    });
    this.#recursions.set(variable, recursion);
  }

  override evaluateCallExpression(node: Node, scope: Scope): Value {
    const callee = this.evaluate(node.callee, scope);
    const called = known(this.#recursions.get(callee) ?? callee);
    return super.evaluateCallExpression({ ...node, callee: called }, scope);
  }

  override evaluateFor(node: Node, scope: Scope): Value {
    return this.#loop(node, scope, 1);
  }

  /** The package joins the texts of the iterations as strings; here they are joined again with their markup. */
  #loop(node: Node, scope: Scope, depth: number): Value {
    this.#loopBodies.add(node.body);
    const { iterable, loopvar } = node;
    const isFiltered = iterable.type === 'SelectExpression';
    const elements = elementsOf(this.evaluate(isFiltered ? iterable.lhs : iterable, scope), this.#budget);
    this.#budget.step(elements.length * ITERATION_STEPS);
    // The package unpacks lists only.
    const unpacked = (element: Value) => new ArrayValue(elementsOf(element, this.#budget));
    const list = known(new ArrayValue(loopvar.type === 'TupleLiteral' ? elements.map(unpacked) : elements));
    const loop = { ...node, iterable: isFiltered ? { ...iterable, lhs: list } : list };
    const text = new TextBuilder(this.#budget);
    this.#loops.push({ node, scope, depth, text });
    try {
      super.evaluateFor(loop, scope);
    } finally {
      this.#loops.pop();
    }
    return text.value;
  }

  override evaluateBinaryExpression(node: Node, scope: Scope): Value {
    const { operator, left, right } = node;
    if (operator.value === 'and' || operator.value === 'or')
      return super.evaluateBinaryExpression(node, scope);
    const a = this.evaluate(left, scope);
    const b = this.evaluate(right, scope);
    return (
      operation(operator.value, a, b, this.#budget) ??
      super.evaluateBinaryExpression({ ...node, left: known(a), right: known(b) }, scope)
    );
  }

  override evaluateMemberExpression(node: Node, scope: Scope): Value {
    const object = this.evaluate(node.object, scope);
    const method = node.computed ? undefined : this.#method(object, node.property.value);
    if (method) return method;
    if (isText(object) && node.computed && node.property.type !== 'SliceExpression') {
      const index = this.evaluate(node.property, scope);
      if (index.type === 'IntegerValue') return this.#character(object, index.value as number);
      return super.evaluateMemberExpression(
        { ...node, object: known(object), property: known(index) },
        scope,
      );
    }
    if (object.type === 'ObjectValue' && node.computed) {
      const index = this.evaluate(node.property, scope);
      if (isNumber(index)) return mappingOf(object)!.get(toKey(index)!) ?? nothing();
      return super.evaluateMemberExpression(
        { ...node, object: known(object), property: known(index) },
        scope,
      );
    }
    return super.evaluateMemberExpression({ ...node, object: known(object) }, scope);
  }

  #method(object: Value, name: string): Value | undefined {
    const budget = this.#budget;
    if (isText(object)) {
      const method = STRING_METHODS.get(name);
      return method && new FunctionValue((values) => method(object, argumentsOf(values), budget));
    }
    if (object.type !== 'ObjectValue' || mappingOf(object)!.has(name)) return undefined;
    if (name === 'items') return new FunctionValue(() => new ArrayValue(pairsOf(object, budget)));
    if (name === 'get')
      return new FunctionValue(([key, byDefault]) => {
        const found = key && toKey(key) !== undefined && mappingOf(object)!.get(toKey(key)!);
        return found || (byDefault ?? none());
      });
    if (name === 'keys') return new FunctionValue(() => new ArrayValue(elementsOf(object, budget)));
    return undefined;
  }

  #character(text: Value, index: number): Value {
    const { length } = textOf(text);
    const at = index < 0 ? length + index : index;
    return at >= 0 && at < length ? part(text, at, at + 1) : nothing();
  }

  override evaluateSliceExpression(object: Value, slice: Node, scope: Scope): Value {
    const bound = (node: Node | undefined) => {
      const { value } = node === undefined ? nothing() : this.evaluate(node, scope);
      if (value === undefined || value === null) return undefined;
      if (Number.isInteger(value)) return value as number;
      throw new Error('it cuts at what is no whole number');
    };
    if (!isText(object) && !listOf(object)) throw new Error(`it cuts a ${object.type}`);
    const [start, stop, step] = [bound(slice.start), bound(slice.stop), bound(slice.step) ?? 1];
    if (isText(object) && step === 1 && !SURROGATE.test(textOf(object))) {
      this.#budget.make(textOf(object).length, object.markup);
      const [from, to] = places(textOf(object).length, start, stop, step);
      return part(object, from, Math.max(from, to));
    }
    const chosen = sliced(elementsOf(object, this.#budget), start, stop, step);
    if (!isText(object)) return new (object.type === 'TupleValue' ? TupleValue : ArrayValue)(chosen);
    const text = new TextBuilder(this.#budget);
    for (const character of chosen) text.addValue(character);
    return text.value;
  }

  override evaluateTestExpression(node: Node, scope: Scope): Value {
    const value = this.evaluate(node.operand, scope);
    return truth(holds(node.test.value, value, [], this.#budget) !== node.negate);
  }

  override evaluateArguments(args: readonly Node[], scope: Scope): [Value[], Map<string, Value>] {
    const [list, named] = super.evaluateArguments(args, scope);
    this.#budget.step((list.length + named.size) / 4); // * and ** unpack any number
    return [list, named];
  }

  override applyFilter(operand: Value, node: Node, scope: Scope): Value {
    const call = node.type === 'CallExpression' ? node : undefined;
    const filter = FILTERS.get((call?.callee ?? node).value);
    if (!filter) return super.applyFilter(operand, node, scope);
    const [list, named] = call ? this.evaluateArguments(call.args, scope) : [[], new Map<string, Value>()];
    return filter(operand, { list, named } satisfies Arguments, this.#budget);
  }

  #nodesIn(node: Node): number {
    let count = this.#nodes.get(node);
    if (count === undefined) {
      count = 1;
      for (const part of Object.values(node))
        if (typeof part === 'object' && part) count += this.#nodesIn(part);
      this.#nodes.set(node, count);
    }
    return count;
  }

  /** Characters and elements of a value, a bound on its text; shared parts count each time they occur. */
  #size(value: Value): number {
    if (isText(value)) return textOf(value).length;
    const elements = listOf(value) ?? mappingOf(value)?.values();
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

const STATEMENTS = new Set(['If', 'For', 'Set', 'Macro', 'CallStatement', 'FilterStatement', 'Comment']);

const SURROGATE = /[\ud800-\udfff]/;

function callCaller(values: readonly Value[], scope: Scope): Value {
  const caller = scope.lookupVariable('caller') as unknown as { value: FunctionOfValues };
  return caller.value(argumentsOf(values).list, scope);
}

function raise(message: string): never {
  throw new Raised(message);
}

/**
 * Runs chat templates as transformers does, with @huggingface/jinja as parser and interpreter.
 *
 * Version 0.5.11 silently differs from Python's Jinja in some points. This file follows Python there: values print as
 * str() writes them, == compares types and contents, assignments in the body of a loop end with the iteration, {%
 * break %} and {% continue %} keep the text printed before them, strip() takes characters. Features that the package
 * lacks (rare filters, {% raw %}) remain errors.
 *
 * A template comes from the model file, so it is bounded: its own length, the number of evaluated nodes, the length of
 * a range, and the size of a value.
 */
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import { equal, listOf, mappingOf, str, strip, type Value } from './python.ts';

const MAX_SOURCE = 1 << 18; // characters; real templates have up to 40,000
const MAX_SPACE = 1000; // consecutive blanks; the package's parsing time grows with their square
const MAX_STEPS = 2_000_000; // evaluated nodes; real templates take up to 200 a message
const ITERATION_STEPS = 10; // an iteration of a loop takes the time of this many nodes
const MAX_RANGE = 100_000; // as jinja2.sandbox.MAX_RANGE
const MAX_SIZE = 1 << 22; // characters of a string; characters and elements of a list or mapping

type Scope = Environment;
export type Program = ReturnType<typeof parse>;

/** A node of the syntax tree, with the fields that are read here. */
interface Node {
  readonly type: string;
  readonly value: string; // Identifier
  readonly body: readonly Node[]; // For
  readonly operator: { readonly value: string }; // BinaryExpression
  readonly left: Node;
  readonly right: Node;
  readonly operand: Node; // FilterExpression
  readonly filter: Node;
  readonly callee: Node; // CallExpression
  readonly args: readonly Node[];
  readonly object: Node; // MemberExpression
  readonly property: Node;
}

/** evaluateBlock is private in the package's types. Its version is pinned, and tests cover the override. */
const OpenInterpreter = Interpreter as unknown as new (
  globals: Scope,
) => {
  run(program: Program): Value;
  evaluate(node: Node | undefined, scope: Scope): Value;
  evaluateBlock(body: readonly Node[], scope: Scope): Value;
};

/** The message that a template passes to raise_exception. */
export class Raised extends Error {}

/** {% break %} or {% continue %} on its way to the loop, with the text printed before it in this iteration. */
class LoopControl {
  readonly type: string;
  text = '';

  constructor(type: string) {
    this.type = type;
  }
}

/** Throws an Error if the source is not a Jinja template. */
export function parseTemplate(source: string): Program {
  if (source.length > MAX_SOURCE) {
    throw new Error(`it has ${source.length} characters, more than ${MAX_SOURCE}`);
  }
  if (source.split(/\S+/).some((space) => space.length > MAX_SPACE)) {
    throw new Error(`it has more than ${MAX_SPACE} blanks in a row`);
  }
  const lines = source.replace(/\r\n?/g, '\n');
  return parse(tokenize(lines, { trim_blocks: true, lstrip_blocks: true }));
}

/**
 * Throws Raised if the template refuses its input, another Error if it fails.
 * @public imported on first use
 */
export function runTemplate(program: Program, variables: Readonly<Record<string, unknown>>): string {
  const globals = new Environment();
  const constants = { true: true, false: false, none: null, True: true, False: false, None: null };
  for (const [name, value] of Object.entries({ ...constants, range, raise_exception: raise, ...variables })) {
    globals.set(name, value);
  }
  return str(new PythonInterpreter(globals).run(program));
}

class PythonInterpreter extends OpenInterpreter {
  readonly #loopBodies = new Set<readonly Node[]>();
  readonly #broken = new WeakSet<Scope>(); // scopes of loops that met {% break %}
  readonly #sizes = new WeakMap<Value, number>();
  #steps = 0;

  override evaluate(node: Node | undefined, scope: Scope): Value {
    this.#step(1);
    if (node?.type === 'For') this.#loopBodies.add(node.body);
    const value = (node && this.#evaluateAsPython(node, scope)) ?? super.evaluate(node, scope) ?? toValue();
    if (this.#size(value) > MAX_SIZE) throw new Error(`it makes a value of more than ${MAX_SIZE} characters`);
    return value;
  }

  /** The text that a block prints. */
  override evaluateBlock(body: readonly Node[], scope: Scope): Value {
    const isLoop = this.#loopBodies.has(body);
    if (isLoop) this.#step(ITERATION_STEPS);
    if (isLoop && this.#broken.has(scope)) return super.evaluate({ type: 'Break' } as Node, scope);
    const inner = isLoop ? new Environment(scope) : scope;
    let text = '';
    try {
      for (const node of body) {
        if (node.type === 'Break' || node.type === 'Continue') throw new LoopControl(node.type);
        text += this.#print(node, inner);
      }
    } catch (control) {
      if (!(control instanceof LoopControl)) throw control;
      text = control.text = text + control.text;
      if (!isLoop) throw control;
      if (control.type === 'Break') this.#broken.add(scope); // the next iteration ends the loop
    }
    return toValue(text);
  }

  /** A statement prints its text, or nothing if null; an expression prints as str() writes it. */
  #print(node: Node, scope: Scope): string {
    const value = this.evaluate(node, scope);
    return value.type === 'NullValue' && STATEMENTS.has(node.type) ? '' : str(value);
  }

  /** Undefined if the package agrees with Python. */
  #evaluateAsPython(node: Node, scope: Scope): Value | undefined {
    switch (node.type) {
      case 'BinaryExpression':
        return this.#evaluateOperator(node, scope);
      case 'CallExpression':
        return this.#evaluateStrip(node, scope);
      case 'FilterExpression':
        return node.filter.value === 'string' ? toValue(str(this.evaluate(node.operand, scope))) : undefined;
    }
    return undefined;
  }

  #evaluateOperator({ operator, left, right }: Node, scope: Scope): Value | undefined {
    if (!['==', '!=', '~'].includes(operator.value)) return undefined;
    const a = this.evaluate(left, scope);
    const b = this.evaluate(right, scope);
    return toValue(operator.value === '~' ? str(a) + str(b) : equal(a, b) === (operator.value === '=='));
  }

  /** text.strip(characters), lstrip and rstrip; undefined for any other call. */
  #evaluateStrip({ callee, args }: Node, scope: Scope): Value | undefined {
    const ends = callee.type === 'MemberExpression' ? STRIPPED_ENDS[callee.property.value] : undefined;
    if (!ends || args.length !== 1) return undefined;
    const { value: text } = this.evaluate(callee.object, scope);
    const { value: characters } = this.evaluate(args[0], scope);
    if (typeof text !== 'string' || typeof characters !== 'string') return undefined;
    return toValue(strip(text, characters, ends));
  }

  #step(steps: number): void {
    this.#steps += steps;
    if (this.#steps > MAX_STEPS) throw new Error(`it takes more than ${MAX_STEPS} steps`);
  }

  /** Characters and elements of a value, a bound on its text; shared parts count each time they occur. */
  #size(value: Value): number {
    if (typeof value.value === 'string') return value.value.length;
    const elements = listOf(value) ?? mappingOf(value)?.values();
    if (!elements) return 1;
    let size = this.#sizes.get(value);
    if (size === undefined) {
      size = 1;
      for (const element of elements) size += this.#size(element);
      this.#sizes.set(value, size);
    }
    return size;
  }
}

const STATEMENTS = new Set(['If', 'For', 'Set', 'Macro', 'CallStatement', 'FilterStatement', 'Comment']);

const STRIPPED_ENDS: Readonly<Record<string, 'both' | 'left' | 'right'>> = {
  strip: 'both',
  lstrip: 'left',
  rstrip: 'right',
};

function toValue(value?: string | boolean): Value {
  return new Environment().set('value', value);
}

function raise(message: string): never {
  throw new Raised(message);
}

/** Python's range. */
function range(first: number, second?: number, step = 1): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= MAX_RANGE))
    throw new Error(`it asks for a range of ${length} numbers, more than ${MAX_RANGE}`);
  return Array.from({ length }, (_, i) => start + i * step);
}

/**
 * Runs chat templates as transformers does, with @huggingface/jinja as parser and interpreter.
 *
 * Where version 0.5.11 silently differs from Python's Jinja this file follows Python: values print as str()
 * writes them, == compares types and contents, what a loop's body sets ends with the turn, {% break %} and
 * {% continue %} keep what was printed before them, strip() takes characters. What the package does not know
 * at all (rare filters, {% raw %}) stays an error.
 *
 * A template comes with the model file, so it gets bounds: on the length of a range, on evaluated nodes, and
 * on the size of a value.
 */
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';

const MAX_SOURCE = 1 << 20; // characters; real templates take up to 40,000
const MAX_RANGE = 100_000; // as jinja2.sandbox.MAX_RANGE
const MAX_STEPS = 5_000_000; // nodes evaluated; a message takes some hundreds
const MAX_SIZE = 1 << 24; // characters of a string, or of all strings and elements in a list or mapping

type Scope = Environment;
type Value = ReturnType<Environment['lookupVariable']>;
export type Program = ReturnType<typeof parse>;

/** A node of the syntax tree, with the fields read here. */
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

/** evaluateBlock is private in the package's types; its version is pinned, and the tests rely on the override. */
const OpenInterpreter = Interpreter as unknown as new (
  globals: Scope,
) => {
  run(program: Program): Value;
  evaluate(node: Node | undefined, scope: Scope): Value;
  evaluateBlock(body: readonly Node[], scope: Scope): Value;
};

/** The message a template gives to raise_exception. */
export class Raised extends Error {}

/** {% break %} or {% continue %} on its way to the loop, with the text printed in this turn before it. */
class LoopControl {
  readonly type: string;
  text = '';

  constructor(type: string) {
    this.type = type;
  }
}

/** Throws an Error if the source is no Jinja template. */
export function parseTemplate(source: string): Program {
  if (source.length > MAX_SOURCE)
    throw new Error(`it has ${source.length} characters, more than ${MAX_SOURCE}`);
  return parse(tokenize(source, { trim_blocks: true, lstrip_blocks: true }));
}

/** Throws Raised where the template refuses its input, another Error where it fails. */
export function runTemplate(program: Program, variables: Readonly<Record<string, unknown>>): string {
  const globals = new Environment();
  const constants = { true: true, false: false, none: null, True: true, False: false, None: null };
  for (const [name, value] of Object.entries({ ...constants, range, raise_exception: raise, ...variables })) {
    globals.set(name, value);
  }
  return new PythonInterpreter(globals).run(program).value as string;
}

class PythonInterpreter extends OpenInterpreter {
  readonly #loopBodies = new Set<readonly Node[]>();
  readonly #left = new WeakSet<Scope>(); // scopes of loops that met {% break %}
  readonly #sizes = new WeakMap<Value, number>();
  #steps = 0;

  override evaluate(node: Node | undefined, scope: Scope): Value {
    this.#step();
    if (node?.type === 'For') this.#loopBodies.add(node.body);
    const value = (node && this.#evaluateAsPython(node, scope)) ?? super.evaluate(node, scope);
    if (this.#size(value) > MAX_SIZE) throw new Error(`it makes a value larger than ${MAX_SIZE} characters`);
    return value;
  }

  /** Prints what the statements evaluate to. */
  override evaluateBlock(body: readonly Node[], scope: Scope): Value {
    this.#step();
    const isLoop = this.#loopBodies.has(body);
    if (isLoop && this.#left.has(scope)) return super.evaluate({ type: 'Break' } as Node, scope);
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
      if (control.type === 'Break') this.#left.add(scope); // the next turn ends the loop
    }
    return toValue(text);
  }

  #step(): void {
    if (++this.#steps > MAX_STEPS) throw new Error(`it takes more than ${MAX_STEPS} steps`);
  }

  /** Statements give null or text already printed; only expressions are written as str() does. */
  #print(node: Node, scope: Scope): string {
    const value = this.evaluate(node, scope);
    return STATEMENTS.has(node.type) ? String(value.value ?? '') : str(value);
  }

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
    if (operator.value === '~') return toValue(str(a) + str(b));
    return toValue(equal(a, b) === (operator.value === '=='));
  }

  /** text.strip(characters), lstrip and rstrip; undefined for any other call. */
  #evaluateStrip({ callee, args }: Node, scope: Scope): Value | undefined {
    const sides = callee.type === 'MemberExpression' ? STRIP[callee.property.value] : undefined;
    if (!sides || args.length !== 1) return undefined;
    const text = this.evaluate(callee.object, scope);
    const characters = this.evaluate(args[0], scope);
    if (text.type !== 'StringValue' || characters.type !== 'StringValue') return undefined;
    return toValue(strip(text.value as string, characters.value as string, sides));
  }

  /** Characters and elements in a value, those it shares counted each time: what writing it out may take. */
  #size(value: Value): number {
    if (typeof value.value === 'string') return value.value.length;
    const elements = elementsOf(value);
    if (!elements) return 1;
    const known = this.#sizes.get(value);
    if (known !== undefined) return known;
    const size = elements.reduce((sum, element) => sum + this.#size(element), 1);
    this.#sizes.set(value, size);
    return size;
  }
}

const STATEMENTS = new Set(['If', 'For', 'Set', 'Macro', 'CallStatement', 'FilterStatement', 'Comment']);

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

const STRIP: Readonly<Record<string, 'both' | 'left' | 'right'>> = {
  strip: 'both',
  lstrip: 'left',
  rstrip: 'right',
};

/** The text without any of `characters` at its ends. */
function strip(text: string, characters: string, sides: 'both' | 'left' | 'right'): string {
  const letters = [...text];
  const unwanted = new Set(characters);
  let start = 0;
  let end = letters.length;
  if (sides !== 'right') while (start < end && unwanted.has(letters[start]!)) start++;
  if (sides !== 'left') while (end > start && unwanted.has(letters[end - 1]!)) end--;
  return letters.slice(start, end).join('');
}

/** The value of the interpreter for one of JavaScript. */
function toValue(value: string | boolean): Value {
  return new Environment().set('value', value);
}

function elementsOf(value: Value): Value[] | undefined {
  if (Array.isArray(value.value)) return value.value;
  return value.value instanceof Map ? [...value.value.values()] : undefined;
}

/** Python's str(); nothing for an undefined variable. */
function str(value: Value): string {
  if (value.type === 'UndefinedValue') return '';
  return value.type === 'StringValue' ? (value.value as string) : repr(value);
}

/** Python's repr(). */
function repr(value: Value): string {
  if (value.type === 'StringValue') return quote(value.value as string);
  if (value.type === 'NullValue') return 'None';
  if (value.type === 'BooleanValue') return value.value ? 'True' : 'False';
  if (value.value instanceof Map) {
    const entries = Array.from(value.value, ([key, element]) => `${quote(key)}: ${repr(element)}`);
    return `{${entries.join(', ')}}`;
  }
  if (!Array.isArray(value.value)) return String(value);
  const elements = value.value.map(repr);
  if (value.type !== 'TupleValue') return `[${elements.join(', ')}]`;
  return elements.length === 1 ? `(${elements[0]},)` : `(${elements.join(', ')})`;
}

/** A Python string literal, in double quotes only where that saves escaping single ones. */
function quote(text: string): string {
  const escaped = JSON.stringify(text)
    .slice(1, -1)
    .replaceAll('\\"', '"')
    .replace(/\\u00(..)/g, '\\x$1');
  return text.includes("'") && !text.includes('"') ? `"${escaped}"` : `'${escaped.replaceAll("'", "\\'")}'`;
}

/** Python's ==. */
function equal(a: Value, b: Value): boolean {
  if (isNumber(a) && isNumber(b)) return Number(a.value) === Number(b.value);
  if (Array.isArray(a.value) && Array.isArray(b.value)) {
    const other = b.value;
    return (
      a.type === b.type && a.value.length === other.length && a.value.every((x, i) => equal(x, other[i]!))
    );
  }
  if (a.value instanceof Map && b.value instanceof Map) {
    const other = b.value;
    return (
      a.value.size === other.size &&
      Array.from(a.value).every(([key, x]) => other.has(key) && equal(x, other.get(key)!))
    );
  }
  return a.type === b.type && a.value === b.value;
}

function isNumber(value: Value): boolean {
  return typeof value.value === 'number' || typeof value.value === 'boolean';
}

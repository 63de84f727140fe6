/** Parses templates: the grammar of jinja2/parser.py, with {% break %}, {% continue %} and transformers' {% generation %}. */
import { type Token, type TokenType, tokensOf } from './lexer.ts';
import type { Block, CallArguments, Expression, Macro, Statement, Target } from './syntax.ts';
import { FloatValue, integer, none, textValue, truth, type Value } from './values.ts';

const MAX_SOURCE = 1 << 18; // characters; real templates have up to 40,000
const MAX_DEPTH = 200; // of expressions and blocks within each other; real ones have up to 20

/** Throws an Error if the source is not a Jinja template. */
export function parseTemplate(source: string): Block {
  if (source.length > MAX_SOURCE) {
    throw new Error(`it has ${source.length} characters, more than ${MAX_SOURCE}`);
  }
  return new Parser(tokensOf(source)).template();
}

/** A text of the template itself. */
function literal(text: string): Value {
  return textValue(text, text === '' ? [] : [0, text.length]);
}

const CONSTANTS: Readonly<Record<string, () => Value>> = {
  ...{ true: () => truth(true), True: () => truth(true) },
  ...{ false: () => truth(false), False: () => truth(false) },
  ...{ none, None: none },
};
const COMPARISONS: readonly string[] = ['==', '!=', '<', '<=', '>', '>='];
/** What may begin the argument of a test without parentheses. */
const BEGINS_ARGUMENT: readonly TokenType[] = ['name', 'string', 'integer', 'float'];
const NOT_ARGUMENTS: readonly string[] = ['else', 'or', 'and', 'is'];

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  template(): Block {
    const body = this.#block([]);
    if (this.#token.type !== 'end') this.#fail('the end of the template');
    return body;
  }

  // ----- tokens

  get #token(): Token {
    return this.#tokens[this.#at]!;
  }

  #is(type: TokenType, value?: string): boolean {
    return this.#token.type === type && (value === undefined || this.#token.value === value);
  }

  #isOperator(value: string): boolean {
    return this.#is('operator', value);
  }

  #isWord(...words: readonly string[]): boolean {
    return this.#token.type === 'name' && words.includes(this.#token.value);
  }

  #next(): Token {
    const token = this.#token;
    if (token.type !== 'end') this.#at++;
    return token;
  }

  #skip(type: TokenType, value?: string): boolean {
    const found = this.#is(type, value);
    if (found) this.#at++;
    return found;
  }

  #expect(type: TokenType, value?: string): Token {
    if (!this.#is(type, value)) this.#fail(value ?? `a ${type}`);
    return this.#next();
  }

  #fail(expected: string): never {
    const { type, value, line } = this.#token;
    const got =
      type === 'end' ? 'its end' : type === 'close' ? 'the end of a tag' : JSON.stringify(value.slice(0, 40));
    throw new Error(`line ${line}: expected ${expected}, got ${got}`);
  }

  /** Runs what may contain itself. */
  #nested<T>(parse: () => T): T {
    if (++this.#depth > MAX_DEPTH) throw new Error(`it has more than ${MAX_DEPTH} parts within each other`);
    const result = parse();
    this.#depth--;
    return result;
  }

  // ----- statements

  /** Statements up to a tag with one of these words, which stays. */
  #block(ends: readonly string[]): Block {
    return this.#nested(() => {
      const statements: Statement[] = [];
      for (;;) {
        if (this.#is('text')) statements.push({ kind: 'text', text: literal(this.#next().value) });
        else if (this.#is('open', '{{')) statements.push(output(this.#printed()));
        else if (this.#is('open', '{%')) {
          const { type, value } = this.#tokens[this.#at + 1]!;
          if (type === 'name' && ends.includes(value)) return statements;
          this.#at++;
          statements.push(...this.#statement());
        } else if (ends.length === 0 || this.#token.type !== 'end') return statements;
        else return this.#fail(`{% ${ends[0]} %}`);
      }
    });
  }

  #printed(): Expression {
    this.#next();
    const value = this.#tuple();
    this.#expect('close', '{{');
    return value;
  }

  /** The body of a statement up to the end of {% word %}. */
  #bodyTo(...words: readonly string[]): Block {
    this.#expect('close', '{%');
    const body = this.#block(words);
    this.#next(); // the open tag
    return body;
  }

  #endOf(word: string): Block {
    const body = this.#bodyTo(word);
    this.#next();
    this.#skip('name'); // {% endblock name %}
    this.#expect('close', '{%');
    return body;
  }

  #statement(): readonly Statement[] {
    const word = this.#expect('name').value;
    switch (word) {
      case 'if':
        return [this.#if()];
      case 'for':
        return [this.#for()];
      case 'set':
        return [this.#set()];
      case 'macro':
        return [this.#macro()];
      case 'call':
        return [this.#callBlock()];
      case 'with':
        return [this.#with()];
      case 'filter': {
        const filter = this.#filters(undefined, true);
        return [{ kind: 'filtered', filter, body: this.#endOf('endfilter') }];
      }
      case 'autoescape': {
        const on = this.#expression();
        return [{ kind: 'escaping', on, body: this.#endOf('endautoescape') }];
      }
      case 'block':
        this.#expect('name');
        while (this.#isWord('scoped', 'required')) this.#next();
        return [{ kind: 'scope', body: this.#endOf('endblock') }];
      case 'generation':
        return [{ kind: 'scope', body: this.#endOf('endgeneration') }];
      case 'print': {
        const value = this.#tuple();
        this.#expect('close', '{%');
        return [output(value)];
      }
      case 'break':
      case 'continue':
        this.#expect('close', '{%');
        return [{ kind: word }];
    }
    this.#at--;
    return this.#fail('the name of a statement');
  }

  #if(): Statement {
    const branches: [Expression, Block][] = [];
    let otherwise: Block = [];
    for (let word = 'if'; word !== 'endif'; ) {
      const test = word === 'else' ? undefined : this.#tuple(false);
      const body = this.#bodyTo(...(test ? ['elif', 'else', 'endif'] : ['endif']));
      if (test) branches.push([test, body]);
      else otherwise = body;
      word = this.#next().value;
    }
    this.#expect('close', '{%');
    return { kind: 'if', branches, otherwise };
  }

  #for(): Statement {
    const target = this.#target(['in']);
    if (target.kind === 'name' && target.name === 'loop')
      throw new Error('it names the variable of a loop "loop"');
    this.#expect('name', 'in');
    const list = this.#tuple(false, ['recursive']);
    const test = this.#skip('name', 'if') ? this.#expression() : undefined;
    const recursive = this.#skip('name', 'recursive');
    const body = this.#bodyTo('else', 'endfor');
    const hasElse = this.#next().value === 'else';
    const otherwise = hasElse ? this.#endOf('endfor') : [];
    if (!hasElse) this.#expect('close', '{%');
    return { kind: 'for', target, list, test, body, otherwise, recursive };
  }

  #set(): Statement {
    const target = this.#target([]);
    if (this.#skip('operator', '=')) {
      const value = this.#tuple();
      this.#expect('close', '{%');
      return { kind: 'set', target, value };
    }
    const filter = this.#isOperator('|') ? this.#filters(undefined, false) : undefined;
    return { kind: 'capture', target, filter, body: this.#endOf('endset') };
  }

  #with(): Statement {
    const bindings: [Target, Expression][] = [];
    while (!this.#is('close')) {
      if (bindings.length > 0) this.#expect('operator', ',');
      const target = this.#singleTarget();
      this.#expect('operator', '=');
      bindings.push([target, this.#expression()]);
    }
    return { kind: 'with', bindings, body: this.#endOf('endwith') };
  }

  #macro(): Macro {
    const name = this.#expect('name').value;
    const parameters = this.#parameters();
    return { kind: 'macro', name, parameters, body: this.#endOf('endmacro') };
  }

  #callBlock(): Statement {
    const parameters = this.#isOperator('(') ? this.#parameters() : [];
    const call = this.#expression();
    if (call.kind !== 'call') return this.#fail('a call');
    const caller = { kind: 'macro', name: 'caller', parameters, body: this.#endOf('endcall') } as const;
    return { kind: 'call', call, caller };
  }

  #parameters(): Macro['parameters'] {
    const parameters: [string, Expression | undefined][] = [];
    this.#expect('operator', '(');
    while (!this.#skip('operator', ')')) {
      if (parameters.length > 0) this.#expect('operator', ',');
      const name = this.#expect('name').value;
      parameters.push([name, this.#skip('operator', '=') ? this.#expression() : undefined]);
    }
    return parameters;
  }

  /** One target, or several with commas between, up to one of these words. */
  #target(ends: readonly string[]): Target {
    const items: Target[] = [];
    let isTuple = false;
    while (!this.#isWord(...ends) && !this.#is('close') && !this.#isOperator('=') && !this.#isOperator(')')) {
      items.push(this.#singleTarget());
      if (!this.#skip('operator', ',')) break;
      isTuple = true;
    }
    if (items.length === 0) this.#fail('a name');
    return isTuple ? { kind: 'tuple', items } : items[0]!;
  }

  #singleTarget(): Target {
    if (this.#skip('operator', '(')) {
      const target = this.#nested(() => this.#target([]));
      this.#expect('operator', ')');
      return target;
    }
    const name = this.#expect('name').value;
    if (Object.hasOwn(CONSTANTS, name)) throw new Error(`it gives ${name} a value`);
    if (!this.#skip('operator', '.')) return { kind: 'name', name };
    return { kind: 'member', namespace: name, name: this.#expect('name').value };
  }

  // ----- expressions

  /** Expressions with commas between are a tuple. */
  #tuple(withChoice = true, ends: readonly string[] = []): Expression {
    const items: Expression[] = [];
    let isTuple = false;
    while (!this.#is('close') && !this.#isOperator(')') && !this.#isWord(...ends)) {
      items.push(this.#expression(withChoice));
      if (!this.#skip('operator', ',')) break;
      isTuple = true;
    }
    if (isTuple) return { kind: 'tuple', items };
    return items[0] ?? this.#fail('an expression');
  }

  #expression(withChoice = true): Expression {
    return this.#nested(() => (withChoice ? this.#choice() : this.#or()));
  }

  #choice(): Expression {
    let value = this.#or();
    while (this.#skip('name', 'if')) {
      const test = this.#or();
      const otherwise = this.#skip('name', 'else') ? this.#nested(() => this.#choice()) : undefined;
      value = { kind: 'choice', test, chosen: value, otherwise };
    }
    return value;
  }

  #or(): Expression {
    let left = this.#and();
    while (this.#skip('name', 'or')) left = { kind: 'or', left, right: this.#and() };
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.#skip('name', 'and')) left = { kind: 'and', left, right: this.#not() };
    return left;
  }

  #not(): Expression {
    if (this.#skip('name', 'not')) return { kind: 'not', of: this.#nested(() => this.#not()) };
    const first = this.#sum();
    const rest: [string, Expression][] = [];
    for (let operator = this.#comparison(); operator; operator = this.#comparison())
      rest.push([operator, this.#sum()]);
    return rest.length === 0 ? first : { kind: 'comparison', first, rest };
  }

  #comparison(): string | undefined {
    if (this.#token.type === 'operator' && COMPARISONS.includes(this.#token.value)) return this.#next().value;
    if (this.#skip('name', 'in')) return 'in';
    const following = this.#tokens[this.#at + 1];
    if (!this.#isWord('not') || following?.type !== 'name' || following.value !== 'in') return undefined;
    this.#at += 2;
    return 'not in';
  }

  #binary(operators: readonly string[], operand: () => Expression): Expression {
    let left = operand();
    while (this.#token.type === 'operator' && operators.includes(this.#token.value)) {
      const operator = this.#next().value;
      left = { kind: 'binary', operator, left, right: operand() };
    }
    return left;
  }

  #sum(): Expression {
    const power = () => this.#binary(['**'], () => this.#unary());
    const product = () => this.#binary(['*', '/', '//', '%'], power);
    return this.#binary(['+', '-'], () => this.#binary(['~'], product));
  }

  #unary(withFilters = true): Expression {
    const sign = this.#isOperator('-') ? 'negative' : this.#isOperator('+') ? 'positive' : undefined;
    if (sign) this.#next();
    const value: Expression = sign
      ? { kind: sign, of: this.#nested(() => this.#unary(false)) }
      : this.#primary();
    const whole = this.#postfix(value);
    return withFilters ? this.#filters(whole, false) : whole;
  }

  #primary(): Expression {
    const { type, value } = this.#next();
    if (type === 'name') {
      const constant = Object.hasOwn(CONSTANTS, value) ? CONSTANTS[value] : undefined;
      return constant ? { kind: 'constant', value: constant() } : { kind: 'name', name: value };
    }
    if (type === 'string') {
      let text = value;
      while (this.#is('string')) text += this.#next().value;
      return { kind: 'constant', value: literal(text) };
    }
    const digits = value.replaceAll('_', '');
    if (type === 'integer') return { kind: 'constant', value: integer(Number(digits)) };
    if (type === 'float') return { kind: 'constant', value: new FloatValue(Number(digits)) };
    if (type === 'operator' && value === '(') return this.#parenthesized();
    if (type === 'operator' && value === '[') return { kind: 'list', items: this.#items(']') };
    if (type === 'operator' && value === '{') return this.#mapping();
    this.#at--;
    return this.#fail('an expression');
  }

  #parenthesized(): Expression {
    if (this.#skip('operator', ')')) return { kind: 'tuple', items: [] };
    const value = this.#tuple();
    this.#expect('operator', ')');
    return value;
  }

  #items(end: string): Expression[] {
    const items: Expression[] = [];
    while (!this.#skip('operator', end)) {
      if (items.length > 0) this.#expect('operator', ',');
      if (this.#skip('operator', end)) break;
      items.push(this.#expression());
    }
    return items;
  }

  #mapping(): Expression {
    const entries: [Expression, Expression][] = [];
    while (!this.#skip('operator', '}')) {
      if (entries.length > 0) this.#expect('operator', ',');
      if (this.#skip('operator', '}')) break;
      const key = this.#expression();
      this.#expect('operator', ':');
      entries.push([key, this.#expression()]);
    }
    return { kind: 'mapping', entries };
  }

  #postfix(value: Expression): Expression {
    let of = value;
    for (;;) {
      if (this.#skip('operator', '.')) of = this.#member(of);
      else if (this.#skip('operator', '[')) of = this.#subscript(of);
      else if (this.#isOperator('(')) of = { kind: 'call', callee: of, args: this.#arguments() };
      else return of;
    }
  }

  #member(of: Expression): Expression {
    if (this.#is('integer')) {
      return { kind: 'item', of, index: { kind: 'constant', value: integer(Number(this.#next().value)) } };
    }
    return { kind: 'attribute', of, name: this.#expect('name').value };
  }

  #subscript(of: Expression): Expression {
    const part = () => (this.#isOperator(':') || this.#isOperator(']') ? undefined : this.#expression());
    const start = part();
    if (!this.#skip('operator', ':')) {
      const items = [start ?? this.#fail('an index')];
      while (this.#skip('operator', ',')) items.push(this.#expression());
      this.#expect('operator', ']');
      return { kind: 'item', of, index: items.length === 1 ? items[0]! : { kind: 'tuple', items } };
    }
    const stop = part();
    const step = this.#skip('operator', ':') ? part() : undefined;
    this.#expect('operator', ']');
    return { kind: 'slice', of, start, stop, step };
  }

  #arguments(): CallArguments {
    const list: Expression[] = [];
    const named: [string, Expression][] = [];
    let star: Expression | undefined;
    let stars: Expression | undefined;
    this.#expect('operator', '(');
    for (let isFirst = true; !this.#skip('operator', ')'); isFirst = false) {
      if (!isFirst) this.#expect('operator', ',');
      if (this.#skip('operator', ')')) break;
      const following = this.#tokens[this.#at + 1];
      if (this.#skip('operator', '*')) star = this.#expression();
      else if (this.#skip('operator', '**')) stars = this.#expression();
      else if (this.#is('name') && following?.type === 'operator' && following.value === '=') {
        const name = this.#next().value;
        this.#next();
        named.push([name, this.#expression()]);
      } else if (named.length > 0 || stars) this.#fail('an argument with a name');
      else list.push(this.#expression());
    }
    return { list, named, star, stars };
  }

  /**
   * Filters and tests after a value.
   *
   * @param begun the name of a filter follows without a bar
   */
  #filters(value: Expression | undefined, begun: boolean): Expression {
    let of = value;
    for (let isFirst = begun; ; isFirst = false) {
      if (isFirst || this.#skip('operator', '|')) {
        const name = this.#dottedName();
        of = { kind: 'filter', of, name, args: this.#isOperator('(') ? this.#arguments() : NO_ARGUMENTS };
      } else if (of && this.#skip('name', 'is')) of = this.#test(of);
      else if (of && value && this.#isOperator('('))
        of = { kind: 'call', callee: of, args: this.#arguments() };
      else return of ?? this.#fail('a filter');
    }
  }

  #dottedName(): string {
    let name = this.#expect('name').value;
    while (this.#skip('operator', '.')) name += `.${this.#expect('name').value}`;
    return name;
  }

  #test(of: Expression): Expression {
    const negated = this.#skip('name', 'not');
    const name = this.#dottedName();
    const test: Expression = { kind: 'test', of, name, args: this.#testArguments() };
    return negated ? { kind: 'not', of: test } : test;
  }

  #testArguments(): CallArguments {
    if (this.#isOperator('(')) return this.#arguments();
    const begins =
      BEGINS_ARGUMENT.includes(this.#token.type) || this.#isOperator('[') || this.#isOperator('{');
    if (!begins || this.#isWord(...NOT_ARGUMENTS)) return NO_ARGUMENTS;
    return { list: [this.#postfix(this.#primary())], named: [] };
  }
}

const NO_ARGUMENTS: CallArguments = { list: [], named: [] };

function output(value: Expression): Statement {
  return { kind: 'output', value };
}

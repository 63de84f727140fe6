/** Parses the expressions of templates: the grammar of jinja2/parser.py. */
import type { TokenType } from './lexer.ts';
import type { CallArguments, Expression } from './syntax.ts';
import { TokenCursor } from './token-cursor.ts';
import { FloatValue, integer, none, textValue, truth, type Value } from './values.ts';

/** A text of the template itself. */
export function literal(text: string): Value {
  return textValue(text, text === '' ? [] : [0, text.length]);
}

export const CONSTANTS: Readonly<Record<string, () => Value>> = {
  ...{ true: () => truth(true), True: () => truth(true) },
  ...{ false: () => truth(false), False: () => truth(false) },
  ...{ none, None: none },
};
const COMPARISONS: readonly string[] = ['==', '!=', '<', '<=', '>', '>='];
/** What may begin the argument of a test without parentheses. */
const BEGINS_ARGUMENT: readonly TokenType[] = ['name', 'string', 'integer', 'float'];
const NOT_ARGUMENTS: readonly string[] = ['else', 'or', 'and', 'is'];
const NO_ARGUMENTS: CallArguments = { list: [], named: [] };

export class ExpressionParser extends TokenCursor {
  /** Expressions with commas between are a tuple. */
  protected tuple(withChoice = true, ends: readonly string[] = []): Expression {
    const items: Expression[] = [];
    let isTuple = false;
    while (!this.is('close') && !this.isOperator(')') && !this.isWord(...ends)) {
      items.push(this.expression(withChoice));
      if (!this.skip('operator', ',')) break;
      isTuple = true;
    }
    if (isTuple) return { kind: 'tuple', items };
    return items[0] ?? this.fail('an expression');
  }

  protected expression(withChoice = true): Expression {
    return this.nested(() => (withChoice ? this.#choice() : this.#or()));
  }

  #choice(): Expression {
    let value = this.#or();
    while (this.skip('name', 'if')) {
      const test = this.#or();
      const otherwise = this.skip('name', 'else') ? this.nested(() => this.#choice()) : undefined;
      value = { kind: 'choice', test, chosen: value, otherwise };
    }
    return value;
  }

  #or(): Expression {
    let left = this.#and();
    while (this.skip('name', 'or')) left = { kind: 'or', left, right: this.#and() };
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.skip('name', 'and')) left = { kind: 'and', left, right: this.#not() };
    return left;
  }

  #not(): Expression {
    if (this.skip('name', 'not')) return { kind: 'not', of: this.nested(() => this.#not()) };
    const first = this.#sum();
    const rest: [string, Expression][] = [];
    for (let operator = this.#comparison(); operator; operator = this.#comparison())
      rest.push([operator, this.#sum()]);
    return rest.length === 0 ? first : { kind: 'comparison', first, rest };
  }

  #comparison(): string | undefined {
    if (this.token.type === 'operator' && COMPARISONS.includes(this.token.value)) return this.next().value;
    if (this.skip('name', 'in')) return 'in';
    if (!this.isWord('not') || !this.isFollowing('name', 'in')) return undefined;
    this.next();
    this.next();
    return 'not in';
  }

  #binary(operators: readonly string[], operand: () => Expression): Expression {
    let left = operand();
    while (this.token.type === 'operator' && operators.includes(this.token.value)) {
      const operator = this.next().value;
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
    const sign = this.isOperator('-') ? 'negative' : this.isOperator('+') ? 'positive' : undefined;
    if (sign) this.next();
    const value: Expression = sign
      ? { kind: sign, of: this.nested(() => this.#unary(false)) }
      : this.#primary();
    const whole = this.#postfix(value);
    return withFilters ? this.filters(whole, false) : whole;
  }

  #primary(): Expression {
    const { type, value } = this.next();
    if (type === 'name') {
      const constant = Object.hasOwn(CONSTANTS, value) ? CONSTANTS[value] : undefined;
      return constant ? { kind: 'constant', value: constant() } : { kind: 'name', name: value };
    }
    if (type === 'string') {
      let text = value;
      while (this.is('string')) text += this.next().value;
      return { kind: 'constant', value: literal(text) };
    }
    const digits = value.replaceAll('_', '');
    if (type === 'integer') return { kind: 'constant', value: integer(Number(digits)) };
    if (type === 'float') return { kind: 'constant', value: new FloatValue(Number(digits)) };
    if (type === 'operator' && value === '(') return this.#parenthesized();
    if (type === 'operator' && value === '[') return { kind: 'list', items: this.#items(']') };
    if (type === 'operator' && value === '{') return this.#mapping();
    return this.failAtLast('an expression');
  }

  #parenthesized(): Expression {
    if (this.skip('operator', ')')) return { kind: 'tuple', items: [] };
    const value = this.tuple();
    this.expect('operator', ')');
    return value;
  }

  #items(end: string): Expression[] {
    const items: Expression[] = [];
    while (!this.skip('operator', end)) {
      if (items.length > 0) this.expect('operator', ',');
      if (this.skip('operator', end)) break;
      items.push(this.expression());
    }
    return items;
  }

  #mapping(): Expression {
    const entries: [Expression, Expression][] = [];
    while (!this.skip('operator', '}')) {
      if (entries.length > 0) this.expect('operator', ',');
      if (this.skip('operator', '}')) break;
      const key = this.expression();
      this.expect('operator', ':');
      entries.push([key, this.expression()]);
    }
    return { kind: 'mapping', entries };
  }

  #postfix(value: Expression): Expression {
    let of = value;
    for (;;) {
      if (this.skip('operator', '.')) of = this.#member(of);
      else if (this.skip('operator', '[')) of = this.#subscript(of);
      else if (this.isOperator('(')) of = { kind: 'call', callee: of, args: this.#arguments() };
      else return of;
    }
  }

  #member(of: Expression): Expression {
    if (this.is('integer')) {
      return { kind: 'item', of, index: { kind: 'constant', value: integer(Number(this.next().value)) } };
    }
    return { kind: 'attribute', of, name: this.expect('name').value };
  }

  #subscript(of: Expression): Expression {
    const part = () => (this.isOperator(':') || this.isOperator(']') ? undefined : this.expression());
    const start = part();
    if (!this.skip('operator', ':')) {
      const items = [start ?? this.fail('an index')];
      while (this.skip('operator', ',')) items.push(this.expression());
      this.expect('operator', ']');
      return { kind: 'item', of, index: items.length === 1 ? items[0]! : { kind: 'tuple', items } };
    }
    const stop = part();
    const step = this.skip('operator', ':') ? part() : undefined;
    this.expect('operator', ']');
    return { kind: 'slice', of, start, stop, step };
  }

  #arguments(): CallArguments {
    const list: Expression[] = [];
    const named: [string, Expression][] = [];
    let star: Expression | undefined;
    let stars: Expression | undefined;
    this.expect('operator', '(');
    for (let isFirst = true; !this.skip('operator', ')'); isFirst = false) {
      if (!isFirst) this.expect('operator', ',');
      if (this.skip('operator', ')')) break;
      if (this.skip('operator', '*')) star = this.expression();
      else if (this.skip('operator', '**')) stars = this.expression();
      else if (this.is('name') && this.isFollowing('operator', '=')) {
        const name = this.next().value;
        this.next();
        named.push([name, this.expression()]);
      } else if (named.length > 0 || stars) this.fail('an argument with a name');
      else list.push(this.expression());
    }
    return { list, named, star, stars };
  }

  /**
   * Filters and tests after a value.
   *
   * @param begun the name of a filter follows without a bar
   */
  protected filters(value: Expression | undefined, begun: boolean): Expression {
    let of = value;
    for (let isFirst = begun; ; isFirst = false) {
      if (isFirst || this.skip('operator', '|')) {
        const name = this.#dottedName();
        of = { kind: 'filter', of, name, args: this.isOperator('(') ? this.#arguments() : NO_ARGUMENTS };
      } else if (of && this.skip('name', 'is')) of = this.#test(of);
      else if (of && value && this.isOperator('('))
        of = { kind: 'call', callee: of, args: this.#arguments() };
      else return of ?? this.fail('a filter');
    }
  }

  #dottedName(): string {
    let name = this.expect('name').value;
    while (this.skip('operator', '.')) name += `.${this.expect('name').value}`;
    return name;
  }

  #test(of: Expression): Expression {
    const negated = this.skip('name', 'not');
    const name = this.#dottedName();
    const test: Expression = { kind: 'test', of, name, args: this.#testArguments() };
    return negated ? { kind: 'not', of: test } : test;
  }

  #testArguments(): CallArguments {
    if (this.isOperator('(')) return this.#arguments();
    const begins = BEGINS_ARGUMENT.includes(this.token.type) || this.isOperator('[') || this.isOperator('{');
    if (!begins || this.isWord(...NOT_ARGUMENTS)) return NO_ARGUMENTS;
    return { list: [this.#postfix(this.#primary())], named: [] };
  }
}

/** Parses templates: the grammar of jinja2/parser.py, with {% break %}, {% continue %} and transformers' {% generation %}. */
import { CONSTANTS, ExpressionParser, literal } from './expression-parser.ts';
import type { Block, Expression, Macro, Statement, Target } from './syntax.ts';

/** Throws an Error if the source is not a Jinja template. */
export function parseTemplate(source: string): Block {
  return new TemplateParser(source).template();
}

class TemplateParser extends ExpressionParser {
  template(): Block {
    const body = this.#block([]);
    if (this.token.type !== 'end') this.fail('the end of the template');
    return body;
  }

  /** Statements up to a tag with one of these words, which stays. */
  #block(ends: readonly string[]): Block {
    return this.nested(() => {
      const statements: Statement[] = [];
      for (;;) {
        if (this.is('text')) statements.push({ kind: 'text', text: literal(this.next().value) });
        else if (this.is('open', '{{')) statements.push(output(this.#printed()));
        else if (this.is('open', '{%')) {
          if (this.isFollowing('name', ...ends)) return statements;
          this.next();
          statements.push(...this.#statement());
        } else if (ends.length === 0 || this.token.type !== 'end') return statements;
        else return this.fail(`{% ${ends[0]} %}`);
      }
    });
  }

  #printed(): Expression {
    this.next();
    const value = this.tuple();
    this.expect('close', '{{');
    return value;
  }

  /** The body of a statement up to the end of {% word %}. */
  #bodyTo(...words: readonly string[]): Block {
    this.expect('close', '{%');
    const body = this.#block(words);
    this.next(); // the open tag
    return body;
  }

  #endOf(word: string): Block {
    const body = this.#bodyTo(word);
    this.next();
    this.skip('name'); // {% endblock name %}
    this.expect('close', '{%');
    return body;
  }

  #statement(): readonly Statement[] {
    const word = this.expect('name').value;
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
        const filter = this.filters(undefined, true);
        return [{ kind: 'filtered', filter, body: this.#endOf('endfilter') }];
      }
      case 'autoescape': {
        const on = this.expression();
        return [{ kind: 'escaping', on, body: this.#endOf('endautoescape') }];
      }
      case 'block':
        this.expect('name');
        while (this.isWord('scoped', 'required')) this.next();
        return [{ kind: 'scope', body: this.#endOf('endblock') }];
      case 'generation':
        return [{ kind: 'scope', body: this.#endOf('endgeneration') }];
      case 'print': {
        const value = this.tuple();
        this.expect('close', '{%');
        return [output(value)];
      }
      case 'break':
      case 'continue':
        this.expect('close', '{%');
        return [{ kind: word }];
    }
    return this.failAtLast('the name of a statement');
  }

  #if(): Statement {
    const branches: [Expression, Block][] = [];
    let otherwise: Block = [];
    for (let word = 'if'; word !== 'endif'; ) {
      const test = word === 'else' ? undefined : this.tuple(false);
      const body = this.#bodyTo(...(test ? ['elif', 'else', 'endif'] : ['endif']));
      if (test) branches.push([test, body]);
      else otherwise = body;
      word = this.next().value;
    }
    this.expect('close', '{%');
    return { kind: 'if', branches, otherwise };
  }

  #for(): Statement {
    const target = this.#target(['in']);
    if (target.kind === 'name' && target.name === 'loop')
      throw new Error('it names the variable of a loop "loop"');
    this.expect('name', 'in');
    const list = this.tuple(false, ['recursive']);
    const test = this.skip('name', 'if') ? this.expression() : undefined;
    const recursive = this.skip('name', 'recursive');
    const body = this.#bodyTo('else', 'endfor');
    const hasElse = this.next().value === 'else';
    const otherwise = hasElse ? this.#endOf('endfor') : [];
    if (!hasElse) this.expect('close', '{%');
    return { kind: 'for', target, list, test, body, otherwise, recursive };
  }

  #set(): Statement {
    const target = this.#target([]);
    if (this.skip('operator', '=')) {
      const value = this.tuple();
      this.expect('close', '{%');
      return { kind: 'set', target, value };
    }
    const filter = this.isOperator('|') ? this.filters(undefined, false) : undefined;
    return { kind: 'capture', target, filter, body: this.#endOf('endset') };
  }

  #with(): Statement {
    const bindings: [Target, Expression][] = [];
    while (!this.is('close')) {
      if (bindings.length > 0) this.expect('operator', ',');
      const target = this.#singleTarget();
      this.expect('operator', '=');
      bindings.push([target, this.expression()]);
    }
    return { kind: 'with', bindings, body: this.#endOf('endwith') };
  }

  #macro(): Macro {
    const name = this.expect('name').value;
    const parameters = this.#parameters();
    return { kind: 'macro', name, parameters, body: this.#endOf('endmacro') };
  }

  #callBlock(): Statement {
    const parameters = this.isOperator('(') ? this.#parameters() : [];
    const call = this.expression();
    if (call.kind !== 'call') return this.fail('a call');
    const caller = { kind: 'macro', name: 'caller', parameters, body: this.#endOf('endcall') } as const;
    return { kind: 'call', call, caller };
  }

  #parameters(): Macro['parameters'] {
    const parameters: [string, Expression | undefined][] = [];
    this.expect('operator', '(');
    while (!this.skip('operator', ')')) {
      if (parameters.length > 0) this.expect('operator', ',');
      const name = this.expect('name').value;
      parameters.push([name, this.skip('operator', '=') ? this.expression() : undefined]);
    }
    return parameters;
  }

  /** One target, or several with commas between, up to one of these words. */
  #target(ends: readonly string[]): Target {
    const items: Target[] = [];
    let isTuple = false;
    while (!this.isWord(...ends) && !this.is('close') && !this.isOperator('=') && !this.isOperator(')')) {
      items.push(this.#singleTarget());
      if (!this.skip('operator', ',')) break;
      isTuple = true;
    }
    if (items.length === 0) this.fail('a name');
    return isTuple ? { kind: 'tuple', items } : items[0]!;
  }

  #singleTarget(): Target {
    if (this.skip('operator', '(')) {
      const target = this.nested(() => this.#target([]));
      this.expect('operator', ')');
      return target;
    }
    const name = this.expect('name').value;
    if (Object.hasOwn(CONSTANTS, name)) throw new Error(`it gives ${name} a value`);
    if (!this.skip('operator', '.')) return { kind: 'name', name };
    return { kind: 'member', namespace: name, name: this.expect('name').value };
  }
}

function output(value: Expression): Statement {
  return { kind: 'output', value };
}

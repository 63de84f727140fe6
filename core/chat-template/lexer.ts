/**
 * Cuts a template into tokens as jinja2/lexer.py does with trim_blocks and lstrip_blocks: a line that holds a statement alone
 * leaves no trace.
 */

export type TokenType =
  | 'text'
  | 'open'
  | 'close'
  | 'name'
  | 'string'
  | 'integer'
  | 'float'
  | 'operator'
  | 'end';

export interface Token {
  readonly type: TokenType;
  /** Of `open` and `close`: '{{' or '{%' for both. */
  readonly value: string;
  readonly line: number;
}

const TAG = /\{(?:%([-+]?)(\s*raw\s*(-?)%\})?|\{([-+]?)|#([-+]?))/g;
const END_RAW = /\{%([-+]?)\s*endraw\s*([-+]?)%\}/g;
const SPACE = /\s+/y;
const NUMBER =
  /(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[-+]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)|0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|\d(?:_?\d)*/iy;
const NAME = /[\p{L}\p{N}\p{M}\p{Pc}]+/uy;
const STRING = /'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*"/y;
const OPERATOR = /\/\/|\*\*|[=!<>]=|[-+/*%~[\](){}<>=.:|,;]/y;
const PARTNERS: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

/** Throws an Error for what is no token. */
export function tokensOf(template: string): Token[] {
  const source = template.replace(/\r\n?/g, '\n').replace(/\n$/, '');
  return new Lexer(source).tokens;
}

class Lexer {
  readonly tokens: Token[] = [];
  readonly #source: string;
  #at = 0;
  #line = 1;
  #counted = 0; // up to where lines are counted

  constructor(source: string) {
    this.#source = source;
    while (this.#at < source.length) this.#text();
    this.#push('end', '');
  }

  #push(type: TokenType, value: string): void {
    for (; this.#counted < this.#at; this.#counted++) if (this.#source[this.#counted] === '\n') this.#line++;
    this.tokens.push({ type, value, line: this.#line });
  }

  /** Text up to a tag, and the tag. */
  #text(): void {
    TAG.lastIndex = this.#at;
    const tag = TAG.exec(this.#source);
    const text = this.#source.slice(this.#at, tag?.index);
    const [whole = '', statement, raw, rawEnd] = tag ?? [];
    const sign = statement ?? tag?.[4] ?? tag?.[5] ?? '';
    const kept = tag ? this.#beforeTag(text, sign, whole.startsWith('{{')) : text;
    if (kept !== '') this.#push('text', kept);
    this.#at = tag ? tag.index + whole.length : this.#source.length;
    if (!tag) return;
    if (raw !== undefined) this.#raw(rawEnd === '-');
    else if (whole.startsWith('{#')) this.#comment();
    else this.#tag(whole.startsWith('{{') ? '{{' : '{%');
  }

  /** Without white space that the tag takes away. */
  #beforeTag(text: string, sign: string, isOutput: boolean): string {
    if (sign === '-') return text.trimEnd();
    if (sign === '+' || isOutput) return text;
    const start = text.lastIndexOf('\n') + 1;
    const startsLine = start > 0 || this.#at === 0 || this.#source[this.#at - 1] === '\n';
    return startsLine && /^\s+$/.test(text.slice(start)) ? text.slice(0, start) : text;
  }

  #comment(): void {
    const end = this.#source.indexOf('#}', this.#at);
    if (end < 0) throw new Error('a comment has no end');
    const sign = this.#source[end - 1]!;
    this.#at = end + 2;
    this.#afterTag(end > 0 && (sign === '-' || sign === '+') ? sign : '', true);
  }

  #raw(trims: boolean): void {
    END_RAW.lastIndex = this.#at;
    const end = END_RAW.exec(this.#source);
    if (!end) throw new Error('{% raw %} has no {% endraw %}');
    let text = this.#source.slice(this.#at, end.index);
    if (trims) text = text.trimStart();
    text = this.#beforeTag(text, end[1]!, false);
    if (text !== '') this.#push('text', text);
    this.#at = end.index + end[0].length;
    this.#afterTag(end[2]!, true);
  }

  /** Skips what the end of a tag takes away: all white space after `-`, else the end of the line. */
  #afterTag(sign: string, isStatement: boolean): void {
    if (sign === '-') this.#skip(SPACE);
    else if (sign !== '+' && isStatement && this.#source[this.#at] === '\n') this.#at++;
  }

  #tag(open: '{{' | '{%') {
    const close = open === '{{' ? '}}' : '%}';
    this.#push('open', open);
    const brackets: string[] = []; // that must close
    for (;;) {
      this.#skip(SPACE);
      if (this.#at >= this.#source.length) throw new Error(`${open} has no ${close}`);
      if (brackets.length === 0 && this.#closes(open, close)) return;
      this.#token(brackets);
    }
  }

  /** Takes the end of a tag, if it is here. */
  #closes(open: '{{' | '{%', close: string): boolean {
    const first = this.#source[this.#at]!;
    const sign = first === '-' || (first === '+' && open === '{%') ? first : '';
    if (!this.#source.startsWith(sign + close, this.#at)) return false;
    this.#push('close', open);
    this.#at += sign.length + close.length;
    this.#afterTag(sign, open === '{%');
    return true;
  }

  #token(brackets: string[]) {
    const number = this.#match(NUMBER);
    if (number !== undefined && !/^[\p{L}\p{M}\p{Pc}]/u.test(this.#source.slice(this.#at + number.length))) {
      const isFloat = /^[\d_]*(?:\.|[\d_]*e)/i.test(number) && !/^0x/i.test(number);
      return this.#take(isFloat ? 'float' : 'integer', number);
    }
    const name = this.#match(NAME);
    if (name !== undefined) return this.#take('name', name);
    const text = this.#match(STRING);
    if (text !== undefined) return this.#take('string', text);
    const operator = this.#match(OPERATOR);
    if (operator === undefined) {
      throw new Error(
        `line ${this.#line} has ${JSON.stringify(this.#source[this.#at])} where no sign can be`,
      );
    }
    const partner = PARTNERS[operator];
    if (partner) brackets.push(partner);
    else if (')]}'.includes(operator) && brackets.pop() !== operator) {
      throw new Error(`line ${this.#line} has a "${operator}" that closes nothing`);
    }
    this.#take('operator', operator);
  }

  #take(type: TokenType, value: string): void {
    this.#push(type, type === 'string' ? unescaped(value.slice(1, -1)) : value);
    this.#at += value.length;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#source)?.[0];
  }

  #skip(pattern: RegExp): void {
    this.#at += this.#match(pattern)?.length ?? 0;
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', f: '\f', v: '\v' },
  ...{ '\\': '\\', "'": "'", '"': '"', '\n': '' },
};

/** Python's escapes; unknown ones stay as they are. */
function unescaped(text: string): string {
  return text.replace(
    /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{1,3})|([\s\S]))/g,
    (whole, x, u, long, octal, letter) => {
      const code = x ?? u ?? long;
      if (code !== undefined) return String.fromCodePoint(Math.min(Number.parseInt(code, 16), 0x10ffff));
      if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
      return Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter]! : whole;
    },
  );
}

/** A place among the tokens of a template, and what parsers ask there. */
import { type Token, type TokenType, tokensOf } from './lexer.ts';

const MAX_SOURCE = 1 << 18; // characters; real templates have up to 40,000
const MAX_DEPTH = 200; // of expressions and blocks within each other; real ones have up to 20

export class TokenCursor {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  /** Throws an Error for a source that is too long or has characters that begin no token. */
  constructor(source: string) {
    if (source.length > MAX_SOURCE) {
      throw new Error(`it has ${source.length} characters, more than ${MAX_SOURCE}`);
    }
    this.#tokens = tokensOf(source);
  }

  protected get token(): Token {
    return this.#tokens[this.#at]!;
  }

  protected is(type: TokenType, value?: string): boolean {
    return this.token.type === type && (value === undefined || this.token.value === value);
  }

  /** Whether the token after this one is one of these. */
  protected isFollowing(type: TokenType, ...values: readonly string[]): boolean {
    const following = this.#tokens[this.#at + 1];
    return following?.type === type && values.includes(following.value);
  }

  protected isOperator(value: string): boolean {
    return this.is('operator', value);
  }

  protected isWord(...words: readonly string[]): boolean {
    return this.token.type === 'name' && words.includes(this.token.value);
  }

  protected next(): Token {
    const token = this.token;
    if (token.type !== 'end') this.#at++;
    return token;
  }

  protected skip(type: TokenType, value?: string): boolean {
    const found = this.is(type, value);
    if (found) this.#at++;
    return found;
  }

  protected expect(type: TokenType, value?: string): Token {
    if (!this.is(type, value)) this.fail(value ?? `a ${type}`);
    return this.next();
  }

  protected fail(expected: string): never {
    const { type, value, line } = this.token;
    const got =
      type === 'end' ? 'its end' : type === 'close' ? 'the end of a tag' : JSON.stringify(value.slice(0, 40));
    throw new Error(`line ${line}: expected ${expected}, got ${got}`);
  }

  /** Fails because of the token that was taken last. */
  protected failAtLast(expected: string): never {
    this.#at--;
    return this.fail(expected);
  }

  /** Runs what may contain itself. */
  protected nested<T>(parse: () => T): T {
    if (++this.#depth > MAX_DEPTH) throw new Error(`it has more than ${MAX_DEPTH} parts within each other`);
    const result = parse();
    this.#depth--;
    return result;
  }
}

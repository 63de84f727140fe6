/**
 * Parses templates with @huggingface/jinja, after rewriting what its parser lacks: {% raw %}, {% with %}, tests with
 * arguments, numbers such as 1e3 and 1_000, recursive loops.
 */
import { parse, tokenize } from '@huggingface/jinja';
import { TESTS_WITH_ARGUMENT } from './predicates.ts';

const MAX_SOURCE = 1 << 18; // characters; real templates have up to 40,000
const MAX_SPACE = 300; // consecutive blanks; the package's parsing time grows with their square

export type Program = ReturnType<typeof parse>;
type Token = ReturnType<typeof tokenize>[number];

/** Throws an Error if the source is not a Jinja template. */
export function parseTemplate(source: string): Program {
  if (source.length > MAX_SOURCE) {
    throw new Error(`it has ${source.length} characters, more than ${MAX_SOURCE}`);
  }
  if (source.split(/\S+/).some((space) => space.length > MAX_SPACE)) {
    throw new Error(`it has more than ${MAX_SPACE} blanks in a row`);
  }
  const lines = rawAsLiterals(source.replace(/\r\n?/g, '\n'));
  const tokens = numbersJoined(tokenize(lines, { trim_blocks: true, lstrip_blocks: true }));
  return parse(withAsCalls(recursionAsComment(testsAsFilters(tokens))));
}

const RAW_TAG = /\{%([-+]?)\s*(raw|endraw)\s*([-+]?)%\}/g;

/** {% raw %}text{% endraw %} as {{ "text" }}. */
function rawAsLiterals(source: string): string {
  let result = '';
  let end = 0; // of what was copied
  let opening: RegExpExecArray | undefined;
  for (const tag of source.matchAll(RAW_TAG)) {
    const [text, left, name, right] = tag;
    if (opening === undefined && name === 'raw') {
      result += source.slice(end, tag.index);
      opening = tag;
    } else if (opening !== undefined && name === 'endraw') {
      let content = source.slice(end, tag.index);
      if (opening[3] === '-') content = content.trimStart();
      if (left === '-') content = content.trimEnd();
      result += `{{${opening[1] === '-' ? '-' : ''} ${quoted(content)} ${right === '-' ? '-' : ''}}}`;
      opening = undefined;
      if (right === '' && source[tag.index + text.length] === '\n') result += '{#-#}';
    } else continue;
    end = tag.index + text.length;
  }
  if (opening !== undefined) throw new Error('{% raw %} has no {% endraw %}');
  return result + source.slice(end);
}

/** A string literal without characters that mean something to the package before it finds literals. */
function quoted(text: string): string {
  const codes = text.replace(
    /[^\w .,;:!?]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `"${codes}"`;
}

const LITERALS: ReadonlySet<string> = new Set(['StringLiteral', 'NumericLiteral', 'Identifier']);
const OPEN: ReadonlySet<string> = new Set(['OpenParen', 'OpenSquareBracket', 'OpenCurlyBracket']);
const CLOSE: ReadonlySet<string> = new Set(['CloseParen', 'CloseSquareBracket', 'CloseCurlyBracket']);

/** Numbers as in Jinja, with the sign that the package makes a part of them. */
const NUMBER =
  /^[-+]?(?:0x(?:_?[\da-f])+|0o(?:_?[0-7])+|0b(?:_?[01])+|(?:\d+_)*\d+(?:\.(?:\d+_)*\d+)?(?:e[-+]?(?:\d+_)*\d+)?)$/i;
const NUMBER_TOKENS = 8; // of 1_0.2_3e-4_5, the most

/** The package makes numbers of digits and a dot only: 1e3 is a number and a name, which never follow each other. */
function numbersJoined(tokens: readonly Token[]): Token[] {
  const result: Token[] = [];
  for (let at = 0; at < tokens.length; at++) {
    const mayGoOn = tokens[at]!.type === 'NumericLiteral' && tokens[at + 1]?.type === 'Identifier';
    let length = mayGoOn && tokens[at - 1]?.type !== 'Dot' ? NUMBER_TOKENS : 1;
    const text = () =>
      tokens
        .slice(at, at + length)
        .map(({ value }) => value)
        .join('');
    while (length > 1 && !NUMBER.test(text())) length--;
    result.push(length === 1 ? tokens[at]! : tokenOf('NumericLiteral', plainNumber(text())));
    at += length - 1;
  }
  return result;
}

/** A number that JavaScript reads; with a dot if it is a float. */
function plainNumber(text: string): string {
  const digits = text.replaceAll('_', '');
  if (/^[-+]?0[xob]/i.test(digits)) {
    return digits.replace(/0[xob].*/i, (number) => String(Number(number)));
  }
  return digits.includes('.') ? digits : digits.replace(/e/i, '.0e');
}

/** A word that goes on after the name of a test. */
const isKeyword = ({ type, value }: Token): boolean =>
  type === 'Identifier' && ['and', 'or', 'else', 'is'].includes(value);

const tokenOf = (type: Token['type'], value: string): Token => ({ type, value });

/** A function of this name calls its caller with its arguments. No template can name it: the name has a blank. */
export const CALL_CALLER = 'call caller';

/** A comment in front of the body of a recursive loop. No template can write it: it holds the end of a comment. */
export const RECURSIVE = '#} recursive';

const OPERATORS: ReadonlySet<string> = new Set(['in', 'not', 'and', 'or', 'is', 'if', 'else']);

/** {% for x in xs recursive %} as {% for x in xs %} and the comment. */
function recursionAsComment(tokens: readonly Token[]): Token[] {
  const result: Token[] = [];
  let isFor = false;
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]!;
    if (tokens[at - 1]?.type === 'OpenStatement') isFor = token.value === 'for';
    const isLast = isFor && tokens[at + 1]?.type === 'CloseStatement';
    if (!isLast || token.value !== 'recursive' || !endsExpression(tokens[at - 1]!)) {
      result.push(token);
      continue;
    }
    result.push(tokens[at + 1]!, tokenOf('Comment', RECURSIVE));
    at++;
  }
  return result;
}

function endsExpression({ type, value }: Token): boolean {
  return CLOSE.has(type) || (LITERALS.has(type) && !(type === 'Identifier' && OPERATORS.has(value)));
}

/** {% with a = 1, b = 2 %}...{% endwith %} as {% call(a, b) f(1, 2) %}...{% endcall %}. */
function withAsCalls(tokens: readonly Token[]): Token[] {
  const result: Token[] = [];
  for (let at = 0; at < tokens.length; at++) {
    const word = tokens[at - 1]?.type === 'OpenStatement' ? tokens[at]!.value : undefined;
    if (word !== 'with') {
      result.push(word === 'endwith' ? tokenOf('Identifier', 'endcall') : tokens[at]!);
      continue;
    }
    const names: Token[] = [];
    const values: Token[] = [];
    for (at++; at < tokens.length && tokens[at]!.type !== 'CloseStatement'; at++) {
      const isFirst = names.length === 0 || tokens[at - 1]!.type === 'Comma';
      if (!isFirst || tokens[at + 1]?.type !== 'Equals') {
        values.push(tokens[at]!);
        continue;
      }
      if (names.length > 0) names.push(tokenOf('Comma', ','));
      names.push(tokens[at]!);
      at++; // the equals sign
    }
    const [open, close] = [tokenOf('OpenParen', '('), tokenOf('CloseParen', ')')];
    const callee = tokenOf('Identifier', CALL_CALLER);
    result.push(tokenOf('Identifier', 'call'), open, ...names, close, callee, open, ...values, close);
    at--; // the end of the statement
  }
  return result;
}

/** `a is eq(b)` and `a is not eq b` as `a | is eq(b)` and `a | is not eq(b)`, filters with blanks in their names. */
function testsAsFilters(tokens: readonly Token[]): Token[] {
  const partners = partnersIn(tokens);
  const ends: number[] = []; // where arguments without parentheses end; the innermost last
  const result: Token[] = [];
  for (let at = 0; at < tokens.length; at++) {
    while (ends.at(-1) === at) {
      ends.pop();
      result.push(tokenOf('CloseParen', ')'));
    }
    const isNot = tokens[at + 1]?.value === 'not';
    const name = tokens[at + (isNot ? 2 : 1)];
    const isTest = tokens[at]!.type === 'Identifier' && tokens[at]!.value === 'is';
    if (!isTest || name?.type !== 'Identifier' || !TESTS_WITH_ARGUMENT.has(name.value)) {
      result.push(tokens[at]!);
      continue;
    }
    result.push(tokenOf('Pipe', '|'), tokenOf('Identifier', `is ${isNot ? 'not ' : ''}${name.value}`));
    at += isNot ? 2 : 1;
    const end = argumentEnd(tokens, at + 1, partners);
    if (end === undefined) continue; // a parenthesis: the arguments of the filter
    result.push(tokenOf('OpenParen', '('));
    ends.push(end);
  }
  return result;
}

/** Of each bracket that opens, the place of the one that closes it. */
function partnersIn(tokens: readonly Token[]): ReadonlyMap<number, number> {
  const partners = new Map<number, number>();
  const open: number[] = [];
  for (const [at, { type }] of tokens.entries()) {
    if (OPEN.has(type)) open.push(at);
    else if (CLOSE.has(type) && open.length > 0) partners.set(open.pop()!, at);
  }
  return partners;
}

/** The end of a test's argument: a literal or a name, with what follows it as .name, [..] or (..). */
function argumentEnd(
  tokens: readonly Token[],
  start: number,
  partners: ReadonlyMap<number, number>,
): number | undefined {
  const first = tokens[start];
  if (first === undefined) return undefined;
  let end = start + 1;
  if (first.type === 'OpenSquareBracket' || first.type === 'OpenCurlyBracket') {
    const partner = partners.get(start);
    if (partner === undefined) return undefined;
    end = partner + 1;
  } else if (!LITERALS.has(first.type) || isKeyword(first)) return undefined;
  if (first.type === 'StringLiteral') while (tokens[end]?.type === 'StringLiteral') end++;
  for (;;) {
    const partner = tokens[end]?.type === 'OpenCurlyBracket' ? undefined : partners.get(end);
    if (partner !== undefined) end = partner + 1;
    else if (tokens[end]?.type === 'Dot') end += 2;
    else return end;
  }
}

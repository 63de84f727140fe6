/**
 * Markdown as tokens of marked, as GitHub reads it but for four things. Definitions (`[x]: url`) are plain text, for
 * one that comes last would change what has long been read; for the same reason a line of dashes under text is a rule and
 * makes no heading of it. LaTeX stays as it is. And there are bounds, for what a model
 * writes may be anything: how deep blocks nest, and how much text is searched for marks at once.
 */
import {
  Lexer,
  Marked,
  type MarkedToken,
  type Token,
  Tokenizer,
  type TokenizerExtension,
  type Tokens,
  type TokensList,
} from 'marked';
import { cutBefore } from './source.ts';

/** LaTeX between its delimiters. */
export interface MathToken {
  readonly type: 'math';
  readonly raw: string;
}

/** Every kind of token there is. */
export type MarkdownToken = MarkedToken | MathToken;

const DEEPEST = 24; // quotes and lists in one another; marked itself ends in a stack overflow at some 1000
const LONGEST_INLINE = 4096; // code units; marked takes quadratic time for some texts

/** `\[` or `$$` alone on a line, up to the line with its end or before a blank one. */
const DISPLAY_MATH =
  /^ {0,3}(?:\\\[[ \t]*\n(?:(?![ \t]*(?:\n|$))(?!.*\\\]).*(?:\n|$))*(?:.*\\\].*(?:\n|$))?|\$\$[ \t]*\n(?:(?![ \t]*(?:\n|$))(?!.*\$\$).*(?:\n|$))*(?:.*\$\$.*(?:\n|$))?)/;

/** `\(x\)`, `\[x\]`, `$$x$$`, and `$x$` where it cannot be money: no space inside its ends, no digit behind. */
const INLINE_MATH =
  /^(?:\\\((?:(?!\\\))[\s\S])+\\\)|\\\[(?:(?!\\\])[\s\S])+\\\]|\$\$(?!\$)[^$]+\$\$|\$(?![\s$])(?:\\.|[^$\\\n])*(?<!\s)\$(?!\w))/;
const DOLLAR_MATH = /\$\$(?!\$)[^$]+\$\$|\$(?![\s$])(?:\\.|[^$\\\n])*(?<!\s)\$(?!\w)/g;

const displayMath: TokenizerExtension = {
  name: 'display-math',
  level: 'block',
  tokenizer: (source) => mathToken(DISPLAY_MATH.exec(source)),
};

const inlineMath: TokenizerExtension = {
  name: 'inline-math',
  level: 'inline',
  start: (source) => source.indexOf('$'), // text ends before a backslash of itself
  tokenizer: (source) => mathToken(INLINE_MATH.exec(source)),
};

function mathToken(match: RegExpExecArray | null): MathToken | undefined {
  return match ? { type: 'math', raw: match[0] } : undefined;
}

class StableTokenizer extends Tokenizer {
  override def(): undefined {}
  override lheading(): undefined {}

  /** Of a quote behind text in an item marked reads a list as if it stood behind that text, and fails. */
  override blockquote(source: string): Tokens.Blockquote | undefined {
    const { state } = this.lexer;
    const { lastToken } = state;
    state.lastToken = undefined;
    try {
      return super.blockquote(source);
    } finally {
      state.lastToken = lastToken;
    }
  }
}

const options = new Marked({
  gfm: true,
  extensions: [displayMath, inlineMath],
  hooks: { emStrongMask: (text) => text.replace(DOLLAR_MATH, (math) => 'a'.repeat(math.length)) },
}).defaults;
options.tokenizer = new StableTokenizer(options);

/** What marked makes links of without brackets. */
const ADDRESS = /@|:\/\/|www\.|(?:mailto|xmpp):/i;

/** marked's rule for text without its looks ahead for addresses, which are most of its time and may be quadratic. */
const TEXT_WITHOUT_ADDRESS =
  /^(`+|~+|[^`~])(?:(?=[`~])|(?= {2,}\n)|[\s\S]*?(?:(?=[\\<![`*~_]|\b_|$)|[^ ](?= {2,}\n)))/;
const NEVER = /^(?!)/; // anchored: without that the whole text is tried

class BoundedLexer extends Lexer {
  #depth = 0;
  #inlineDepth = 0;
  readonly #rules = this.options.tokenizer!.rules;
  readonly #rulesWithoutAddress = {
    ...this.#rules,
    inline: { ...this.#rules.inline, text: TEXT_WITHOUT_ADDRESS, url: NEVER },
  };

  override blockTokens(source: string, tokens?: Token[], lastParagraphClipped?: boolean): Token[];
  override blockTokens(source: string, tokens?: TokensList, lastParagraphClipped?: boolean): TokensList;
  override blockTokens(source: string, tokens: Token[] = [], lastParagraphClipped = false): Token[] {
    if (this.#depth >= DEEPEST) {
      tokens.push({ type: 'paragraph', raw: source, text: source, tokens: this.inline(source) });
      return tokens;
    }
    this.#depth++;
    try {
      return super.blockTokens(source, tokens, lastParagraphClipped);
    } finally {
      this.#depth--;
    }
  }

  override inlineTokens(source: string, tokens: Token[] = []): Token[] {
    if (this.#inlineDepth === 0) {
      this.state.inLink = false; // marked lets an open <a> reach into later blocks
      this.options.tokenizer!.rules = ADDRESS.test(source) ? this.#rules : this.#rulesWithoutAddress;
    }
    this.#inlineDepth++;
    try {
      return this.#inlineParts(source, tokens);
    } finally {
      this.#inlineDepth--;
    }
  }

  #inlineParts(source: string, tokens: Token[]): Token[] {
    let start = 0;
    while (source.length - start > LONGEST_INLINE) {
      const end = cutBefore(source, start + LONGEST_INLINE, start);
      super.inlineTokens(source.slice(start, end), tokens);
      start = end;
    }
    return super.inlineTokens(start === 0 ? source : source.slice(start), tokens);
  }
}

export function lex(source: string): MarkdownToken[] {
  return new BoundedLexer(options).lex(source) as Token[] as MarkdownToken[];
}

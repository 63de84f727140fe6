/**
 * Parses Markdown to tokens of marked, as GitHub does, with four differences. Definitions (`[x]: url`) are plain text,
 * because a later one would change text that is already on screen. For the same reason a line of dashes under text is a
 * rule and does not make a heading. LaTeX is unchanged. The depth of nested blocks and the length of text that is searched
 * for marks are limited, because a model can write anything.
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

/** All kinds of tokens. */
export type MarkdownToken = MarkedToken | MathToken;

const DEEPEST = 24; // nested quotes and lists; marked overflows its stack at about 1000
const LONGEST_INLINE = 4096; // code units; marked needs quadratic time for some texts

/** `\[` or `$$` alone on a line, up to the line with its end or to a blank line. */
const DISPLAY_MATH =
  /^ {0,3}(?:\\\[[ \t]*\n(?:(?![ \t]*(?:\n|$))(?!.*\\\]).*(?:\n|$))*(?:.*\\\].*(?:\n|$))?|\$\$[ \t]*\n(?:(?![ \t]*(?:\n|$))(?!.*\$\$).*(?:\n|$))*(?:.*\$\$.*(?:\n|$))?)/;

/** `\(x\)`, `\[x\]`, `$$x$$`, and `$x$` if it is not money: no space inside its ends, no digit after it. */
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
  start: (source) => source.indexOf('$'), // marked itself ends text before a backslash
  tokenizer: (source) => mathToken(INLINE_MATH.exec(source)),
};

function mathToken(match: RegExpExecArray | null): MathToken | undefined {
  return match ? { type: 'math', raw: match[0] } : undefined;
}

class StableTokenizer extends Tokenizer {
  override def(): undefined {}
  override lheading(): undefined {}

  /** For a quote after text in an item, marked parses a list as if it followed that text, and fails. */
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

/** Text that marked turns into links without brackets. */
const ADDRESS = /@|:\/\/|www\.|(?:mailto|xmpp):/i;

/** marked's rule for text without its lookahead for addresses, which takes most of its time and can be quadratic. */
const TEXT_WITHOUT_ADDRESS =
  /^(`+|~+|[^`~])(?:(?=[`~])|(?= {2,}\n)|[\s\S]*?(?:(?=[\\<![`*~_]|\b_|$)|[^ ](?= {2,}\n)))/;
const NEVER = /^(?!)/; // anchored: otherwise every position is tried

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
      this.state.inLink = false; // marked lets an open <a> continue in later blocks
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

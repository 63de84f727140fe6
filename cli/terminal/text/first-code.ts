/** Finds code in the Markdown of an answer. */
import type { Token } from 'marked';
import { codeOf } from './code.ts';
import { lex } from './lexer.ts';

export interface FoundCode {
  readonly code: string; // without fences and the newline at its end
  /** The fence is closed; otherwise the code goes to the end of the text. */
  readonly closed: boolean;
}

/** The first fenced code block that is not empty, also in a list or a quote. Indented text is no code: lists have it, too. */
export function firstCode(markdown: string): FoundCode | undefined {
  return firstIn(lex(markdown) as Token[]);
}

function firstIn(tokens: readonly Token[]): FoundCode | undefined {
  for (const token of tokens) {
    const found = token.type === 'code' ? fenced(token.raw, token.text) : firstIn(childrenOf(token));
    if (found) return found;
  }
  return undefined;
}

function childrenOf(token: Token): readonly Token[] {
  if (token.type === 'list') return token.items as Token[];
  return ('tokens' in token && token.tokens) || [];
}

function fenced(raw: string, code: string): FoundCode | undefined {
  const { fence, closed } = codeOf(raw);
  return fence && code.trim() !== '' ? { code, closed } : undefined;
}

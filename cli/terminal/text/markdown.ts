/** Renders Markdown of a model as lines for a terminal. */
import type { RenderOptions } from '../theme.ts';
import { blocksLines } from './blocks.ts';
import { lex } from './lexer.ts';
import { cleanSource } from './source.ts';

/** Each line is complete and no wider than `columns`. No control character of `source` reaches the terminal. */
export function renderMarkdown(source: string, options: RenderOptions): string[] {
  return blocksLines(lex(cleanSource(source)), options);
}

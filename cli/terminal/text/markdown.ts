/** Markdown as a model writes it, as lines for a terminal. */
import { blocksLines } from './blocks.ts';
import { lex } from './lexer.ts';
import type { RenderOptions } from './options.ts';
import { cleanSource } from './source.ts';

/** Lines that stand alone, none wider than `columns`; nothing in `source` reaches the terminal but what can be read. */
export function renderMarkdown(source: string, options: RenderOptions): string[] {
  return blocksLines(lex(cleanSource(source)), options);
}

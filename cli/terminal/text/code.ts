/** Renders code blocks line by line. A line does not depend on later lines. */
import type { RenderOptions } from '../theme.ts';
import { LineHighlighter } from './highlight.ts';
import { columnsOf } from './width.ts';
import { foldLines, truncate } from './wrap.ts';

/** The line that opens fenced code. */
export interface Fence {
  readonly mark: string; // the run of ` or ~
  readonly indent: number; // removed from the lines of code too, up to their own indent
  readonly language: string; // the first word after the mark; may be empty
}

const OPENING = /^( {0,3})(`{3,}(?=[^`]*$)|~{3,})[ \t]*([^\s{,]*)/;

export function openingFence(line: string): Fence | undefined {
  const match = OPENING.exec(line);
  return match ? { indent: match[1]!.length, mark: match[2]!, language: match[3]! } : undefined;
}

export function closesFence({ mark }: Fence, line: string): boolean {
  const run = /^ {0,3}(`{3,}|~{3,}) *$/.exec(line)?.[1];
  return run !== undefined && run[0] === mark[0] && run.length >= mark.length;
}

/** The code of a block with source `raw`, and whether its fence is closed. */
export function codeOf(raw: string): { fence?: Fence; lines: string[]; closed: boolean } {
  const lines = raw.replace(/\n$/, '').split('\n');
  const fence = openingFence(lines[0]!);
  if (!fence) return { lines: lines.map((line) => line.replace(/^(?: {0,3}\t| {1,4})/, '')), closed: true };
  const closed = lines.length > 1 && closesFence(fence, lines.at(-1)!);
  return { fence, lines: lines.slice(1, closed ? -1 : undefined), closed };
}

/** Renders code that arrives line by line. */
export class CodePainter {
  readonly #highlighter: LineHighlighter;
  readonly #fence: Fence | undefined;
  #bare = true; // nothing was rendered

  constructor(fence: Fence | undefined, { theme }: RenderOptions) {
    this.#fence = fence;
    this.#highlighter = new LineHighlighter(fence?.language ?? '', theme);
  }

  /** The line above the code with its language, if it has one. */
  head(options: RenderOptions): string[] {
    const language = this.#fence?.language;
    if (!language) return [];
    this.#bare = false;
    const { dim, glyphs } = options.theme;
    return [dim(truncate(`${glyphs.side} ${language}`, options.columns, glyphs.ellipsis))];
  }

  line(source: string, options: RenderOptions): string[] {
    this.#bare = false;
    return ruled(this.#highlighter.line(this.#dedented(source)), options);
  }

  /** As `line` for a line that may continue. Keeps no state. */
  unfinishedLine(source: string, options: RenderOptions): string[] {
    return ruled(this.#highlighter.unfinishedLine(this.#dedented(source)), options);
  }

  /** After the last line. Makes an empty block visible. */
  end(options: RenderOptions): string[] {
    return this.#bare ? ruled('', options) : [];
  }

  #dedented(line: string): string {
    const indent = this.#fence?.indent ?? 0;
    return indent === 0 ? line : line.replace(new RegExp(`^ {1,${indent}}`), '');
  }
}

function ruled(code: string, { columns, theme }: RenderOptions): string[] {
  const rule = `${theme.dim(theme.glyphs.side)} `;
  const width = columns - columnsOf(rule);
  return foldLines(code, width).map((line) => (line === '' ? theme.dim(theme.glyphs.side) : rule + line));
}

export function codeBlock(raw: string, options: RenderOptions): string[] {
  const { fence, lines } = codeOf(raw);
  const painter = new CodePainter(fence, options);
  return [
    ...painter.head(options),
    ...lines.flatMap((line) => painter.line(line, options)),
    ...painter.end(options),
  ];
}

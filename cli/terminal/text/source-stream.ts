/** Shows the raw source of an answer, wrapped, with its Markdown marks. */
import type { RenderOptions } from '../theme.ts';
import { cleanSource, cutBefore, SourceCleaner } from './source.ts';
import { withoutHalfCharacter } from './unfinished.ts';
import { sourceLines } from './wrap.ts';

type SourceOptions = Pick<RenderOptions, 'columns'>;

const LONGEST_PART = 2000; // code units wrapped at once, so that a long line is not read again for every piece

/** No line is wider than `columns`. */
export function renderSource(source: string, options: SourceOptions): string[] {
  if (source === '') return [];
  const lines = cleanSource(source).replace(/\n$/, '').split('\n');
  return lines.flatMap((line) => lineParts(line, options));
}

function lineParts(line: string, { columns }: SourceOptions): string[] {
  const { parts, rest } = cutParts(line);
  return [...parts, rest].flatMap((part) => sourceLines(part, columns));
}

/** Splits off the start of `line`, in parts that do not depend on text that may follow. */
function cutParts(line: string): { parts: string[]; rest: string } {
  const parts: string[] = [];
  let start = 0;
  while (line.length - start > LONGEST_PART) {
    const end = cutBefore(line, start + LONGEST_PART, start);
    parts.push(line.slice(start, end));
    start = end;
  }
  return { parts, rest: line.slice(start) };
}

/** Renders a source that arrives in pieces. The lines are those of `renderSource`. */
export class SourceStream {
  #options: SourceOptions;
  readonly #cleaner = new SourceCleaner();
  #tail = ''; // the part of the last line that is not final

  constructor(options: SourceOptions) {
    this.#options = options;
  }

  /** Adds a piece. Returns the lines that it makes final. */
  push(piece: string): string[] {
    return this.#linesOf(this.#cleaner.push(piece));
  }

  /** The lines that are not final. */
  live(): string[] {
    return this.#tail === '' ? [] : sourceLines(withoutHalfCharacter(this.#tail), this.#options.columns);
  }

  /** Ends the source. Returns the remaining lines. */
  end(): string[] {
    const lines = this.#linesOf(this.#cleaner.end());
    if (this.#tail !== '') lines.push(...sourceLines(this.#tail, this.#options.columns));
    this.#tail = '';
    return lines;
  }

  /** Applies to lines that are not final. */
  resize(columns: number): void {
    this.#options = { columns };
  }

  #linesOf(source: string): string[] {
    const whole = (this.#tail + source).split('\n');
    const { parts, rest } = cutParts(whole.pop()!);
    this.#tail = rest;
    const lines = whole.flatMap((line) => lineParts(line, this.#options));
    return [...lines, ...parts.flatMap((part) => sourceLines(part, this.#options.columns))];
  }
}

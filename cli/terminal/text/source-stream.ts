/** The source of an answer as it is, wrapped: for who wants to see the marks. */
import type { RenderOptions } from './options.ts';
import { cleanSource, cutBefore, SourceCleaner } from './source.ts';
import { withoutHalfCharacter } from './unfinished.ts';
import { sourceLines } from './wrap.ts';

type SourceOptions = Pick<RenderOptions, 'columns'>;

const LONGEST_PART = 2000; // code units of a line wrapped at once, so that a line without end is not read over and over

/** Lines none of which is wider than `columns`. */
export function renderSource(source: string, options: SourceOptions): string[] {
  if (source === '') return [];
  const lines = cleanSource(source).replace(/\n$/, '').split('\n');
  return lines.flatMap((line) => lineParts(line, options));
}

function lineParts(line: string, { columns }: SourceOptions): string[] {
  const { parts, rest } = cutParts(line);
  return [...parts, rest].flatMap((part) => sourceLines(part, columns));
}

/** The parts at the beginning of `line` that do not depend on what may follow. */
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

/** A source that comes in pieces; the lines are those of `renderSource`. */
export class SourceStream {
  #options: SourceOptions;
  readonly #cleaner = new SourceCleaner();
  #tail = ''; // of the last line what is not final

  constructor(options: SourceOptions) {
    this.#options = options;
  }

  /** Takes the next piece; the lines that are final by it. */
  push(piece: string): string[] {
    return this.#linesOf(this.#cleaner.push(piece));
  }

  /** The lines of what is not final. */
  live(): string[] {
    return this.#tail === '' ? [] : sourceLines(withoutHalfCharacter(this.#tail), this.#options.columns);
  }

  /** The lines of what is left, final too. */
  end(): string[] {
    const lines = this.#linesOf(this.#cleaner.end());
    if (this.#tail !== '') lines.push(...sourceLines(this.#tail, this.#options.columns));
    this.#tail = '';
    return lines;
  }

  /** Of what is not final. */
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

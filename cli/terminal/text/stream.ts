/**
 * Renders Markdown that arrives in pieces. A line is final as soon as no later text can change it: all blocks except the
 * last, all items of a list except the last, every line of fenced code, and all lines of a paragraph except the last two,
 * if no mark is open. The final lines do not depend on the pieces: they are those of the whole source.
 */
import type { Token, Tokens } from 'marked';
import type { RenderOptions } from '../theme.ts';
import { blockLines, endsBlank, listLines, paragraphLines } from './blocks.ts';
import { CodePainter, closesFence, codeOf, type Fence } from './code.ts';
import { lex, type MarkdownToken } from './lexer.ts';
import { cutBefore, SourceCleaner } from './source.ts';
import { displayable, displayableCode } from './unfinished.ts';
import { inkOf } from './wrap.ts';

/** The state before the tail. */
interface Before {
  /** There are final lines. */
  readonly begun: boolean;
  /** Set if the tail starts with a later item of a list: its number, and whether an empty line precedes it. */
  readonly item?: { readonly number: number; readonly blank: boolean };
  /** Final part of the paragraph that the tail starts with, as `inkOf` counts. */
  readonly ink?: number;
}

/** The first part of a long tail as shown. `ink`: the final part of the text after it. */
interface Settled {
  readonly length: number;
  readonly lines: readonly string[];
  readonly ink?: number;
}

interface OpenCode {
  readonly fence: Fence;
  readonly painter: CodePainter;
}

const NOTHING: Before = { begun: false };
const UNSETTLED: Settled = { length: 0, lines: [] };

/** The last line grows, and punctuation can pull a character from the line before. */
const OPEN_LINES = 2;

const LIVE_LIMIT = 2000; // code units that are rendered again for each piece

export class MarkdownStream {
  #options: RenderOptions;
  readonly #cleaner = new SourceCleaner();
  /** Source that is not final. Starts at a block, or at a line of `#code`. */
  #tail = '';
  /** Length of the tail at which it is parsed again. */
  #patience = 0;
  /** Length of a paragraph at which it is parsed again. */
  #proseAt = 0;
  #before = NOTHING;
  /** The fenced code that contains the tail. */
  #code: OpenCode | undefined;
  /** The first part of a long tail, rendered once. May differ from the final lines. */
  #settled: Settled = UNSETTLED;

  constructor(options: RenderOptions) {
    this.#options = options;
  }

  /** Adds a piece. Returns the lines that it makes final. */
  push(piece: string): string[] {
    const source = this.#cleaner.push(piece);
    this.#tail += source;
    const lines = source.includes('\n') ? this.#freeze() : [];
    if (this.#tail.length >= this.#proseAt) this.#freezeProse(lines);
    return lines;
  }

  /** The lines that are not final, as they look now. */
  live(): string[] {
    if (this.#code) return this.#liveCode(this.#code.painter);
    this.#settle();
    const { length, lines } = this.#settled;
    const blocks = lex(displayable(this.#head(length) + this.#tail.slice(length)));
    return [...lines, ...drawn(blocks, this.#beforeRest(), this.#options).lines];
  }

  /** Ends the source. Returns the remaining lines. */
  end(): string[] {
    this.#tail += this.#cleaner.end();
    const lines = this.#freeze();
    if (this.#code) {
      const { fence, painter } = this.#code;
      const code = this.#tail !== '' && !closesFence(fence, this.#tail);
      if (code) lines.push(...painter.line(this.#tail, this.#options));
      lines.push(...painter.end(this.#options));
    } else {
      lines.push(...drawn(lex(this.#tail), this.#before, this.#options).lines);
    }
    this.#cut(this.#tail.length);
    this.#code = undefined;
    this.#before = NOTHING;
    return lines;
  }

  /** Applies to lines that are not final. */
  resize(columns: number): void {
    this.#options = { ...this.#options, columns };
    this.#settled = UNSETTLED;
  }

  #freeze(): string[] {
    const lines: string[] = [];
    while (this.#code ? this.#freezeCode(this.#code, lines) : this.#freezeBlocks(lines));
    return lines;
  }

  /** Renders whole lines up to the end of the fence. Returns true if the fence has ended. */
  #freezeCode({ fence, painter }: OpenCode, lines: string[]): boolean {
    const whole = this.#tail.slice(0, this.#tail.lastIndexOf('\n') + 1);
    let length = 0;
    for (const [line] of whole.matchAll(/.*\n/g)) {
      length += line.length;
      const text = line.slice(0, -1);
      if (closesFence(fence, text)) {
        lines.push(...painter.end(this.#options));
        this.#code = undefined;
        break;
      }
      lines.push(...painter.line(text, this.#options));
    }
    this.#cut(length);
    return this.#code === undefined;
  }

  /** Renders all blocks except the last, and the final part of the last. Returns true if that is open code. */
  #freezeBlocks(lines: string[]): boolean {
    const end = this.#tail.lastIndexOf('\n') + 1;
    if (end === 0 || end < this.#patience) return false;
    const blocks = lex(this.#tail.slice(0, end));
    const last = blocks.findLastIndex((block) => block.type !== 'space');
    const whole = blocks.slice(0, Math.max(0, last));
    this.#draw(whole, lines);
    let length = whole.reduce((sum, { raw }) => sum + raw.length, 0);
    const block = blocks[last];
    if (block?.type === 'list') length += this.#freezeItems(block, lines);
    else if (block?.type === 'code') length += this.#openCode(block, lines);
    this.#cut(length);
    // Parsing a growing list or quote again at every line would take quadratic time.
    this.#patience = end - length + Math.max(1, (end - length) >> 3);
    return this.#code !== undefined;
  }

  /** Renders all items except the last. Returns the length of their source. */
  #freezeItems(list: Tokens.List, lines: string[]): number {
    const items = list.items.slice(0, -1);
    const before = items.at(-1);
    if (!before) return 0;
    const number = (this.#before.item?.number ?? Number(list.start)) + items.length;
    this.#draw([{ ...list, items }], lines);
    this.#before = { begun: true, item: { number, blank: endsBlank(before.raw) } };
    return items.reduce((sum, { raw }) => sum + raw.length, 0);
  }

  /** Renders the final lines of a paragraph that is the whole tail. */
  #freezeProse(lines: string[]): void {
    const { length } = this.#tail;
    this.#proseAt = length + Math.max(this.#options.columns, length >> 3);
    const { begun, item, ink = 0 } = this.#before;
    if (this.#code || item || length < OPEN_LINES * this.#options.columns) return;
    const [block, ...more] = lex(this.#tail);
    if (more.length > 0 || block?.type !== 'paragraph' || hasOpenMark(block.tokens)) return;
    const whole = paragraphLines(block, this.#options, ink).slice(0, -OPEN_LINES);
    if (whole.length === 0 || whole.some((line) => line.includes('\ufffd'))) return;
    if (begun && ink === 0) lines.push('');
    lines.push(...whole);
    this.#before = { begun: true, ink: ink + whole.reduce((sum, line) => sum + inkOf(line), 0) };
  }

  /** Starts reading code line by line if its fence is open. Returns the length of the opening line. */
  #openCode(block: Tokens.Code, lines: string[]): number {
    const { fence, closed } = codeOf(block.raw);
    if (!fence || closed) return 0;
    const painter = new CodePainter(fence, this.#options);
    if (this.#before.begun) lines.push('');
    lines.push(...painter.head(this.#options));
    this.#before = { begun: true };
    this.#code = { fence, painter };
    return block.raw.indexOf('\n') + 1;
  }

  #draw(blocks: readonly MarkdownToken[], lines: string[]): void {
    const { lines: more, before } = drawn(blocks, this.#before, this.#options);
    lines.push(...more);
    this.#before = before;
  }

  #cut(length: number): void {
    if (length === 0) return;
    this.#tail = this.#tail.slice(length);
    this.#patience = 0;
    this.#proseAt = 0;
    this.#settled = UNSETTLED;
  }

  #liveCode(painter: CodePainter): string[] {
    const line = displayableCode(this.#tail);
    return line === '' ? [] : painter.unfinishedLine(line, this.#options);
  }

  /** Renders the first part of a long tail for the last time. */
  #settle(): void {
    while (this.#tail.length - this.#settled.length > LIVE_LIMIT) {
      const { length, lines } = this.#settled;
      const most = length + LIVE_LIMIT / 2;
      const line = this.#tail.lastIndexOf('\n', most - 1) + 1;
      const end = line > length ? line : cutBefore(this.#tail, most, length);
      const part = this.#tail.slice(length, end);
      const blocks = lex(this.#head(length) + part);
      const before = this.#beforeRest();
      const more = drawn(blocks, before, this.#options).lines;
      this.#settled = {
        length: end,
        lines: [...lines, ...more, ...(endsBlank(part) ? [''] : [])],
        ink: before.ink && left(before.ink, drawn(blocks, NOTHING, this.#options).lines),
      };
    }
  }

  /** The state before the part of the tail that still changes. */
  #beforeRest(): Before {
    const { length, ink } = this.#settled;
    return length > 0 ? { ...NOTHING, ink } : this.#before;
  }

  /** Source that a later part of the tail needs in front of it to be parsed alike: the head of a table. */
  #head(length: number): string {
    return length > 0 ? (/^[^\n]*\|[^\n]*\n[ \t]*[|:-][-|: \t]*\n/.exec(this.#tail)?.[0] ?? '') : '';
  }
}

/** Renders blocks after the state `before`. */
function drawn(blocks: readonly MarkdownToken[], before: Before, options: RenderOptions) {
  const lines: string[] = [];
  for (const block of blocks) {
    const { begun, item, ink } = before;
    const more = linesOf(block, before, options);
    if (more.length === 0 && ink === undefined) continue;
    if (begun && ink === undefined && (item?.blank ?? true)) lines.push('');
    lines.push(...more);
    before = { begun: true };
  }
  return { lines, before };
}

function linesOf(block: MarkdownToken, { item, ink }: Before, options: RenderOptions): string[] {
  if (block.type === 'list' && item) return listLines(block, options, item.number);
  if (block.type === 'paragraph' && ink !== undefined) return paragraphLines(block, options, ink);
  return blockLines(block, options);
}

/** The part of `ink` that is not on these lines. Undefined if none is left. */
function left(ink: number, lines: readonly string[]): number | undefined {
  const rest = ink - lines.reduce((sum, line) => sum + inkOf(line), 0);
  return rest > 0 ? rest : undefined;
}

/** Matches characters that can start a mark, a link, a table or mathematics. */
const OPEN_MARK = /[*_`~[<$|\\]/;

function hasOpenMark(tokens: readonly Token[]): boolean {
  return tokens.some((token) => {
    if ('tokens' in token && token.tokens) return hasOpenMark(token.tokens);
    return token.type === 'text' && OPEN_MARK.test(token.raw);
  });
}

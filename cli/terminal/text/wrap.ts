/**
 * Text cut into lines of a given width. A line stands alone: the colours and links that reach over a break are ended
 * before it and begun again behind it. Nothing is wider than the columns, whatever the text holds.
 *
 * Own code, for wrap-ansi takes 10 us for an ideograph, makes a line of a lone space where one is left over at a
 * break, and never breaks between ideographs unless it must.
 */
import { Pen } from './pen.ts';
import { clusters, columnsOf, ESCAPE } from './width.ts';

const TAB = 4; // columns
const LEAST = 8; // columns that an indent leaves

interface Piece {
  readonly text: string;
  readonly width: number; // of an escape -1
  /** No line may break before it. */
  readonly joins: boolean;
}

/**
 * Words kept whole where they fit, spaces at a break dropped and those at the beginning kept; `\n` breaks too. At least
 * one line.
 */
export function wrapLines(text: string, columns: number): string[] {
  text = expandTabs(text);
  if (fits(text, columns)) return [text];
  const rows = new Rows(columns);
  let fresh = true; // no word since the last `\n`
  let word: Piece[] = [];
  let width = 0; // of the word
  let spaces = 0; // before the word
  const place = () => {
    if (word.some((piece) => piece.width >= 0)) {
      if (fresh) rows.space(spaces + width <= columns || 2 * spaces <= columns ? spaces : 0);
      else if (rows.width + spaces + width > columns) rows.end();
      else rows.space(spaces);
      fresh = false;
      spaces = 0;
    }
    for (const piece of word) rows.put(piece);
    word = [];
    width = 0;
  };
  for (const [index, line] of text.split('\n').entries()) {
    if (index > 0) {
      rows.end();
      fresh = true;
      spaces = 0;
    }
    for (const piece of pieces(line)) {
      const space = piece.text[0] === ' ';
      if (space || !piece.joins) place();
      if (space) spaces += piece.width;
      else {
        word.push(piece);
        width += Math.max(0, piece.width);
      }
    }
    place();
  }
  return rows.finish();
}

/** Code units of a line that are neither escapes nor spaces: breaks change neither. */
export function inkOf(line: string): number {
  return line.replace(ESCAPE, '').replaceAll(' ', '').length;
}

/** What follows the first `ink` code units of a text, in the colours that hold there. */
export function withoutInk(text: string, ink: number): string {
  let left = ink;
  const pen = new Pen();
  let at = 0;
  while (at < text.length && left > 0) {
    ESCAPE.lastIndex = at;
    const sequence = text[at] === '\x1b' ? ESCAPE.exec(text) : null;
    if (sequence?.index === at) {
      pen.take(sequence[0]);
      at += sequence[0].length;
    } else {
      if (text[at] !== ' ' && text[at] !== '\n') left--;
      at++;
    }
  }
  return pen.opening() + text.slice(at).replace(/^[ \n]+/, '');
}

/** The same with `indent` columns free before every line but the first. */
export function hangingLines(text: string, columns: number, indent: number): string[] {
  const free = columns - indent < LEAST ? 0 : indent;
  return wrapLines(text, columns - free).map((line, i) => (i === 0 ? line : ' '.repeat(free) + line));
}

/** Lines of a source: what begins with spaces keeps them, and what is carried over stands below. */
export function sourceLines(text: string, columns: number): string[] {
  return expandTabs(text)
    .split('\n')
    .flatMap((line) => {
      const spaces = /^ */.exec(line)![0].length;
      const indent = ' '.repeat(columns - spaces < LEAST ? 0 : spaces);
      return wrapLines(line.slice(spaces), columns - indent.length).map((row) => (row ? indent + row : ''));
    });
}

/** Every line filled to the last column, spaces kept: for code. At least one line. */
export function foldLines(text: string, columns: number): string[] {
  const expanded = expandTabs(text);
  if (fits(expanded, columns)) return [expanded];
  const rows = new Rows(columns);
  for (const [index, line] of expanded.split('\n').entries()) {
    if (index > 0) rows.end();
    for (const piece of pieces(line)) rows.put(piece);
  }
  return rows.finish();
}

/** `line` where it fits, else as much of its beginning as leaves room for `ellipsis`. */
export function truncate(line: string, columns: number, ellipsis: string): string {
  if (columnsOf(line) <= columns) return line;
  const room = columns - columnsOf(ellipsis);
  if (room <= 0) return ellipsis.slice(0, columns);
  const rows = new Rows(room);
  for (const piece of pieces(line)) {
    rows.put(piece);
    if (rows.lines.length > 0) break;
  }
  return `${rows.finish()[0]}${ellipsis}`;
}

/** Tabs as spaces up to the next stop. */
function expandTabs(text: string): string {
  if (!text.includes('\t')) return text;
  return text.split('\n').map(expandLine).join('\n');
}

function expandLine(line: string): string {
  const [first, ...parts] = line.split('\t');
  let expanded = first!;
  let columns = columnsOf(expanded);
  for (const part of parts) {
    const spaces = TAB - (columns % TAB);
    expanded += ' '.repeat(spaces) + part;
    columns += spaces + columnsOf(part);
  }
  return expanded;
}

function fits(text: string, columns: number): boolean {
  return !text.includes('\n') && columnsOf(text) <= columns;
}

// What must not begin a line, and what must not end one.
const CLOSING = /^[!),.:;?\]}%、。〃々〉》」』】〕〗ー！），．：；？］｝”’…]/;
const OPENING = /[([{〈《「『【〔〖（［｛“‘]$/;

/** A line as escapes, runs of spaces and words; words of ideographs and emoji are single ones. */
function pieces(line: string): Piece[] {
  const found: Piece[] = [];
  let end = 0;
  let before = ' '; // the character or cluster that stands there
  for (const match of line.matchAll(ESCAPE)) {
    before = words(line.slice(end, match.index), before, found);
    found.push({ text: match[0], width: -1, joins: true });
    end = match.index + match[0].length;
  }
  words(line.slice(end), before, found);
  return found;
}

function words(text: string, before: string, found: Piece[]): string {
  // A selector belongs to what stands before the escape; without it nothing changes its width there.
  const own = text.replace(/^\ufe0f+/, '');
  // The last letter before other ones may be one with them: 1, selector, keycap.
  for (const run of own.match(/ +|[!-~]+(?![^ -~])|[!-~]?[^ -~]+/g) ?? []) {
    if (run.at(-1)! <= '~') {
      found.push({ text: run, width: run.length, joins: before === ' ' || joined(before, run, false) });
      before = run.at(-1)!;
      continue;
    }
    for (const { text: cluster, width } of clusters(run)) {
      found.push({ text: cluster, width, joins: joined(before, cluster, width > 1) });
      before = cluster;
    }
  }
  return before;
}

function joined(before: string, text: string, wide: boolean): boolean {
  if (CLOSING.test(text) || OPENING.test(before)) return true;
  return !wide && !(before > '~' && WIDE_END.test(before));
}

// Ideographs, kana, fullwidth forms and emoji.
const WIDE_END =
  /(?:[\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff01-\uff60\p{Extended_Pictographic}]|\ufe0f)$/u;

/** Rows under way: the last one is open. */
class Rows {
  readonly lines: string[] = [];
  width = 0; // of the open row
  #row = '';
  readonly #pen = new Pen();
  readonly #columns: number;

  constructor(columns: number) {
    this.#columns = columns;
  }

  space(width: number): void {
    this.#row += ' '.repeat(width);
    this.width += width;
  }

  put({ text, width }: Piece): void {
    if (width < 0) {
      this.#pen.take(text);
      this.#row += text;
    } else if (this.width + width <= this.#columns) {
      this.#row += text;
      this.width += width;
    } else {
      for (const cluster of clusters(text)) this.#putCluster(cluster.text, cluster.width);
    }
  }

  #putCluster(text: string, width: number): void {
    if (this.width > 0 && this.width + width > this.#columns) this.end();
    const alien = width > this.#columns; // a heap of marks that no row takes
    this.#row += alien ? '\ufffd' : text;
    this.width += alien ? 1 : width;
  }

  end(): void {
    this.lines.push(this.#row + this.#pen.closing());
    this.#row = this.#pen.opening();
    this.width = 0;
  }

  finish(): string[] {
    this.end();
    return this.lines;
  }
}

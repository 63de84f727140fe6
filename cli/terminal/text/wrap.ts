/**
 * Wraps text into lines of a given width. Each line is complete: a colour or link that spans a break ends before the
 * break and starts again after it. No line is wider than the columns, except for `wrapWords`.
 *
 * Why not wrap-ansi: it takes 10 us for an ideograph, leaves a line of one space at some breaks, and breaks between
 * ideographs only if there is no other break.
 */
import { Pen } from './pen.ts';
import { clusters, columnsOf, ESCAPE } from './width.ts';

const TAB = 4; // columns
const LEAST = 8; // columns that an indent must leave
const REPORT_COLUMNS = 80;

interface Piece {
  readonly text: string;
  readonly width: number; // -1 for an escape sequence
  /** No line may break before this piece. */
  readonly joins: boolean;
}

/**
 * Breaks lines between words, and inside a word that is wider than a line. Spaces at a break are dropped, spaces at the
 * start are kept, `\n` always breaks. Returns at least one line.
 */
export function wrapLines(text: string, columns: number): string[] {
  return wrapInto(new Rows(columns), text, columns);
}

/** Breaks lines between words only, so that a long path or command can be copied. */
export function wrapWords(text: string, columns: number): string[] {
  return wrapInto(new Rows(columns, 'keep words'), text, columns);
}

/** A paragraph of a report: no wider than the terminal and 80 columns, `indent` spaces before the first line, `hanging` before the others. */
export function paragraph(text: string, indent: number, hanging = indent + 2): string {
  const columns = Math.min(REPORT_COLUMNS, process.stdout.columns || REPORT_COLUMNS);
  const lines = wrapWords(text, columns - Math.max(indent, hanging));
  return lines.map((line, i) => `${' '.repeat(i === 0 ? indent : hanging)}${line}\n`).join('');
}

function wrapInto(rows: Rows, text: string, columns: number): string[] {
  text = expandTabs(text);
  if (fits(text, columns)) return [text];
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

/** Code units of a line without escapes and spaces. Wrapping does not change this number. */
export function inkOf(line: string): number {
  return line.replace(ESCAPE, '').replaceAll(' ', '').length;
}

/** The text after its first `ink` code units (as `inkOf` counts them), in the colours in force there. */
export function withoutInk(text: string, ink: number): string {
  let left = ink;
  const pen = new Pen();
  let at = 0;
  while (at < text.length && left > 0) {
    ESCAPE.lastIndex = at;
    const sequence = text[at] === '\x1b' ? ESCAPE.exec(text) : null;
    if (sequence?.index === at) {
      pen.follow(sequence[0]);
      at += sequence[0].length;
    } else {
      if (text[at] !== ' ' && text[at] !== '\n') left--;
      at++;
    }
  }
  return pen.opening() + text.slice(at).replace(/^[ \n]+/, '');
}

/** As wrapLines, with `indent` spaces before every line but the first. */
export function hangingLines(text: string, columns: number, indent: number): string[] {
  const free = columns - indent < LEAST ? 0 : indent;
  return wrapLines(text, columns - free).map((line, i) => (i === 0 ? line : ' '.repeat(free) + line));
}

/** Wraps source text. A line keeps its indent, also on the lines that it is wrapped to. */
export function sourceLines(text: string, columns: number): string[] {
  return expandTabs(text)
    .split('\n')
    .flatMap((line) => {
      const spaces = /^ */.exec(line)![0].length;
      const indent = ' '.repeat(columns - spaces < LEAST ? 0 : spaces);
      return wrapLines(line.slice(spaces), columns - indent.length).map((row) => (row ? indent + row : ''));
    });
}

/** Wraps code: breaks at the last column and keeps all spaces. Returns at least one line. */
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

/** `line` if it fits; otherwise its start and `ellipsis`. */
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

/** Replaces each tab with spaces up to the next tab stop. */
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

// Characters that must not start a line, and characters that must not end one.
const CLOSING = /^[!),.:;?\]}%、。〃々〉》」』】〕〗ー！），．：；？］｝”’…]/;
const OPENING = /[([{〈《「『【〔〖（［｛“‘]$/;

/** Splits a line into escapes, runs of spaces and words. Each ideograph or emoji is a word of its own. */
function pieces(line: string): Piece[] {
  const found: Piece[] = [];
  let end = 0;
  let before = ' '; // the character or cluster before the next piece
  for (const match of line.matchAll(ESCAPE)) {
    before = words(line.slice(end, match.index), before, found);
    found.push({ text: match[0], width: -1, joins: true });
    end = match.index + match[0].length;
  }
  words(line.slice(end), before, found);
  return found;
}

function words(text: string, before: string, found: Piece[]): string {
  // A variation selector after an escape belongs to the character before the escape, whose width is already counted.
  const own = text.replace(/^\ufe0f+/, '');
  // The last ASCII character before others may form one cluster with them: 1, selector, keycap.
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

/** Collects rows. The last one is open. */
class Rows {
  readonly lines: string[] = [];
  width = 0; // of the open row
  #row = '';
  readonly #pen = new Pen();
  readonly #columns: number;
  readonly #keepsWords: boolean;

  constructor(columns: number, long: 'break words' | 'keep words' = 'break words') {
    this.#columns = columns;
    this.#keepsWords = long === 'keep words';
  }

  space(width: number): void {
    this.#row += ' '.repeat(width);
    this.width += width;
  }

  put({ text, width }: Piece): void {
    if (width < 0) {
      this.#pen.follow(text);
      this.#row += text;
    } else if (this.#keepsWords || this.width + width <= this.#columns) {
      this.#row += text;
      this.width += width;
    } else {
      for (const cluster of clusters(text)) this.#putCluster(cluster.text, cluster.width);
    }
  }

  #putCluster(text: string, width: number): void {
    if (this.width > 0 && this.width + width > this.#columns) this.end();
    const alien = width > this.#columns; // a cluster of many marks, wider than a row
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

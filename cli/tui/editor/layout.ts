/** Layout of the editor: the rows around the cursor, and the cursor's cell among them. */

import { truncate } from '../../terminal/text/wrap.ts';
import type { Theme } from '../../terminal/theme.ts';
import { type EditorState, isEmpty } from './buffer.ts';
import { cellsBefore, GUTTER, type Row, rowIndexAt, rowsOf, textWidth } from './wrap.ts';

/** A row of the wrapped text: row `part` of line `row`. */
export interface Anchor {
  readonly row: number;
  readonly part: number;
}

interface LayoutOptions {
  readonly columns: number; // of the terminal
  readonly maxRows: number; // at least 1
  readonly theme: Theme;
  readonly placeholder?: string; // shown if there is no text
  readonly top?: Anchor; // first row of the last layout, to scroll as little as possible
}

export interface EditorLayout {
  readonly lines: readonly string[]; // with SGR sequences; the last column stays free
  readonly cursor: { readonly x: number; readonly y: number };
  readonly hiddenAbove: number; // lines of the text that are hidden, at least partly
  readonly hiddenBelow: number;
  readonly top: Anchor;
}

interface ShownRow extends Anchor {
  readonly content: Row;
}

export function layoutEditor(state: EditorState, options: LayoutOptions): EditorLayout {
  const { columns, maxRows, theme, placeholder = '' } = options;
  const width = textWidth(columns);
  const page = new Page(state, width);
  const cursorRow = { row: state.row, part: rowIndexAt(page.rows(state.row), state.col) };
  const top = page.topFor(cursorRow, maxRows, options.top ?? { row: 0, part: 0 });
  const shown = page.from(top, maxRows);
  const y = shown.findIndex((each) => isSame(each, cursorRow));
  const x = GUTTER + cellsBefore(shown[y]!.content, state.col);
  const last = shown.at(-1)!;
  const hiddenAbove = top.row + (top.part > 0 ? 1 : 0);
  const isCut = last.part < page.rows(last.row).length - 1;
  const hiddenBelow = state.lines.length - 1 - last.row + (isCut ? 1 : 0);
  const { prompt, up, down } = theme.glyphs;
  const texts = isEmpty(state)
    ? [theme.dim(truncate(placeholder, width, theme.glyphs.ellipsis))]
    : shown.map(({ content }) => drawn(content, theme));
  const lines = texts.map((text, i) => {
    if (i === 0) return `${hiddenAbove > 0 ? theme.dim(up) : theme.accent(prompt)} ${text}`;
    return `${i === texts.length - 1 && hiddenBelow > 0 ? theme.dim(down) : ' '} ${text}`;
  });
  return { lines, cursor: { x, y }, hiddenAbove, hiddenBelow, top };
}

/** The wrapped text. Lines are wrapped on demand. */
class Page {
  readonly #state: EditorState;
  readonly #width: number;
  readonly #rows = new Map<number, Row[]>();

  constructor(state: EditorState, width: number) {
    this.#state = state;
    this.#width = width;
  }

  rows(row: number): Row[] {
    let rows = this.#rows.get(row);
    if (!rows) {
      rows = rowsOf(this.#state.lines[row]!, this.#width, this.#state.pastes);
      this.#rows.set(row, rows);
    }
    return rows;
  }

  /** At most `count` rows from `top` on. */
  from(top: Anchor, count: number): ShownRow[] {
    const shown: ShownRow[] = [];
    for (let row = top.row; row < this.#state.lines.length && shown.length < count; row++) {
      const rows = this.rows(row);
      for (let part = row === top.row ? top.part : 0; part < rows.length && shown.length < count; part++) {
        shown.push({ row, part, content: rows[part]! });
      }
    }
    return shown;
  }

  /** The first row to show: the nearest to `wanted` that shows the cursor and leaves no row empty. */
  topFor(cursor: Anchor, count: number, wanted: Anchor): Anchor {
    const highest = this.#above(cursor, count - 1);
    let top = isBefore(cursor, wanted) ? cursor : isBefore(wanted, highest) ? highest : wanted;
    top = { row: top.row, part: Math.min(top.part, this.rows(top.row).length - 1) };
    return this.#above(top, count - this.from(top, count).length);
  }

  #above({ row, part }: Anchor, count: number): Anchor {
    part -= count;
    while (part < 0 && row > 0) part += this.rows(--row).length;
    return { row, part: Math.max(0, part) };
  }
}

function drawn({ cells }: Row, theme: Theme): string {
  return cells.map(({ text, atom }) => (atom ? theme.accent(text) : text)).join('');
}

function isBefore(a: Anchor, b: Anchor): boolean {
  return a.row < b.row || (a.row === b.row && a.part < b.part);
}

function isSame(a: Anchor, b: Anchor): boolean {
  return a.row === b.row && a.part === b.part;
}

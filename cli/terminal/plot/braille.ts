import type { Theme } from '../theme.ts';

export type Paint = Theme['dim'];

const ACROSS = 2; // dots a cell
const DOWN = 4;
/** The bit of each dot in U+2800..U+28FF, row after row. */
const BITS = [0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80];
const BRAILLE = 0x2800;
const UPPER = 0x1b; // both rows
const LOWER = 0xe4;

/**
 * A drawing of dots, 2 x 4 in a cell; (0, 0) is at the upper left. A cell has one colour, that of the last dot or letter
 * drawn in it. Letters cover dots. In ASCII a cell shows whether its upper half, its lower half or both have dots.
 */
export class BrailleCanvas {
  readonly width: number; // dots
  readonly height: number;
  readonly #columns: number;
  readonly #rows: number;
  readonly #bits: Uint8Array; // [rows, columns]
  readonly #letters: (string | undefined)[];
  readonly #paints: (Paint | undefined)[];

  constructor(columns: number, rows: number) {
    this.#columns = Math.max(1, columns);
    this.#rows = Math.max(1, rows);
    this.width = ACROSS * this.#columns;
    this.height = DOWN * this.#rows;
    const cells = this.#columns * this.#rows;
    this.#bits = new Uint8Array(cells);
    this.#letters = new Array(cells);
    this.#paints = new Array(cells);
  }

  /** A dot outside the canvas is left out. */
  dot(x: number, y: number, paint: Paint): void {
    if (!(x >= 0 && x < this.width && y >= 0 && y < this.height)) return;
    const cell = Math.floor(y / DOWN) * this.#columns + Math.floor(x / ACROSS);
    this.#bits[cell]! |= BITS[(y % DOWN) * ACROSS + (x % ACROSS)]!;
    this.#paints[cell] = paint;
  }

  /** A straight line of dots, both ends included; coordinates are whole. */
  segment(x0: number, y0: number, x1: number, y1: number, paint: Paint): void {
    const steps = Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0), 1);
    for (let i = 0; i <= steps; i++) {
      this.dot(Math.round(x0 + ((x1 - x0) * i) / steps), Math.round(y0 + ((y1 - y0) * i) / steps), paint);
    }
  }

  /** Puts a letter into the cell of a dot, or into the nearest one without a letter. */
  letter(x: number, y: number, letter: string, paint: Paint): void {
    const column = clamp(Math.floor(x / ACROSS), this.#columns);
    const row = clamp(Math.floor(y / DOWN), this.#rows);
    for (const [right, down] of NEAREST) {
      const [c, r] = [column + right, row + down];
      const cell = r * this.#columns + c;
      if (c < 0 || c >= this.#columns || r < 0 || r >= this.#rows || this.#letters[cell]) continue;
      this.#letters[cell] = letter;
      this.#paints[cell] = paint;
      return;
    }
  }

  /** All lines are as wide as the canvas; neighbours of one colour share one SGR sequence. */
  lines({ look }: Theme): string[] {
    return Array.from({ length: this.#rows }, (_, row) => {
      let line = '';
      let run = '';
      let paint: Paint | undefined;
      for (let cell = row * this.#columns; cell < (row + 1) * this.#columns; cell++) {
        const glyph = this.#glyph(cell, look.ascii);
        const own = glyph === ' ' ? paint : this.#paints[cell];
        if (own !== paint) {
          line += paint && run ? paint(run) : run;
          run = '';
          paint = own;
        }
        run += glyph;
      }
      return line + (paint && run ? paint(run) : run);
    });
  }

  #glyph(cell: number, ascii: boolean): string {
    const bits = this.#bits[cell]!;
    const letter = this.#letters[cell];
    if (letter !== undefined) return letter;
    if (bits === 0) return ' ';
    if (!ascii) return String.fromCharCode(BRAILLE + bits);
    if (bits & UPPER) return bits & LOWER ? ':' : "'";
    return '.';
  }
}

/** Cells that a letter may go to, nearest first. */
const NEAREST = [
  [0, 0],
  [1, 0],
  [-1, 0],
  [0, -1],
  [0, 1],
  [2, 0],
  [-2, 0],
] as const;

function clamp(index: number, length: number): number {
  return Math.max(0, Math.min(length - 1, index));
}

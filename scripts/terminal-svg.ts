/**
 * The screen of a terminal as an SVG picture of its window. Text stays text. Blocks and straight lines become shapes, so
 * that they touch in any font. A run of text is as long as its cells, whatever monospaced font the reader has.
 */
import xterm, { type IBufferCell } from '@xterm/headless';
import { element, escapeXml, pixels } from '../cli/terminal/plot/svg-picture.ts';

export interface Cell {
  readonly text: string; // '' for the right half of a wide character
  readonly ink: string; // #rrggbb
  readonly page: string; // #rrggbb
  readonly bold: boolean;
  readonly italic: boolean;
  readonly underline: boolean;
}

export interface Screen {
  readonly columns: number;
  readonly rows: readonly (readonly Cell[])[];
}

const PAGE = '#0d1117';
const INK = '#e6edf3';
const EDGE = '#3d444d';
const TITLE_BAR = '#161b22';
const TITLE = '#9198a1';

/** The 16 named colours: black to white, then the bright ones. */
const NAMED = [
  ...['#0d1117', '#ff7b72', '#3fb950', '#d29922', '#58a6ff', '#bc8cff', '#39c5cf', '#e6edf3'],
  ...['#6e7681', '#ffa198', '#56d364', '#e3b341', '#79c0ff', '#d2a8ff', '#56d4dd', '#ffffff'],
];

/** Share of its own colour that dim text keeps; the rest is the colour of the page. */
const DIM = 0.62;

// ----- from terminal output to cells

/** The cells of `lines`, which contain SGR sequences as written by tmux's capture-pane -e. */
export async function screenOf(lines: readonly string[], columns: number): Promise<Screen> {
  const terminal = new xterm.Terminal({ cols: columns, rows: lines.length, allowProposedApi: true });
  await new Promise<void>((resolve) => terminal.write(lines.join('\r\n'), resolve));
  const { active } = terminal.buffer;
  const rows = lines.map((_, y) => {
    const line = active.getLine(y)!;
    return Array.from({ length: columns }, (_, x) => cellOf(line.getCell(x)!));
  });
  return { columns, rows };
}

function cellOf(cell: IBufferCell): Cell {
  const foreground = cell.isFgDefault() ? INK : colorOf(cell.getFgColor(), cell.isFgRGB());
  const background = cell.isBgDefault() ? PAGE : colorOf(cell.getBgColor(), cell.isBgRGB());
  const [ink, page] = cell.isInverse() ? [background, foreground] : [foreground, background];
  return {
    text: cell.getWidth() === 0 ? '' : cell.getChars() || ' ',
    ink: cell.isDim() ? mixed(ink, page, DIM) : ink,
    page,
    bold: cell.isBold() !== 0,
    italic: cell.isItalic() !== 0,
    underline: cell.isUnderline() !== 0,
  };
}

/** A colour of xterm as #rrggbb: `color` is 0xrrggbb, or an index into its 256 colours. */
function colorOf(color: number, isRgb: boolean): string {
  if (isRgb) return hex([color >> 16, (color >> 8) & 255, color & 255]);
  if (color < NAMED.length) return NAMED[color]!;
  if (color >= 232) return hex(new Array(3).fill(8 + 10 * (color - 232)));
  const cube = color - 16; // 6 levels of red, green and blue
  return hex([36, 6, 1].map((step) => Math.floor(cube / step) % 6).map((level) => level && 55 + 40 * level));
}

function hex(channels: readonly number[]): string {
  return `#${channels.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`;
}

/** `share` of `color`, and the rest of `other`. */
function mixed(color: string, other: string, share: number): string {
  const channel = (of: string, i: number) => Number.parseInt(of.slice(1 + 2 * i, 3 + 2 * i), 16);
  return hex([0, 1, 2].map((i) => Math.round(channel(color, i) * share + channel(other, i) * (1 - share))));
}

// ----- from cells to a picture

const CELL = { width: 9, height: 20 }; // pixels
const FONT_SIZE = 15;
const BASELINE = 15; // pixels below the top of a cell
const PADDING = 16;
const BAR = 34; // height of the title bar
const FONT =
  "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace";

/** A part of a cell; 0 to 1. */
type Part = readonly [left: number, top: number, width: number, height: number];

const WHOLE: Part = [0, 0, 1, 1];

/** Characters that are drawn as shapes. */
const SHAPES: ReadonlyMap<string, Part> = new Map([
  ...[...'▏▎▍▌▋▊▉█'].map((text, i): [string, Part] => [text, [0, 0, (i + 1) / 8, 1]]),
  ...[...'▁▂▃▄▅▆▇'].map((text, i): [string, Part] => [text, [0, (7 - i) / 8, 1, (i + 1) / 8]]),
  ['▀', [0, 0, 1, 0.5]],
  ['▐', [0.5, 0, 0.5, 1]],
  ['▕', [7 / 8, 0, 1 / 8, 1]],
  ['│', [0.44, 0, 0.12, 1]],
  ['─', [0, 0.47, 1, 0.06]],
]);

/** The window with that screen: `title` is in its title bar, `label` is the description for screen readers. */
export function windowSvg(screen: Screen, { title, label }: { title: string; label: string }): string {
  const width = screen.columns * CELL.width + 2 * PADDING;
  const height = BAR + screen.rows.length * CELL.height + 2 * PADDING;
  const body = [
    element('title', {}, escapeXml(label)),
    STYLE,
    ...frame(width, height, title),
    `<g transform="translate(${PADDING} ${BAR + PADDING})">`,
    ...shapes(screen),
    ...screen.rows.flatMap((cells, y) => textRuns(cells).map((run) => textOf(run, y))),
    '</g>',
  ];
  const attributes = {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
  };
  return `${element('svg', { ...attributes, role: 'img', 'aria-label': label }, `\n${body.join('\n')}\n`)}\n`;
}

const STYLE = `<style>
text { font: ${FONT_SIZE}px ${FONT}; white-space: pre; }
.b { font-weight: 600; }
.i { font-style: italic; }
.u { text-decoration: underline; }
</style>`;

function frame(width: number, height: number, title: string): string[] {
  const outline = { x: 0.5, y: 0.5, width: width - 1, height: height - 1, rx: 8 };
  const bar = `M1 ${BAR}V8.5a7.5 7.5 0 0 1 7.5 -7.5h${width - 17}a7.5 7.5 0 0 1 7.5 7.5V${BAR}z`;
  const buttons = [0, 1, 2].map((i) =>
    element('circle', { cx: 20 + 19 * i, cy: BAR / 2, r: 5.5, fill: EDGE }),
  );
  const middle = {
    x: width / 2,
    y: BAR / 2 + 4.5,
    'text-anchor': 'middle',
    fill: TITLE,
    style: 'font-size: 13px',
  };
  return [
    element('rect', { ...outline, fill: PAGE, stroke: EDGE }),
    element('path', { d: bar, fill: TITLE_BAR }),
    ...buttons,
    element('text', middle, escapeXml(title)),
  ];
}

/** Backgrounds, then blocks and lines: a path for each colour. */
function shapes({ rows }: Screen): string[] {
  const pages = new Rectangles();
  const blocks = new Rectangles();
  for (const [y, cells] of rows.entries()) {
    for (const [x, { text, ink, page }] of cells.entries()) {
      if (page !== PAGE) pages.add(page, x, y, WHOLE);
      const part = SHAPES.get(text);
      if (part) blocks.add(ink, x, y, part);
    }
  }
  return [...pages.paths(), ...blocks.paths()];
}

/** Rectangles by colour; those that touch in a row become one. */
class Rectangles {
  readonly #byColor = new Map<string, [left: number, top: number, width: number, height: number][]>();

  add(color: string, x: number, y: number, [left, top, width, height]: Part) {
    const of = this.#byColor.get(color) ?? [];
    this.#byColor.set(color, of);
    const last = of.at(-1);
    const touches = last && last[0] + last[2] === x + left && last[1] === y + top && last[3] === height;
    if (touches) last[2] += width;
    else of.push([x + left, y + top, width, height]);
  }

  paths(): string[] {
    return [...this.#byColor].map(([fill, of]) => {
      const d = of.map(([left, top, width, height]) => {
        const [x, y, w, h] = [left * CELL.width, top * CELL.height, width * CELL.width, height * CELL.height];
        return `M${pixels(x)} ${pixels(y)}h${pixels(w)}v${pixels(h)}h${pixels(-w)}z`;
      });
      return element('path', { fill, d: d.join('') });
    });
  }
}

/** Adjacent cells with the same colours and font. */
interface Run {
  readonly x: number; // of the first cell
  readonly cells: readonly Cell[];
}

/** The runs of a row, without leading and trailing blanks. Two blanks or a shape end a run. */
function textRuns(row: readonly Cell[]): Run[] {
  const runs: Run[] = [];
  let open: Cell[] | undefined;
  for (const [x, cell] of row.entries()) {
    const continues = (at: number) => open && row[at] && isText(row[at]) && sameLook(open[0]!, row[at]);
    if (continues(x) || (cell.text === ' ' && continues(x + 1))) {
      open!.push(cell);
    } else {
      open = isText(cell) ? [cell] : undefined;
      if (open) runs.push({ x, cells: open });
    }
  }
  return runs;
}

function isText({ text, underline }: Cell): boolean {
  return !SHAPES.has(text) && (text !== ' ' || underline);
}

function sameLook(a: Cell, b: Cell): boolean {
  if (b.text === '') return true;
  return a.ink === b.ink && a.bold === b.bold && a.italic === b.italic && a.underline === b.underline;
}

function textOf({ x, cells }: Run, y: number): string {
  const [{ ink, bold, italic, underline }] = cells as [Cell];
  const classes = [bold && 'b', italic && 'i', underline && 'u'].filter(Boolean).join(' ');
  return element(
    'text',
    {
      x: x * CELL.width,
      y: y * CELL.height + BASELINE,
      textLength: cells.length * CELL.width,
      fill: ink,
      class: classes || undefined,
    },
    escapeXml(cells.map(({ text }) => text).join('')),
  );
}

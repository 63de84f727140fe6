/**
 * Colours and glyphs by meaning, chosen once for a terminal. All SGR sequences on screen come from here. Without colours
 * text is plain, and no meaning depends on colour alone.
 *
 * Text uses the 16 named colours, which follow the user's palette. Only heat has its own shades.
 */
import { Chalk, type ChalkInstance, type ColorSupportLevel } from 'chalk';

export interface Look {
  readonly color: ColorSupportLevel; // 0 none, 1 the 16 named, 2 256, 3 all
  readonly background: 'dark' | 'light';
  /** Only ASCII glyphs. */
  readonly ascii: boolean;
}

type Paint = (text: string) => string;

export interface Theme {
  readonly look: Look;
  readonly glyphs: Glyphs;
  readonly accent: Paint; // names, headings, the current choice
  readonly strong: Paint;
  readonly italic: Paint;
  readonly underline: Paint;
  readonly strike: Paint;
  readonly dim: Paint; // frames and side notes
  readonly ok: Paint;
  readonly warn: Paint;
  readonly bad: Paint;
  readonly code: Paint; // inline code
  readonly selected: Paint; // the entry under the cursor
  /** One for each class of syntax highlighting. */
  readonly syntax: Readonly<Record<SyntaxRole, Paint>>;
  /** Lines and lanes of plots, in this order. A legend names them too. */
  readonly series: readonly Paint[];
  /** `text` on a background that becomes warmer with `share`, 0 to 1; in steps if there are few colours. */
  heat(share: number, text: string): string;
  /** `text` coloured by its probability, 0 to 1: plain from 0.8 on, underlined below 0.1. */
  probability(share: number, text: string): string;
}

export interface RenderOptions {
  readonly columns: number;
  readonly theme: Theme;
  /** The terminal supports OSC 8. Without colours, links are written out anyway. */
  readonly hyperlinks: boolean;
}

export type SyntaxRole = 'keyword' | 'string' | 'number' | 'comment' | 'title' | 'type' | 'meta';

export interface Glyphs {
  readonly bullet: string;
  readonly quote: string;
  readonly rule: string; // a horizontal line of one cell
  readonly side: string; // left of code
  readonly ellipsis: string;
  readonly prompt: string; // before the user's input
  readonly answer: string; // before an answer
  readonly cursor: string; // before the entry that Enter takes
  readonly dot: string; // between facts
  readonly older: string; // brackets of sibling counts
  readonly newer: string;
  readonly check: string;
  readonly cross: string;
  readonly on: string; // a finished task, a chosen entry
  readonly off: string;
  readonly arrow: string;
  readonly up: string;
  readonly down: string;
  /** Parts of a cell filled from the left: a bar of n cells has length n times this resolution. */
  readonly eighths: readonly string[];
  /** Heights of a sparkline, low to high. */
  readonly spark: readonly string[];
  /** Shades, empty to full. */
  readonly shades: readonly string[];
  readonly table: TableGlyphs;
}

export interface TableGlyphs {
  readonly horizontal: string;
  readonly vertical: string;
  readonly cross: string; // of both lines
  readonly left: string; // left end of a line between rows
  readonly right: string;
}

const UNICODE: Glyphs = {
  bullet: '•',
  quote: '▏',
  rule: '─',
  side: '│',
  ellipsis: '…',
  prompt: '›',
  answer: '●',
  cursor: '▸',
  dot: '·',
  older: '‹',
  newer: '›',
  check: '✓',
  cross: '✗',
  on: '●',
  off: '○',
  arrow: '→',
  up: '↑',
  down: '↓',
  eighths: [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'],
  spark: ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
  shades: [' ', '░', '▒', '▓', '█'],
  table: { horizontal: '─', vertical: '│', cross: '┼', left: '├', right: '┤' },
};

const ASCII: Glyphs = {
  bullet: '*',
  quote: '|',
  rule: '-',
  side: '|',
  ellipsis: '...',
  prompt: '>',
  answer: '*',
  cursor: '>',
  dot: '-',
  older: '<',
  newer: '>',
  check: '+',
  cross: 'x',
  on: '*',
  off: 'o',
  arrow: '->',
  up: '^',
  down: 'v',
  eighths: [' ', '#'],
  spark: ['.', ':', '-', '=', '+', '*', '#', '@'],
  shades: [' ', '.', ':', '+', '#'],
  table: { horizontal: '-', vertical: '|', cross: '+', left: '+', right: '+' },
};

/** Least probability of each class except the last. */
const CLASSES = [0.8, 0.5, 0.25, 0.1, 0.03] as const;

export function themeOf(look: Look): Theme {
  const chalk = new Chalk({ level: look.color });
  const classes: readonly Paint[] = [
    plain,
    chalk.green,
    chalk.cyan,
    chalk.yellow,
    chalk.magenta.underline,
    chalk.red.underline,
  ];
  return {
    look,
    glyphs: look.ascii ? ASCII : UNICODE,
    accent: look.background === 'light' ? chalk.blue : chalk.cyan,
    strong: chalk.bold,
    italic: chalk.italic,
    underline: chalk.underline,
    strike: chalk.strikethrough,
    dim: chalk.dim,
    ok: chalk.green,
    warn: chalk.yellow,
    bad: chalk.red,
    code: look.background === 'light' ? chalk.magenta : chalk.yellow,
    selected: chalk.inverse,
    syntax: {
      keyword: chalk.magenta,
      string: chalk.green,
      number: chalk.yellow,
      comment: chalk.dim,
      title: chalk.blue,
      type: chalk.cyan,
      meta: chalk.dim,
    },
    series: [chalk.cyan, chalk.yellow, chalk.magenta, chalk.green, chalk.blue, chalk.red],
    heat: heatOf(chalk, look),
    probability: (share, text) => {
      const found = CLASSES.findIndex((least) => share >= least);
      return classes[found < 0 ? CLASSES.length : found]!(text);
    },
  };
}

/** The least probability of each colour in its colour: `80 % 50 % ... less`. Empty without colours. */
export function probabilityLegend({ look, probability }: Pick<Theme, 'look' | 'probability'>): string {
  if (look.color === 0) return '';
  const classes = CLASSES.map((least) => probability(least, `${100 * least} %`));
  return [...classes, probability(0, 'less')].join('  ');
}

function plain(text: string): string {
  return text;
}

/** From near the terminal's background to amber: [red, green, blue] of the least and the greatest heat. */
const HEAT = {
  dark: [
    [38, 34, 30],
    [214, 110, 18],
  ],
  light: [
    [255, 247, 232],
    [255, 160, 64],
  ],
} as const;

/** A smaller share has no background. */
const LEAST_HEAT = 0.02;

function heatOf(chalk: ChalkInstance, { color, background }: Look): Theme['heat'] {
  const [cold, hot] = HEAT[background];
  return (share, text) => {
    if (!(share >= LEAST_HEAT)) return text;
    if (color === 0) return text;
    if (color === 1) return share >= 0.5 ? chalk.inverse(text) : share >= 0.15 ? chalk.underline(text) : text;
    const part = Math.min(1, share);
    const [red, green, blue] = cold.map((from, i) => Math.round(from + (hot[i]! - from) * part)) as [
      number,
      number,
      number,
    ];
    const inkOf = background === 'light' ? chalk.black : part > 0.6 ? chalk.black : chalk.white;
    return inkOf.bgRgb(red, green, blue)(text);
  };
}

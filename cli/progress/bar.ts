/** A progress line for a terminal: label, bar, amount, speed, time left. With less room some of them are left out. */
import stringWidth from 'string-width';
import { terminalLine } from '../terminal/terminal-text.ts';
import type { Theme } from '../terminal/theme.ts';
import { amountOf, GAP, labelOf, leftOf, type Progress, type Rate, speedOf } from './line.ts';

const BAR_CELLS = { least: 8, most: 30, besideDetail: 16 } as const;
const BAR_ENDS = 2;
const SUBJECT_CELLS = 12; // the bar and the speed are left out before the subject becomes shorter than this
const DETAIL_CELLS = 8; // a shorter detail is left out
/** Reserved for the speed and for the time left, so that the bar keeps its length when they change. */
const RATE_CELLS = 9;

interface Form {
  readonly subject: boolean;
  readonly bar: boolean;
  readonly speed: boolean;
  readonly left: boolean;
  readonly amount: 'units' | 'percent';
}

/** The first form that fits is used. */
const FORMS: readonly Form[] = [
  { subject: true, bar: true, amount: 'units', speed: true, left: true },
  { subject: true, bar: false, amount: 'units', speed: true, left: true },
  { subject: true, bar: false, amount: 'units', speed: false, left: true },
  { subject: false, bar: false, amount: 'units', speed: false, left: true },
  { subject: false, bar: false, amount: 'percent', speed: false, left: true },
  { subject: false, bar: false, amount: 'percent', speed: false, left: false },
];

/** At most `columns` cells wide. */
export function barLine(progress: Progress, rate: Rate, theme: Theme, columns: number): string {
  const { dim, glyphs } = theme;
  for (const form of FORMS) {
    const line = lineOf(form, progress, rate, theme, columns);
    if (line === undefined) continue;
    const room = columns - stringWidth(line) - GAP.length;
    if (progress.detail === undefined || room < DETAIL_CELLS) return line;
    return `${line}${GAP}${dim(cutEnd(terminalLine(progress.detail), room, glyphs.ellipsis))}`;
  }
  return cutEnd(terminalLine(progress.activity), columns, glyphs.ellipsis);
}

/** Undefined if the form does not fit. */
function lineOf(
  form: Form,
  progress: Progress,
  rate: Rate,
  theme: Theme,
  columns: number,
): string | undefined {
  const share = shareOf(progress);
  if (form.bar && share === undefined) return undefined;
  const isPercent = form.amount === 'percent' && share !== undefined;
  const amount = isPercent ? percent(share) : briefAmountOf(progress, form.bar);
  const speed = form.speed || rate.speed === 0 ? speedOf(progress, rate) : undefined; // a stall is always shown
  const left = form.left ? leftOf(rate) : undefined;
  const reserved = form.bar ? RATE_CELLS : 0;
  const taken =
    withGap(stringWidth(amount ?? '')) +
    withGap(Math.max(stringWidth(speed ?? ''), progress.unit === 'pieces' ? 0 : reserved)) +
    withGap(Math.max(stringWidth(left ?? ''), reserved));
  const room = columns - taken; // for the label and the bar
  const least = form.bar ? withGap(BAR_ENDS + BAR_CELLS.least) : 0;
  const label = labelWithin(room - least, progress, form.subject, theme.glyphs.ellipsis);
  if (label === undefined) return undefined;
  const cells = room - stringWidth(label) - withGap(BAR_ENDS);
  const most = progress.detail === undefined ? BAR_CELLS.most : BAR_CELLS.besideDetail;
  const bar = form.bar ? barOf(share!, Math.min(cells, most), theme) : undefined;
  return [label, bar, amount, speed, left].filter((part) => part !== undefined).join(GAP);
}

function withGap(cells: number): number {
  return cells === 0 ? 0 : GAP.length + cells;
}

/** Undefined if the activity does not fit, or the subject would become too short. */
function labelWithin(
  cells: number,
  progress: Progress,
  withSubject: boolean,
  ellipsis: string,
): string | undefined {
  const whole = withSubject ? labelOf(progress) : terminalLine(progress.activity);
  if (stringWidth(whole) <= cells) return whole;
  if (!withSubject || progress.subject === undefined) return undefined;
  const subject = terminalLine(progress.subject).replace(/^.*\//, ''); // only the file name of a path
  const room = cells - stringWidth(labelOf({ ...progress, subject: '' }));
  if (room < Math.min(SUBJECT_CELLS, stringWidth(subject))) return undefined;
  return labelOf({ ...progress, subject: cutMiddle(subject, room, ellipsis) });
}

/** 0 to 1. Undefined without a known total. */
function shareOf({ done, total }: Progress): number | undefined {
  return done === undefined || !total ? undefined : Math.min(1, done / total);
}

/** Rounded down: 100 only when all is done. */
function percent(share: number): string {
  return `${Math.floor(100 * share)} %`;
}

/** Writes a unit that both numbers share once. `steady`: pads the amount to its final width. */
function briefAmountOf(progress: Progress, steady: boolean): string | undefined {
  const amount = amountOf(progress);
  const [done, total] = amount?.split(' of ') ?? [];
  if (done === undefined || total === undefined) return amount;
  const [number, unit] = done.split(' ');
  const [all, unitOfAll] = total.split(' ');
  const brief = unit === unitOfAll ? number! : done;
  return `${steady ? brief.padStart(all!.length) : brief} of ${total}`;
}

function barOf(share: number, cells: number, { accent, glyphs, look }: Theme): string {
  const [begin, end] = look.ascii ? ['[', ']'] : ['▕', '▏'];
  const parts = glyphs.eighths.length - 1; // of a cell
  const filled = Math.floor(share * cells * parts);
  const full = glyphs.eighths[parts]!.repeat(Math.floor(filled / parts));
  const edge = filled % parts === 0 ? '' : glyphs.eighths[filled % parts]!;
  return `${begin}${accent((full + edge).padEnd(cells))}${end}`;
}

function cutEnd(text: string, cells: number, ellipsis: string): string {
  if (stringWidth(text) <= cells) return text;
  return fitting(graphemes(text), cells - stringWidth(ellipsis)).join('') + ellipsis;
}

function cutMiddle(text: string, cells: number, ellipsis: string): string {
  if (stringWidth(text) <= cells) return text;
  const room = cells - stringWidth(ellipsis);
  const parts = graphemes(text);
  const end = fitting(parts.toReversed(), Math.floor(room / 2))
    .reverse()
    .join('');
  return fitting(parts, room - stringWidth(end)).join('') + ellipsis + end;
}

/** The longest start of `parts` that fits `cells`. */
function fitting(parts: readonly string[], cells: number): string[] {
  let room = cells;
  const over = parts.findIndex((part) => {
    room -= stringWidth(part);
    return room < 0;
  });
  return parts.slice(0, over < 0 ? undefined : over);
}

function graphemes(text: string): string[] {
  return Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
}

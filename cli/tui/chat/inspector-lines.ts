/** The inspector as lines: the answer with the chosen token marked, and what there is to know of it. Pure. */
import { lookOf, sharpnessOf, visible } from '../../chat/inspection.ts';
import { bar } from '../plot/bars.ts';
import { heatmap } from '../plot/heat.ts';
import { truncate, wrapLines } from '../text/wrap.ts';
import type { Theme } from '../theme.ts';
import type { InspectorState } from './inspector.ts';

export interface Room {
  readonly columns: number;
  readonly rows: number; // lines it may take
}

export function inspectorLines(state: InspectorState, room: Room, theme: Theme): string[] {
  const { kind } = state;
  const title = kind === 'alternatives' ? 'How likely' : 'Where it looked';
  const keys = keysOf(kind, theme);
  const width = room.columns - 1;
  const details =
    kind === 'alternatives' ? alternativeRows(state, width, theme) : attentionRows(state, width, theme);
  const above = room.rows - details.length - 3;
  return [
    truncate(`${theme.strong(title)}  ${theme.dim(keys)}`, width, theme.glyphs.ellipsis),
    ...textRows(state, width, Math.max(2, above), theme),
    '',
    ...details,
  ].slice(0, room.rows);
}

/** What the keys do, short enough for 80 columns. */
function keysOf(kind: InspectorState['kind'], { look }: Theme): string {
  const [across, along] = look.ascii ? ['Left Right', 'Up Down'] : ['←→', '↑↓'];
  return kind === 'alternatives'
    ? `${across} token  ${along} choice  Enter takes it from there  Tab why  Esc`
    : `${across} token  ${along} layer  [ ] head  0 all  Tab how likely  Esc`;
}

/** The tokens around the chosen one: coloured by probability, or by what it looked at. */
function textRows(state: InspectorState, width: number, rows: number, theme: Theme): string[] {
  const { tokens, at, kind, glance, layer, head } = state;
  const mark = (text: string) =>
    theme.look.color === 0 ? `[${visible(text, theme)}]` : theme.selected(visible(text, theme));
  const answer = tokens.map(({ text, probability }, i) => {
    if (i === at) return mark(text);
    return kind === 'alternatives' ? paintLines(text, (part) => theme.probability(probability, part)) : text;
  });
  if (kind === 'alternatives' || !glance) return around(answer.join(''), width, rows, theme);
  const { shares } = lookOf(glance, layer, head);
  const most = Math.max(...shares);
  const context = glance.texts.map((text, i) =>
    paintLines(text, (part) => warm(shares[i]! / most, glance.controls[i] ? theme.dim(part) : part, theme)),
  );
  return around(`${context.join('')}${mark(tokens[at]!.text)}`, width, rows, theme);
}

/** Heat by background; without colours a mark behind the word. */
function warm(share: number, text: string, theme: Theme): string {
  if (theme.look.color > 0) return theme.heat(share, text);
  return share >= 0.5
    ? `${text}${theme.look.ascii ? '**' : '██'}`
    : share >= 0.2
      ? `${text}${theme.look.ascii ? '*' : '▒'}`
      : text;
}

/** A sequence of colours must not span lines. */
function paintLines(text: string, paint: (part: string) => string): string {
  return text
    .split('\n')
    .map((part) => (part === '' ? '' : paint(part)))
    .join('\n');
}

/** The lines around the mark, which is where the reverse or bracketed token stands. */
function around(text: string, width: number, rows: number, theme: Theme): string[] {
  const lines = text.split('\n').flatMap((line) => wrapLines(line, width - 2));
  const marked = theme.look.color === 0 ? /\[[^\]]*\]/ : /\x1b\[7m/;
  const at = Math.max(
    0,
    lines.findLastIndex((line) => marked.test(line)),
  );
  const start = Math.max(0, Math.min(at - Math.floor(rows / 2), lines.length - rows));
  return lines.slice(start, start + rows).map((line) => `  ${line}`);
}

const BAR_CELLS = 24;

function alternativeRows({ tokens, at, alternative }: InspectorState, width: number, theme: Theme): string[] {
  const token = tokens[at]!;
  const rows = token.alternatives.map(({ id, text, probability }, i) => {
    const chosen = i === alternative ? theme.accent(theme.glyphs.prompt) : ' ';
    const said = id === token.id ? theme.dim(' said') : '';
    const percent = `${(100 * probability).toFixed(1)}`.padStart(5);
    return truncate(
      `${chosen} ${percent} % ${bar(probability, BAR_CELLS, theme)} ${theme.code(visible(text, theme))}${said}`,
      width,
      theme.glyphs.ellipsis,
    );
  });
  return [theme.dim(`token ${at + 1} of ${tokens.length}, id ${token.id}`), ...rows];
}

function attentionRows(
  { glance, layer, head, tokens, at }: InspectorState,
  width: number,
  theme: Theme,
): string[] {
  const which = `token ${at + 1} of ${tokens.length}`;
  if (!glance) return [theme.dim(`${which}: looking ${theme.glyphs.ellipsis}`)];
  const { sink, shares } = lookOf(glance, layer, head);
  const where = [
    layer === undefined ? `all ${glance.layers} layers` : `layer ${layer + 1} of ${glance.layers}`,
    head === undefined ? `all ${glance.heads} heads` : `head ${head + 1} of ${glance.heads}`,
  ].join(', ');
  const most = [...shares.entries()].sort(([, a], [, b]) => b - a).slice(0, 5);
  const words = most.map(
    ([i, share]) =>
      `${`${(100 * share).toFixed(1)}`.padStart(5)} % ${bar(share, 12, theme)} ${theme.code(visible(glance.texts[i]!, theme))}`,
  );
  const map = mapRows(glance, layer, head, theme);
  const rows = Math.max(words.length, map.length);
  const wordWidth = Math.min(40, width - glance.layers - 6);
  const lines = Array.from({ length: rows }, (_, i) => {
    const line = truncate(words[i] ?? '', wordWidth, theme.glyphs.ellipsis);
    return `${line}${' '.repeat(Math.max(1, wordWidth - plainWidth(line)))}  ${map[i] ?? ''}`;
  });
  return [
    truncate(
      theme.dim(`${which}, ${where}; ${(100 * sink).toFixed(0)} % rest on the first token`),
      width,
      theme.glyphs.ellipsis,
    ),
    ...(wordWidth > 20 ? lines : words),
    ...(wordWidth > 20
      ? [theme.dim(`${' '.repeat(wordWidth)}  layers across, heads down; bright: a sharp look`)]
      : []),
  ];
}

/** How sharply each head looks at one word: layers from left to right, heads from top to bottom. */
function mapRows(
  glance: Parameters<typeof sharpnessOf>[0],
  _layer: number | undefined,
  _head: number | undefined,
  theme: Theme,
): string[] {
  const sharp = sharpnessOf(glance);
  const byHead = Array.from({ length: glance.heads }, (_, h) => sharp.map((row) => row[h]!));
  return heatmap(byHead, theme);
}

function plainWidth(line: string): number {
  return line.replace(/\x1b\[[\d;]*m/g, '').length;
}

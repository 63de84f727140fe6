/** The inspector as lines: the answer with the chosen token marked, and details about it. Pure. */
import { attentionShares, countsOf, peakWeights, type TokenAttention } from '../../chat/inspection.ts';
import { visible } from '../../chat/token-text.ts';
import { bar } from '../../terminal/plot/bars.ts';
import { heatmap } from '../../terminal/plot/heat.ts';
import { padded } from '../../terminal/text/width.ts';
import { truncate, wrapLines } from '../../terminal/text/wrap.ts';
import { probabilityLegend, type Theme } from '../../terminal/theme.ts';
import type { InspectorState } from './inspector.ts';
import { arrowKeys, keyBar } from './key-bar.ts';

export interface Room {
  readonly columns: number;
  readonly rows: number; // most lines
}

export function inspectorLines(state: InspectorState, room: Room, theme: Theme): string[] {
  const { kind } = state;
  const legend = kind === 'alternatives' ? probabilityLegend(theme) : '';
  const title = kind === 'alternatives' ? 'Alternatives' : 'Attention';
  const width = room.columns - 1;
  const details =
    kind === 'alternatives' ? alternativeRows(state, width, theme) : attentionRows(state, width, theme);
  const above = room.rows - details.length - 3; // the title, a gap, the keys
  const head = legend === '' ? theme.strong(title) : `${theme.strong(title)}  likely from  ${legend}`;
  const lines = [head, ...textRows(state, width, Math.max(2, above), theme), '', ...details];
  return lines
    .slice(0, room.rows - 1)
    .map((line) => truncate(line, width, theme.glyphs.ellipsis))
    .concat(keyBar(keysOf(kind, theme), width, theme));
}

/** Short enough for 80 columns. */
function keysOf(kind: InspectorState['kind'], theme: Theme): string[] {
  const [across, along] = arrowKeys(theme);
  return kind === 'alternatives'
    ? ['Esc leave', `${across} token`, `${along} pick`, 'Enter use it', 'Tab attention']
    : ['Esc leave', `${across} token`, `${along} layer`, '[ ] head', '0 mean', 'Tab alternatives'];
}

/** The tokens around the chosen one, coloured by probability or by their attention share. */
function textRows(state: InspectorState, width: number, rows: number, theme: Theme): string[] {
  const { tokens, at, kind, attention, layer, head } = state;
  const mark = (text: string) =>
    HERE + (theme.look.color === 0 ? `[${visible(text, theme)}]` : theme.selected(visible(text, theme)));
  const chosen = mark(tokens[at]!.text || tokens[at]!.name);
  if (kind === 'alternatives' || !attention) {
    const probabilities = ofCharacters(
      tokens,
      ({ probability }) => probability,
      (a, b) => a * b,
    );
    const answer = tokens.map(({ text }, i) => {
      if (i === at) return chosen;
      if (kind !== 'alternatives') return text;
      return paintLines(text, (part) => theme.probability(probabilities[i]!, part));
    });
    return around(answer.join(''), width, rows);
  }
  const { texts, controls } = attention;
  const all = attentionShares(attention, layer, head).shares;
  const shares = ofCharacters(
    texts.map((text, i) => ({ text, share: all[i]! })),
    ({ share }) => share,
    (a, b) => a + b,
  );
  const most = Math.max(...shares);
  const context = texts.map((text, i) =>
    paintLines(text, (part) => warm(shares[i]! / most, controls[i] ? theme.dim(part) : part, theme)),
  );
  return around(`${context.join('')}${chosen}`, width, rows);
}

/** A figure for each token; the last token of a character has that of all tokens that make it, by `join`. */
function ofCharacters<Token extends { readonly text: string }>(
  tokens: readonly Token[],
  of: (token: Token) => number,
  join: (a: number, b: number) => number,
): number[] {
  let before: number | undefined; // of the tokens that begin the character
  return tokens.map((token) => {
    const figure = before === undefined ? of(token) : join(before, of(token));
    before = token.text === '' ? figure : undefined;
    return figure;
  });
}

/** Shows a share as background colour; without colours, as a mark after the token. */
function warm(share: number, text: string, theme: Theme): string {
  if (theme.look.color > 0) return theme.heat(share, text);
  return share >= 0.5
    ? `${text}${theme.look.ascii ? '**' : '██'}`
    : share >= 0.2
      ? `${text}${theme.look.ascii ? '*' : '▒'}`
      : text;
}

/** Paints each line separately: an escape sequence must not span lines. */
function paintLines(text: string, paint: (part: string) => string): string {
  return text
    .split('\n')
    .map((part) => (part === '' ? '' : paint(part)))
    .join('\n');
}

/** A zero-width mark before the chosen token, to find its line. */
const HERE = '\u200b';

/** The lines around the chosen token. */
function around(text: string, width: number, rows: number): string[] {
  const lines = text.split('\n').flatMap((line) => wrapLines(line, width - 2));
  const at = Math.max(
    0,
    lines.findLastIndex((line) => line.includes(HERE)),
  );
  const start = Math.max(0, Math.min(at - Math.floor(rows / 2), lines.length - rows));
  return lines.slice(start, start + rows).map((line) => `  ${line.replaceAll(HERE, '')}`);
}

const BAR_CELLS = 24;
const BESIDE_BAR = 30; // columns of a row of alternatives
const SHORT_BAR_CELLS = 12;
const WORD_COLUMNS = 40; // of the tokens beside the map
const LEAST_WORD = 24; // columns; if fewer are left, there is no map

function alternativeRows({ tokens, at, alternative }: InspectorState, width: number, theme: Theme): string[] {
  const cells = Math.max(1, Math.min(BAR_CELLS, width - BESIDE_BAR));
  const token = tokens[at]!;
  const rows = token.alternatives.map(({ id, name, probability }, i) => {
    const chosen = i === alternative ? theme.accent(theme.glyphs.cursor) : ' ';
    const mark = id === token.id ? theme.dim(' chosen') : '';
    const figure = `${(100 * probability).toFixed(1)}`.padStart(5);
    return `${chosen} ${figure} % ${bar(probability, cells, theme)} ${theme.code(visible(name, theme))}${mark}`;
  });
  return [theme.dim(`token ${at + 1} of ${tokens.length}, id ${token.id}`), ...rows];
}

function attentionRows(state: InspectorState, width: number, theme: Theme): string[] {
  const { attention, layer, head, tokens, at } = state;
  const which = `token ${at + 1} of ${tokens.length}`;
  if (!attention) return [theme.dim(`${which}: computing ${theme.glyphs.ellipsis}`)];
  const { sink, shares } = attentionShares(attention, layer, head);
  const title = `${which}, ${rowsInWords(attention, layer, head)}; ${percent(sink)} on the first token (sink)`;
  const words = mostAttended(attention, shares, theme);
  const wordWidth = Math.min(WORD_COLUMNS, width - countsOf(attention).layers - 4);
  if (wordWidth < LEAST_WORD) return [theme.dim(title), ...words];
  const map = mapLines(attention, { layer, head, width: width - wordWidth - 2 }, theme);
  const rows = Array.from({ length: Math.max(words.length, map.length) }, (_, i) => {
    const word = truncate(words[i] ?? '', wordWidth, theme.glyphs.ellipsis);
    return `${padded(word, wordWidth)}  ${map[i] ?? ''}`.trimEnd();
  });
  return [theme.dim(title), ...rows];
}

function rowsInWords(attention: TokenAttention, layer: number | undefined, head: number | undefined): string {
  const { layers, heads } = countsOf(attention);
  return [
    layer === undefined ? `all ${layers} layers` : `layer ${layer + 1} of ${layers}`,
    head === undefined ? `all ${heads} heads` : `head ${head + 1} of ${heads}`,
  ].join(', ');
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

const MOST_WORDS = 5;

/** The tokens with the largest shares. */
function mostAttended({ names }: TokenAttention, shares: Float64Array, theme: Theme): string[] {
  const most = [...shares.entries()].sort(([, a], [, b]) => b - a).slice(0, MOST_WORDS);
  return most.map(([i, share]) => {
    const figure = `${(100 * share).toFixed(1)}`.padStart(5);
    return `${figure} % ${bar(share, SHORT_BAR_CELLS, theme)} ${theme.code(visible(names[i]!, theme))}${theme.dim(` ${shares.length - i} back`)}`;
  });
}

interface MapOptions {
  readonly layer: number | undefined; // the chosen one
  readonly head: number | undefined;
  readonly width: number;
}

/** A map of all layers and heads: the largest weight of each, with marks at the chosen ones. */
function mapLines(attention: TokenAttention, { layer, head, width }: MapOptions, theme: Theme): string[] {
  const peaks = peakWeights(attention);
  const byHead = Array.from({ length: countsOf(attention).heads }, (_, h) => peaks.map((row) => row[h] ?? 0));
  const map = heatmap(byHead, theme);
  const headsInRow = Math.ceil(byHead.length / map.length);
  const rows = map.map((row, i) => {
    const chosen = head !== undefined && Math.floor(head / headsInRow) === i;
    return chosen ? `${row}${theme.accent(theme.glyphs.older)}` : row;
  });
  const below = layer === undefined ? [] : [`${' '.repeat(layer)}${theme.accent('^')}`];
  const strong = theme.look.color < 2 ? 'dense' : theme.look.background === 'light' ? 'dark' : 'bright';
  const caption = wrapLines(`layers across, heads down; ${strong}: most weight on one token`, width);
  return [...rows, ...below, ...caption.map((line) => theme.dim(line))];
}

/** Lines around the editor: the live answer, progress, the queue and the footer. Pure: state in, lines out. */
import type { ChatState, ModelFacts, Reading, Speed } from '../../chat/chat-state.ts';
import { SAMPLES } from '../../chat/speedometer.ts';
import { formatBytes } from '../../sizes.ts';
import { bar, sparkline } from '../../terminal/plot/bars.ts';
import { terminalLine, terminalText } from '../../terminal/terminal-text.ts';
import { columnsOf } from '../../terminal/text/width.ts';
import { truncate } from '../../terminal/text/wrap.ts';
import type { Theme } from '../../terminal/theme.ts';
import type { ScreenState } from './chat-screen.ts';

/** The last `budget` live lines. If some are hidden, the first line counts them. */
export function liveTail(live: readonly string[], budget: number, theme: Theme): readonly string[] {
  if (live.length <= budget) return live;
  const hidden = live.length - budget + 1;
  return [theme.dim(`  ${theme.glyphs.ellipsis} ${hidden} lines above`), ...live.slice(hidden)];
}

const BAR_CELLS = 20;

/** Progress through a long prompt. */
export function readingLine(
  { done, total, tokensPerSecond }: Reading,
  columns: number,
  theme: Theme,
): string {
  const parts = [
    `reading ${bar(done / total, BAR_CELLS, theme)} ${done}/${total} tokens`,
    ...(tokensPerSecond > 0 ? [`${tokensPerSecond.toFixed(0)} tok/s`] : []),
  ];
  return truncate(theme.dim(`  ${parts.join(` ${theme.glyphs.dot} `)}`), columns - 1, theme.glyphs.ellipsis);
}

/** The newest queued messages, and a count of the others. */
export function queuedLines(queued: readonly string[], columns: number, theme: Theme): string[] {
  const shown = queued.slice(-3).map((text) => {
    const line = terminalLine(text);
    return truncate(theme.dim(`  next: ${line}`), columns - 1, theme.glyphs.ellipsis);
  });
  const before = queued.length - shown.length;
  return before > 0 ? [theme.dim(`  ${before} more queued`), ...shown] : shown;
}

type FooterScreen = Pick<ScreenState, 'columns' | 'hint' | 'composing'>;

/** One of these, the first that applies: a hint, the target of the editor, loading progress, the figures. */
export function footerLine(state: ChatState, screen: FooterScreen, theme: Theme): string {
  const width = screen.columns - 1;
  return truncate(`  ${footerText(state, screen, width - 2, theme)}`, width, theme.glyphs.ellipsis);
}

function footerText(
  state: ChatState,
  { hint, composing }: FooterScreen,
  width: number,
  theme: Theme,
): string {
  if (hint) return theme.accent(hint);
  if (composing) return theme.accent(`editing ${composing}`);
  if (state.loading) return theme.dim(loadingText(state.loading, theme));
  if (state.model) return theme.dim(figures(state, state.model, width, theme));
  return theme.dim(
    state.phase === 'loading'
      ? `loading ${theme.glyphs.ellipsis}`
      : 'no model is loaded; /model REF loads one',
  );
}

/** A part of the footer. */
interface Figure {
  readonly text: string; // may be empty
  readonly widest: number; // columns that it may come to take
  readonly worth: number; // on a narrow screen the least is left out first
}

/**
 * Model, backend, context and speed. What changes most comes last, and what is left out depends on the widest texts, not
 * on the present ones: so nothing moves while an answer comes.
 */
function figures(state: ChatState, model: ModelFacts, width: number, theme: Theme): string {
  const { contextUsed, phase, speed } = state;
  const context = contextUsed > 0 ? contextText(contextUsed, model.contextLength, theme) : '';
  const isMeasured = phase === 'answering' && speed && speed.tokensPerSecond > 0;
  const fixed = (text: string, worth: number) => ({ text, widest: columnsOf(text), worth });
  let figures: readonly Figure[] = [
    fixed(terminalText(model.name), 2),
    fixed(model.backend, 3),
    { text: context, widest: METER_CELLS + '[] 8.0k/8.0k'.length, worth: 6 },
    { text: phase === 'idle' ? '/help' : 'Esc stops', widest: 'Esc stops'.length, worth: 4 },
    { text: isMeasured ? speedText(speed) : '', widest: '1000.0 tok/s'.length, worth: 5 },
    { text: isMeasured ? sparkline(speed.recent, theme) : '', widest: SAMPLES, worth: 1 },
  ];
  const separator = ` ${theme.glyphs.dot} `;
  const needed = () => figures.reduce((sum, { widest }) => sum + widest + separator.length, 0);
  while (needed() - separator.length > width && figures.length > 1) {
    const least = Math.min(...figures.map(({ worth }) => worth));
    figures = figures.filter(({ worth }) => worth > least);
  }
  const texts = figures.map(({ text }) => text);
  return texts.filter((text) => text !== '').join(separator);
}

function loadingText({ stage, done, total }: NonNullable<ChatState['loading']>, theme: Theme): string {
  if (done === undefined) return `${stage} ${theme.glyphs.ellipsis}`;
  if (!total) return `${stage} ${formatBytes(done)}`;
  return `${stage} ${bar(done / total, BAR_CELLS, theme)} ${formatBytes(done)} of ${formatBytes(total)}`;
}

function speedText({ tokensPerSecond }: Speed): string {
  return `${tokensPerSecond.toFixed(1)} tok/s`;
}

/** Shares of the context above which the meter changes colour. */
const CROWDED = 0.7;
const NEARLY_FULL = 0.9;
const METER_CELLS = 8;

function contextText(used: number, length: number, theme: Theme): string {
  const share = used / length;
  const paint = share >= NEARLY_FULL ? theme.bad : share >= CROWDED ? theme.warn : (text: string) => text;
  return paint(`[${bar(share, METER_CELLS, theme)}] ${inThousands(used)}/${inThousands(length)}`);
}

/** 812, 2.6k, 128k. */
export function inThousands(count: number): string {
  if (count < 1000) return `${count}`;
  return `${(count / 1024).toFixed(count < 10240 ? 1 : 0)}k`;
}

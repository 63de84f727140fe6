/** Lines around the editor: the live answer, progress, the queue and the footer. Pure: state in, lines out. */
import type { ChatState, ModelFacts, Reading } from '../../chat/chat-state.ts';
import { formatBytes } from '../../sizes.ts';
import { bar, sparkline } from '../../terminal/plot/bars.ts';
import { terminalText } from '../../terminal/terminal-text.ts';
import { columnsOf } from '../../terminal/text/width.ts';
import { truncate } from '../../terminal/text/wrap.ts';
import type { Theme } from '../../terminal/theme.ts';
import type { ScreenState } from './chat-screen.ts';

/** The last `budget` live lines. If some are hidden, the first line counts them. */
export function liveTail(live: readonly string[], budget: number, theme: Theme): readonly string[] {
  if (live.length <= budget) return live;
  const hidden = live.length - budget + 1;
  return [theme.dim(`${theme.glyphs.ellipsis} ${hidden} lines above`), ...live.slice(hidden)];
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
    const line = terminalText(text.replace(/\s+/g, ' '));
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

/** Model, backend, speed and context. On a narrow screen the name is dropped first, then the backend, then the hint. */
function figures(state: ChatState, model: ModelFacts, width: number, theme: Theme): string {
  const parts = [
    terminalText(model.name),
    model.backend,
    speedText(state, theme),
    contextText(state.contextUsed, model.contextLength, theme),
    state.phase === 'idle' ? '/help' : 'Esc stops',
  ].filter((part) => part !== '');
  const kept = parts.map(() => true);
  const line = () => parts.filter((_, i) => kept[i]).join(` ${theme.glyphs.dot} `);
  for (const i of [0, 1, parts.length - 1]) if (columnsOf(line()) > width) kept[i] = false;
  return line();
}

function loadingText({ stage, done, total }: NonNullable<ChatState['loading']>, theme: Theme): string {
  if (done === undefined) return `${stage} ${theme.glyphs.ellipsis}`;
  if (!total) return `${stage} ${formatBytes(done)}`;
  return `${stage} ${bar(done / total, BAR_CELLS, theme)} ${formatBytes(done)} of ${formatBytes(total)}`;
}

function speedText({ speed, phase }: ChatState, theme: Theme): string {
  if (!speed || speed.tokensPerSecond === 0) return phase === 'reading' ? 'reading' : '';
  return `${speed.tokensPerSecond.toFixed(1)} tok/s ${sparkline(speed.recent, theme)}`.trimEnd();
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

/** A race on screen: the running lane is live, the finished one is replayed beside it on the same clock. */
import type { Key } from 'ink';
import type { Dialogue } from '../../chat/dialogue.ts';
import { PacedState } from '../../chat/paced-state.ts';
import type { Pacer } from '../../chat/pacer.ts';
import { type Lane, lanesOf, race } from '../../chat/race.ts';
import { describeError } from '../../output.ts';
import type { Store } from '../../store.ts';
import { terminalText } from '../../terminal/terminal-text.ts';
import { wrapLines } from '../../terminal/text/wrap.ts';
import type { Theme } from '../../terminal/theme.ts';

export interface RaceState {
  readonly prompt: string;
  readonly lanes: readonly Lane[];
  /** Start of the newest lane, by performance.now(); 0 before the first. */
  readonly clock: number;
  readonly over: boolean;
}

export class RaceModel {
  readonly state: Store<RaceState>;
  readonly #paced: PacedState<RaceState>; // drawing every piece would slow the running lane
  readonly #contenders: readonly string[];
  #lanes: readonly Lane[];
  #dialogue: Dialogue | undefined;

  constructor(contenders: readonly string[], prompt: string, pacer: Pacer) {
    this.#contenders = contenders;
    this.#lanes = lanesOf(contenders);
    this.#paced = new PacedState<RaceState>({ prompt, lanes: this.#lanes, clock: 0, over: false }, pacer);
    this.state = this.#paced.store;
  }

  async run(dialogue: Dialogue, signal: AbortSignal): Promise<void> {
    this.#dialogue = dialogue;
    await race(this.#contenders, {
      prompt: this.state.get().prompt,
      reference: dialogue.loaded!.reference,
      options: dialogue.options,
      signal,
      onLane: (index, lane) => this.#update(index, lane),
    });
    this.#paced.now({ over: true });
  }

  /** A race has no keys of its own; the screen closes it. */
  key(_input: string, _key: Key): boolean {
    return false;
  }

  close(): void {
    if (!this.state.get().over) this.#dialogue?.stop();
  }

  /** For the scrollback: the figures, and what both wrote; once if it is the same. */
  summary(theme: Theme, columns: number): string[] {
    const { lanes, prompt } = this.state.get();
    const width = Math.max(...lanes.map(({ name }) => name.length));
    const texts = Map.groupBy(lanes, ({ pieces }) =>
      pieces
        .map(({ text }) => text)
        .join('')
        .trim(),
    );
    texts.delete('');
    return [
      theme.dim(`race: ${terminalText(prompt.replace(/\s+/g, ' ')).slice(0, 60)}`),
      ...lanes.map((lane) => `${lane.name.padEnd(width)}  ${laneFigures(lane).join(', ')}`),
      ...Array.from(texts, ([text, writers]) => [
        '',
        theme.dim(`${writers.map(({ name }) => name).join(' and ')}:`),
        ...wrapLines(terminalText(text), columns - 1),
      ]).flat(),
    ];
  }

  #update(index: number, lane: Lane): void {
    const before = this.#lanes[index]!.status;
    this.#lanes = this.#lanes.with(index, lane);
    const lanes = this.#lanes;
    if (lane.status === before) this.#paced.soon({ lanes }, 1);
    else this.#paced.now(lane.status === 'running' ? { lanes, clock: performance.now() } : { lanes });
  }
}

/** Status and speeds of a lane, what matters most first. */
export function laneFigures({
  status,
  pieces,
  readMs,
  tokensPerSecond,
  promptTokens,
  failure,
  loadMs,
}: Lane): readonly string[] {
  if (status === 'waiting') return ['waiting'];
  if (status === 'loading') return ['loading'];
  if (status === 'failed') return [`failed: ${describeError(failure, { debug: false })[0]}`];
  if (pieces.length === 0) return [`reading ${promptTokens} tokens`];
  const read = readMs > 0 ? ((1000 * promptTokens) / readMs).toFixed(0) : '?';
  return [
    `${tokensPerSecond.toFixed(1)} tok/s`,
    `prompt ${read} tok/s`,
    `loaded in ${(loadMs / 1000).toFixed(2)} s`,
  ];
}

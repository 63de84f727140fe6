/**
 * Runs two backends or models on the same prompt. They run one after the other, so that neither slows the other. The time
 * of every piece of text is recorded, so that both can be shown on one clock.
 */
import { BACKEND_NAMES } from '../../backends/select.ts';
import { directories } from '../../core/directories.ts';
import { resolveModel } from '../../core/models/resolve.ts';
import { SamplerChain } from '../../core/sampler/chain.ts';
import { samplerParameters } from '../../core/sampler/parameters.ts';
import { UserError } from '../../errors.ts';
import type { Options } from '../arguments/options.ts';
import { samplingOf } from '../sampling.ts';

export interface Lane {
  readonly name: string;
  readonly status: 'waiting' | 'loading' | 'running' | 'finished' | 'failed';
  /** In the order of generation; `ms` counts from the start of prefill. */
  readonly pieces: readonly Piece[];
  readonly loadMs: number;
  readonly promptTokens: number;
  readonly readMs: number; // until the first token
  readonly tokensPerSecond: number; // of the tokens after the first
  readonly failure?: unknown;
}

export interface Piece {
  readonly ms: number;
  readonly text: string;
}

export interface RaceOptions {
  readonly prompt: string;
  /** Model of a lane that names a backend only. A lane that names a model uses the backend of the options. */
  readonly reference: string;
  readonly options: Options;
  readonly signal: AbortSignal;
  /** Called for every piece and every change of status. */
  readonly onLane: (index: number, lane: Lane) => void;
}

const MOST_TOKENS = 128;

export function lanesOf(contenders: readonly string[]): Lane[] {
  return contenders.map((name) => ({
    name,
    status: 'waiting',
    pieces: [],
    loadMs: 0,
    promptTokens: 0,
    readMs: 0,
    tokensPerSecond: 0,
  }));
}

/** @throws UserError (usage) for a contender that is neither a backend nor a model on this machine */
export async function requireContenders(contenders: readonly string[]): Promise<void> {
  for (const name of contenders) {
    if (isBackend(name)) continue;
    await resolveModel(name, { directories: directories(), pull: false }).catch((cause: unknown) => {
      if (!(cause instanceof UserError)) throw cause;
      throw new UserError(
        `${name} is neither a backend nor a model on this machine.`,
        `Backends are ${BACKEND_NAMES.join(', ')}; /model lists the models.`,
        { kind: 'usage', cause },
      );
    });
  }
}

function isBackend(name: string): boolean {
  return name === 'auto' || (BACKEND_NAMES as readonly string[]).includes(name);
}

/** Runs the lanes one after the other. If one fails, the other still runs. */
export async function race(contenders: readonly string[], options: RaceOptions): Promise<void> {
  for (const [index, lane] of lanesOf(contenders).entries()) {
    if (options.signal.aborted) return;
    try {
      await runLane(index, lane, options);
    } catch (failure) {
      options.onLane(index, { ...lane, status: 'failed', failure });
    }
  }
}

async function runLane(index: number, start: Lane, race: RaceOptions): Promise<void> {
  const { reference, options, signal, prompt } = race;
  let lane: Lane = start;
  const change = (part: Partial<Lane>) => {
    lane = { ...lane, ...part };
    race.onLane(index, lane);
  };
  change({ status: 'loading' });
  const { loadChatModel } = await import('./loaded-model.ts'); // late, as in dialogue.ts
  const loaded = await loadChatModel(
    isBackend(lane.name) ? reference : lane.name,
    isBackend(lane.name) ? lane.name : options.backend,
    { options, signal, onProgress: () => {}, onNote: () => {} },
  );
  const { model, chat } = loaded;
  try {
    const promptIds = chat.promptIds([{ role: 'user', content: prompt }]);
    change({ status: 'running', loadMs: model.loadMs, promptTokens: promptIds.length });
    const sampler = new SamplerChain(
      samplerParameters({ ...samplingOf(options), temperature: 0 }),
      model.tokenizer,
    );
    const maxTokens = Math.min(options.maxTokens ?? MOST_TOKENS, model.contextLength - promptIds.length);
    const clock = performance.now();
    const tokens = chat.answer(promptIds, { sampler, maxTokens, stop: options.stop, signal });
    const pieces: Piece[] = [];
    let next = await tokens.next();
    const readMs = performance.now() - clock;
    for (; !next.done; next = await tokens.next()) {
      const ms = performance.now() - clock;
      pieces.push({ ms, text: next.value.text });
      const seconds = (ms - readMs) / 1000;
      change({ pieces, readMs, tokensPerSecond: seconds > 0 ? (pieces.length - 1) / seconds : 0 });
    }
    const { timings } = next.value;
    change({ status: 'finished', tokensPerSecond: timings.decodeTokensPerSecond });
  } finally {
    await model.dispose();
  }
}

/** The text that a lane had generated after `ms` milliseconds. */
export function textAfter({ pieces }: Lane, ms: number): { text: string; tokens: number } {
  const count = pieces.findIndex((piece) => piece.ms > ms);
  const shown = count < 0 ? pieces : pieces.slice(0, count);
  return { text: shown.map(({ text }) => text).join(''), tokens: shown.length };
}

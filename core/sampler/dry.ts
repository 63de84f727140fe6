/**
 * DRY, "don't repeat yourself": a penalty on tokens that would prolong a repetition.
 *
 * If the text ends in a run of n tokens that occurred before, the token that followed the run then is lowered by
 * multiplier * base^(n - allowedLength), for n of at least allowedLength. A run never extends back across a sequence
 * breaker. Source: p-e-w 2024, text-generation-webui pull request 5677, as in llama.cpp src/llama-sampler.cpp,
 * llama_sampler_dry_apply; but breakers are found in the text, not in tokenizations of it.
 */
import type { Sampler } from './candidates.ts';
import { RecentTokens } from './recent-tokens.ts';

export interface DryOptions {
  readonly multiplier: number;
  readonly base: number;
  readonly allowedLength: number; // length of a repetition without penalty, tokens
  readonly lastN: number; // tokens to look back on, -1 = all
  readonly breakers: readonly string[];
}

const GREATEST_PENALTY = 3e38; // keeps a logit finite in float32

/** @param tokenBytes the text of a token, control tokens included */
export function dry(options: DryOptions, tokenBytes: (id: number) => Uint8Array): Sampler {
  const { multiplier, base, allowedLength, lastN } = options;
  const recent = new RecentTokens(lastN);
  const breakers = new SequenceBreakers(options.breakers);
  let sinceBreaker = 0; // whole tokens after the latest breaker
  return {
    label: `dry (multiplier ${multiplier}, base ${base}, allowed ${allowedLength}, ${lastN < 0 ? 'all tokens' : `last ${lastN}`})`,
    apply(candidates) {
      if (sinceBreaker < allowedLength) return;
      for (const [id, length] of continuations(recent, allowedLength, sinceBreaker)) {
        if (breakers.within(tokenBytes(id))) continue;
        const penalty = Math.min(multiplier * base ** (length - allowedLength), GREATEST_PENALTY);
        candidates.edit(id, candidates.logits[id]! - penalty);
      }
    },
    accept(id) {
      recent.push(id);
      sinceBreaker = breakers.push(tokenBytes(id)) ? 0 : sinceBreaker + 1;
    },
    reset() {
      recent.clear();
      breakers.reset();
      sinceBreaker = 0;
    },
  };
}

/** Tokens that would prolong a run of at least `least` tokens, each with its longest such run, at most `most`. */
function continuations(recent: RecentTokens, least: number, most: number): Map<number, number> {
  const runs = runLengths(recent);
  const longest = new Map<number, number>();
  for (let k = 1; k < runs.length; k++) {
    const length = Math.min(runs[k]!, most);
    const next = recent.back(k - 1);
    if (length >= least && length > (longest.get(next) ?? 0)) longest.set(next, length);
  }
  return longest;
}

/**
 * runs[k]: length of the longest common suffix of the whole text and the text without its last k tokens. It is the Z
 * function (Gusfield 1997) of the reversed tokens, in linear time.
 */
function runLengths(recent: RecentTokens): Int32Array {
  const runs = new Int32Array(recent.length);
  let left = 0; // [left, right) is the known match that reaches furthest
  let right = 0;
  for (let k = 1; k < runs.length; k++) {
    let length = k < right ? Math.min(right - k, runs[k - left]!) : 0;
    while (k + length < runs.length && recent.back(length) === recent.back(k + length)) length++;
    runs[k] = length;
    if (k + length > right) {
      left = k;
      right = k + length;
    }
  }
  return runs;
}

/** Finds breakers in a stream of token texts, also across token borders. Texts are strings of one char a byte. */
class SequenceBreakers {
  readonly #breakers: readonly string[];
  readonly #longest: number;
  #tail = ''; // the last longest - 1 bytes

  constructor(breakers: readonly string[]) {
    this.#breakers = breakers.map((breaker) => byteString(Buffer.from(breaker)));
    this.#longest = Math.max(1, ...this.#breakers.map((breaker) => breaker.length));
  }

  within(bytes: Uint8Array): boolean {
    const text = byteString(bytes);
    return this.#breakers.some((breaker) => text.includes(breaker));
  }

  /** Whether a breaker ends inside this piece. */
  push(bytes: Uint8Array): boolean {
    const text = this.#tail + byteString(bytes);
    const start = this.#tail.length;
    this.#tail = this.#longest > 1 ? text.slice(1 - this.#longest) : '';
    return this.#breakers.some(
      (breaker) => text.indexOf(breaker, Math.max(0, start - breaker.length + 1)) >= 0,
    );
  }

  reset(): void {
    this.#tail = '';
  }
}

function byteString(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

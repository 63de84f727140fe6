/** Samplers that edit logits: bias, temperature and penalties on earlier tokens. */
import type { Sampler } from './candidates.ts';
import { RecentTokens } from './recent-tokens.ts';

/** logit += bias for each given token; -Infinity bans it. */
export function logitBias(biases: ReadonlyMap<number, number>): Sampler {
  return {
    label: `logit-bias (tokens ${biases.size})`,
    apply(candidates) {
      for (const [id, bias] of biases) candidates.edit(id, candidates.logits[id]! + bias);
    },
  };
}

/** logit /= temperature; temperature is above 0. */
export function temperature(temperature: number): Sampler {
  return {
    label: `temperature ${temperature}`,
    apply(candidates) {
      const ids = candidates.list();
      for (let i = 0; i < candidates.length; i++) candidates.logits[ids[i]!]! /= temperature;
    },
  };
}

export interface Penalties {
  readonly repeat: number; // 1 = off
  readonly presence: number; // 0 = off
  readonly frequency: number; // 0 = off
  readonly lastN: number; // tokens to look back on, -1 = all
}

/**
 * Penalties on every token among the last N: its logit is divided by `repeat` (multiplied if it is not positive, so
 * that it always decreases), then lowered by count * frequency + presence. Repeat: CTRL (Keskar et al. 2019) with the
 * sign fixed; presence and frequency: OpenAI's API; all as in llama.cpp src/llama-sampler.cpp,
 * llama_sampler_penalties_apply.
 */
export function penalties({ repeat, presence, frequency, lastN }: Penalties): Sampler {
  const recent = new RecentTokens(lastN);
  const counts = new Map<number, number>(); // occurrences of an id in `recent`
  const active = [
    repeat !== 1 && `repeat ${repeat}`,
    presence !== 0 && `presence ${presence}`,
    frequency !== 0 && `frequency ${frequency}`,
    lastN < 0 ? 'all tokens' : `last ${lastN}`,
  ];
  return {
    label: `penalties (${active.filter(Boolean).join(', ')})`,
    apply(candidates) {
      const { logits } = candidates;
      for (const [id, count] of counts) {
        const logit = logits[id]! > 0 ? logits[id]! / repeat : logits[id]! * repeat;
        candidates.edit(id, logit - count * frequency - presence);
      }
    },
    accept(id) {
      counts.set(id, (counts.get(id) ?? 0) + 1);
      const fallen = recent.push(id);
      if (fallen === undefined) return;
      const left = counts.get(fallen)! - 1;
      if (left > 0) counts.set(fallen, left);
      else counts.delete(fallen);
    },
    reset() {
      recent.clear();
      counts.clear();
    },
  };
}

/** Samplers that cut: each leaves at least one candidate. */
import { precedes } from '../../backends/logits.ts';
import type { Sampler } from './candidates.ts';
import type { Random } from './random.ts';

/** Keeps the k greatest logits (Fan et al. 2018). */
export function topK(k: number): Sampler {
  return { label: `top-k ${k}`, apply: (candidates) => candidates.keepTop(k) };
}

/** Keeps the fewest most probable tokens whose probabilities sum to p or more (Holtzman et al. 2020). */
export function topP(p: number): Sampler {
  return { label: `top-p ${p}`, apply: (candidates) => candidates.keepMass(p, candidates.logits) };
}

/** Keeps tokens at least p times as probable as the most probable one (Nguyen et al. 2024). */
export function minP(p: number): Sampler {
  return {
    label: `min-p ${p}`,
    apply(candidates) {
      const { logits } = candidates;
      const least = logits[candidates.best()]! + Math.log(p);
      candidates.filter((id) => logits[id]! >= least);
    },
  };
}

/**
 * Locally typical sampling (Meister et al. 2023): keeps the fewest tokens whose probabilities sum to `mass` or more,
 * beginning with those whose surprise -ln p is nearest to the entropy of the distribution.
 */
export function typicalP(mass: number): Sampler {
  let nearness = new Float64Array(0); // [V] by id
  return {
    label: `typical-p ${mass}`,
    apply(candidates) {
      const logSum = candidates.softmax();
      const { ids, length, logits, probabilities } = candidates;
      if (nearness.length !== logits.length) nearness = new Float64Array(logits.length);
      let entropy = 0; // nats
      for (let i = 0; i < length; i++) {
        const p = probabilities[ids[i]!]!;
        if (p > 0) entropy += p * (logSum - logits[ids[i]!]!);
      }
      for (let i = 0; i < length; i++) nearness[ids[i]!] = -Math.abs(logSum - logits[ids[i]!]! - entropy);
      candidates.keepMass(mass, nearness);
    },
  };
}

/**
 * Exclude top choices: if two or more tokens reach the threshold, removes all of them but the least probable, with the
 * given probability (p-e-w 2024, text-generation-webui pull request 6335; llama.cpp llama_sample_xtc_apply).
 */
export function xtc(probability: number, threshold: number, random: Random): Sampler {
  return {
    label: `xtc (probability ${probability}, threshold ${threshold})`,
    apply(candidates) {
      if (random.uniform() >= probability) return;
      candidates.softmax();
      const { ids, length, logits, probabilities } = candidates;
      let least = -1;
      for (let i = 0; i < length; i++) {
        const id = ids[i]!;
        if (probabilities[id]! >= threshold && (least < 0 || precedes(least, id, logits))) least = id;
      }
      candidates.filter((id) => probabilities[id]! < threshold || id === least);
    },
  };
}

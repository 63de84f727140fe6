/** Ways to pick one of the candidates. */
import type { Choice } from './candidates.ts';
import type { Random } from './random.ts';

/** The greatest logit; the lowest id among equals. */
export function greedy(): Choice {
  return { label: 'greedy', choose: (candidates) => candidates.best() };
}

/** Draws by probability. */
export function draw(random: Random): Choice {
  return {
    label: 'draw',
    choose(candidates) {
      candidates.softmax();
      return candidates.at(random.uniform());
    },
  };
}

/**
 * Mirostat v2 (Basu et al. 2021, algorithm 2): draws among the tokens whose surprise -log2 p is at most mu, then
 * moves mu so that the surprise of drawn tokens stays near `tau` bits; starts at mu = 2 tau. Surprise is measured
 * after the cut, as in llama.cpp src/llama-sampler.cpp, llama_sampler_mirostat_v2_apply.
 * @param tau target surprise, bits a token
 * @param eta learning rate
 */
export function mirostat(tau: number, eta: number, random: Random): Choice {
  let mu = 2 * tau;
  return {
    label: `mirostat v2 (tau ${tau}, eta ${eta})`,
    choose(candidates) {
      candidates.softmax();
      const { probabilities } = candidates;
      const best = candidates.best();
      const least = 2 ** -mu; // a surprise of at most mu is a probability of at least this
      candidates.filter((id) => id === best || probabilities[id]! >= least);
      candidates.softmax();
      const id = candidates.at(random.uniform());
      mu -= eta * (-Math.log2(probabilities[id]!) - tau);
      return id;
    },
    reset() {
      mu = 2 * tau;
    },
  };
}

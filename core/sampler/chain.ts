import type { TopLogits } from '../../backends/backend.ts';
import { UserError } from '../../errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { Candidates, type Choice, type Sampler } from './candidates.ts';
import { draw, greedy, mirostat } from './choices.ts';
import { minP, topK, topP, typicalP, xtc } from './cuts.ts';
import { dry } from './dry.ts';
import { logitBias, penalties, temperature } from './edits.ts';
import type { SamplerName, SamplerParameters } from './parameters.ts';
import { Random } from './random.ts';

export type SamplerVocabulary = Pick<Tokenizer, 'vocabularySize' | 'tokenBytes'>;

/**
 * Chooses tokens: logit bias, then the samplers in their order, then a choice among the remaining candidates.
 *
 * Temperature 0 is greedy whatever the order: samplers that edit logits by the text so far apply, samplers that cut do
 * not. Mirostat likewise replaces the cuts. The same seed, text so far and logits give the same ids.
 */
export class SamplerChain {
  readonly seed: number;
  readonly #random: Random;
  readonly #samplers: readonly Sampler[];
  readonly #choice: Choice;
  readonly #candidates = new Candidates();
  /** The part of the logits that it looks at, if not all: the best id, or the `count` largest. */
  readonly sees: { readonly kind: 'greedy' } | { readonly kind: 'top'; readonly count: number } | undefined;

  /** Throws UserError if a logit bias names a token outside the vocabulary. */
  constructor(parameters: SamplerParameters, vocabulary: SamplerVocabulary) {
    checkBiases(parameters.logitBias, vocabulary.vocabularySize);
    this.seed = parameters.seed;
    this.#random = new Random(parameters.seed);
    const active = activeSamplers(parameters, vocabulary, this.#random);
    this.#samplers = active.map(([, sampler]) => sampler);
    this.#choice = choiceOf(parameters, this.#random);
    this.sees = seenBy(
      active.map(([name]) => name),
      parameters,
    );
  }

  /**
   * Id of the next token. Reads `logits` [V], does not change them.
   * @param banned ids that must not be chosen this time
   * Throws UserError if a logit is NaN or Infinity, or none is above -Infinity.
   */
  sample(logits: Float32Array, banned?: Iterable<number>): number {
    const candidates = this.#candidates;
    candidates.load(logits);
    if (banned) for (const id of banned) candidates.edit(id, -Infinity);
    for (const sampler of this.#samplers) sampler.apply(candidates);
    return this.#choice.choose(candidates);
  }

  /**
   * As sample, from the largest logits only, for a chain that `sees` no more.
   * @param top the first row has at least `count` of [V]
   */
  sampleTop({ ids, logits }: Pick<TopLogits, 'ids' | 'logits'>, vocabularySize: number): number {
    const count = this.sees?.kind === 'top' ? this.sees.count : 1;
    this.#candidates.loadTop(ids.subarray(0, count), logits.subarray(0, count), vocabularySize);
    for (const sampler of this.#samplers) sampler.apply(this.#candidates);
    return this.#choice.choose(this.#candidates);
  }

  /** Records a token of the text so far, including the prompt: penalties look back on it. */
  accept(id: number): void {
    for (const sampler of this.#samplers) sampler.accept?.(id);
  }

  /** Forgets the text so far and restarts the random numbers. */
  reset(): void {
    this.#random.seed(this.seed);
    for (const sampler of this.#samplers) sampler.reset?.();
    this.#choice.reset?.();
  }

  /** The chain in words: "top-k 40 -> temperature 0.8 -> draw". */
  describe(): string {
    return [...this.#samplers, this.#choice].map(({ label }) => label).join(' -> ');
  }
}

const CUTS: ReadonlySet<SamplerName> = new Set(['top_k', 'typ_p', 'top_p', 'min_p', 'xtc']);

/** The bias comes first, whatever the order of the others. */
type ActiveName = SamplerName | 'bias';

function activeSamplers(
  p: SamplerParameters,
  vocabulary: SamplerVocabulary,
  random: Random,
): readonly (readonly [ActiveName, Sampler])[] {
  const build: Record<ActiveName, () => Sampler | false> = {
    bias: () => p.logitBias.size > 0 && logitBias(p.logitBias),
    penalties: () => penaltiesOf(p),
    dry: () => p.dryMultiplier > 0 && p.dryLastN !== 0 && dryOf(p, vocabulary),
    top_k: () => p.topK > 0 && topK(p.topK),
    typ_p: () => p.typicalP < 1 && typicalP(p.typicalP),
    top_p: () => p.topP < 1 && topP(p.topP),
    min_p: () => p.minP > 0 && minP(p.minP),
    xtc: () => p.xtcProbability > 0 && p.xtcThreshold <= 0.5 && xtc(p.xtcProbability, p.xtcThreshold, random),
    temperature: () => !isGreedy(p) && p.temperature !== 1 && temperature(p.temperature),
  };
  const cuts = !isGreedy(p) && p.mirostat === 0;
  const names = p.samplers.filter((name) => cuts || !CUTS.has(name));
  return (['bias', ...names] as const).flatMap((name) => {
    const sampler = build[name]();
    return sampler ? [[name, sampler] as const] : [];
  });
}

/**
 * A chain that cuts to the top k first needs no other logits. Penalties in front of that lower at most `penaltyLastN` of
 * them, so the top k are among as many more. A bias, or a penalty that is a reward, may lift any logit.
 */
function seenBy(active: readonly ActiveName[], p: SamplerParameters): SamplerChain['sees'] {
  if (active.length === 0) return isGreedy(p) ? { kind: 'greedy' } : undefined;
  const punishes = active[0] === 'penalties';
  if (punishes && !(onlyLowers(p) && p.penaltyLastN > 0)) return undefined;
  const lowered = punishes ? p.penaltyLastN : 0;
  if (isGreedy(p) && active.length === 1 && punishes) return { kind: 'top', count: 1 + lowered };
  return active[punishes ? 1 : 0] === 'top_k' ? { kind: 'top', count: p.topK + lowered } : undefined;
}

function onlyLowers({ repeatPenalty, presencePenalty, frequencyPenalty }: SamplerParameters): boolean {
  return repeatPenalty >= 1 && presencePenalty >= 0 && frequencyPenalty >= 0;
}

/** Temperatures near 0 count as 0: a logit divided by them might overflow. */
function isGreedy(p: SamplerParameters): boolean {
  return p.temperature < 1e-6;
}

function choiceOf(p: SamplerParameters, random: Random): Choice {
  if (isGreedy(p)) return greedy();
  return p.mirostat === 2 ? mirostat(p.mirostatTau, p.mirostatEta, random) : draw(random);
}

function penaltiesOf(p: SamplerParameters): Sampler | false {
  const neutral = p.repeatPenalty === 1 && p.presencePenalty === 0 && p.frequencyPenalty === 0;
  if (neutral || p.penaltyLastN === 0) return false;
  return penalties({
    repeat: p.repeatPenalty,
    presence: p.presencePenalty,
    frequency: p.frequencyPenalty,
    lastN: p.penaltyLastN,
  });
}

function dryOf(p: SamplerParameters, vocabulary: SamplerVocabulary): Sampler {
  const options = {
    multiplier: p.dryMultiplier,
    base: p.dryBase,
    allowedLength: p.dryAllowedLength,
    lastN: p.dryLastN,
    breakers: p.dryBreakers.filter((breaker) => breaker !== ''),
  };
  return dry(options, (id) => vocabulary.tokenBytes(id, { special: true }));
}

function checkBiases(biases: ReadonlyMap<number, number>, vocabularySize: number): void {
  for (const id of biases.keys()) {
    if (id < vocabularySize) continue;
    throw new UserError(
      `Expected a logit bias for a token below ${vocabularySize}, got one for ${id}.`,
      'Find the id of a token with `percept tokenize TEXT`.',
      { kind: 'usage' },
    );
  }
}

/** Converts sampling options to parameters of the engine. */
import { parseSamplers, type SamplerParameters } from '../core/sampler/parameters.ts';
import { UserError } from '../errors.ts';
import type { OptionName, Options } from './arguments/options.ts';

/** Contains only the options that are set. Others have the defaults of the model or the engine, which checks ranges. */
export function samplingOf(options: Options): Partial<SamplerParameters> {
  const { samplers, dry, xtc, mirostat, logitBias } = options;
  return {
    seed: seedOf(options),
    temperature: options.temperature,
    topK: options.topK,
    topP: options.topP,
    minP: options.minP,
    typicalP: options.typical,
    repeatPenalty: options.repeatPenalty,
    presencePenalty: options.presencePenalty,
    frequencyPenalty: options.frequencyPenalty,
    samplers: samplers === undefined ? undefined : parseSamplers(samplers),
    logitBias: logitBias && new Map(logitBias.map(parseBias)),
    ...named(['dryMultiplier', 'dryBase', 'dryAllowedLength'], dry, '--dry'),
    ...named(['xtcProbability', 'xtcThreshold'], xtc, '--xtc'),
    ...named(['mirostat', 'mirostatTau', 'mirostatEta'], mirostat, '--mirostat'),
  };
}

/** The values of sampling parameters under the names of their options, as an option takes them. */
export function samplingInWords(
  parameters: SamplerParameters,
  options: Options,
): readonly (readonly [OptionName, string])[] {
  const { dryMultiplier, dryBase, dryAllowedLength, xtcProbability, xtcThreshold } = parameters;
  const { mirostat, mirostatTau, mirostatEta, logitBias, samplers } = parameters;
  const { maxTokens, stop, ignoreEos, ignoreLoops } = options;
  const seed = seedOf(options);
  return [
    ['max-tokens', maxTokens === undefined ? 'as many as fit the context' : `${maxTokens}`],
    ['temperature', `${parameters.temperature}`],
    ['top-k', `${parameters.topK}`],
    ['top-p', `${parameters.topP}`],
    ['min-p', `${parameters.minP}`],
    ['typical', `${parameters.typicalP}`],
    ['repeat-penalty', `${parameters.repeatPenalty}`],
    ['presence-penalty', `${parameters.presencePenalty}`],
    ['frequency-penalty', `${parameters.frequencyPenalty}`],
    ['dry', dryMultiplier === 0 ? 'off' : `${dryMultiplier},${dryBase},${dryAllowedLength}`],
    ['xtc', xtcProbability === 0 ? 'off' : `${xtcProbability},${xtcThreshold}`],
    ['mirostat', mirostat === 0 ? 'off' : `${mirostat},${mirostatTau},${mirostatEta}`],
    ['logit-bias', logitBias.size === 0 ? 'none' : `for ${logitBias.size} tokens`],
    ['samplers', samplers.join(',')],
    ['seed', seed === undefined ? 'a new one for each answer' : `${seed}`],
    ['stop', stop?.map((text) => JSON.stringify(text)).join(' ') || 'none'],
    ['ignore-eos', ignoreEos ? 'on' : 'off'],
    ['ignore-loops', ignoreLoops ? 'on' : 'off'],
  ];
}

/** The seed; undefined for a random one, which -1 asks for as in other programs. */
export function seedOf({ seed }: Pick<Options, 'seed'>): number | undefined {
  return seed === -1 ? undefined : seed;
}

/** Assigns the numbers of "0.8,1.75" to the first names. The others keep their defaults. */
function named<K extends string>(
  names: readonly K[],
  text: string | undefined,
  flag: string,
): { [N in K]?: number } {
  if (text === undefined) return {};
  const numbers = text.split(',').map(Number);
  if (numbers.length > names.length || numbers.some(Number.isNaN) || /(^|,)\s*(,|$)/.test(text)) {
    throw new UserError(
      `Expected ${flag} to be 1 to ${names.length} numbers separated by commas, got "${text}".`,
      'See percept --help.',
      { kind: 'usage' },
    );
  }
  return Object.fromEntries(numbers.map((number, i) => [names[i], number])) as { [N in K]?: number };
}

/** Parses "1234:-5" or "1234:-inf". */
function parseBias(text: string): [id: number, bias: number] {
  const [, id, bias] = /^(\d+)[:=](-inf|[+-]?[\d.]+(?:e[+-]?\d+)?)$/i.exec(text) ?? [];
  const value = bias?.toLowerCase() === '-inf' ? Number.NEGATIVE_INFINITY : Number(bias);
  if (id !== undefined && !Number.isNaN(value)) return [Number(id), value];
  throw new UserError(
    `Expected --logit-bias to be ID:BIAS, got "${text}".`,
    'Examples: 1234:-5, 1234:-inf. percept tokenize TEXT prints ids.',
    { kind: 'usage' },
  );
}

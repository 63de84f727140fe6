/** Converts sampling options to parameters of the engine. */
import { parseSamplers, type SamplerParameters } from '../core/sampler/parameters.ts';
import { UserError } from '../errors.ts';
import type { Options } from './arguments/options.ts';

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

import { UserError } from '../../errors.ts';

/** Samplers in their default order, by llama.cpp's names. */
export const SAMPLER_NAMES = [
  'penalties',
  'dry',
  'top_k',
  'typ_p',
  'top_p',
  'min_p',
  'xtc',
  'temperature',
] as const;
export type SamplerName = (typeof SAMPLER_NAMES)[number];

/**
 * All parameters of the choice of the next token. A sampler is left out if its parameters are neutral or `samplers`
 * does not name it.
 */
export interface SamplerParameters {
  readonly samplers: readonly SamplerName[];
  readonly seed: number; // 0 to 2^32 - 1
  readonly temperature: number; // 0: greedy, 1: neutral
  readonly topK: number; // 0 or -1: off
  readonly topP: number; // 1: off
  readonly minP: number; // 0: off
  readonly typicalP: number; // 1: off
  readonly xtcProbability: number; // 0: off
  readonly xtcThreshold: number; // above 0.5: off
  readonly repeatPenalty: number; // 1: off
  readonly presencePenalty: number; // 0: off
  readonly frequencyPenalty: number; // 0: off
  readonly penaltyLastN: number; // tokens that the three penalties look back on; 0: off, -1: all
  readonly dryMultiplier: number; // 0: off
  readonly dryBase: number;
  readonly dryAllowedLength: number; // tokens that may repeat without penalty
  readonly dryLastN: number; // tokens; 0: off, -1: all
  readonly dryBreakers: readonly string[];
  readonly mirostat: number; // 0: off, 2: version 2, which replaces the samplers that cut
  readonly mirostatTau: number; // bits a token
  readonly mirostatEta: number;
  readonly logitBias: ReadonlyMap<number, number>; // token id -> added to its logit; -Infinity bans it
}

/** llama.cpp's defaults (common/common.h, common_params_sampling). */
const DEFAULTS: Omit<SamplerParameters, 'seed'> = {
  samplers: SAMPLER_NAMES,
  temperature: 0.8,
  topK: 40,
  topP: 0.95,
  minP: 0.05,
  typicalP: 1,
  xtcProbability: 0,
  xtcThreshold: 0.1,
  repeatPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  penaltyLastN: 64,
  dryMultiplier: 0,
  dryBase: 1.75,
  dryAllowedLength: 2,
  dryLastN: 64,
  dryBreakers: ['\n', ':', '"', '*'],
  mirostat: 0,
  mirostatTau: 5,
  mirostatEta: 0.1,
  logitBias: new Map(),
};

interface Range {
  readonly option: string; // the user's name for it
  readonly from: number;
  readonly to: number;
  readonly whole?: boolean;
}

const RANGES: { readonly [K in keyof SamplerParameters]?: Range } = {
  seed: { option: 'seed', from: 0, to: 2 ** 32 - 1, whole: true },
  temperature: { option: 'temperature', from: 0, to: 1000 },
  topK: { option: 'top-k', from: -1, to: 2 ** 31 - 1, whole: true },
  topP: { option: 'top-p', from: 0, to: 1 },
  minP: { option: 'min-p', from: 0, to: 1 },
  typicalP: { option: 'typical-p', from: 0, to: 1 },
  xtcProbability: { option: 'xtc probability', from: 0, to: 1 },
  xtcThreshold: { option: 'xtc threshold', from: 0, to: 1 },
  repeatPenalty: { option: 'repeat penalty', from: 0.01, to: 100 },
  presencePenalty: { option: 'presence penalty', from: -1000, to: 1000 },
  frequencyPenalty: { option: 'frequency penalty', from: -1000, to: 1000 },
  penaltyLastN: { option: 'penalty last n', from: -1, to: 2 ** 31 - 1, whole: true },
  dryMultiplier: { option: 'dry multiplier', from: 0, to: 1000 },
  dryBase: { option: 'dry base', from: 1, to: 1000 },
  dryAllowedLength: { option: 'dry allowed length', from: 1, to: 2 ** 31 - 1, whole: true },
  dryLastN: { option: 'dry last n', from: -1, to: 2 ** 31 - 1, whole: true },
  mirostatTau: { option: 'mirostat tau', from: 0, to: 100 },
  mirostatEta: { option: 'mirostat eta', from: 0, to: 100 },
};

/**
 * Complete and checked parameters: the defaults, then each layer over the one before. A layer changes nothing that it
 * leaves undefined. The seed is random if no layer gives one.
 *
 * Throws UserError that names the option, its range and the given value.
 */
export function samplerParameters(...layers: readonly Partial<SamplerParameters>[]): SamplerParameters {
  const merged = { seed: Math.floor(Math.random() * 2 ** 32), ...DEFAULTS };
  for (const layer of layers) {
    Object.assign(
      merged,
      Object.fromEntries(Object.entries(layer).filter(([, value]) => value !== undefined)),
    );
  }
  for (const [key, range] of Object.entries(RANGES)) checkRange(merged[key as keyof typeof RANGES], range);
  if (merged.mirostat !== 0 && merged.mirostat !== 2) {
    throw new UserError(
      `Expected mirostat to be 0 (off) or 2, got ${merged.mirostat}.`,
      'Version 1 is not supported.',
      {
        kind: 'usage',
      },
    );
  }
  if (!Array.isArray(merged.samplers)) throw notNames(merged.samplers);
  for (const name of merged.samplers) if (!SAMPLER_NAMES.includes(name)) throw notNames(name);
  for (const [id, bias] of merged.logitBias) checkBias(id, bias);
  return Object.freeze(merged);
}

function checkRange(value: unknown, { option, from, to, whole }: Range): void {
  const fits =
    typeof value === 'number' && value >= from && value <= to && (!whole || Number.isInteger(value));
  if (fits) return;
  const what = whole ? 'a whole number' : 'a number';
  throw new UserError(
    `Expected ${option} to be ${what} from ${from} to ${to}, got ${String(value)}.`,
    `Give ${option} a value in that range, or leave it out.`,
    { kind: 'usage' },
  );
}

function notNames(got: unknown): UserError {
  return new UserError(
    `Expected samplers to be an array of ${SAMPLER_NAMES.join(', ')}, got ${String(got)}.`,
    'parseSamplers makes it from text.',
    { kind: 'usage' },
  );
}

function checkBias(id: number, bias: number): void {
  if (Number.isInteger(id) && id >= 0 && (Number.isFinite(bias) || bias === -Infinity)) return;
  throw new UserError(
    `Expected a logit bias to be a token id and a number or -Infinity, got ${id} and ${bias}.`,
    'Find the id of a token with `percept tokenize TEXT`.',
    { kind: 'usage' },
  );
}

const ALIASES: Readonly<Record<string, SamplerName>> = {
  topk: 'top_k',
  topp: 'top_p',
  nucleus: 'top_p',
  minp: 'min_p',
  typ: 'typ_p',
  typp: 'typ_p',
  typical: 'typ_p',
  typical_p: 'typ_p',
  temp: 'temperature',
};

/**
 * Parses sampler names, in order, separated by semicolons or commas: "penalties;top_k;temperature".
 * Throws UserError that lists the valid names.
 */
export function parseSamplers(text: string): SamplerName[] {
  const names = text
    .split(/[;,]/)
    .map((name) => name.trim())
    .filter((name) => name !== '')
    .map(samplerName);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice === undefined) return names;
  throw new UserError(`The list of samplers names ${twice} twice.`, 'Name each sampler once, in order.', {
    kind: 'usage',
  });
}

function samplerName(name: string): SamplerName {
  const plain = name.toLowerCase().replaceAll('-', '_');
  const known =
    SAMPLER_NAMES.find((valid) => valid === plain) ??
    (Object.hasOwn(ALIASES, plain) ? ALIASES[plain] : undefined);
  if (known !== undefined) return known;
  throw new UserError(
    `Expected the name of a sampler, got "${name}".`,
    `Samplers are ${SAMPLER_NAMES.join(', ')}; separate them with semicolons.`,
    { kind: 'usage' },
  );
}

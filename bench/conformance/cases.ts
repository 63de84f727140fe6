/**
 * The table of cases: every op in awkward shapes and in shapes of models. Backends are tested against it
 * (tests/backend/ops.test.ts), `percept verify` checks it on a user's machine, and `percept bench kernels` times it.
 *
 * Awkward for kernels are: rows that are not a multiple of 4, 8, 16 or 64; a K of one block; heads of every size, in
 * groups of one to eight; steps of one token, of a few, and of one more than a tile.
 */
import type { Backend, KvType } from '../../backends/backend.ts';
import type { TensorType } from '../../kernels/quant-formats.ts';
import { type AttentionShape, attentionCase, attentionWeightsCase, modelAttentionCase } from './attention.ts';
import { convCase } from './conv.ts';
import {
  type ExpertShape,
  expertMatmulCase,
  mixCase,
  modelExpertCase,
  type RouteShape,
  routeCase,
} from './experts.ts';
import { biasCase, embedCase, type MatmulShape, matmulCase, modelMatmulCase } from './matmul.ts';
import { type Check, nameOf, type OpCase, supportsCase, type Timing } from './op-case.ts';
import { PROGRAM_CASES } from './programs.ts';
import {
  concatOf,
  layerNormOf,
  mapOf,
  modelRowCase,
  rmsNormOf,
  ropeOf,
  rowCase,
  selectCase,
  softmaxOf,
  zipOf,
} from './rows.ts';
import { modelScanCase, type ScanCaseShape, scanCase } from './scan.ts';

const FLOATS: readonly TensorType[] = ['F32', 'F16', 'BF16'];
/** Types with blocks of 32, and with superblocks of 256. */
const BLOCKS: readonly TensorType[] = ['Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'IQ4_NL', 'MXFP4'];
const SUPERBLOCKS: readonly TensorType[] = [
  ...(['Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K'] as const),
  ...(['IQ4_XS', 'TQ1_0', 'TQ2_0'] as const),
];

const FLOAT_SHAPES: readonly MatmulShape[] = [
  { T: 5, N: 7, K: 11 },
  { T: 1, N: 1025, K: 13 },
  { T: 2, N: 130, K: 100 },
  { T: 3, N: 64, K: 172 },
  { T: 8, N: 63, K: 68 },
  { T: 3, N: 1, K: 68 },
  { T: 17, N: 172, K: 64 },
  { T: 130, N: 66, K: 36 },
];
const BLOCK_SHAPES: readonly MatmulShape[] = [
  { T: 1, N: 70, K: 32 },
  { T: 2, N: 130, K: 96 },
  { T: 3, N: 1025, K: 64 },
  { T: 4, N: 16, K: 1536 },
  { T: 5, N: 7, K: 32 },
  { T: 8, N: 63, K: 160 },
  { T: 33, N: 31, K: 96 },
  { T: 130, N: 66, K: 64 },
];
const SUPERBLOCK_SHAPES: readonly MatmulShape[] = [
  { T: 1, N: 48, K: 256 },
  { T: 2, N: 70, K: 256 },
  { T: 3, N: 1025, K: 256 },
  { T: 5, N: 7, K: 512 },
  { T: 8, N: 63, K: 512 },
  { T: 33, N: 31, K: 512 },
  { T: 130, N: 66, K: 256 },
];

/** SmolLM2 135M's feed-forward, up and down, and a square matrix of 7B models. */
const UP = { N: 1536, K: 576 };
const DOWN = { N: 576, K: 1536 };
const SQUARE = { N: 4096, K: 4096 };
const LARGE = 'the float64 reference takes minutes for it; smaller shapes check the same kernels';
const WIDE = 'checked with fewer tokens and with fewer columns';
const ALIKE = 'as large as 576 -> 1536, which is checked';

/** Tokens of timed steps: decode, a few drafted tokens, prefill. */
const TIMED_TOKENS = [1, 4, 512] as const;

const ATTENTION: readonly (readonly [KvType, AttentionShape])[] = [
  ['f32', { heads: 1, kvHeads: 1, D: 8 }],
  ['f32', { heads: 8, kvHeads: 4, D: 8 }],
  ['f32', { heads: 9, kvHeads: 3, D: 64 }],
  ['f32', { heads: 4, kvHeads: 1, D: 64 }],
  ['f32', { heads: 8, kvHeads: 1, D: 18 }],
  ['f32', { heads: 3, kvHeads: 1, D: 50 }],
  ['f32', { heads: 2, kvHeads: 2, D: 80 }],
  ['f32', { heads: 4, kvHeads: 2, D: 128 }],
  ['f16', { heads: 8, kvHeads: 4, D: 8 }],
  ['f16', { heads: 9, kvHeads: 3, D: 64 }],
  ['f16', { heads: 3, kvHeads: 1, D: 18 }],
  ['f16', { heads: 2, kvHeads: 1, D: 80 }],
  ['f16', { heads: 2, kvHeads: 2, D: 128 }],
  ['q8', { heads: 8, kvHeads: 4, D: 8 }],
  ['q8', { heads: 9, kvHeads: 3, D: 64 }],
  ['q8', { heads: 7, kvHeads: 1, D: 64 }],
  ['q8', { heads: 2, kvHeads: 2, D: 50 }],
  ['q8', { heads: 4, kvHeads: 2, D: 80 }],
  ['q8', { heads: 3, kvHeads: 1, D: 128 }],
  ['f32', { heads: 4, kvHeads: 2, D: 24, E: 16 }],
  ['f32', { heads: 3, kvHeads: 1, D: 16, E: 50 }],
  ['f16', { heads: 4, kvHeads: 2, D: 24, E: 64 }],
  ['q8', { heads: 4, kvHeads: 1, D: 96, E: 64 }],
  ['q8', { heads: 6, kvHeads: 2, D: 18, E: 80 }],
];
/** Columns of a head that fill groups of 16 and that do not; groups of heads in runs and in turn. */
const SCANS: readonly Omit<ScanCaseShape, 'rule'>[] = [
  { heads: 1, groups: 1, N: 1, P: 1 },
  { heads: 4, groups: 2, N: 16, P: 32, skip: true },
  { heads: 6, groups: 2, N: 7, P: 18, cyclic: true },
  { heads: 3, groups: 3, N: 20, P: 7, skip: true },
  { heads: 2, groups: 1, N: 64, P: 48 },
];

/** Falcon-H1 0.5B's and Qwen3-Next 80B's. */
const MODEL_SCANS: readonly ScanCaseShape[] = [
  { rule: 'ssm', heads: 24, groups: 1, N: 128, P: 64 },
  { rule: 'delta', heads: 32, groups: 16, N: 128, P: 128 },
];
/** Qwen3 30B A3B's experts. */
const MODEL_EXPERTS = { count: 8, N: 768, K: 2048 };

/** Around chunks of 128 keys; five heads of a kv head, so that rows of a tile belong to several tokens. */
const WINDOWED = { heads: 10, kvHeads: 2, D: 24 };
/** Around chunks of 128 keys; each kind of cache has one that ends within a chunk, and one that crosses chunks. */
const WINDOWS: readonly (readonly [KvType, number])[] = [
  ['f32', 1],
  ['f32', 128],
  ['f16', 5],
  ['f16', 129],
  ['q8', 100],
  ['q8', 129],
];
/** SmolLM2 135M's, over 24 layers. */
const MODEL_ATTENTION = { heads: 9, kvHeads: 3, D: 64, layers: 24 };
const ROUTES: readonly RouteShape[] = [
  { experts: 6, routing: { count: 2, by: 'softmax' } },
  { experts: 128, routing: { count: 8, by: 'softmax', normalized: true } },
  { experts: 7, routing: { count: 7, by: 'softmax', normalized: true }, scales: true },
  { experts: 33, routing: { count: 4, by: 'sigmoid', normalized: true, scale: 2.5 }, bias: true },
  { experts: 24, routing: { count: 3, by: 'sigmoid', groups: { count: 4, used: 2 } }, bias: true },
  {
    experts: 8,
    routing: { count: 1, by: 'softmax', groups: { count: 8, used: 3 } },
    bias: true,
    scales: true,
  },
];
/** Parts of x, biases, one expert, many experts of which most are not used. */
const EXPERTS: readonly (readonly [TensorType, ExpertShape])[] = [
  ['F32', { experts: 4, count: 3, N: 16, K: 7, parts: true }],
  ['F32', { experts: 9, count: 2, N: 30, K: 16, bias: true }],
  ['F16', { experts: 4, count: 2, N: 33, K: 48, parts: true, bias: true }],
  ['F32', { experts: 3, N: 18, K: 10, parts: true }],
  ['Q8_0', { experts: 4, N: 16, K: 64, parts: true, bias: true }],
  ['Q8_0', { experts: 1, count: 1, N: 20, K: 32 }],
  ['Q8_0', { experts: 40, count: 4, N: 24, K: 64, parts: true }],
  ['Q4_K', { experts: 6, count: 2, N: 40, K: 256, parts: true }],
  ['MXFP4', { experts: 8, count: 4, N: 32, K: 96, parts: true, bias: true }],
];
const KV_TYPES: readonly KvType[] = ['f32', 'f16', 'q8'];

export const CASES: readonly OpCase[] = [
  ...FLOATS.flatMap((type) => [embedCase(type, 7), embedCase(type, 64)]),
  ...BLOCKS.map((type) => embedCase(type, 96)),
  ...SUPERBLOCKS.map((type) => embedCase(type, 512)),

  ...FLOATS.flatMap((type) => FLOAT_SHAPES.map((shape) => matmulCase(type, shape))),
  ...BLOCKS.flatMap((type) => BLOCK_SHAPES.map((shape) => matmulCase(type, shape))),
  ...SUPERBLOCKS.flatMap((type) => SUPERBLOCK_SHAPES.map((shape) => matmulCase(type, shape))),
  biasCase('F32', { T: 5, N: 7, K: 11 }),
  biasCase('Q4_1', { T: 5, N: 48, K: 64 }),
  biasCase('Q4_1', { T: 1, N: 70, K: 32 }),
  ...[...FLOATS, ...BLOCKS].flatMap((type) =>
    TIMED_TOKENS.flatMap((T) => [
      modelMatmulCase(type, { T, ...UP }, T > 4 ? LARGE : undefined),
      modelMatmulCase(type, { T, ...DOWN }, T > 4 ? LARGE : ALIKE),
    ]),
  ),
  ...SUPERBLOCKS.flatMap((type) =>
    TIMED_TOKENS.map((T) => modelMatmulCase(type, { T, ...DOWN }, T > 4 ? LARGE : undefined)),
  ),
  ...[...FLOATS, ...BLOCKS, ...SUPERBLOCKS].flatMap((type) =>
    TIMED_TOKENS.map((T) => modelMatmulCase(type, { T, ...SQUARE }, LARGE)),
  ),

  ...ATTENTION.map(([type, shape]) => attentionCase(shape, type)),
  ...KV_TYPES.map((type) => attentionWeightsCase({ heads: 9, kvHeads: 3, D: 64 }, type)),
  attentionWeightsCase({ heads: 4, kvHeads: 2, D: 24, E: 16 }, 'f32'),
  ...WINDOWS.map(([type, window]) => attentionCase({ ...WINDOWED, window }, type)),
  attentionWeightsCase({ ...WINDOWED, window: 1 }, 'f16'),
  attentionWeightsCase({ ...WINDOWED, window: 100 }, 'f32'),
  attentionWeightsCase({ ...WINDOWED, window: 100 }, 'q8'),
  ...KV_TYPES.map((type) => attentionCase({ ...WINDOWED, softcap: 2 }, type)),
  ...KV_TYPES.map((type) => attentionCase({ heads: 8, kvHeads: 2, D: 32, window: 129, sinks: true }, type)),
  attentionCase({ heads: 5, kvHeads: 5, D: 16, softcap: 50, sinks: true }, 'f32'),
  ...KV_TYPES.map((type) => attentionWeightsCase({ ...WINDOWED, softcap: 2, sinks: true }, type)),
  ...KV_TYPES.flatMap((type) =>
    TIMED_TOKENS.map((T) => modelAttentionCase(MODEL_ATTENTION, { type, T, held: T < 512 ? 2048 : 0 })),
  ),

  ...ROUTES.map(routeCase),
  ...FLOATS.map((type) => expertMatmulCase(type, { experts: 5, count: 2, N: 23, K: 40 })),
  ...BLOCKS.map((type) => expertMatmulCase(type, { experts: 5, count: 2, N: 48, K: 64 })),
  ...SUPERBLOCKS.map((type) => expertMatmulCase(type, { experts: 3, count: 3, N: 18, K: 256 })),
  ...EXPERTS.map(([type, shape]) => expertMatmulCase(type, shape)),
  ...(['Q4_0', 'Q8_0', 'Q4_K', 'MXFP4'] as const).flatMap((type) =>
    [1, 512].map((T) => modelExpertCase(type, { T, ...MODEL_EXPERTS })),
  ),
  ...[7, 172].map((N) => mixCase({ experts: 6, count: 3, N })),
  mixCase({ experts: 4, count: 1, N: 64 }),

  ...[2, 3, 4].flatMap((K) => [7, 172].map((C) => convCase({ C, K }))),
  convCase({ C: 1, K: 4 }),
  convCase({ C: 64, K: 2 }),
  convCase({ C: 70, K: 4, bias: true }),
  ...(['ssm', 'delta'] as const).flatMap((rule) => SCANS.map((shape) => scanCase({ rule, ...shape }))),
  ...MODEL_SCANS.flatMap((shape) => [1, 512].map((T) => modelScanCase(shape, T))),

  ...[rmsNormOf(7), rmsNormOf(172), rmsNormOf(1025), rmsNormOf(576, 100)].map(rowCase),
  rowCase(rmsNormOf(64, 1e-3)), // eps 1e-5 outweighs the mean square
  ...[layerNormOf(7), layerNormOf(172, { bias: false }), layerNormOf(1025, { size: 100 })].map(rowCase),
  ...[rmsNormOf(3 * 48, 1, 3, true), rmsNormOf(2 * 7, 1, 2, true)].map(rowCase),
  ...[rmsNormOf(6 * 64, 1, 6), rmsNormOf(5 * 7, 1, 5), rmsNormOf(3 * 258, 1, 3)].map(rowCase),
  rowCase(ropeOf('interleaved', { heads: 3, D: 8, pairs: 4 })),
  rowCase(ropeOf('interleaved', { heads: 9, D: 64, pairs: 32 })),
  rowCase(ropeOf('half', { heads: 1, D: 64, pairs: 32 })),
  rowCase(ropeOf('half', { heads: 5, D: 80, pairs: 40 })),
  rowCase(ropeOf('half', { heads: 2, D: 16, pairs: 3 })), // ten dimensions pass through
  rowCase(
    ropeOf('interleaved', { heads: 2, D: 12, pairs: 4, magnitude: 1.3, growth: { every: 50, by: 0.2 } }),
  ),
  ...[1, 7, 172, 1025].map((cols) => rowCase(softmaxOf(cols))),
  ...[7, 172, 1025].flatMap((cols) =>
    [
      ...[mapOf('silu', cols), mapOf('gelu', cols), mapOf('gelu-erf', cols), mapOf('multiply', cols, [0.7])],
      ...[
        mapOf('xielu', cols, [0.8, 1.3]),
        mapOf('softcap', cols, [3]),
        mapOf('sigmoid', cols),
        mapOf('softplus', cols),
        mapOf('relu-squared', cols),
        zipOf('mul', cols),
      ],
      ...[zipOf('add', cols), zipOf('clamped-swiglu', cols)],
    ].map(rowCase),
  ),
  ...[
    rmsNormOf(4096),
    ropeOf('half', { heads: 32, D: 128, pairs: 64 }),
    softmaxOf(4096),
    mapOf('silu', 4096),
    zipOf('mul', 4096),
    zipOf('add', 4096),
  ].flatMap((row) => TIMED_TOKENS.map((T) => modelRowCase(row, T, T > 4 ? WIDE : undefined))),

  ...[concatOf(3, 5, 2), concatOf(1, 64, 7), concatOf(8, 16, 16)].map(rowCase),

  selectCase('last'),
  selectCase('all'),
  selectCase('none'),

  ...PROGRAM_CASES,
];

export type CheckedCase = OpCase & { readonly check: Check };
export type TimedCase = OpCase & { readonly timing: Timing };

export const CHECKED_CASES: readonly CheckedCase[] = CASES.filter((each) => each.check) as CheckedCase[];

/** The timed cases whose op and tensor types the backend supports. */
export function timedCases(backend: Backend): TimedCase[] {
  return (CASES.filter(({ timing }) => timing) as TimedCase[]).filter(
    (each) => supportsCase(backend, each) === true,
  );
}

/** The cases whose name contains every word, ignoring case. */
export function casesNamed<Case extends OpCase>(cases: readonly Case[], words: readonly string[]): Case[] {
  const holds = (name: string) => words.every((word) => name.includes(word.toLowerCase()));
  return cases.filter((each) => holds(nameOf(each).toLowerCase()));
}

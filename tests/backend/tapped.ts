/** A layer that hands over values which backends would otherwise fuse away or overwrite. */
import type { Backend, Executable, Op, RopeSpec, Step } from '../../backends/backend.ts';
import { type Matrix, randomMatrix } from '../../bench/conformance/matrices.ts';
import { slice } from '../../bench/conformance/op-case.ts';
import type { TensorType } from '../../kernels/quant-formats.ts';

const VOCABULARY = 40;
const C = 64; // columns
const F = 96; // of the feed-forward
const ROPE: RopeSpec = { layout: 'half', inverseFrequencies: [1, 0.3, 0.1, 0.03] };

/** Numbers of a row of each tap. */
export const TAP_COLS = [C, C, C, C, C, F];
/** Taps that stand before all products: there types of weights make no difference. */
export const PLAIN_TAPS = 2;

/** @param tapped false: the same program without taps */
export function compileTapped(backend: Backend, type: TensorType, tapped = true): Promise<Executable> {
  const given = ({ desc, bytes }: Matrix) => backend.weight(desc, { bytes });
  const ops: Op[] = [];
  const push = (op: Op) => ops.push(op) - 1;
  const norm = (x: number, name: string) =>
    push({ op: 'norm', x, weight: given(randomMatrix('F32', 1, C, 1, name)), eps: 1e-5 });
  const product = (x: number, rows: number, cols: number, name: string) =>
    push({ op: 'matmul', x, weight: given(randomMatrix(type, rows, cols, cols ** -0.5, name)) });
  const rotated = (x: number, heads: number) => push({ op: 'rope', x, heads, rope: ROPE });

  const x = push({ op: 'embed', table: given(randomMatrix('F32', VOCABULARY, C)) });
  const h = norm(x, 'attention');
  const q = rotated(product(h, C, C, 'q'), 4);
  const k = rotated(product(h, C / 2, C, 'k'), 2);
  const v = product(h, C / 2, C, 'v');
  const attention = push({ op: 'attention', q, k, v, state: 0, heads: 4, scale: 0.25 });
  const y = push({ op: 'zip', fn: 'add', a: x, b: product(attention, C, C, 'o') });
  const f = norm(y, 'feed');
  const gate = push({ op: 'map', fn: 'silu', x: product(f, F, C, 'gate') });
  const gated = push({ op: 'zip', fn: 'mul', a: gate, b: product(f, F, C, 'up') });
  const sum = push({ op: 'zip', fn: 'add', a: y, b: product(gated, C, F, 'down') });
  const output = push({ op: 'select', x: sum });
  const taps = tapped ? [x, h, q, attention, y, gate] : undefined;
  const states = [{ kind: 'kv', kvHeads: 2, keyDim: 16, valueDim: 16 }] as const;
  const limits = { sequences: 3, contextLength: 48, maxTokens: 48, taps };
  return backend.compile({ name: 'tapped', ops, output, states, limits });
}

const VALUES = { kind: 'values' } as const;
const ALL = { kind: 'logits', rows: 'all' } as const;

/** Short and long steps, single tokens, batches; beside slices that want logits or nothing. */
export const TAPPED_STEPS: readonly Step[] = [
  {
    slices: [
      { ...slice(1, 0, 3), want: ALL },
      { ...slice(0, 0, 5), want: VALUES },
      { ...slice(2, 0, 1), want: VALUES },
    ],
  },
  { slices: [{ ...slice(0, 5, 1), want: VALUES }] },
  { slices: [{ ...slice(0, 6, 1), want: VALUES }, slice(2, 1, 1), { ...slice(1, 3, 1), want: VALUES }] },
  { slices: [slice(2, 2, 2), { ...slice(1, 4, 40), want: VALUES }, { ...slice(0, 7, 1), want: ALL }] },
];

/**
 * Cases of several ops together, as in models. They check fusion, the placement of values and the reuse of their
 * memory. The reference backend, which runs op by op, computes the expected rows.
 */
import type {
  AttentionOp,
  KvShape,
  KvType,
  Op,
  RopeSpec,
  StateId,
  ValueId,
  WeightId,
} from '../../backends/backend.ts';
import { weightsOf } from '../../backends/ops.ts';
import type { TensorType } from '../../kernels/quant-formats.ts';
import { convOp, convState } from './conv.ts';
import { INT8 } from './matmul.ts';
import { type Matrix, randomMatrix } from './matrices.ts';
import {
  GOING_ON,
  LONG,
  type OpCase,
  type ProgramParts,
  programCheck,
  SHORT,
  slice,
  step,
  stepWith,
  type Tolerance,
  VOCABULARY,
} from './op-case.ts';

const FLOATS: Tolerance = {
  nmse: 1e-10,
  reason: 'several consecutive float32 sums of up to 1000 terms',
};
const CODES: Tolerance = { nmse: 4 * INT8.nmse, reason: 'activations in int8 before each of four products' };

const CODED_LAYERS: Tolerance = {
  nmse: 2e-2,
  reason: 'int8 activations before the 21 products of three gated layers: 3.5e-3 seen',
};

/** By the type that keys and values are held as. */
const HELD: Readonly<Record<KvType, Tolerance>> = {
  f32: FLOATS,
  f16: { nmse: 1e-6, reason: 'keys and values with 11 bits: 5e-8 seen' },
  q8: CODED_LAYERS,
};

type Push = (op: Op) => ValueId;
type Build = ProgramParts['build'];

const C = 64; // columns of the inputs
const KV_TYPES: readonly KvType[] = ['f32', 'f16', 'q8'];

function programCase(
  shape: string,
  weights: readonly Matrix[],
  build: Build,
  more: Partial<
    Pick<ProgramParts, 'states' | 'actions' | 'tolerance' | 'selects' | 'inputs' | 'kvType'>
  > = {},
): OpCase {
  const { actions = SHORT, states = [] } = more;
  const inputs = more.inputs ?? [randomMatrix('F32', VOCABULARY, C)];
  const check = programCheck({ tolerance: FLOATS, ...more, inputs, weights, build, actions });
  const descs = check.weights.map(({ desc }) => desc);
  const { ops } = check.program([...descs.keys()]);
  return {
    op: 'program',
    shape,
    examples: ops.map((op) => ({
      op,
      types: weightsOf(op).map((id) => descs[id]!.type),
      state: 'state' in op ? states[op.state] : undefined,
    })),
    tokens: Math.max(
      ...actions.flatMap((action) =>
        'slices' in action ? action.slices.map(({ tokens }) => tokens.length) : [],
      ),
    ),
    work: { bytes: 0, macs: 0 }, // never timed
    check,
  };
}

// ----- ops, one line each

const norm = (x: ValueId, weight: WeightId): Op => ({ op: 'norm', x, weight, eps: 1e-5 });
const matmul = (x: ValueId, weight: WeightId, bias?: WeightId): Op => ({ op: 'matmul', x, weight, bias });
const add = (a: ValueId, b: ValueId): Op => ({ op: 'zip', fn: 'add', a, b });
const mul = (a: ValueId, b: ValueId): Op => ({ op: 'zip', fn: 'mul', a, b });
const silu = (x: ValueId): Op => ({ op: 'map', fn: 'silu', x });

/** Small values, so that sums of products stay around 1. */
function matrix(rows: number, cols: number, seed: string, type: TensorType = 'F32'): Matrix {
  return randomMatrix(type, rows, cols, type === 'F32' ? 1 / Math.sqrt(cols) : 1, seed);
}
const vector = (cols: number, seed = '') => randomMatrix('F32', 1, cols, 1, seed);

/** The sum of `up` products of the `down` products of one x. */
function sumOfProducts(down: readonly number[], readsNorm: boolean): OpCase {
  const weights = [
    vector(C),
    ...down.map((cols, i) => matrix(cols, C, `down ${i}`)),
    ...down.map((cols, i) => matrix(C, cols, `up ${i}`)),
  ];
  const build: Build = (push, [x], [scale, ...ids]) => {
    const h = push(norm(x!, scale!));
    const products = down.map((_, i) => push(matmul(h, ids[i]!)));
    const first = readsNorm ? h : x!;
    return products.reduce((sum, low, i) => push(add(sum, push(matmul(low, ids[down.length + i]!)))), first);
  };
  const shape = `${down.length} products of one norm${readsNorm ? ', which is added as well' : ''}`;
  return programCase(shape, weights, build);
}

/** A gate and its partner in either order, with matrices of these types. */
function gateCase(types: readonly [TensorType, TensorType], order: 'gate first' | 'up first'): OpCase {
  const F = 96;
  const weights = [matrix(F, C, 'gate', types[0]), matrix(F, C, 'up', types[1]), matrix(C, F, 'down')];
  const build: Build = (push, [x], [gate, up, down]) => {
    const [a, b] = order === 'gate first' ? [gate!, up!] : [up!, gate!];
    const sides = [push(matmul(x!, a)), push(matmul(x!, b))];
    const [gated, plain] = order === 'gate first' ? sides : sides.toReversed();
    return push(matmul(push(mul(plain!, push(silu(gated!)))), down!));
  };
  return programCase(`${types.join(' gate over ')}, ${order}`, weights, build, {
    tolerance: types.includes('Q4_1') ? CODES : FLOATS,
  });
}

/** Low-rank adapters on the queries, keys and values of a layer: W x + B (A x). */
function adapterCase(): OpCase {
  const names = ['q', 'k', 'v'];
  const weights = names.flatMap((name) => [
    matrix(C, C, name),
    matrix(4, C, `${name} A`),
    matrix(C, 4, `${name} B`),
  ]);
  const build: Build = (push, [x], ids) => {
    const adapted = names.map((_, i) => {
      const [w, a, b] = ids.slice(3 * i);
      const plain = push(matmul(x!, w!));
      return push(add(plain, push(matmul(push(matmul(x!, a!)), b!))));
    });
    return adapted.reduce((sum, value) => push(mul(sum, value)));
  };
  return programCase('three products with low-rank adapters', weights, build);
}

interface Layer {
  readonly heads: number;
  readonly state: KvShape;
}

const ROPE: RopeSpec = { layout: 'half', inverseFrequencies: [1, 0.3, 0.1, 0.03] };
const LAYERS: readonly Layer[] = [
  { heads: 4, state: { kind: 'kv', kvHeads: 2, keyDim: 16, valueDim: 16 } },
  { heads: 2, state: { kind: 'kv', kvHeads: 1, keyDim: 32, valueDim: 32 } },
  { heads: 8, state: { kind: 'kv', kvHeads: 4, keyDim: 8, valueDim: 8 } },
];
const F = 160;

/** Layers of norms, products, rotated heads, attention, gates and sums. Heads differ by layer; the last one selects. */
function layersCase(type: TensorType, actions: ProgramParts['actions']): OpCase {
  const weights = LAYERS.flatMap(({ heads, state: { kvHeads, keyDim: D } }, i) => [
    vector(C, `${i} attention`),
    matrix(heads * D, C, `${i} q`, type),
    matrix(kvHeads * D, C, `${i} k`, type),
    matrix(kvHeads * D, C, `${i} v`, type),
    matrix(C, heads * D, `${i} o`, type),
    vector(C, `${i} feed`),
    matrix(F, C, `${i} gate`, type),
    matrix(F, C, `${i} up`, type),
    matrix(C, F, `${i} down`, type),
  ]);
  const build: Build = (push, [x], ids) => {
    const perLayer = weights.length / LAYERS.length;
    return LAYERS.reduce((value, layer, i) => {
      const own = ids.slice(i * perLayer, (i + 1) * perLayer);
      return addLayer(push, value, own, { ...layer, id: i, last: i === LAYERS.length - 1 });
    }, x!);
  };
  const states = LAYERS.map(({ state }) => state);
  const tolerance = type === 'F32' ? FLOATS : CODED_LAYERS;
  const more = { states, actions, tolerance, selects: true } as const;
  return programCase(`layers of ${type} whose heads differ`, weights, build, more);
}

function addLayer(
  push: Push,
  x: ValueId,
  [attend, wq, wk, wv, wo, feed, gate, up, down]: readonly WeightId[],
  { heads, state, id, last }: Layer & { id: number; last: boolean },
): ValueId {
  const rotated = (value: ValueId, heads: number) => push({ op: 'rope', x: value, heads, rope: ROPE });
  const h = push(norm(x, attend!));
  const attention: AttentionOp = {
    op: 'attention',
    q: rotated(push(matmul(h, wq!)), heads),
    k: rotated(push(matmul(h, wk!)), state.kvHeads),
    v: push(matmul(h, wv!)),
    state: id,
    heads,
    scale: 1 / Math.sqrt(state.keyDim),
  };
  let attended = push(attention);
  if (last) [x, attended] = [push({ op: 'select', x }), push({ op: 'select', x: attended })];
  const y = push(add(x, push(matmul(attended, wo!))));
  const f = push(norm(y, feed!));
  const gated = push(mul(push(silu(push(matmul(f, gate!)))), push(matmul(f, up!))));
  return push(add(y, push(matmul(gated, down!))));
}

/** Convolutions between gates, as some models have them in place of attention; one layer attends, in a window. */
function convLayersCase(): OpCase {
  const shape = { C, K: 3 };
  const kv = { kind: 'kv', kvHeads: 2, keyDim: 16, valueDim: 16 } as const;
  const mixed = (name: string) => [
    ...['in', 'gate', 'out'].map((part) => matrix(C, C, `${name} ${part}`)),
    randomMatrix('F32', C, shape.K, 1, name),
  ];
  const weights = [
    ...mixed('first'),
    ...mixed('last'),
    ...['q', 'k', 'v'].map((name, i) => matrix(i === 0 ? C : 32, C, name)),
    vector(C),
  ];
  const build: Build = (push, [x], ids) => {
    const convolved = (value: ValueId, [into, gate, out, taps]: readonly WeightId[], state: StateId) => {
      const h = push(norm(value, ids.at(-1)!));
      const y = push(convOp(push(matmul(h, into!)), taps!, state));
      return push(add(value, push(matmul(push(mul(push(silu(push(matmul(h, gate!)))), y)), out!))));
    };
    const first = convolved(x!, ids.slice(0, 4), 0);
    const [q, k, v] = ids.slice(8, 11).map((id) => push(matmul(first, id)));
    const attention: AttentionOp = {
      ...{ op: 'attention', q: q!, k: k!, v: v!, state: 1 },
      ...{ heads: 4, scale: 0.25, window: 40 },
    };
    const attended = push(add(first, push(attention)));
    return convolved(attended, ids.slice(4, 8), 2);
  };
  const more = { states: [convState(shape), kv, convState(shape)], actions: GOING_ON };
  return programCase('layers that convolve and attend', weights, build, more);
}

const TEXTS = [
  step(slice(0, 0, 5)),
  step(slice(1, 0, 130), slice(0, 0, 9)),
  step(slice(0, 0, 1), slice(2, 0, 1)),
  step(slice(2, 0, 257, 1)),
  step(slice(0, 0, 33), slice(1, 0, 1), slice(2, 0, 17)),
];

/** Whole texts, in which a token sees the tokens after its own too. */
function textsCase(kvType: KvType, window?: number): OpCase {
  const kv: KvShape = { kind: 'kv', kvHeads: 2, keyDim: 16, valueDim: 16 };
  const weights = ['q', 'k', 'v'].map((name) => matrix(name === 'q' ? 64 : 32, C, name));
  const build: Build = (push, [x], ids) => {
    const [q, k, v] = ids.map((id) => push(matmul(x!, id)));
    const op = {
      op: 'attention',
      q: q!,
      k: k!,
      v: v!,
      state: 0,
      heads: 4,
      scale: 0.25,
      window,
      causal: false,
    } as const;
    return push(op);
  };
  const tolerance = HELD[kvType];
  const name = `whole texts, held as ${kvType}${window ? `, less than ${window} away` : ''}`;
  return programCase(name, weights, build, { states: [kv], actions: TEXTS, tolerance, kvType });
}

/** Layers that read keys and values of an earlier one. */
function sharedStateCase(kvType: KvType): OpCase {
  const kv: KvShape = { kind: 'kv', kvHeads: 1, keyDim: 24, valueDim: 16 };
  const rope: RopeSpec = { layout: 'half', inverseFrequencies: [1, 0.3, 0.1] };
  const weights = [
    matrix(48, C, 'q'),
    matrix(24, C, 'k'),
    matrix(16, C, 'v'),
    matrix(48, 32, 'q of the next'),
  ];
  const build: Build = (push, [x], ids) => {
    const [q, k, v] = ids.slice(0, 3).map((id) => push(matmul(x!, id)));
    const turned = (value: ValueId, heads: number) => push({ op: 'rope', x: value, heads, rope });
    const form = { op: 'attention', state: 0, heads: 2, scale: 0.25 } as const;
    const first = push({ ...form, q: turned(q!, 2), k: turned(k!, 1), v: v! });
    const next = turned(push(matmul(first, ids[3]!)), 2);
    return push(add(first, push({ ...form, q: next, window: 20 })));
  };
  const tolerance = HELD[kvType];
  return programCase(`keys and values of an earlier layer, held as ${kvType}`, weights, build, {
    ...{ states: [kv], actions: LONG, tolerance, kvType },
  });
}

/** A table of positions, which has fewer rows than the vocabulary. */
function positionsCase(): OpCase {
  const steps = [step(slice(0, 0, 5)), step(slice(0, 5, 1), slice(1, 0, 9)), step(slice(0, 6, 10))];
  const build: Build = (push, [x], [table]) =>
    push(add(x!, push({ op: 'embed', table: table!, by: 'position' })));
  return programCase('tokens and positions embedded', [matrix(16, C, 'positions')], build, {
    actions: steps,
  });
}

/** Values that are read long after they are made, while memory beside them is used and freed. */
function longLivedCase(): OpCase {
  const weights = [matrix(C, C, 'a'), matrix(C, C, 'b'), matrix(C, C, 'c')];
  const build: Build = (push, [x], ids) => {
    const early = push(matmul(x!, ids[0]!));
    const middle = push(silu(push(mul(push(matmul(early, ids[1]!)), x!))));
    const late = push(matmul(push({ op: 'softmax', x: middle }), ids[2]!));
    return push(add(push(mul(late, early)), push(add(middle, x!))));
  };
  return programCase('long-lived values', weights, build);
}

const BATCH = [step(slice(0, 0, 3)), stepWith({ kind: 'logits' }, slice(0, 3, 30), slice(1, 0, 4))];

export const PROGRAM_CASES: readonly OpCase[] = [
  sumOfProducts([16, 32, 48, 64, 80, 96], false), // more products than one phase of the cpu backend holds
  sumOfProducts([16, 32], true),
  gateCase(['F32', 'F32'], 'gate first'),
  gateCase(['F32', 'F32'], 'up first'),
  gateCase(['F16', 'F32'], 'up first'),
  gateCase(['Q4_1', 'Q4_1'], 'up first'),
  adapterCase(),
  layersCase('F32', LONG),
  layersCase('Q8_0', [...BATCH, step(slice(0, 33, 1)), step(slice(0, 34, 1), slice(1, 4, 1))]),
  convLayersCase(),
  ...KV_TYPES.flatMap((type) => [textsCase(type), textsCase(type, 20)]),
  ...KV_TYPES.map(sharedStateCase),
  positionsCase(),
  longLivedCase(),
];

/** Writes the phases of one memory as tables for the kernels, one for each stage (kernels/wasm/layout.ts). */
import type { MapFunction } from '../../kernels/reference/map.ts';
import type { ZipFunction } from '../../kernels/reference/zip.ts';
import * as layout from '../../kernels/wasm/layout.ts';
import type { Limits, Program, RopeSpec, ScanOp, ValueId } from '../backend.ts';
import {
  type AttentionPhase,
  type ExpertPhase,
  type MatmulPhase,
  type OpPhase,
  type Phase,
  type Product,
  usesOf,
} from '../fuse.ts';
import type { OpOf } from '../ops.ts';
import { type BufferPlan, formsOf, planesOf, queryBytes } from './buffer-plan.ts';
import type { SharedHeap } from './memory.ts';
import { groupsOf, isVector, type PlacedWeight } from './weights.ts';

/**
 * Share of a phase's groups in long tasks, one a thread. The rest are short tasks, for threads that finish early; each
 * costs over half a microsecond (LOG.md).
 */
const LONG_PART = 0.9;
const SHORT_TASKS = 2; // for each thread

/** Words of one record with their indices; f32 parameters are stored as their bits. */
type Words = readonly (readonly [index: number, value: number])[];

/** The functions as kernels know them. */
const MAP_NUMBERS: Record<MapFunction, number> = {
  silu: layout.MAP_SILU,
  gelu: layout.MAP_GELU,
  'gelu-erf': layout.MAP_GELU_ERF,
  softcap: layout.MAP_SOFTCAP,
  sigmoid: layout.MAP_SIGMOID,
  softplus: layout.MAP_SOFTPLUS,
  'relu-squared': layout.MAP_RELU_SQUARED,
  multiply: layout.MAP_MULTIPLY,
  xielu: layout.MAP_XIELU,
};
const ZIP_NUMBERS: Record<ZipFunction, number> = {
  add: layout.ZIP_ADD,
  mul: layout.ZIP_MUL,
  'clamped-swiglu': layout.ZIP_CLAMPED_SWIGLU,
};

export class PhaseTable {
  readonly #limits: Limits;
  readonly #output: ValueId;
  readonly #plan: BufferPlan;
  readonly #weight: (id: number) => PlacedWeight;
  readonly #threads: number;
  readonly #heap: SharedHeap;
  #next: number; // address of the next table
  #records: Words[] = [];

  constructor(parts: {
    program: Pick<Program, 'limits' | 'output'>;
    plan: BufferPlan;
    weight: (id: number) => PlacedWeight;
    threads: number;
    heap: SharedHeap;
  }) {
    this.#limits = parts.program.limits;
    this.#output = parts.program.output;
    this.#plan = parts.plan;
    this.#weight = parts.weight;
    this.#threads = parts.threads;
    this.#heap = parts.heap;
    this.#next = parts.plan.table;
  }

  /** Writes the table of a stage after the table before it, and returns its address. */
  write(phases: readonly Phase[]): number {
    this.#records = [];
    for (const phase of phases) this.#add(phase);
    const words = layout.PHASE_BYTES / 4;
    const address = this.#next;
    const table = this.#heap.i32(address, (this.#records.length + 1) * words);
    table.fill(0); // absent words are 0, and so is END
    for (const [i, record] of this.#records.entries()) {
      for (const [index, value] of record) table[i * words + index] = value;
    }
    this.#next += table.byteLength;
    return address;
  }

  #add(phase: Phase): void {
    if (phase.kind === 'matmul') this.#matmul(phase);
    else if (phase.kind === 'attention') this.#attention(phase);
    else if (phase.kind === 'expert-matmul') this.#expertMatmul(phase);
    else this.#op(phase);
    if (usesOf(phase).writes.includes(this.#output)) this.#choose();
  }

  /** The search for the largest logits, for slices that want them. */
  #choose(): void {
    const { maxima, partSums, results } = this.#plan.choices;
    const words: Words = [
      [layout.ROWS, layout.ROWS_CHOICES],
      [layout.COLS, this.#cols(this.#output)],
      ...this.#at(this.#output, layout.X, layout.X_STRIDE),
      [layout.OUT, results],
      [layout.OUT_STRIDE, layout.CHOICE_BYTES],
      [layout.MAXIMA, maxima],
      [layout.PART_SUMS, partSums],
    ];
    this.#records.push([...words, [layout.KIND, layout.SCAN_CHOICES]]);
    this.#records.push([...words, [layout.KIND, layout.PICK_CHOICES]]);
  }

  #op({ kind, op, out }: OpPhase): void {
    if (kind === 'embed') this.#row(layout.EMBED, undefined, out, this.#embed(op));
    else if (kind === 'norm') {
      this.#row(layout.RMS_NORM, op.x, out, [...this.#norm(op), ...this.#normHeads(op)]);
    } else if (kind === 'layer-norm') {
      const bias = op.bias === undefined ? 0 : this.#weight(op.bias).address;
      this.#row(layout.LAYER_NORM, op.x, out, [...this.#norm(op), [layout.NORM_BIAS, bias]]);
    } else if (kind === 'softmax') this.#row(layout.SOFTMAX, op.x, out);
    else if (kind === 'select') this.#row(layout.SELECT, op.x, out);
    else if (kind === 'rope') {
      const headDim = this.#cols(op.x) / op.heads;
      const heads: Words = [
        [layout.HEADS, op.heads],
        [layout.HEAD_DIM, headDim],
      ];
      this.#row(layout.ROPE, op.x, out, [...heads, ...this.#rope(op.rope)]);
    } else if (kind === 'map') {
      const { scalars = [] } = op;
      const words = scalars.map((id, i) => [layout.SCALARS + i, this.#weight(id).address] as const);
      this.#row(layout.MAP, op.x, out, [[layout.FUNCTION, MAP_NUMBERS[op.fn]], ...words]);
    } else if (kind === 'conv') {
      this.#row(layout.CONV, op.x, out, this.#conv(op));
    } else if (kind === 'route') this.#row(layout.ROUTE, op.x, out, this.#route(op));
    else if (kind === 'mix') {
      this.#row(layout.MIX, op.x, out, this.#picks(op.picks));
    } else if (kind === 'concat') {
      const sizes: Words = [
        [layout.CONCAT_HEADS, op.heads],
        [layout.Y_COLS, this.#cols(op.b)],
      ];
      this.#row(layout.CONCAT, op.a, out, [...sizes, ...this.#at(op.b, layout.Y, layout.Y_STRIDE)]);
    } else if (kind === 'scan') {
      this.#row(layout.SCAN, op.q, out, this.#scan(op));
    } else {
      const b = this.#at(op.b, layout.Y, layout.Y_STRIDE);
      this.#row(layout.ZIP, op.a, out, [[layout.FUNCTION, ZIP_NUMBERS[op.fn]], ...b]);
    }
  }

  /** A weight of one row is stored as a vector, others in groups of rows. */
  #conv({ weight, bias, state }: OpOf<'conv'>): Words {
    const { address, desc } = this.#weight(weight);
    const past = this.#plan.past.get(state)!;
    return [
      [layout.WEIGHT, address],
      [layout.TAPS, desc.cols],
      [layout.TAP_BYTES, isVector(desc) ? 4 : 4 * layout.GROUP],
      [layout.PAST, past.address],
      [layout.PAST_BYTES, past.sequenceBytes],
      [layout.CONV_BIAS, bias === undefined ? 0 : this.#weight(bias).address],
    ];
  }

  #scan(op: ScanOp): Words {
    const past = this.#plan.past.get(op.state)!;
    const { desc, address } = this.#weight(op.a);
    return [
      ...this.#at(op.k, layout.K_ROWS, layout.K_STRIDE),
      ...this.#at(op.v, layout.V_ROWS, layout.V_STRIDE),
      ...this.#at(op.dt, layout.Y, layout.Y_STRIDE),
      ...this.#at(op.beta, layout.BETA_ROWS, layout.BETA_STRIDE),
      [layout.WEIGHT, address],
      [layout.SCAN_SKIP, op.skip === undefined ? 0 : this.#weight(op.skip).address],
      [layout.SCAN_RULE, op.rule === 'delta' ? layout.SCAN_DELTA : layout.SCAN_SSM],
      [layout.SCAN_HEADS, desc.cols],
      [layout.SCAN_GROUPS, op.groups],
      [layout.SCAN_CYCLIC, op.cyclic ? 1 : 0],
      [layout.SCAN_KEYS, this.#cols(op.q) / op.groups],
      [layout.SCAN_VALUES, this.#cols(op.v) / desc.cols],
      [layout.PAST, past.address],
      [layout.PAST_BYTES, past.sequenceBytes],
      [layout.SCAN_SCRATCH, this.#plan.scratch.scan],
    ];
  }

  #route({ x, bias, scales, routing }: OpOf<'route'>): Words {
    const at = (id: number | undefined) => (id === undefined ? 0 : this.#weight(id).address);
    return [
      [layout.COLS, this.#cols(x)],
      [layout.WEIGHT, at(bias)],
      [layout.ROUTE_SCALES, at(scales)],
      [layout.ROUTE_SIGMOID, Number(routing.by === 'sigmoid')],
      [layout.ROUTE_NORMALIZED, Number(routing.normalized ?? false)],
      [layout.ROUTE_SCALE, bits(routing.scale ?? 1)],
      [layout.ROUTE_GROUPS, routing.groups?.count ?? 0],
      [layout.ROUTE_GROUPS_USED, routing.groups?.used ?? 0],
      [layout.PICK_COUNT, routing.count],
      [layout.ROW_SCRATCH, this.#plan.scratch.row],
    ];
  }

  #picks(picks: ValueId): Words {
    return [
      ...this.#at(picks, layout.PICKS, layout.PICKS_STRIDE),
      [layout.PICK_COUNT, this.#cols(picks) / 2],
    ];
  }

  #embed({ table, by }: OpOf<'embed'>): Words {
    const { address, layout: type } = this.#weight(table);
    return [
      [layout.WEIGHT, address],
      [layout.WEIGHT_TYPE, type],
      [layout.PANEL, this.#plan.scratch.panel],
      [layout.ROW_IDS, by === 'position' ? 1 : 0],
    ];
  }

  /** A phase over the rows of value `out`. */
  #row(kind: number, x: ValueId | undefined, out: ValueId, words: Words = []): void {
    this.#records.push([
      [layout.KIND, kind],
      [layout.ROWS, this.#rows(out)],
      [layout.COLS, this.#cols(out)],
      ...(x === undefined ? [] : this.#at(x, layout.X, layout.X_STRIDE)),
      ...this.#at(out, layout.OUT, layout.OUT_STRIDE),
      ...words,
    ]);
  }

  #cols(value: ValueId): number {
    return this.#plan.values.get(value)!.shape.cols;
  }

  #rows(value: ValueId): number {
    const { rows } = this.#plan.values.get(value)!.shape;
    return rows === 'outputs' ? layout.ROWS_OUTPUTS : layout.ROWS_TOKENS;
  }

  #at(value: ValueId, addressWord: number, strideWord: number): Words {
    const { address, stride } = this.#plan.values.get(value)!;
    return [
      [addressWord, address],
      [strideWord, stride],
    ];
  }

  #normHeads({ x, weight, heads = 1 }: OpOf<'norm'>): Words {
    const cols = this.#cols(x) / heads;
    const own = this.#weight(weight).desc.cols > cols; // of each head
    return [
      [layout.NORM_COLS, cols],
      [layout.NORM_STEP, own ? 4 * cols : 0],
    ];
  }

  #norm({ weight, eps }: { weight: number; eps: number }): Words {
    return [
      [layout.WEIGHT, this.#weight(weight).address],
      [layout.EPS, bits(eps)],
    ];
  }

  #rope(rope: RopeSpec | undefined): Words {
    if (!rope) return [[layout.ROPE_KIND, layout.NO_ROPE]];
    return [
      [layout.ROPE_KIND, rope.layout === 'half' ? layout.ROPE_HALF : layout.ROPE_INTERLEAVED],
      [layout.ROPE_PAIRS, rope.inverseFrequencies.length],
      [layout.ROPE_TABLE, this.#plan.ropes.get(rope)!],
    ];
  }

  #attention({ op, rope, out }: AttentionPhase): void {
    const { kv, partials, finished, scratch, attentionWeights } = this.#plan;
    const { shape, pages, keys, values, valueScales } = kv.states.get(op.state)!;
    const half = kv.type === layout.KV_F16;
    const words: Words = [
      ...this.#rope(rope),
      [layout.HEADS, op.heads],
      [layout.KV_HEADS, shape.kvHeads],
      [layout.HEAD_DIM, shape.keyDim],
      [layout.VALUE_DIM, shape.valueDim],
      ...(op.k === undefined ? [] : this.#at(op.k, layout.K_ROWS, layout.K_STRIDE)),
      ...(op.v === undefined ? [] : this.#at(op.v, layout.V_ROWS, layout.V_STRIDE)),
      [layout.KEYS, keys.address],
      [layout.KEY_CHUNK, keys.chunkBytes],
      [layout.VALUES, values.address],
      [layout.VALUE_CHUNK, values.chunkBytes],
      [layout.VALUE_SCALES, valueScales.address],
      [layout.QUERY_BYTES, queryBytes(this.#limits, shape)],
      [layout.CONTEXT, kv.context],
      [layout.PAGE_POSITIONS, pages.positions],
      [layout.PAGE_TABLE, pages.table],
      [layout.SCALE, bits(op.scale)],
      [layout.WINDOW, op.window ?? 0],
      [layout.SOFTCAP, bits(op.softcap ?? 0)],
      [layout.SINKS, op.sinks === undefined ? 0 : this.#weight(op.sinks).address],
      [layout.WHOLE, Number(op.causal === false)],
      [layout.KV_TYPE, kv.type],
      [layout.KV_IN, bits(half ? 2 ** 100 : 1)],
      [layout.KV_OUT, bits(half ? 2 ** 12 : 1)],
      [layout.ATTENTION_SCRATCH, scratch.attention],
      [layout.PARTIALS, partials],
      [layout.FINISHED, finished],
      [layout.ATTENTION_WEIGHTS, attentionWeights.get(out) ?? 0],
    ];
    if (op.k !== undefined) this.#row(layout.STORE_KV, op.q, out, words);
    this.#row(layout.ATTENTION, op.q, out, words);
  }

  /** A record that prepares x, then one of all products. */
  #matmul(phase: MatmulPhase): void {
    const { products, residual, gate } = phase;
    if (products.length > layout.MOST_SEGMENTS) {
      throw new RangeError(
        `Expected at most ${layout.MOST_SEGMENTS} products in a phase, got ${products.length}.`,
      );
    }
    const activations = this.#activations(phase);
    this.#records.push([...activations, ...this.#preparation(phase)]);
    const counted = gate ? products.slice(0, 1) : products;
    const groups = counted.reduce((sum, { weight }) => sum + groupsOf(this.#weight(weight).desc), 0);
    const { panel, panelBytes } = this.#plan.scratch;
    const epilogue = gate ? layout.GATED : residual === undefined ? layout.STORE : layout.ACCUMULATE;
    this.#records.push([
      ...activations,
      [layout.KIND, layout.MATMUL],
      [layout.EPILOGUE, epilogue],
      [layout.GATE, gate ? MAP_NUMBERS[gate] : 0],
      ...this.#tasks(groups),
      [layout.PANEL, panel],
      [layout.PANEL_BYTES, panelBytes],
      [layout.SEGMENTS, products.length],
      ...products.flatMap((product, i) => this.#segment(product, i, phase)),
    ]);
  }

  /** As #matmul. Tasks for few tokens are those of one token. */
  #expertMatmul({ x, picks, products, gate }: ExpertPhase): void {
    const { sharedInt, sharedF32, scratch } = this.#plan;
    const first = this.#weight(products[0]!.weight);
    const { experts = 1 } = first.desc;
    const count = picks === undefined ? experts : this.#cols(picks) / 2;
    const { int8, f32 } = formsOf(products, this.#weight);
    const words: Words = [
      [layout.ROWS, this.#rows(x)],
      [layout.COLS, first.desc.cols],
      ...this.#at(x, layout.X, layout.X_STRIDE),
      [layout.X_PARTS, this.#cols(x) / first.desc.cols],
      ...(picks === undefined ? [] : this.#picks(picks)),
      [layout.PICK_COUNT, count],
      [layout.EXPERTS, experts],
      [layout.EXPERT_ROWS, first.desc.rows / experts],
      [layout.SORTED, scratch.sorted],
      [layout.PLANES, planesOf(products, this.#weight)],
      [layout.SHARED_INT, sharedInt],
      [layout.SHARED_F32, sharedF32],
      [layout.SMALL_INT, scratch.smallInt],
      [layout.SMALL_F32, scratch.smallF32],
    ];
    const forms = (int8 ? layout.PREPARE_INT8 : 0) | (f32 ? layout.PREPARE_F32 : 0);
    this.#records.push([
      ...words,
      [layout.KIND, layout.PREPARE_EXPERTS],
      [layout.FORMS, forms],
      [layout.ROW_SCRATCH, scratch.row],
    ]);
    this.#records.push([
      ...words,
      [layout.KIND, layout.EXPERT_MATMUL],
      [layout.EPILOGUE, gate ? layout.GATED : layout.STORE],
      [layout.GATE, gate ? MAP_NUMBERS[gate] : 0],
      ...this.#tasks(count * groupsOf(first.desc)),
      [layout.PANEL, scratch.panel],
      [layout.PANEL_BYTES, scratch.panelBytes],
      ...products.flatMap((product, i) => this.#expertSegment(product, i, products)),
    ]);
  }

  /** The second product of a gate goes into the value of the first. */
  #expertSegment({ weight: id, bias }: Product, i: number, products: readonly Product[]): Words {
    const weight = this.#weight(id);
    const base = layout.SEGMENT_TABLE + i * layout.SEGMENT_WORDS;
    return [
      [base + layout.S_WEIGHT, weight.address],
      [base + layout.S_TYPE, weight.layout],
      [base + layout.S_GROUPS, groupsOf(weight.desc)],
      [base + layout.S_BIAS, bias === undefined ? 0 : this.#weight(bias).address],
      ...this.#at(products[0]!.out, base + layout.S_OUT, base + layout.S_OUT_STRIDE),
    ];
  }

  #tasks(groups: number): Words {
    const threads = this.#threads;
    const long = Math.floor((groups * LONG_PART) / threads);
    return [
      [layout.LONG_TASKS, long > 0 ? threads : 0],
      [layout.LONG_GROUPS, long],
      [layout.SHORT_GROUPS, Math.ceil((groups - long * threads) / (threads * SHORT_TASKS))],
    ];
  }

  /** The buffers of prepared activations, which are written once and read by products. */
  #activations({ x }: MatmulPhase): Words {
    const { sharedInt, sharedF32, scratch } = this.#plan;
    return [
      [layout.ROWS, this.#rows(x)],
      [layout.COLS, this.#cols(x)],
      [layout.SHARED_INT, sharedInt],
      [layout.SHARED_F32, sharedF32],
      [layout.SMALL_INT, scratch.smallInt],
      [layout.SMALL_F32, scratch.smallF32],
    ];
  }

  #preparation(phase: MatmulPhase): Words {
    const { x, norm } = phase;
    const { int8, f32 } = formsOf(phase.products, this.#weight);
    return [
      [layout.KIND, layout.PREPARE],
      ...this.#at(x, layout.X, layout.X_STRIDE),
      ...(norm ? this.#norm(norm) : []),
      [layout.FORMS, (int8 ? layout.PREPARE_INT8 : 0) | (f32 ? layout.PREPARE_F32 : 0)],
      [layout.ROW_SCRATCH, this.#plan.scratch.row],
    ];
  }

  /** The second product of a gate has no value of its own: it goes into the value of the first. */
  #segment({ weight: id, bias, out }: Product, i: number, { products, residual, gate }: MatmulPhase): Words {
    const weight = this.#weight(id);
    const base = layout.SEGMENT_TABLE + i * layout.SEGMENT_WORDS;
    const target = gate ? products[0]!.out : out;
    return [
      [base + layout.S_WEIGHT, weight.address],
      [base + layout.S_TYPE, weight.layout],
      [base + layout.S_GROUPS, groupsOf(weight.desc)],
      [base + layout.S_BIAS, bias === undefined ? 0 : this.#weight(bias).address],
      ...this.#at(target, base + layout.S_OUT, base + layout.S_OUT_STRIDE),
      ...(residual === undefined
        ? []
        : this.#at(residual, base + layout.S_RESIDUAL, base + layout.S_RESIDUAL_STRIDE)),
    ];
  }
}

const REAL = new Float32Array(1);
const BITS = new Int32Array(REAL.buffer);

/** Bits of a float32. */
function bits(value: number): number {
  REAL[0] = value;
  return BITS[0]!;
}

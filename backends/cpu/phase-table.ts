/** Writes the phases of one memory as the tables that the kernels walk (kernels/wasm/layout.ts). */
import * as layout from '../../kernels/wasm/layout.ts';
import type { BufferId, Program, RopeSpec } from '../backend.ts';
import type { MatmulPhase, OpOf, Phase, Product } from '../fuse.ts';
import type { SharedHeap } from './memory.ts';
import { attentionWeightsAt, formsOf, type Plan } from './plan.ts';
import { groupsOf, type PlacedWeight } from './weights.ts';

/**
 * Tasks a thread gets of a phase that streams weights. Each costs over half a microsecond, because taking it waits for
 * all reads under way (LOG.md); two let a fast core do more than a slow one.
 */
const TASKS_PER_THREAD = 2;

/** Words of one phase; f32 parameters are stored as their bits. */
type Words = Partial<Record<number, number>>;

export class PhaseTable {
  readonly #program: Program;
  readonly #plan: Plan;
  readonly #weight: (id: number) => PlacedWeight;
  readonly #threads: number;
  readonly #heap: SharedHeap;
  readonly #selected: Set<BufferId>;
  #next: number; // address of the next table
  #records: Words[] = [];

  /** @param selected buffers of S rows so far; those that `write` comes upon are added */
  constructor(parts: {
    program: Program;
    plan: Plan;
    weight: (id: number) => PlacedWeight;
    threads: number;
    heap: SharedHeap;
    selected: Set<BufferId>;
  }) {
    this.#program = parts.program;
    this.#plan = parts.plan;
    this.#weight = parts.weight;
    this.#threads = parts.threads;
    this.#heap = parts.heap;
    this.#selected = parts.selected;
    this.#next = parts.plan.table;
    for (const [rope, address] of parts.plan.ropes) this.#writeRope(rope, address);
  }

  /** Address of the finished table; a later one stands behind it. */
  write(phases: readonly Phase[]): number {
    this.#records = [];
    for (const phase of phases) this.#add(phase);
    const words = layout.PHASE_BYTES / 4;
    const address = this.#next;
    const table = this.#heap.i32(address, (this.#records.length + 1) * words);
    table.fill(0); // absent words are 0, and END is
    this.#records.forEach((record, i) => {
      for (const [index, value] of Object.entries(record)) table[i * words + Number(index)] = value!;
    });
    this.#next += table.byteLength;
    return address;
  }

  #add(phase: Phase): void {
    if (phase.kind === 'matmul') this.#matmul(phase);
    else if (phase.kind === 'attention') this.#attention(phase);
    else if (phase.kind === 'embed') this.#embed(phase.op);
    else if (phase.kind === 'rope') this.#turn(phase.op);
    else if (phase.kind === 'rms-norm')
      this.#row(layout.RMS_NORM, phase.op.x, phase.op.out, this.#norm(phase.op));
    else if (phase.kind === 'silu') this.#row(layout.SILU, phase.op.x, phase.op.out);
    else if (phase.kind === 'softmax') this.#row(layout.SOFTMAX, phase.op.x, phase.op.out);
    else if (phase.kind === 'select') {
      this.#selected.add(phase.op.out);
      this.#row(layout.SELECT, phase.op.x, phase.op.out);
    } else {
      const { a, b, out } = phase.op;
      this.#row(
        phase.kind === 'mul' ? layout.MUL : layout.ADD,
        a,
        out,
        this.#at(b, layout.Y, layout.Y_STRIDE),
      );
    }
  }

  #embed({ table, out }: OpOf<'embed'>): void {
    const { address, layout: type } = this.#weight(table);
    const words = {
      [layout.WEIGHT]: address,
      [layout.WEIGHT_TYPE]: type,
      [layout.PANEL]: this.#plan.scratch.panel,
    };
    this.#row(layout.EMBED, undefined, out, words);
  }

  #turn({ x, heads, rope, out }: OpOf<'rope'>): void {
    const headDim = this.#program.buffers[x]! / heads;
    this.#row(layout.ROPE, x, out, {
      [layout.HEADS]: heads,
      [layout.HEAD_DIM]: headDim,
      ...this.#rope(rope),
    });
  }

  /** A phase over rows of x. */
  #row(kind: number, x: BufferId | undefined, out: BufferId, words: Words = {}): void {
    if (x !== undefined && this.#selected.has(x)) this.#selected.add(out);
    this.#records.push({
      [layout.KIND]: kind,
      [layout.ROWS]: this.#selected.has(out) ? layout.ROWS_OUTPUTS : layout.ROWS_TOKENS,
      [layout.COLS]: this.#program.buffers[out]!,
      ...(x === undefined ? {} : this.#at(x, layout.X, layout.X_STRIDE)),
      ...this.#at(out, layout.OUT, layout.OUT_STRIDE),
      ...words,
    });
  }

  #at(buffer: BufferId, addressWord: number, strideWord: number): Words {
    const { address, stride } = this.#plan.buffers[buffer]!;
    return { [addressWord]: address, [strideWord]: stride };
  }

  #norm({ weight, eps }: { weight: number; eps: number }): Words {
    return { [layout.WEIGHT]: this.#weight(weight).address, [layout.EPS]: bits(eps) };
  }

  #rope(rope: RopeSpec | undefined): Words {
    if (!rope) return { [layout.ROPE_KIND]: layout.NO_ROPE };
    return {
      [layout.ROPE_KIND]: rope.layout === 'half' ? layout.ROPE_HALF : layout.ROPE_INTERLEAVED,
      [layout.ROPE_PAIRS]: rope.inverseFrequencies.length,
      [layout.ROPE_TABLE]: this.#plan.ropes.get(rope)!,
    };
  }

  /** f32 [position][pairs]{cos, sin}, computed in float64. */
  #writeRope(rope: RopeSpec, address: number): void {
    const pairs = rope.inverseFrequencies.length;
    const { contextLength } = this.#program.kv;
    const table = this.#heap.f32(address, contextLength * pairs * 2);
    for (let position = 0, i = 0; position < contextLength; position++) {
      for (let pair = 0; pair < pairs; pair++) {
        const angle = position * rope.inverseFrequencies[pair]!;
        table[i++] = Math.cos(angle);
        table[i++] = Math.sin(angle);
      }
    }
  }

  #attention({ op, rope }: Extract<Phase, { kind: 'attention' }>): void {
    const { kv, partials, finished, queryBytes, scratch } = this.#plan;
    const half = kv.type === layout.KV_F16;
    const { kvHeads, headDim } = this.#program.kv;
    const words: Words = {
      ...this.#rope(rope),
      [layout.HEADS]: op.heads,
      [layout.KV_HEADS]: kvHeads,
      [layout.HEAD_DIM]: headDim,
      ...this.#at(op.k, layout.K_ROWS, layout.K_STRIDE),
      ...this.#at(op.v, layout.V_ROWS, layout.V_STRIDE),
      [layout.KEYS]: kv.keys.address + op.layer * kv.keys.layerBytes,
      [layout.KEY_CHUNK]: kv.keys.chunkBytes,
      [layout.VALUES]: kv.values.address + op.layer * kv.values.layerBytes,
      [layout.VALUE_CHUNK]: kv.values.chunkBytes,
      [layout.VALUE_SCALES]: kv.valueScales.address + op.layer * kv.valueScales.layerBytes,
      [layout.QUERY_BYTES]: queryBytes,
      [layout.CONTEXT]: kv.positions,
      [layout.SCALE]: bits(op.scale),
      [layout.KV_TYPE]: kv.type,
      [layout.KV_IN]: bits(half ? 2 ** 100 : 1),
      [layout.KV_OUT]: bits(half ? 2 ** 12 : 1),
      [layout.ATTENTION_SCRATCH]: scratch.attention,
      [layout.PARTIALS]: partials,
      [layout.FINISHED]: finished,
      [layout.ATTENTION_WEIGHTS]: attentionWeightsAt(this.#plan, op),
    };
    this.#row(layout.STORE_KV, op.q, op.out, words);
    this.#row(layout.ATTENTION, op.q, op.out, words);
  }

  /** The preparation of x, and the products. */
  #matmul(phase: MatmulPhase): void {
    const { x, products, residual, gated } = phase;
    const shared = this.#activations(phase);
    this.#records.push({ ...shared, [layout.KIND]: layout.PREPARE });
    const counted = gated ? products.slice(0, 1) : products;
    const groups = counted.reduce((sum, { weight }) => sum + groupsOf(this.#weight(weight).desc), 0);
    const { panel, panelBytes } = this.#plan.scratch;
    this.#records.push({
      ...shared,
      [layout.KIND]: layout.MATMUL,
      [layout.EPILOGUE]: gated ? layout.SWIGLU : residual === undefined ? layout.STORE : layout.ACCUMULATE,
      [layout.TASK_GROUPS]: Math.ceil(groups / (this.#threads * TASKS_PER_THREAD)),
      [layout.PANEL]: panel,
      [layout.PANEL_BYTES]: panelBytes,
      [layout.SEGMENTS]: products.length,
      ...Object.assign({}, ...products.map((product, i) => this.#segment(product, i, residual))),
    });
    if (this.#selected.has(x)) for (const { out } of products) this.#selected.add(out);
  }

  /** What the preparation writes and the products read. */
  #activations(phase: MatmulPhase): Words {
    const { x, norm, products } = phase;
    const { sharedInt, sharedF32, scratch } = this.#plan;
    const { int8, f32 } = formsOf(phase, this.#weight);
    const overwritten = products.some(({ out }) => out === x);
    return {
      [layout.ROWS]: this.#selected.has(x) ? layout.ROWS_OUTPUTS : layout.ROWS_TOKENS,
      [layout.COLS]: this.#program.buffers[x]!,
      ...this.#at(x, layout.X, layout.X_STRIDE),
      ...(norm ? this.#norm(norm) : {}),
      [layout.FORMS]:
        (int8 ? layout.PREPARE_INT8 : 0) |
        (f32 ? layout.PREPARE_F32 : 0) |
        (overwritten ? layout.PREPARE_BARRIER : 0),
      [layout.SHARED_INT]: sharedInt,
      [layout.SHARED_F32]: sharedF32,
      [layout.SMALL_INT]: scratch.smallInt,
      [layout.SMALL_F32]: scratch.smallF32,
      [layout.ROW_SCRATCH]: scratch.row,
    };
  }

  #segment({ weight: id, bias, out }: Product, i: number, residual: BufferId | undefined): Words {
    const weight = this.#weight(id);
    const base = layout.SEGMENT_TABLE + i * layout.SEGMENT_WORDS;
    return {
      [base + layout.S_WEIGHT]: weight.address,
      [base + layout.S_TYPE]: weight.layout,
      [base + layout.S_GROUPS]: groupsOf(weight.desc),
      [base + layout.S_BIAS]: bias === undefined ? 0 : this.#weight(bias).address,
      ...this.#at(out, base + layout.S_OUT, base + layout.S_OUT_STRIDE),
      ...(residual === undefined
        ? {}
        : this.#at(residual, base + layout.S_RESIDUAL, base + layout.S_RESIDUAL_STRIDE)),
    };
  }
}

const REAL = new Float32Array(1);
const BITS = new Int32Array(REAL.buffer);

/** Bits of a float32. */
function bits(value: number): number {
  REAL[0] = value;
  return BITS[0]!;
}

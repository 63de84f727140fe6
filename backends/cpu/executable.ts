/** A compiled program on the CPU. It writes a step into shared memory, starts the threads and copies the results out. */
import { UserError } from '../../errors.ts';
import * as layout from '../../kernels/wasm/layout.ts';
import type {
  AttentionShape,
  Executable,
  MemoryUse,
  Program,
  Result,
  Ring,
  Slice,
  StateId,
  Step,
  ValueId,
  Want,
} from '../backend.ts';
import { Lifecycle } from '../lifecycle.ts';
import { rowsWanted } from '../results.ts';
import { ringOf } from '../rings.ts';
import { packState, StateReader, stateLayout, unpackState } from '../saved-state.ts';
import { attentionShape, greedyCount, layOut, Sequences, type StepRows } from '../step.ts';
import { Angles } from './angles.ts';
import { attentionWeights, type PlacedAttention, placedAttention } from './attention-weights.ts';
import type { BufferPlan } from './buffer-plan.ts';
import type { SharedHeaps } from './memory.ts';
import type { MemoryPlan, PlannedMemory } from './memory-plan.ts';
import { Pages } from './pages.ts';
import { copyPage, copyPast, copyRing, kvRuns, pastRuns, ringPages } from './state-bytes.ts';
import type { StepTables, Threads } from './threads.ts';

/** Most ids that one submit may choose. Each id is a step of its own, without a return to the caller. */
const MOST_GREEDY = 16;
const CHOOSES = { top: layout.CHOICE_MOST, greedy: MOST_GREEDY };

/** Attention tasks for each thread in a step of single tokens. */
const ATTENTION_TASKS = 4;

export class CpuExecutable implements Executable {
  readonly memory: MemoryUse;
  readonly chooses = CHOOSES;
  readonly nearLogits = true;
  readonly ring?: Ring;
  readonly attends?: AttentionShape;
  /** The memory of each stage. A program that fits in one memory has one stage. */
  readonly stages: readonly number[];
  readonly damage?: () => Promise<string | undefined>;
  readonly #program: Program;
  readonly #memories: readonly PlannedMemory[];
  readonly #memoryOf: (value: ValueId) => PlannedMemory;
  readonly #attention: readonly PlacedAttention[]; // in the order of the program
  readonly #threads: Threads;
  readonly #tables: StepTables;
  readonly #sequences: Sequences;
  readonly #pages: Pages;
  readonly #angles: readonly Angles[]; // of each memory
  readonly #layout: string; // of saved states
  readonly #onDispose: () => void;
  readonly #window: number; // positions; the widest of all attention ops
  readonly #lifecycle = new Lifecycle();

  constructor(parts: {
    program: Program;
    plan: MemoryPlan;
    heaps: SharedHeaps;
    threads: Threads;
    tables: StepTables;
    vocabulary: number;
    codes: string; // the class of CPUs that cache the same codes
    damage?: () => string | undefined;
    onDispose: () => void;
  }) {
    const { damage, plan, heaps } = parts;
    const placed = new Map(plan.shares.map(({ memory, plan }) => [memory, { plan, heap: heaps.at(memory) }]));
    if (damage) this.damage = async () => damage();
    this.#program = parts.program;
    this.#memories = [...placed.values()];
    this.#memoryOf = (value) => placed.get(plan.madeIn.get(value)!)!;
    this.#attention = placedAttention(plan.stages, placed);
    this.#threads = parts.threads;
    this.#tables = parts.tables;
    this.ring = ringOf(parts.program);
    this.#sequences = new Sequences(parts.program, parts.vocabulary, { chooses: CHOOSES, ring: this.ring });
    const { count, positions } = this.#memories[0]!.plan.kv.whole;
    const { sequences } = parts.program.limits;
    this.#pages = new Pages({ count, pagePositions: positions, sequences });
    for (const memory of this.#memories) {
      for (let seq = 0; seq < sequences; seq++) writeRing(memory, seq);
    }
    this.#angles = this.#memories.map(({ plan, heap }) => new Angles(heap, plan.ropes));
    const kept = this.ring ? `, a ring of ${this.ring.positions}` : '';
    this.#layout = stateLayout(`cpu ${parts.codes}${kept}`, parts.program);
    this.#onDispose = parts.onDispose;
    this.#window = Math.max(
      ...parts.program.ops.map((op) => (op.op === 'attention' ? (op.window ?? Number.POSITIVE_INFINITY) : 0)),
    );
    this.memory = plan.use;
    this.attends = attentionShape(parts.program);
    this.stages = parts.tables.map(({ memory }) => memory);
  }

  submit(step: Step): Promise<readonly Result[]> {
    return this.#lifecycle.run(() => {
      const rows = this.#sequences.take(step);
      this.#makeRoom(step);
      return greedyCount(step) > 1 ? this.#greedy(step, rows) : this.#run(step, rows);
    });
  }

  async #run(step: Step, rows: StepRows): Promise<Result[]> {
    const choices = choicesOf(step);
    const reached = Math.max(...step.slices.map(({ pos, tokens }) => pos + tokens.length));
    await this.#threads.run(this.#tables, () => {
      for (const memory of this.#memories) this.#write(memory, step, rows, choices);
      for (const angles of this.#angles) angles.reach(reached);
    });
    const { slices } = step;
    let [output, token, choice] = [0, 0, 0];
    return slices.map((slice) => {
      const [from, first] = [output, token];
      output += rowsWanted(slice);
      token += slice.tokens.length;
      const { want } = slice;
      if (want?.kind === 'top' || want?.kind === 'greedy') return this.#chosen(want, choice++);
      return this.#result(slice, { from, to: output, first });
    });
  }

  #result(
    { pos, tokens, want }: Slice,
    { from, to, first }: { from: number; to: number; first: number },
  ): Result {
    if (want?.kind === 'logits') {
      return { kind: 'logits', logits: this.#rows(this.#program.output, from, to - from, want.into) };
    }
    if (want?.kind === 'attention') {
      return { kind: 'attention', weights: attentionWeights(this.#attention, pos + 1) };
    }
    if (want?.kind !== 'values') return { kind: 'none' };
    const { taps = [] } = this.#program.limits;
    return { kind: 'values', values: taps.map((value) => this.#rows(value, first, tokens.length)) };
  }

  /** Throws UserError if a logit is NaN, because the sampler does not see all logits. */
  #chosen(want: Extract<Want, { count: number }>, choice: number): Result {
    const { plan, heap } = this.#memoryOf(this.#program.output);
    const at = plan.choices.results + choice * layout.CHOICE_BYTES;
    const [max = 0, sum = 0] = heap.f32(at, 2);
    if (Number.isNaN(max)) throw logitsNotFinite();
    const count = Math.min(want.count, plan.values.get(this.#program.output)!.shape.cols);
    const ids = heap.i32(at + 8, count).slice();
    if (want.kind === 'greedy') return { kind: 'greedy', ids };
    const logits = heap.f32(at + 8 + 4 * layout.CHOICE_MOST, count).slice();
    return { kind: 'top', ids, logits, logSumExp: max + Math.log(sum) };
  }

  /** Runs a step for each id, which is the next token of its sequence. */
  async #greedy({ slices }: Step, rows: StepRows): Promise<Result[]> {
    const ids: number[][] = slices.map(() => []);
    const count = greedyCount({ slices });
    let [step, at] = [one(slices), rows];
    for (let i = 0; i < count; i++) {
      const results = await this.#run(step, at);
      for (const [j, result] of results.entries()) if (result.kind === 'greedy') ids[j]!.push(...result.ids);
      step = one(
        step.slices.map(({ seq, pos, tokens }, j) => {
          return { seq, pos: pos + tokens.length, tokens: ids[j]!.slice(-1) };
        }),
      );
      at = layOut(step);
    }
    return ids.map((all) => ({ kind: 'greedy', ids: Int32Array.from(all) }));
  }

  /** Shares pages. Their bytes are copied when one of the sequences writes to them. */
  kvCopy(from: number, to: number, upto: number): void {
    this.#lifecycle.checkUsable();
    this.#sequences.copy(from, to, upto);
    this.#pages.share(from, to, upto);
    if (upto === 0 || from === to) return;
    for (const memory of this.#memories) {
      copyPast(memory, from, to);
      copyRing(memory, from, to);
    }
  }

  keeps(seq: number, upto: number): number {
    return this.#sequences.keeps(seq, upto);
  }

  kvTrim(seq: number, upto: number): number {
    const left = this.#sequences.trim(seq, upto);
    this.#pages.trim(seq, left);
    return left;
  }

  free(): number {
    return this.#pages.free;
  }

  async save(seq: number, upto: number): Promise<Uint8Array> {
    this.#lifecycle.checkUsable();
    this.#sequences.checkHeld(seq, upto);
    const lowest = this.#sequences.lowest(seq);
    const parts = this.#runs(seq, { lowest, upto }).map((run) => run.slice());
    return packState(this.#layout, { positions: upto, lowest }, parts);
  }

  async restore(seq: number, saved: Uint8Array): Promise<number> {
    this.#lifecycle.checkUsable();
    this.kvTrim(seq, 0);
    const { positions, lowest, bytes } = unpackState(this.#layout, saved);
    this.#sequences.restore(seq, positions, lowest);
    this.#pages.write(seq, 0, positions);
    const reader = new StateReader(bytes);
    for (const run of this.#runs(seq, { lowest, upto: positions })) run.set(reader.next(run.length));
    return positions;
  }

  /**
   * The bytes of the first `upto` positions of a sequence, in the order of a saved state: keys and values, then recurrent
   * states, both by the id of the state. So the order does not depend on which memory holds a state. Rings hold positions
   * from `lowest` on.
   */
  #runs(seq: number, { lowest, upto }: { lowest: number; upto: number }): Uint8Array[] {
    const whole = { pages: this.#pages.table(seq), first: 0, upto };
    const inRing = { pages: ringPages(this.#memories[0]!.plan.kv, seq), first: lowest, upto };
    const ids = [...this.#program.states.keys()];
    const each = (runs: (memory: PlannedMemory, id: StateId) => Uint8Array[]) =>
      ids.flatMap((id) => this.#memories.flatMap((memory) => runs(memory, id)));
    const kv = each((memory, id) => kvRuns(memory, id, this.ring?.states.has(id) ? inRing : whole));
    return upto === 0 ? kv : [...kv, ...each((memory, id) => pastRuns(memory, id, seq))];
  }

  dispose(): void {
    this.#lifecycle.dispose();
    this.#onDispose();
  }

  #write({ plan, heap }: PlannedMemory, step: Step, rows: StepRows, choices: Int32Array): void {
    const { tokens, positions, sequences, outputs } = rows;
    const tables = (seq: number) => tableAt(plan, seq);
    const control = heap.i32(0, layout.HEAP / 4);
    control[layout.TOKENS / 4] = tokens.length;
    control[layout.OUTPUTS / 4] = outputs.length;
    control[layout.SLICES / 4] = step.slices.length;
    control[layout.SINGLE / 4] = step.slices.length === tokens.length ? this.#chunksPerTask(positions) : 0;
    control[layout.CHOICES / 4] = choices.length / 2;
    control[layout.TRACED / 4] = step.slices[0]!.want?.kind === 'attention' ? 1 : 0;
    const arrays: [word: number, address: number, values: Int32Array][] = [
      [layout.TOKEN_IDS, plan.tokenIds, tokens],
      [layout.POSITIONS, plan.positions, positions],
      [layout.OUTPUT_ROWS, plan.outputRows, outputs],
      [layout.TOKEN_KV, plan.tokenKv, sequences.map(tables)],
      [layout.SLICE_LIST, plan.sliceList, sliceList(step, tables)],
      [layout.SLICE_SEQUENCES, plan.sliceSequences, Int32Array.from(step.slices, ({ seq }) => seq)],
      [layout.CHOICE_LIST, plan.choices.list, choices],
    ];
    for (const [word, address, values] of arrays) {
      control[word / 4] = address;
      heap.i32(address, values.length).set(values);
    }
  }

  /**
   * A copy of `count` rows of a value, without padding.
   * @param into memory of the caller, used if it is large enough
   */
  #rows(value: ValueId, first: number, count: number, into?: Float32Array): Float32Array {
    const { plan, heap } = this.#memoryOf(value);
    const { address, stride, shape } = plan.values.get(value)!;
    const padded = stride / 4;
    const all = heap.f32(address + first * stride, count * padded);
    const length = count * shape.cols;
    const compact = into && into.length >= length ? into.subarray(0, length) : new Float32Array(length);
    if (padded === shape.cols) {
      compact.set(all);
      return compact;
    }
    for (let row = 0; row < count; row++) {
      compact.set(all.subarray(row * padded, row * padded + shape.cols), row * shape.cols);
    }
    return compact;
  }

  /** Chunks of keys in an attention task, when every slice is one token. Each task has a cost (LOG.md). */
  #chunksPerTask(positions: Int32Array): number {
    const chunks = positions.reduce((sum, position) => sum + chunksSeen(position, this.#window), 0);
    const { states } = this.#program;
    const kvHeads = Math.max(1, ...states.map((state) => (state.kind === 'kv' ? state.kvHeads : 0)));
    return Math.max(1, Math.ceil((chunks * kvHeads) / (this.#threads.count * ATTENTION_TASKS)));
  }

  /** Takes pages for the positions that a step writes. Throws UserError, and undoes the step, if too few are free. */
  #makeRoom(step: Step): void {
    try {
      this.#takePages(step);
    } catch (error) {
      this.#sequences.undo(step);
      for (const { seq, pos } of step.slices) this.#pages.trim(seq, pos);
      throw error;
    }
  }

  #takePages(step: Step): void {
    const added = greedyCount(step) - 1;
    for (const { seq, pos, tokens } of step.slices) {
      this.#pages.trim(seq, pos);
      const copies = this.#pages.write(seq, pos, pos + tokens.length + added);
      for (const memory of this.#memories) {
        for (const copy of copies) copyPage(memory, copy);
        writeTable(memory, seq, this.#pages.table(seq));
      }
    }
  }
}

function writeTable({ plan, heap }: PlannedMemory, seq: number, pages: readonly number[]): void {
  const { bytes } = plan.kv.whole;
  heap.i32(tableAt(plan, seq), pages.length).set(pages.map((page) => page * bytes));
}

/** Writes the part of a sequence's table that lists its ring. It never changes. */
function writeRing({ plan, heap }: PlannedMemory, seq: number): void {
  const { ring } = plan.kv;
  if (!ring) return;
  const pages = ringPages(plan.kv, seq);
  heap.i32(tableAt(plan, seq) + ring.table, pages.length).set(pages.map((page) => page * ring.bytes));
}

/** Address of the page table of a sequence. */
function tableAt({ kv }: BufferPlan, seq: number): number {
  return kv.tables + seq * kv.tableBytes;
}

/** Chunks with keys that a token attends to. */
function chunksSeen(position: number, window: number): number {
  const first = Math.max(0, position + 1 - window);
  return Math.floor(position / layout.CHUNK) - Math.floor(first / layout.CHUNK) + 1;
}

/** i32 [slices]{first row, tokens, first position, address of the page table}. */
function sliceList({ slices }: Step, tables: (seq: number) => number): Int32Array {
  let row = 0;
  return Int32Array.from(
    slices.flatMap(({ seq, pos, tokens }) => {
      row += tokens.length;
      return [row - tokens.length, tokens.length, pos, tables(seq)];
    }),
  );
}

/** i32 [choices]{row of the outputs, count}, of slices that want only the largest logits. */
function choicesOf({ slices }: Step): Int32Array {
  let row = 0;
  const choices: number[] = [];
  for (const slice of slices) {
    if (slice.want?.kind === 'top' || slice.want?.kind === 'greedy') choices.push(row, slice.want.count);
    row += rowsWanted(slice);
  }
  return Int32Array.from(choices);
}

/** The slices as a step that wants one id of each. */
function one(slices: readonly Slice[]): Step {
  return { slices: slices.map((slice) => ({ ...slice, want: { kind: 'greedy', count: 1 } as const })) };
}

function logitsNotFinite(): UserError {
  return new UserError(
    'The model gave logits that are not numbers.',
    'Its file is damaged or not for this architecture: get it again, or use another one.',
  );
}

/** A compiled program on the device. A step is one write, one list of dispatches, one submit and one mapped buffer. */
import type {
  AttentionShape,
  Executable,
  KernelTime,
  MemoryUse,
  Program,
  Result,
  Slice,
  Step,
  TopLogits,
} from '../backend.ts';
import { Lifecycle } from '../lifecycle.ts';
import { joined, rowsWanted } from '../results.ts';
import { packState, StateReader, stateLayout, unpackState } from '../saved-state.ts';
import { attentionShape, greedyCount, Sequences, type StepRows } from '../step.ts';
import type { Angles } from './angles.ts';
import { type Arrays, type GpuArray, readBack } from './arrays.ts';
import { splitKeys } from './attention-calls.ts';
import { CHOICE_MOST, choiceBytes, GREEDY_ROW_BYTES, readGreedy, readTop, TOP_ROW_BYTES } from './choices.ts';
import type { GpuDevice } from './device.ts';
import type { Dispatches } from './dispatches.ts';
import type { Mode, StepSizes } from './kernel-call.ts';
import type { Dispatch } from './pipelines.ts';
import type { Plan } from './plan.ts';
import { Profiler } from './profiler.ts';
import { outputsAt, stepBytes, writeStep } from './step-layout.ts';
import type { Tuning } from './tuning.ts';

export interface ExecutableParts {
  readonly gpu: GpuDevice;
  readonly program: Program;
  readonly vocabulary: number;
  readonly plan: Plan;
  readonly dispatches: Dispatches;
  readonly angles: Angles;
  readonly arrays: Arrays;
  readonly tuning: Tuning;
  readonly weightBytes: number;
  readonly profile: boolean;
  readonly onDispose: () => void;
}

export class WebgpuExecutable implements Executable {
  readonly memory: MemoryUse;
  readonly chooses = CHOICE_MOST;
  readonly attends?: AttentionShape;
  readonly #profiler: Profiler | undefined;
  readonly #parts: ExecutableParts;
  readonly #sequences: Sequences;
  readonly #words: Uint32Array<ArrayBuffer>; // of the step (step-layout.ts)
  readonly #staging: GPUBuffer;
  readonly #between: GPUBuffer; // for copies within one buffer, which WebGPU forbids
  readonly #widest: { readonly headDim: number; readonly contextLength: number }; // for splitKeys
  readonly #lifecycle = new Lifecycle();

  constructor(parts: ExecutableParts) {
    const { gpu, program, plan, weightBytes } = parts;
    this.#parts = parts;
    this.#sequences = new Sequences(program, parts.vocabulary, { chooses: CHOICE_MOST });
    this.#words = new Uint32Array(stepBytes(program.limits) / 4);
    const { device } = gpu;
    const rows = plan.outputRows * 4 * plan.logits.stride;
    const size = rows + choiceBytes(program, plan);
    this.#staging = device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
    this.#between = device.createBuffer({
      size: Math.max(16, plan.states.sequenceBytes),
      usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
    });
    this.#widest = {
      headDim: Math.max(1, plan.states.widest),
      contextLength: program.limits.contextLength,
    };
    this.memory = { weights: weightBytes, ...plan.bytes };
    this.attends = attentionShape(program);
    this.#profiler = parts.profile ? new Profiler(gpu) : undefined;
  }

  submit(step: Step): Promise<readonly Result[]> {
    const { gpu } = this.#parts;
    return this.#lifecycle.run(() => {
      gpu.check();
      const rows = this.#sequences.take(step);
      return gpu.settled(greedyCount(step) > 1 ? this.#greedy(step, rows) : this.#results(step, rows));
    });
  }

  kvCopy(from: number, to: number, upto: number): void {
    this.#sequences.copy(from, to, upto);
    if (from === to || upto === 0) return;
    const { gpu, plan } = this.#parts;
    const encoder = gpu.device.createCommandEncoder();
    const [sources, targets] = [plan.states.runs(from, upto), plan.states.runs(to, upto)];
    for (const [i, { buffer, offset, at, bytes }] of sources.entries()) {
      encoder.copyBufferToBuffer(buffer, offset, this.#between, at, bytes);
      encoder.copyBufferToBuffer(this.#between, at, buffer, targets[i]!.offset, bytes);
    }
    gpu.device.queue.submit([encoder.finish()]);
  }

  kvTrim(seq: number, upto: number): number {
    return this.#sequences.trim(seq, upto);
  }

  keeps(seq: number, upto: number): number {
    return this.#sequences.keeps(seq, upto);
  }

  async save(seq: number, upto: number): Promise<Uint8Array> {
    this.#sequences.checkHeld(seq, upto);
    const saved = await readBack(this.#parts.gpu, this.#parts.plan.states.runs(seq, upto));
    return packState(this.#layout, { positions: upto }, [new Uint8Array(saved)]);
  }

  async restore(seq: number, saved: Uint8Array): Promise<number> {
    this.kvTrim(seq, 0);
    const { positions, bytes } = unpackState(this.#layout, saved);
    this.#sequences.restore(seq, positions);
    const reader = new StateReader(bytes);
    const { gpu, plan } = this.#parts;
    for (const run of plan.states.runs(seq, positions)) {
      gpu.device.queue.writeBuffer(run.buffer, run.offset, reader.next(run.bytes).slice());
    }
    return positions;
  }

  get #layout(): string {
    return stateLayout('webgpu', this.#parts.program);
  }

  kernelTimes(): KernelTime[] {
    return this.#profiler?.times ?? [];
  }

  damage(): Promise<string | undefined> {
    return this.#parts.arrays.damage();
  }

  dispose(): void {
    if (!this.#lifecycle.dispose()) return;
    this.#staging.destroy();
    this.#between.destroy();
    this.#profiler?.dispose();
    this.#parts.onDispose();
  }

  // ----- results

  async #results(step: Step, rows: StepRows): Promise<Result[]> {
    const outputs = await this.#outputs(step, rows);
    const results: Result[] = [];
    let [output, token] = [0, 0];
    for (const slice of step.slices) {
      const count = rowsWanted(slice);
      results.push(await this.#result(slice, outputs.slice(output, output + count), token));
      output += count;
      token += slice.tokens.length;
    }
    return results;
  }

  /** @param first row of the slice's first token */
  async #result({ pos, tokens, want }: Slice, outputs: readonly OutputRow[], first: number): Promise<Result> {
    switch (want?.kind) {
      case undefined:
        return { kind: 'none' };
      case 'logits':
        return { kind: 'logits', logits: logitsOf(outputs) };
      case 'top':
        return { kind: 'top', ...outputs[0]!.top! };
      case 'greedy':
        return { kind: 'greedy', ids: outputs[0]!.top!.ids };
      case 'attention':
        return { kind: 'attention', weights: await this.#attentionWeights(pos + 1) };
      case 'values':
        return { kind: 'values', values: await this.#tapped(first, tokens.length) };
    }
  }

  /** The output rows: all logits or the largest of them, as the slice of each row wants. */
  async #outputs(step: Step, rows: StepRows): Promise<OutputRow[]> {
    const { plan, dispatches } = this.#parts;
    const { stride, offset, array } = plan.logits;
    const wants = step.slices.flatMap((slice) => new Array(rowsWanted(slice)).fill(slice.want));
    const counts = wants.map((want) => (want.kind === 'logits' ? 0 : want.count));
    const held = Math.min(plan.vocabulary, Math.max(0, ...counts));
    const choices = held > 0 ? await dispatches.choices() : undefined;
    const wantsLogits = counts.includes(0);
    const found: OutputRow[] = [];
    await this.#batches(step, rows, held, (encoder, first, outputs, sizes) => {
      if (outputs === 0) return;
      const logitBytes = wantsLogits ? outputs * stride * 4 : 0;
      const topBytes = choices ? outputs * TOP_ROW_BYTES : 0;
      const copy = ({ buffer, offset }: GpuArray, to: number, bytes: number) =>
        encoder.copyBufferToBuffer(buffer, offset, this.#staging, to, bytes);
      if (choices) {
        this.#encode(encoder, [choices.top], sizes);
        copy(choices.result, logitBytes, topBytes);
      }
      if (wantsLogits) copy(array, 0, logitBytes);
      return () =>
        this.#read(logitBytes + topBytes, (mapped) => {
          const tops = mapped.slice(logitBytes);
          for (let row = 0; row < outputs; row++) {
            const count = counts[first + row]!;
            const start = 4 * (row * stride + offset);
            if (count > 0) found.push({ top: readTop(tops, row, held, count) });
            else found.push({ logits: new Float32Array(mapped.slice(start, start + 4 * plan.vocabulary)) });
          }
        });
    });
    return found;
  }

  async #attentionWeights(length: number): Promise<Float32Array> {
    const { gpu, plan } = this.#parts;
    const ranges = plan.attention.map((weights, op) => {
      return { ...weights, bytes: 4 * this.attends!.heads[op]! * length };
    });
    return new Float32Array(await readBack(gpu, ranges));
  }

  async #tapped(first: number, count: number): Promise<Float32Array[]> {
    const { gpu, plan } = this.#parts;
    const values: Float32Array[] = [];
    for (const { view, cols } of plan.taps) {
      const from = 4 * first * view.stride;
      const range = { ...view.array, offset: view.array.offset + from, bytes: 4 * count * view.stride };
      const all = new Float32Array(await readBack(gpu, [range]));
      const rows = Array.from({ length: count }, (_, row) => {
        const start = row * view.stride + view.offset;
        return all.subarray(start, start + cols);
      });
      values.push(joined(rows));
    }
    return values;
  }

  async #greedy(step: Step, rows: StepRows): Promise<Result[]> {
    const { gpu, dispatches } = this.#parts;
    const choices = await this.#parts.dispatches.choices();
    const count = greedyCount(step);
    const slices = step.slices.length;
    const mode = modeOf(step, rows);
    this.#write(step, rows, mode, { more: count - 1, count });
    const encoder = gpu.device.createCommandEncoder();
    const tail = await dispatches.tail(slices);
    const first = await dispatches.trunk(mode);
    const further = await dispatches.trunk(slices === 1 ? 'single' : 'batch');
    for (let round = 0; round < count; round++) {
      const sizes = { ...this.#sizes(step, rows, round), outputs: slices };
      this.#encode(encoder, round === 0 ? first : further, sizes);
      this.#encode(encoder, [...tail, choices.greedy], sizes);
    }
    const bytes = slices * GREEDY_ROW_BYTES;
    encoder.copyBufferToBuffer(choices.result.buffer, choices.result.offset, this.#staging, 0, bytes);
    this.#profiler?.resolve(encoder);
    gpu.device.queue.submit([encoder.finish()]);
    const ids = await this.#read(bytes, (mapped) => readGreedy(mapped, slices, count));
    await this.#profiler?.read();
    return step.slices.map((_, i) => ({ kind: 'greedy', ids: ids.slice(i * count, (i + 1) * count) }));
  }

  // ----- encoding

  get #selects(): boolean {
    return this.#parts.plan.tail.single.length > 0;
  }

  /**
   * Runs all tokens of the step once, then the output rows in batches. `finish` encodes the end of a batch and returns
   * a function to call once the batch has run. `count` is the number of logits that top-k keeps of a row; 0: no top-k.
   */
  async #batches(
    step: Step,
    rows: StepRows,
    count: number,
    finish: (
      encoder: GPUCommandEncoder,
      first: number,
      outputs: number,
      sizes: StepSizes,
    ) => (() => Promise<void>) | undefined,
  ): Promise<void> {
    const { gpu, program, plan, dispatches } = this.#parts;
    const { queue } = gpu.device;
    const mode = modeOf(step, rows);
    const trunk = await dispatches.trunk(mode);
    this.#write(step, rows, mode, { more: 0, count });
    const total = this.#selects ? rows.outputs.length : rows.tokens.length;
    for (let first = 0; first === 0 || first < total; first += plan.outputRows) {
      const outputs = Math.min(plan.outputRows, total - first);
      const sizes = { ...this.#sizes(step, rows, 0), outputs };
      const encoder = gpu.device.createCommandEncoder();
      if (first === 0) this.#encode(encoder, trunk, sizes);
      else {
        const wanted = rows.outputs.slice(first, first + outputs);
        queue.writeBuffer(plan.step.buffer, plan.step.offset + outputsAt(program.limits), wanted);
      }
      if (outputs > 0) this.#encode(encoder, await dispatches.tail(outputs), sizes);
      const read = finish(encoder, first, outputs, sizes);
      this.#profiler?.resolve(encoder);
      queue.submit([encoder.finish()]);
      if (read) await read();
      else await gpu.settled(queue.onSubmittedWorkDone());
      await this.#profiler?.read();
    }
  }

  #write(step: Step, rows: StepRows, mode: Mode, { more, count }: { more: number; count: number }): void {
    const { gpu, program, plan, angles, tuning } = this.#parts;
    const length = longest(rows) + more;
    angles.reach(length);
    const { keys } = splitKeys(mode, length, this.#widest, tuning);
    writeStep(this.#words, program.limits, step, rows, { splitKeys: keys, count });
    gpu.device.queue.writeBuffer(plan.step.buffer, plan.step.offset, this.#words);
  }

  /** Sizes of a greedy round. After the first round, each slice has one token, at the next position. */
  #sizes(step: Step, rows: StepRows, round: number): StepSizes {
    const slices = step.slices.map(({ tokens }) => ({ count: round > 0 ? 1 : tokens.length }));
    return {
      tokens: round > 0 ? slices.length : rows.tokens.length,
      outputs: rows.outputs.length,
      splits: Math.ceil((longest(rows) + round) / this.#words[1]!),
      slices,
      attended: rows.positions.reduce((sum, position) => sum + position + 1, 0),
    };
  }

  #encode(encoder: GPUCommandEncoder, dispatches: readonly Dispatch[], sizes: StepSizes): void {
    if (this.#profiler) {
      this.#profiler.encode(encoder, dispatches, sizes);
      return;
    }
    const pass = encoder.beginComputePass();
    for (const { pipeline, bindGroup, grid } of dispatches) {
      const [x, y, z] = grid(sizes);
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(x, y, z);
    }
    pass.end();
  }

  async #read<T>(bytes: number, take: (mapped: ArrayBuffer) => T): Promise<T> {
    await this.#parts.gpu.settled(this.#staging.mapAsync(GPUMapMode.READ, 0, bytes));
    const taken = take(this.#staging.getMappedRange(0, bytes));
    this.#staging.unmap();
    return taken;
  }
}

/** Steps of this many tokens fill tiles well enough. */
const LONG = 32;

function modeOf({ slices }: Step, { tokens }: StepRows): Mode {
  if (tokens.length === 1) return slices[0]!.want?.kind === 'attention' ? 'traced' : 'single';
  if (tokens.length === slices.length) return 'batch';
  return tokens.length < LONG ? 'many' : 'long';
}

/** Length of the longest sequence after the step. */
function longest({ positions }: StepRows): number {
  return positions.reduce((most, position) => Math.max(most, position + 1), 0);
}

/** An output row: its logits [V], or the largest of them. No other row shares their memory. */
interface OutputRow {
  readonly logits?: Float32Array;
  readonly top?: TopLogits;
}

function logitsOf(outputs: readonly OutputRow[]): Float32Array {
  return outputs.length === 1 ? outputs[0]!.logits! : joined(outputs.map(({ logits }) => logits!));
}

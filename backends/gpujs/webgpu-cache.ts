/**
 * The cache on the GPU: a buffer of keys and one of values for each state, written by copies between kernels.
 */
import type { Program, StateId } from '../backend.ts';
import { type CacheView, type Chunk, firstSeen, type KvCache, type Tensor } from './device.ts';
import type { BufferHandle, GpuContext, GpuJs } from './gpu-js.ts';

/** Keys of a state, or its values: [sequences * contextLength][rowBytes]. */
interface Rows {
  readonly handle: BufferHandle;
  readonly rowBytes: number;
}

export class WebgpuCache implements KvCache {
  readonly bytes: number;
  readonly #device: GPUDevice;
  readonly #contextLength: number;
  readonly #states: { readonly keys: Rows; readonly values: Rows }[];

  constructor(
    { WebGPUBufferResult }: GpuJs,
    context: GpuContext,
    { states, limits }: Pick<Program, 'states' | 'limits'>,
  ) {
    const { sequences, contextLength } = limits;
    this.#device = context.device;
    this.#contextLength = contextLength;
    const count = sequences * contextLength;
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const rows = (columns: number): Rows => {
      const rowBytes = columns * Float32Array.BYTES_PER_ELEMENT;
      const buffer = this.#device.createBuffer({ size: count * rowBytes, usage });
      const output = [columns, count] as const;
      return { rowBytes, handle: new WebGPUBufferResult({ buffer, output, componentCount: 1, context }) };
    };
    this.#states = states.map(({ kvHeads, keyDim, valueDim }) => ({
      keys: rows(kvHeads * keyDim),
      values: rows(kvHeads * valueDim),
    }));
    this.bytes = this.#all.reduce((sum, { rowBytes }) => sum + count * rowBytes, 0);
  }

  get #all(): Rows[] {
    return this.#states.flatMap(({ keys, values }) => [keys, values]);
  }

  append(state: StateId, keys: Tensor, values: Tensor, chunk: Chunk): void {
    const cached = this.#states[state]!;
    const encoder = this.#device.createCommandEncoder();
    for (const { first, count, row } of runsOf(chunk, this.#contextLength)) {
      for (const [rows, { handle, rowBytes }] of [
        [keys as BufferHandle, cached.keys],
        [values as BufferHandle, cached.values],
      ] as const) {
        const [from, to, size] = [first * rowBytes, row * rowBytes, count * rowBytes];
        encoder.copyBufferToBuffer(rows.buffer, from, handle.buffer, to, size);
      }
    }
    this.#device.queue.submit([encoder.finish()]);
  }

  view(state: StateId, { positions, sequences }: Chunk, window?: number): CacheView {
    const { keys, values } = this.#states[state]!;
    return {
      keys: keys.handle,
      values: values.handle,
      bases: positions.map((position, t) => {
        return sequences[t]! * this.#contextLength + firstSeen(position, window);
      }),
      columns: Math.max(...positions.map((position) => position + 1 - firstSeen(position, window))),
    };
  }

  /** By way of a second buffer: WebGPU copies from one buffer to another only. */
  copy(from: number, to: number, upto: number): void {
    const most = upto * Math.max(0, ...this.#all.map(({ rowBytes }) => rowBytes));
    if (most === 0 || from === to) return;
    const between = this.#device.createBuffer({
      size: most,
      usage: GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
    const encoder = this.#device.createCommandEncoder();
    for (const { handle, rowBytes } of this.#all) {
      const [size, sequenceBytes] = [upto * rowBytes, this.#contextLength * rowBytes];
      encoder.copyBufferToBuffer(handle.buffer, from * sequenceBytes, between, 0, size);
      encoder.copyBufferToBuffer(between, 0, handle.buffer, to * sequenceBytes, size);
    }
    this.#device.queue.submit([encoder.finish()]);
    between.destroy();
  }

  async read(sequence: number, upto: number): Promise<Float32Array[]> {
    const parts: Float32Array[] = [];
    for (const { handle, rowBytes } of this.#all) {
      const size = upto * rowBytes;
      const staging = this.#device.createBuffer({
        size,
        usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
      });
      const encoder = this.#device.createCommandEncoder();
      encoder.copyBufferToBuffer(handle.buffer, sequence * this.#contextLength * rowBytes, staging, 0, size);
      this.#device.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      parts.push(new Float32Array(staging.getMappedRange().slice(0)));
      staging.destroy();
    }
    return parts;
  }

  write(sequence: number, upto: number, next: (count: number) => Float32Array<ArrayBuffer>): void {
    for (const { handle, rowBytes } of this.#all) {
      const numbers = next((upto * rowBytes) / Float32Array.BYTES_PER_ELEMENT);
      this.#device.queue.writeBuffer(handle.buffer, sequence * this.#contextLength * rowBytes, numbers);
    }
  }

  dispose(): void {
    for (const { handle } of this.#all) handle.delete();
    this.#states.length = 0;
  }
}

/** Tokens of one sequence at positions that follow each other: their rows of the chunk, and of the cache. */
function runsOf(
  { positions, sequences }: Chunk,
  contextLength: number,
): { first: number; count: number; row: number }[] {
  const runs: { first: number; count: number; row: number }[] = [];
  positions.forEach((position, t) => {
    const row = sequences[t]! * contextLength + position;
    const last = runs.at(-1);
    if (last && last.row + last.count === row) last.count++;
    else runs.push({ first: t, count: 1, row });
  });
  return runs;
}

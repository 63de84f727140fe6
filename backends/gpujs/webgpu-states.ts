/** The states on the GPU: buffers of keys, of values and of recurrent states, written by copies between kernels. */
import type { Program, StateId } from '../backend.ts';
import { type CacheView, type Chunk, type ConvRows, firstSeen, type States, type Tensor } from './device.ts';
import type { BufferHandle, GpuContext, GpuJs } from './gpu-js.ts';

const FLOAT = Float32Array.BYTES_PER_ELEMENT;

/** Keys of a state, or its values: [sequences * contextLength][rowBytes]. */
interface Rows {
  readonly handle: BufferHandle;
  readonly rowBytes: number;
}

/** A recurrent state: [sequences][sequenceBytes]. */
interface Past {
  readonly handle: BufferHandle;
  readonly sequenceBytes: number;
}

export class WebgpuStates implements States {
  readonly bytes: number;
  readonly #device: GPUDevice;
  readonly #contextLength: number;
  readonly #kv = new Map<StateId, { readonly keys: Rows; readonly values: Rows }>();
  readonly #past = new Map<StateId, Past>();
  /** A chunk's rows after those that sequences keep. One for all states: the queue runs in order. */
  readonly #rows: BufferHandle | undefined;

  /** @param rowsBytes of `#rows` (rowsBytesOf) */
  constructor(
    { WebGPUBufferResult }: GpuJs,
    context: GpuContext,
    { states, limits }: Pick<Program, 'states' | 'limits'>,
    rowsBytes: number,
  ) {
    const { sequences, contextLength } = limits;
    this.#device = context.device;
    this.#contextLength = contextLength;
    const count = sequences * contextLength;
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const matrix = (columns: number, rows: number): BufferHandle => {
      const buffer = this.#device.createBuffer({ size: FLOAT * columns * rows, usage });
      return new WebGPUBufferResult({ buffer, output: [columns, rows], componentCount: 1, context });
    };
    const rows = (columns: number): Rows => ({ rowBytes: FLOAT * columns, handle: matrix(columns, count) });
    for (const [id, state] of states.entries()) {
      if (state.kind === 'recurrent') {
        const { floats } = state;
        this.#past.set(id, { sequenceBytes: FLOAT * floats, handle: matrix(floats, sequences) });
        continue;
      }
      const { kvHeads, keyDim, valueDim } = state;
      this.#kv.set(id, { keys: rows(kvHeads * keyDim), values: rows(kvHeads * valueDim) });
    }
    if (rowsBytes > 0) this.#rows = matrix(1, rowsBytes / FLOAT);
    const past = this.#past.values().reduce((sum, { sequenceBytes }) => sum + sequences * sequenceBytes, 0);
    this.bytes = this.#all.reduce((sum, { rowBytes }) => sum + count * rowBytes, past + rowsBytes);
  }

  get #all(): Rows[] {
    return [...this.#kv.values()].flatMap(({ keys, values }) => [keys, values]);
  }

  append(state: StateId, keys: Tensor, values: Tensor, chunk: Chunk): void {
    const cached = this.#kv.get(state)!;
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
    const { keys, values } = this.#kv.get(state)!;
    return {
      keys: keys.handle,
      values: values.handle,
      bases: positions.map((position, t) => {
        return sequences[t]! * this.#contextLength + firstSeen(position, window);
      }),
      columns: Math.max(...positions.map((position) => position + 1 - firstSeen(position, window))),
    };
  }

  appendRows(state: StateId, x: Tensor, { positions, sequences }: Chunk, columns: number): ConvRows {
    const { handle, sequenceBytes } = this.#past.get(state)!;
    const rows = this.#rows!;
    const rowBytes = FLOAT * columns;
    const firsts = new Float32Array(positions.length);
    const encoder = this.#device.createCommandEncoder();
    let at = 0; // bytes of `rows` so far
    for (let t = 0, end = 0; t < positions.length; t = end) {
      while (sequences[end] === sequences[t]) end++;
      const [from, size] = [sequences[t]! * sequenceBytes, (end - t) * rowBytes];
      if (positions[t] === 0) encoder.clearBuffer(rows.buffer, at, sequenceBytes);
      else encoder.copyBufferToBuffer(handle.buffer, from, rows.buffer, at, sequenceBytes);
      encoder.copyBufferToBuffer(
        (x as BufferHandle).buffer,
        t * rowBytes,
        rows.buffer,
        at + sequenceBytes,
        size,
      );
      encoder.copyBufferToBuffer(rows.buffer, at + size, handle.buffer, from, sequenceBytes);
      for (let i = t; i < end; i++) firsts[i] = at / rowBytes + (i - t);
      at += sequenceBytes + size;
    }
    this.#device.queue.submit([encoder.finish()]);
    rows.output = [columns, at / rowBytes];
    return { rows, firsts };
  }

  /** Copies through a second buffer: WebGPU cannot copy within one. */
  copy(from: number, to: number, upto: number): void {
    if (upto === 0 || from === to) return;
    const past = [...this.#past.values()];
    const most = Math.max(
      ...this.#all.map(({ rowBytes }) => upto * rowBytes),
      ...past.map(({ sequenceBytes }) => sequenceBytes),
      4,
    );
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
    for (const { handle, sequenceBytes } of past) {
      encoder.copyBufferToBuffer(handle.buffer, from * sequenceBytes, between, 0, sequenceBytes);
      encoder.copyBufferToBuffer(between, 0, handle.buffer, to * sequenceBytes, sequenceBytes);
    }
    this.#device.queue.submit([encoder.finish()]);
    between.destroy();
  }

  async read(sequence: number, upto: number): Promise<Float32Array[]> {
    const parts: Float32Array[] = [];
    for (const { handle, offset, size } of this.#kept(sequence, upto)) {
      const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
      const staging = this.#device.createBuffer({ size, usage });
      const encoder = this.#device.createCommandEncoder();
      encoder.copyBufferToBuffer(handle.buffer, offset, staging, 0, size);
      this.#device.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      parts.push(new Float32Array(staging.getMappedRange().slice(0)));
      staging.destroy();
    }
    return parts;
  }

  write(sequence: number, upto: number, next: (count: number) => Float32Array<ArrayBuffer>): void {
    for (const { handle, offset, size } of this.#kept(sequence, upto)) {
      this.#device.queue.writeBuffer(handle.buffer, offset, next(size / FLOAT));
    }
  }

  /** Byte ranges of the first `upto` positions of a sequence. */
  #kept(sequence: number, upto: number): { handle: BufferHandle; offset: number; size: number }[] {
    const past = upto > 0 ? [...this.#past.values()] : [];
    return [
      ...this.#all.map(({ handle, rowBytes }) => {
        return { handle, offset: sequence * this.#contextLength * rowBytes, size: upto * rowBytes };
      }),
      ...past.map(({ handle, sequenceBytes }) => {
        return { handle, offset: sequence * sequenceBytes, size: sequenceBytes };
      }),
    ];
  }

  dispose(): void {
    for (const { handle } of this.#all) handle.delete();
    for (const { handle } of this.#past.values()) handle.delete();
    this.#rows?.delete();
    this.#kv.clear();
    this.#past.clear();
  }
}

/**
 * Bytes of the rows of a conv over a chunk, with those that its sequences keep: the most of any conv.
 * @param columns of the widest conv
 */
export function rowsBytesOf(
  { states, limits }: Pick<Program, 'states' | 'limits'>,
  maxTokens: number,
  columns: number,
): number {
  const tokens = Math.min(maxTokens, limits.maxTokens);
  const kept = states.map((state) => (state.kind === 'recurrent' ? state.floats : 0));
  return FLOAT * (tokens * columns + Math.min(tokens, limits.sequences) * Math.max(0, ...kept));
}

/** Runs of tokens at consecutive positions of one sequence: first row in the chunk, first row in the cache. */
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

/**
 * The cache on the GPU: a buffer of keys and one of values for each layer, written by copies between kernels.
 */
import type { KvShape } from '../backend.ts';
import type { Tensor } from './device.ts';
import type { BufferHandle, GpuContext, GpuJs } from './gpu-js.ts';
import type { CacheView, Chunk, KvCache } from './kv-cache.ts';

interface LayerCache {
  readonly keys: BufferHandle; // [sequences * contextLength][kvHeads * D]
  readonly values: BufferHandle;
}

export class WebgpuCache implements KvCache {
  readonly bytes: number;
  readonly #device: GPUDevice;
  readonly #contextLength: number;
  readonly #rowBytes: number;
  readonly #layers: LayerCache[];

  constructor({ WebGPUBufferResult }: GpuJs, context: GpuContext, kv: KvShape) {
    const columns = kv.kvHeads * kv.headDim;
    const rows = kv.sequences * kv.contextLength;
    this.#device = context.device;
    this.#contextLength = kv.contextLength;
    this.#rowBytes = columns * Float32Array.BYTES_PER_ELEMENT;
    this.bytes = 2 * kv.layers * rows * this.#rowBytes;
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const matrix = () => {
      const buffer = this.#device.createBuffer({ size: rows * this.#rowBytes, usage });
      return new WebGPUBufferResult({ buffer, output: [columns, rows], componentCount: 1, context });
    };
    this.#layers = Array.from({ length: kv.layers }, () => ({ keys: matrix(), values: matrix() }));
  }

  append(layer: number, keys: Tensor, values: Tensor, chunk: Chunk): void {
    const cache = this.#layers[layer]!;
    const encoder = this.#device.createCommandEncoder();
    for (const { first, count, row } of runsOf(chunk, this.#contextLength)) {
      const [from, to, size] = [first, row, count].map((rows) => rows * this.#rowBytes) as [
        number,
        number,
        number,
      ];
      encoder.copyBufferToBuffer((keys as BufferHandle).buffer, from, cache.keys.buffer, to, size);
      encoder.copyBufferToBuffer((values as BufferHandle).buffer, from, cache.values.buffer, to, size);
    }
    this.#device.queue.submit([encoder.finish()]);
  }

  view(layer: number, { positions, sequences }: Chunk): CacheView {
    return {
      ...this.#layers[layer]!,
      bases: Float32Array.from(sequences, (sequence) => sequence * this.#contextLength),
      columns: Math.max(...positions) + 1,
    };
  }

  /** By way of a second buffer: WebGPU copies from one buffer to another only. */
  copy(from: number, to: number, upto: number): void {
    const size = upto * this.#rowBytes;
    if (size === 0 || from === to) return;
    const sequenceBytes = this.#contextLength * this.#rowBytes;
    const between = this.#device.createBuffer({
      size,
      usage: GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
    const encoder = this.#device.createCommandEncoder();
    for (const { buffer } of this.#layers.flatMap(({ keys, values }) => [keys, values])) {
      encoder.copyBufferToBuffer(buffer, from * sequenceBytes, between, 0, size);
      encoder.copyBufferToBuffer(between, 0, buffer, to * sequenceBytes, size);
    }
    this.#device.queue.submit([encoder.finish()]);
    between.destroy();
  }

  dispose(): void {
    for (const { keys, values } of this.#layers.splice(0)) {
      keys.delete();
      values.delete();
    }
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

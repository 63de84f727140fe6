/**
 * The cache where kernels run on the processor. Mode cpu reads it where it is. Mode webasm copies what
 * attention reads at every call, so it is handed the beginning of a sequence: twice as much each time it is
 * too short, because another length is another module.
 */
import type { KvShape } from '../backend.ts';
import type { Device, HostRows, Tensor } from './device.ts';
import type { CacheView, Chunk, KvCache } from './kv-cache.ts';

const SHORTEST = 64;

export class HostCache implements KvCache {
  readonly bytes: number;
  readonly #device: Pick<Device, 'input'>;
  readonly #kv: KvShape;
  readonly #columns: number; // kvHeads * D
  readonly #doubled: boolean;
  readonly #keys: Float32Array[][]; // [layer][sequence], each [contextLength][columns]
  readonly #values: Float32Array[][];

  constructor(device: Pick<Device, 'input'>, kv: KvShape, doubled: boolean) {
    const { layers, sequences, contextLength } = kv;
    this.#device = device;
    this.#kv = kv;
    this.#columns = kv.kvHeads * kv.headDim;
    this.#doubled = doubled;
    this.bytes = 2 * layers * sequences * contextLength * this.#columns * Float32Array.BYTES_PER_ELEMENT;
    const caches = () =>
      Array.from({ length: layers }, () =>
        Array.from({ length: sequences }, () => new Float32Array(contextLength * this.#columns)),
      );
    this.#keys = caches();
    this.#values = caches();
  }

  append(layer: number, keys: Tensor, values: Tensor, { positions, sequences }: Chunk): void {
    positions.forEach((position, t) => {
      const [sequence, at] = [sequences[t]!, position * this.#columns];
      this.#keys[layer]![sequence]!.set((keys as HostRows)[t]!, at);
      this.#values[layer]![sequence]!.set((values as HostRows)[t]!, at);
    });
  }

  view(layer: number, { positions, sequences }: Chunk): CacheView {
    const length = Math.max(...positions) + 1;
    const columns = this.#doubled ? this.#atLeast(length) : length;
    const part = (caches: readonly Float32Array[][]) =>
      this.#device.input(caches[layer]![sequences[0]!]!.subarray(0, columns * this.#columns), [
        this.#columns,
        columns,
      ]);
    return {
      keys: part(this.#keys),
      values: part(this.#values),
      bases: new Float32Array(positions.length),
      columns,
    };
  }

  copy(from: number, to: number, upto: number): void {
    for (const layer of [...this.#keys, ...this.#values]) {
      layer[to]!.set(layer[from]!.subarray(0, upto * this.#columns));
    }
  }

  dispose(): void {
    this.#keys.length = 0;
    this.#values.length = 0;
  }

  #atLeast(length: number): number {
    const doubled = 2 ** Math.ceil(Math.log2(Math.max(length, SHORTEST)));
    return Math.min(doubled, this.#kv.contextLength);
  }
}

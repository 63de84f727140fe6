/** Named storage buffers on the device. In tests, guards on both sides of an array show writes beyond its ends. */
import { UserError } from '../../errors.ts';
import type { GpuDevice } from './device.ts';

export interface GpuArray {
  readonly label: string;
  readonly buffer: GPUBuffer;
  readonly offset: number; // bytes from the start of the buffer
  readonly bytes: number;
}

const GUARD_BYTES = 256; // alignment of binding offsets
const GUARD_WORD = 0xdeadbeef;

/** Creates arrays and owns them until they are destroyed. */
export class Arrays {
  readonly #device: GpuDevice;
  readonly #guarded: boolean;
  readonly #arrays = new Set<GpuArray>();
  bytes = 0; // of all arrays, without guards

  constructor(device: GpuDevice, guarded: boolean) {
    this.#device = device;
    this.#guarded = guarded;
  }

  /** An array of zeros. Throws UserError of kind memory if it does not fit in one binding or buffer. */
  make(label: string, bytes: number): GpuArray {
    const size = Math.max(16, 4 * Math.ceil(bytes / 4));
    const { device, bindingLimit } = this.#device;
    const most = Math.min(bindingLimit, device.limits.maxBufferSize!);
    if (size > most) throw tooLarge(label, size, most);
    const guard = this.#guarded ? GUARD_BYTES : 0;
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const buffer = device.createBuffer({ label, size: size + 2 * guard, usage });
    const array = { label, buffer, offset: guard, bytes: size };
    if (guard > 0) {
      const words = new Uint32Array(guard / 4).fill(GUARD_WORD);
      device.queue.writeBuffer(buffer, 0, words);
      device.queue.writeBuffer(buffer, guard + size, words);
    }
    this.#arrays.add(array);
    this.bytes += size;
    return array;
  }

  /** Names the first array with a damaged guard. */
  async damage(): Promise<string | undefined> {
    if (!this.#guarded) return undefined;
    for (const { label, buffer, offset, bytes } of this.#arrays) {
      for (const start of [0, offset + bytes]) {
        const guard = { buffer, offset: start, bytes: GUARD_BYTES };
        const words = new Uint32Array(await readBack(this.#device, [guard]));
        const at = words.findIndex((word) => word !== GUARD_WORD);
        if (at >= 0) return `${label}, ${4 * at} bytes into the guard ${start === 0 ? 'before' : 'after'} it`;
      }
    }
    return undefined;
  }

  destroy(arrays: Iterable<GpuArray> = this.#arrays): void {
    for (const array of [...arrays]) {
      if (!this.#arrays.delete(array)) continue;
      array.buffer.destroy();
      this.bytes -= array.bytes;
    }
  }
}

/** The bytes of the ranges, concatenated. */
export async function readBack(
  gpu: GpuDevice,
  ranges: readonly Omit<GpuArray, 'label'>[],
): Promise<ArrayBuffer> {
  const { device } = gpu;
  const staging = device.createBuffer({
    size: ranges.reduce((sum, { bytes }) => sum + bytes, 0),
    usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
  });
  const encoder = device.createCommandEncoder();
  let at = 0;
  for (const { buffer, offset, bytes } of ranges) {
    encoder.copyBufferToBuffer(buffer, offset, staging, at, bytes);
    at += bytes;
  }
  device.queue.submit([encoder.finish()]);
  await gpu.settled(staging.mapAsync(GPUMapMode.READ));
  const copy = staging.getMappedRange().slice(0);
  staging.destroy();
  return copy;
}

function tooLarge(label: string, bytes: number, most: number): UserError {
  const megabytes = (count: number) => `${Math.ceil(count / 1e6)} MB`;
  return new UserError(
    `Expected ${label} to fit in one buffer of the device, ${megabytes(most)}, got ${megabytes(bytes)}.`,
    'Ask for a shorter context (--ctx N), or choose --backend cpu.',
    { kind: 'memory' },
  );
}

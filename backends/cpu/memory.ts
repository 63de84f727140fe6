/**
 * The memory that all threads share: one WebAssembly.Memory, handed out from the bottom and never moved.
 * Reserved address space costs nothing until it is touched.
 */
import { UserError } from '../../errors.ts';
import { HEAP } from '../../kernels/wasm/layout.ts';

const PAGE = 65_536;
const MAX_PAGES = 65_536; // 4 GiB, all that 32-bit addresses reach
const ALIGNMENT = 64; // a cache line

export class SharedHeap {
  readonly memory = new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES, shared: true });
  #top = HEAP;

  /** Bytes handed out so far, the control block included. */
  get used(): number {
    return this.#top;
  }

  /** Address of `bytes` bytes on cache lines of their own; zero unless released before. Throws UserError of kind memory. */
  allocate(bytes: number): number {
    const address = this.#top;
    const top = address + Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    const missing = Math.ceil(top / PAGE) - this.memory.buffer.byteLength / PAGE;
    if (missing > 0) this.#grow(missing, top);
    this.#top = top;
    return address;
  }

  /** Gives back everything from `address` on, as it is. */
  release(address: number): void {
    this.#top = address;
  }

  #grow(pages: number, top: number): void {
    try {
      this.memory.grow(pages);
    } catch (cause) {
      throw new UserError(
        `Expected the model and its context to fit in 4 GiB, the reach of the CPU backend, got ${(top / 2 ** 30).toFixed(1)} GiB.`,
        'Use a smaller model or quantization, or a shorter context (--ctx N).',
        { cause, kind: 'memory' },
      );
    }
  }

  i32(address: number, length: number): Int32Array {
    return new Int32Array(this.memory.buffer, address, length);
  }

  f32(address: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, length);
  }

  bytes(address: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, address, length);
  }
}

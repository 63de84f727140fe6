/**
 * A kernel of the plan and its weights. Weights of one shape form a stack, so thirty layers need one kernel. A call
 * passes the index of its item in the stack. The stack is packed when the kernel first runs. Then the host's copy is
 * freed, if gpu.js has its own.
 */
import { UserError } from '../../errors.ts';
import type { KernelSource } from '../../kernels/gpujs/kernel-source.ts';
import { type PackedBlock, packedLength } from '../../kernels/gpujs/packed-block.ts';
import { dequantize } from '../../kernels/reference/dequantize.ts';
import type { WeightId } from '../backend.ts';
import type { Argument, Device, Kernel, Size, Tensor } from './device.ts';
import type { Input } from './gpu-js.ts';
import { packMatrix } from './pack.ts';
import type { Weight } from './weight.ts';

/** One constant of a kernel: items of equal length, one after the other. */
export interface Stack {
  readonly name: 'weights' | 'bias';
  readonly itemLength: number; // floats
  /** The items are packed matrices, read as one list. Absent: they are vectors of float32, read as rows. */
  readonly block?: PackedBlock;
}

/** Weights of an item: matrices or a vector for stack 'weights', a vector for stack 'bias'. */
export interface Item {
  readonly weights: readonly WeightId[];
  readonly bias?: WeightId;
}

export class KernelSlot {
  readonly source: KernelSource;
  readonly #device: Device;
  readonly #weights: readonly Weight[];
  readonly #stacks: readonly Stack[];
  readonly #size: Size | undefined;
  readonly #items: Item[] = [];
  #kernel: Kernel | undefined;
  #disposed = false;

  /** @param size of the result, if it is always the same */
  constructor(
    device: Device,
    weights: readonly Weight[],
    source: KernelSource,
    stacks: readonly Stack[],
    size?: Size,
  ) {
    this.#device = device;
    this.#weights = weights;
    this.source = source;
    this.#stacks = stacks;
    this.#size = size;
  }

  /** Bytes of its weights. */
  get bytes(): number {
    return this.#items.length * this.#itemBytes;
  }

  /** Index of the item; undefined if the stack is full. Throws UserError if an empty stack could not hold it. */
  place(item: Item): number | undefined {
    const known = this.#items.findIndex((other) => sameItem(item, other));
    if (known >= 0) return known;
    const { maxBytes } = this.#device;
    if (this.#itemBytes > maxBytes) throw this.#tooLarge(item);
    if (this.bytes + this.#itemBytes > maxBytes) return undefined;
    return this.#items.push(item) - 1;
  }

  async run(args: readonly Argument[], size: Size, as?: Size): Promise<Tensor> {
    if (this.#disposed) throw new Error('The executable was disposed of during a step.');
    if (this.#kernel) return this.#kernel.run(args, size, as);
    const constants: Record<string, Input> = {};
    for (const stack of this.#stacks) constants[stack.name] = await this.#load(stack);
    this.#kernel = this.#device.kernel(this.source, { constants, size: this.#size });
    const result = await this.#kernel.run(args, size, as);
    if (this.#device.mode !== 'cpu')
      for (const input of Object.values(constants)) input.value = new Float32Array(0);
    return result;
  }

  /** Later calls of `run` throw: gpu.js would create a destroyed kernel again. */
  dispose(): void {
    this.#disposed = true;
    this.#kernel?.dispose();
  }

  get #itemBytes(): number {
    const floats = this.#stacks.reduce((sum, { itemLength }) => sum + itemLength, 0);
    return floats * Float32Array.BYTES_PER_ELEMENT;
  }

  async #load({ name, itemLength, block }: Stack): Promise<Input> {
    const out = new Float32Array(this.#items.length * itemLength);
    let at = 0;
    for (const item of this.#items) {
      for (const id of name === 'bias' ? [item.bias!] : item.weights) {
        const { desc } = this.#weights[id]!;
        const bytes = await this.#weights[id]!.read();
        const length = block ? packedLength(block, desc.rows, desc.cols) : itemLength;
        const part = out.subarray(at, at + length);
        if (block) packMatrix(desc, bytes, part);
        else part.set(dequantize(desc.type, bytes));
        at += length;
      }
    }
    return this.#device.input(out, block ? [out.length] : [itemLength, this.#items.length]);
  }

  #tooLarge({ weights }: Item): UserError {
    const { name } = this.#weights[weights[0]!]!.desc;
    return new UserError(
      `Expected ${name} to fit into one buffer of ${this.#device.maxBytes} bytes, ` +
        `got ${this.#itemBytes} bytes, packed.`,
      'Use a smaller model or quantization, or another backend.',
      { kind: 'memory' },
    );
  }
}

function sameItem(a: Item, b: Item): boolean {
  return a.bias === b.bias && a.weights.join() === b.weights.join();
}

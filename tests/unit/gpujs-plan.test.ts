/** The gpu.js kernels of a program, and the weights that they share. */
import { describe, expect, it } from 'vitest';
import type { Op, Program } from '../../backends/backend.ts';
import type { Argument, Device, KernelOptions, Size, Tensor } from '../../backends/gpujs/device.ts';
import type { Input } from '../../backends/gpujs/gpu-js.ts';
import { KernelSlot } from '../../backends/gpujs/kernel-slot.ts';
import { planProgram } from '../../backends/gpujs/plan.ts';
import { Weight } from '../../backends/gpujs/weight.ts';
import { randomMatrix } from '../../bench/conformance/matrices.ts';
import { UserError } from '../../errors.ts';
import type { KernelSource } from '../../kernels/gpujs/kernel-source.ts';
import type { TensorType } from '../../kernels/quant-formats.ts';

/** 16 x 32 floats of a scale and six words to a block of 32. */
const ITEM_BYTES = 4 * 16 * 7;

/** A device that records its calls. */
class NotingDevice implements Partial<Device> {
  readonly mode: Device['mode'];
  readonly integer = '0';
  readonly maxBytes: number;
  readonly made: { source: KernelSource; constants: Readonly<Record<string, Input>> }[] = [];

  constructor(maxBytes: number, mode: Device['mode'] = 'webgpu') {
    this.maxBytes = maxBytes;
    this.mode = mode;
  }

  kernel(source: KernelSource, { constants = {} }: KernelOptions = {}) {
    this.made.push({ source, constants: structuredClone(constants) });
    return { run: (_: readonly Argument[], [, rows]: Size): Tensor => new Array(rows), dispose() {} };
  }

  input(value: Float32Array, size: readonly number[]): Input {
    return { value, size };
  }
}

function matrix(type: TensorType, rows = 16): Weight {
  const { desc, bytes } = randomMatrix(type, rows, 32);
  return new Weight(desc, { bytes });
}

/** A table of 32 columns and the weights; the ops after its embedding, value 0, the last of which is selected. */
async function plan(weights: readonly Weight[], after: readonly Op[], maxBytes = 2 ** 20) {
  const ops: Op[] = [{ op: 'embed', table: weights.length }, ...after];
  const program: Program = {
    name: 'test',
    ops: [...ops, { op: 'select', x: ops.length - 1 }],
    output: ops.length,
    states: [],
    limits: { sequences: 1, contextLength: 8, maxTokens: 4 },
  };
  const device = new NotingDevice(maxBytes);
  const { slots } = await planProgram(program, [...weights, matrix('Q8_0', 40)], device as unknown as Device);
  return { slots, matmuls: slots.filter(({ source }) => source.name === 'matmul') };
}

const product = (weight: number): Op => ({ op: 'matmul', x: 0, weight });
const silu = (x: number): Op => ({ op: 'map', fn: 'silu', x });

describe('weights of one shape', () => {
  const weights = [matrix('Q4_0', 32), matrix('Q4_0', 32), matrix('Q4_0', 32)];
  const bytes = 2 * ITEM_BYTES; // of 32 rows
  /** Products and functions of them alternate: no product is read after the next one is made. */
  const chain = (ids: readonly number[]): Op[] =>
    ids.flatMap((weight, i) => [{ op: 'matmul', x: 2 * i, weight } as const, silu(2 * i + 1)]);

  it('share a kernel, in sequence', async () => {
    const { matmuls } = await plan(weights, chain([0, 1, 2]));
    expect(matmuls.map(({ bytes }) => bytes)).toEqual([3 * bytes]);
  });

  it('need a second kernel if a buffer does not hold them all', async () => {
    const { matmuls } = await plan(weights, chain([0, 1, 2]), 2.5 * bytes);
    expect(matmuls.map(({ bytes }) => bytes)).toEqual([2 * bytes, bytes]);
  });

  it('need separate kernels while both results are needed', async () => {
    const both: Op[] = [product(0), product(1), { op: 'zip', fn: 'mul', a: 1, b: 2 }];
    const { matmuls } = await plan(weights, both);
    expect(matmuls.map(({ bytes }) => bytes)).toEqual([bytes, bytes]);
  });

  it('are stacked once even if they are used twice', async () => {
    const { matmuls } = await plan(weights, chain([0, 0]));
    expect(matmuls.map(({ bytes }) => bytes)).toEqual([bytes]);
  });
});

it('never lets a kernel write its input', async () => {
  const { slots } = await plan([], [silu(0), silu(1), silu(2)]);
  expect(slots.filter(({ source }) => source.name === 'silu')).toHaveLength(2);
});

const gate: Op[] = [product(0), product(1), silu(1), { op: 'zip', fn: 'mul', a: 3, b: 2 }];

it.each([
  ['in one kernel, of one type', [matrix('Q4_0'), matrix('Q4_0')], ['embed', 'matmul', 'select']],
  [
    'in separate kernels for two types',
    [matrix('Q4_0'), matrix('Q8_0')],
    ['embed', 'matmul', 'matmul', 'silu', 'mul', 'select'],
  ],
])('gates %s', async (_, weights, names) => {
  const { slots } = await plan(weights, gate);
  expect(slots.map(({ source }) => source.name)).toEqual(names);
});

it('reports a weight that no buffer holds, with both sizes', async () => {
  const failure = await plan([matrix('Q4_0')], [product(0)], ITEM_BYTES - 1).catch((error) => error);
  expect(failure).toBeInstanceOf(UserError);
  expect(failure.kind).toBe('memory');
  expect(failure.message).toContain(
    `Expected Q4_0 [16, 32] to fit into one buffer of ${ITEM_BYTES - 1} bytes`,
  );
});

it.each([
  ['lets go of packed weights that gpu.js has copied', 'webasm', 0],
  ['keeps packed weights that mode cpu reads in place', 'cpu', ITEM_BYTES / 4],
] as const)('%s', async (_, mode, left) => {
  const device = new NotingDevice(2 ** 20, mode);
  const inputs: Input[] = [];
  device.input = (value, size) => {
    inputs.push({ value, size });
    return inputs[0]!;
  };
  const block = { weights: 32, bits: 4, signed: true, minimum: false };
  const source: KernelSource = { name: 'matmul', text: '', args: [] };
  const stacks = [{ name: 'weights', itemLength: ITEM_BYTES / 4, block }] as const;
  const slot = new KernelSlot(device as unknown as Device, [matrix('Q4_0')], source, stacks);
  slot.place({ weights: [0] });
  await slot.run([], [16, 1]);
  expect(device.made[0]!.constants.weights!.value.some((value) => value !== 0)).toBe(true);
  expect(inputs[0]!.value).toHaveLength(left);
});

it('does not run after dispose', async () => {
  const device = new NotingDevice(2 ** 20);
  const slot = new KernelSlot(device as unknown as Device, [], { name: 'silu', text: '', args: [] }, []);
  slot.dispose();
  await expect(slot.run([], [1, 1])).rejects.toThrow('disposed');
  expect(device.made).toEqual([]);
});

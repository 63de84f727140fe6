/** Which kernels of gpu.js a program becomes, and which weights they serve. */
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

/** A device that notes what it is asked for. */
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

/** Ops on three buffers of 16 or 32 columns, the third of which is selected. */
function plan(weights: readonly Weight[], ops: readonly Op[], maxBytes = 2 ** 20) {
  const program: Program = {
    name: 'test',
    buffers: [32, 16, 16, 16],
    ops: [...ops, { op: 'select', x: 2, out: 3 }],
    logits: 3,
    kv: { layers: 1, kvHeads: 1, headDim: 8, sequences: 1, contextLength: 8 },
    maxTokens: 4,
  };
  const device = new NotingDevice(maxBytes);
  const { slots } = planProgram(program, weights, device as unknown as Device);
  return { slots, matmuls: slots.filter(({ source }) => source.name === 'matmul') };
}

const product = (weight: number, out = 1): Op => ({ op: 'matmul', x: 0, weight, out });

describe('weights of one shape', () => {
  const weights = [matrix('Q4_0'), matrix('Q4_0'), matrix('Q4_0')];
  const apart: Op[] = weights.flatMap((_, id): Op[] => [product(id), { op: 'silu', x: 1, out: 2 }]);

  it('share a kernel, one after the other', () => {
    const { matmuls } = plan(weights, apart);
    expect(matmuls.map(({ bytes }) => bytes)).toEqual([3 * ITEM_BYTES]);
  });

  it('take a second kernel where a buffer does not hold them all', () => {
    const { matmuls } = plan(weights, apart, 2.5 * ITEM_BYTES);
    expect(matmuls.map(({ bytes }) => bytes)).toEqual([2 * ITEM_BYTES, ITEM_BYTES]);
  });

  it('take kernels of their own while both results are needed', () => {
    const { matmuls } = plan(weights, [product(0, 1), product(1, 2), { op: 'add', a: 1, b: 2, out: 2 }]);
    expect(matmuls.map(({ bytes }) => bytes)).toEqual([ITEM_BYTES, ITEM_BYTES]);
  });

  it('are stacked once where they are used twice', () => {
    const { matmuls } = plan(weights, [
      product(0),
      { op: 'silu', x: 1, out: 2 },
      product(0),
      ...apart.slice(1, 2),
    ]);
    expect(matmuls.map(({ bytes }) => bytes)).toEqual([ITEM_BYTES]);
  });
});

it('never lets a kernel write what it reads', () => {
  const { slots } = plan(
    [],
    [
      { op: 'silu', x: 1, out: 1 },
      { op: 'silu', x: 1, out: 1 },
      { op: 'silu', x: 1, out: 2 },
    ],
  );
  expect(slots.filter(({ source }) => source.name === 'silu')).toHaveLength(2);
});

const gate: Op[] = [
  product(0, 1),
  product(1, 2),
  { op: 'silu', x: 1, out: 1 },
  { op: 'mul', a: 1, b: 2, out: 2 },
];

it.each([
  ['in one kernel, of one type', [matrix('Q4_0'), matrix('Q4_0')], ['matmul', 'select']],
  [
    'in kernels of their own, of two types',
    [matrix('Q4_0'), matrix('Q8_0')],
    ['matmul', 'matmul', 'silu', 'mul', 'select'],
  ],
])('gates %s', (_, weights, names) => {
  expect(plan(weights, gate).slots.map(({ source }) => source.name)).toEqual(names);
});

it('tells of a weight that no buffer holds, with both sizes', () => {
  const make = () => plan([matrix('Q4_0')], [product(0)], ITEM_BYTES - 1);
  expect(make).toThrow(UserError);
  expect(make).toThrow(expect.objectContaining({ kind: 'memory' }));
  expect(make).toThrow(`Expected Q4_0 [16, 32] to fit into one buffer of ${ITEM_BYTES - 1} bytes`);
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

it('does not run again once it is disposed of', async () => {
  const device = new NotingDevice(2 ** 20);
  const slot = new KernelSlot(device as unknown as Device, [], { name: 'silu', text: '', args: [] }, []);
  slot.dispose();
  await expect(slot.run([], [1, 1])).rejects.toThrow('disposed');
  expect(device.made).toEqual([]);
});

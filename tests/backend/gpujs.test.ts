/**
 * Properties of the gpu.js backend beyond the contract: its mode, one device shared by many backends, and processes
 * that end by themselves.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, describe, expect, inject, it, vi } from 'vitest';
import type { Backend, Executable, Program, WeightId } from '../../backends/backend.ts';
import { checkMode } from '../../backends/gpujs/device.ts';
import { importGpuJs, type KernelFunction } from '../../backends/gpujs/gpu-js.ts';
import { HostDevice } from '../../backends/gpujs/host-device.ts';
import { createGpujsBackend } from '../../backends/gpujs/index.ts';
import { randomMatrix } from '../../bench/conformance/matrices.ts';
import { UserError } from '../../errors.ts';
import { map } from '../../kernels/reference/map.ts';
import { titled } from '../titled.ts';
import { allRows } from './steps.ts';

const adapter = inject('adapters')[0]!;
const noGpu = adapter.absent;
const started: Backend[] = [];

async function start(mode: 'webgpu' | 'webasm' | 'cpu'): Promise<Backend> {
  const backend = await createGpujsBackend({ mode });
  started.push(backend);
  return backend;
}

afterEach(async () => {
  for (const backend of started.splice(0)) await backend.dispose();
});

const table = randomMatrix('F32', 40, 16, 4);

/** silu of an embedding */
function compile(backend: Backend, limits: Partial<Program['limits']> = {}): Promise<Executable> {
  const id = backend.weight(table.desc, { bytes: table.bytes });
  return backend.compile({
    name: 'silu',
    ops: [
      { op: 'embed', table: id },
      { op: 'map', fn: 'silu', x: 0 },
      { op: 'select', x: 1 },
    ],
    output: 2,
    states: [{ kind: 'kv', kvHeads: 1, keyDim: 16, valueDim: 16 }],
    limits: { sequences: 1, contextLength: 200, maxTokens: 200, ...limits },
  });
}

/** Two convolutions of an embedding, with 3 and 4 weights a column. */
function compileConvs(backend: Backend, limits: Partial<Program['limits']>): Promise<Executable> {
  const [id, three, four] = [table, randomMatrix('F32', 16, 3), randomMatrix('F32', 16, 4)].map(
    ({ desc, bytes }) => backend.weight(desc, { bytes }),
  );
  return backend.compile({
    name: 'convolutions',
    ops: [
      { op: 'embed', table: id! },
      { op: 'conv', x: 0, weight: three!, state: 0 },
      { op: 'conv', x: 1, weight: four!, state: 1 },
      { op: 'select', x: 2 },
    ],
    output: 3,
    states: [2, 3].map((rows) => ({ kind: 'recurrent', floats: rows * 16 })),
    limits: { sequences: 1, contextLength: 200, maxTokens: 200, ...limits },
  });
}

const table32 = randomMatrix('F32', 40, 32, 4);

/** a matrix of N rows times an embedding */
function wide(table: WeightId, weight: WeightId): Program {
  return {
    name: 'wide',
    ops: [
      { op: 'embed', table },
      { op: 'matmul', x: 0, weight },
      { op: 'select', x: 1 },
    ],
    output: 2,
    states: [],
    limits: { sequences: 1, contextLength: 8, maxTokens: 8 },
  };
}

const run = (executable: Executable, ...tokens: number[]) => allRows(executable, { seq: 0, pos: 0, tokens });

async function expectSilu(executable: Executable): Promise<void> {
  const got = await run(executable, 3, 4);
  const expected = map('silu', Float64Array.from(table.values.subarray(3 * 16, 5 * 16)));
  expect(got.every((value, i) => Math.abs(value - expected[i]!) < 1e-5)).toBe(true);
}

describe('the mode', () => {
  it.each(['webasm', 'cpu'] as const)('%s is reported', async (mode) => {
    const backend = await start(mode);
    expect(backend).toMatchObject({
      name: 'gpujs',
      description: expect.stringContaining(`in mode ${mode}:`),
    });
    expect(backend.device).toBeUndefined();
    expect(backend.threads).toBeGreaterThan(0);
  });

  it.skipIf(noGpu)(titled('webgpu is reported, with its device', noGpu), async () => {
    const backend = await start('webgpu');
    expect(backend).toMatchObject({ threads: 0, description: expect.stringContaining('in mode webgpu:') });
    expect(backend.device!.name).not.toBe('');
    expect(backend.device!.limits.maxBufferSize).toBeGreaterThan(2 ** 20);
    expect(backend.description.includes('(software)')).toBe(backend.device!.software);
  });

  it('auto is webasm except with a hardware GPU', async () => {
    const backend = await createGpujsBackend();
    started.push(backend);
    expect(backend.description).toContain(`in mode ${backend.device ? 'webgpu' : 'webasm'}:`);
    expect(backend.device?.software ?? false).toBe(false);
  });

  it('gl is refused with a reason', async () => {
    const gl = createGpujsBackend({ mode: 'gl' });
    await expect(gl).rejects.toThrow(UserError);
    await expect(gl).rejects.toThrow(/Mode gl of gpu.js is not supported: .*package gl/);
  });

  it('is checked for every kernel: one that falls back to another mode is refused, with the reason', async () => {
    vi.spyOn(console, 'warn').mockImplementation(() => {}); // gpu.js writes to the console
    const device = new HostDevice(await importGpuJs(), 'webasm', 1);
    const source = { name: 'odd', text: 'function (x) { return x[0]; }', args: ['Array(2)'] };
    const kernel = device.kernel(source as never, { size: [4, 1] });
    const call = () => kernel.run([new Float32Array(2)], [4, 1]);
    expect(call).toThrow(UserError);
    expect(call).toThrow(/kernel odd in mode cpu instead of mode webasm: .*type Array\(2\) is not supported/);
    await device.dispose();
    vi.restoreAllMocks();
  });

  it('is reported if it differs', () => {
    const kernel = { constructor: { mode: 'cpu' }, fallbackReason: 'no pictures' };
    const check = () =>
      checkMode({ name: 'odd', text: '', args: [] }, { kernel } as KernelFunction, 'webgpu');
    expect(check).toThrow('gpu.js runs the kernel odd in mode cpu instead of mode webgpu: no pictures.');
  });
});

it.each(['webasm', 'cpu'] as const)('a context that does not fit is reported, in mode %s', async (mode) => {
  const huge = compile(await start(mode), { contextLength: 2 ** 40 });
  await expect(huge).rejects.toThrow(UserError);
  await expect(huge).rejects.toMatchObject({ kind: 'memory' });
});

it.each(['webasm', 'cpu'] as const)('the event loop runs during a step in mode %s', async (mode) => {
  const executable = await compile(await start(mode));
  let iterations = 0;
  const timer = setInterval(() => iterations++, 1);
  const until = performance.now() + 200;
  while (performance.now() < until) await run(executable, ...new Array(200).fill(5));
  clearInterval(timer);
  expect(iterations).toBeGreaterThan(2);
});

it('ends a step when it is disposed of', async () => {
  const backend = await start('webasm');
  const executable = await compile(backend);
  const step = run(executable, ...new Array(200).fill(5));
  executable.dispose();
  await expect(step).rejects.toThrow('disposed');
  expect(() => run(executable, 1)).toThrow('disposed');
  await expectSilu(await compile(backend));
});

describe.skipIf(noGpu)(titled('the GPU', noGpu), () => {
  it('is shared by backends, and reopened after the last', async () => {
    const [one, two] = [await createGpujsBackend({ mode: 'webgpu' }), await start('webgpu')];
    const [first, second] = [await compile(one), await compile(two)];
    await expectSilu(first);
    await one.dispose();
    await expectSilu(second);
    await two.dispose();
    started.length = 0;
    expect('gpu' in globalThis.navigator).toBe(false);
    await expectSilu(await compile(await start('webgpu')));
  });

  it('is reopened after a loss, which is reported', async () => {
    const backend = await start('webgpu');
    const executable = await compile(backend);
    const { device } = await (await importGpuJs()).WebGPUContext.acquire();
    const step = run(executable, 1, 2);
    device.destroy();
    await expect(step).rejects.toThrow(UserError);
    await expect(run(executable, 1, 2)).rejects.toMatchObject({ kind: 'device' });
    await expectSilu(await compile(await start('webgpu')));
  });

  it('has a buffer limit, which bounds the context', async () => {
    const long = compile(await start('webgpu'), { contextLength: 2 ** 30 });
    await expect(long).rejects.toThrow(/state of a layer to fit into one buffer of \d+ bytes, got \d+ bytes/);
    await expect(long).rejects.toMatchObject({ kind: 'memory' });
  });

  it('has a buffer limit, which bounds the sequences of a recurrent state', async () => {
    const many = compileConvs(await start('webgpu'), { sequences: 2 ** 27 });
    await expect(many).rejects.toThrow(/state of a layer to fit into one buffer of \d+ bytes, got \d+ bytes/);
    await expect(many).rejects.toMatchObject({ kind: 'memory' });
  });

  it('has one buffer for the rows of all convolutions, which counts as memory', async () => {
    const { memory } = await compileConvs(await start('webgpu'), { sequences: 3, maxTokens: 10 });
    const kept = [2, 3].map((rows) => 3 * rows * 16); // of each state, for all sequences
    expect(memory.kv).toBe(4 * (kept[0]! + kept[1]! + 10 * 16 + kept[1]!));
  });
});

it('gives the same bits with and without threads', async () => {
  const weight = randomMatrix('Q4_1', 10_004, 32); // not a multiple of the rows of a thread
  const bits: Uint32Array[] = [];
  for (const threads of [1, 2, 3]) {
    const backend = await createGpujsBackend({ mode: 'webasm', threads });
    started.push(backend);
    const ids = [table32, weight].map(({ desc, bytes }) => backend.weight(desc, { bytes }));
    const executable = await backend.compile(wide(ids[0]!, ids[1]!));
    bits.push(new Uint32Array((await run(executable, 1, 2)).buffer));
  }
  expect(bits[1]).toEqual(bits[0]);
  expect(bits[2]).toEqual(bits[0]);
});

/** Uses threads if there are any, disposes, and does not call process.exit. */
const SCRIPT = `
  import { createGpujsBackend } from '${resolve(import.meta.dirname, '../../backends/gpujs/index.ts')}';
  const backend = await createGpujsBackend({ mode: process.argv[2], threads: 2 });
  const zeros = (rows) =>
    backend.weight({ name: 'zeros', type: 'F32', rows, cols: 16 }, { bytes: new Uint8Array(64 * rows) });
  const [table, weight] = [zeros(2), zeros(10000)];
  const executable = await backend.compile({
    name: 'wide', output: 2, states: [],
    ops: [{ op: 'embed', table }, { op: 'select', x: 0 }, { op: 'matmul', x: 1, weight }],
    limits: { sequences: 1, contextLength: 8, maxTokens: 1 },
  });
  const slice = { seq: 0, pos: 0, tokens: [1], want: { kind: 'logits' } };
  const [{ logits }] = await executable.submit({ slices: [slice] });
  console.log(logits.length);
  await backend.dispose();
`;

describe('a process ends by itself', () => {
  const folder = mkdtempSync(join(tmpdir(), 'percept-gpujs-'));
  const script = join(folder, 'script.mjs');
  writeFileSync(script, SCRIPT);
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each(['webasm', 'cpu', ...(noGpu ? [] : ['webgpu'])])(
    'after the backend in mode %s is disposed of',
    async (mode) => {
      const { stdout } = await promisify(execFile)(process.execPath, [script, mode], { timeout: 50_000 });
      expect(stdout).toBe('10000\n');
    },
  );
});

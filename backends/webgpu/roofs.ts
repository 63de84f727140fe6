/** Peak rates of the device: reads beyond its caches, and 8-bit multiply-adds in registers. */
import type { Roofs } from '../backend.ts';
import { Arrays } from './arrays.ts';
import type { GpuDevice } from './device.ts';
import { type KernelCall, NO_WORK } from './kernel-call.ts';
import type { Dispatch, Pipelines } from './pipelines.ts';
import type { Tuning } from './tuning.ts';

/** More than the caches of a GPU hold. A software adapter reads a hundredth of that in the same time. */
const READ_BYTES = { hardware: 2 ** 28, software: 2 ** 22 };
const READ_THREADS = { hardware: 2 ** 17, software: 2 ** 10 };
const ITERATIONS = { hardware: 2 ** 12, software: 2 ** 6 };
const RUNS = 3;

export async function measureRoofs(gpu: GpuDevice, pipelines: Pipelines, tuning: Tuning): Promise<Roofs> {
  const kind = gpu.info.software ? 'software' : 'hardware';
  const arrays = new Arrays(gpu, false);
  try {
    const bytes = Math.min(READ_BYTES[kind], 2 ** Math.floor(Math.log2(gpu.bindingLimit)));
    const threads = READ_THREADS[kind];
    const source = arrays.make('source of the read roof', bytes);
    const out = arrays.make('roofs', 4 * threads);
    const call = (read: boolean, iterations: number): KernelCall => ({
      kernel: 'roofline',
      definitions: { READ: read, PACKED_DOT: tuning.packedDot },
      constants: { WG: 64, ITERATIONS: iterations },
      bindings: { 1: source, 3: out },
      grid: () => [threads / 64, 1, 1],
      work: () => NO_WORK,
    });
    const reading = await pipelines.dispatch(call(true, bytes / 16 / threads));
    const multiplying = await pipelines.dispatch(call(false, ITERATIONS[kind]));
    const products = threads * ITERATIONS[kind] * 32 * (tuning.packedDot ? 4 : 2);
    return {
      readBytesPerSecond: bytes / (await seconds(gpu, reading)),
      multiplyAddsPerSecond: products / (await seconds(gpu, multiplying)),
    };
  } finally {
    arrays.destroy();
  }
}

/** Seconds of one dispatch: the least of some runs of several dispatches, minus the time of an empty run. */
async function seconds(gpu: GpuDevice, dispatch: Dispatch): Promise<number> {
  const repeats = gpu.info.software ? 1 : 8;
  await run(gpu, dispatch, 1);
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < RUNS; i++) {
    const [none, all] = [await run(gpu, dispatch, 0), await run(gpu, dispatch, repeats)];
    least = Math.min(least, Math.max(all - none, all / 10) / repeats);
  }
  return least;
}

async function run(
  gpu: GpuDevice,
  { pipeline, bindGroup, grid }: Dispatch,
  repeats: number,
): Promise<number> {
  const { device } = gpu;
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  const [x] = grid({ tokens: 1, outputs: 1, splits: 1, slices: [], attended: 1 });
  for (let i = 0; i < repeats; i++) pass.dispatchWorkgroups(x);
  pass.end();
  const start = performance.now();
  device.queue.submit([encoder.finish()]);
  await gpu.settled(device.queue.onSubmittedWorkDone());
  return (performance.now() - start) / 1e3;
}

/**
 * Times every dispatch with the device's own clock. Each dispatch has a pass of its own, so a profiled step is slower as
 * a whole, but its parts are not.
 */
import type { KernelTime } from '../backend.ts';
import type { GpuDevice } from './device.ts';
import type { StepSizes, Work } from './kernel-call.ts';
import type { Dispatch } from './pipelines.ts';

/** Most queries of a set that WebGPU allows. */
const MOST_QUERIES = 4096;

export class Profiler {
  readonly #gpu: GpuDevice;
  readonly #queries: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #staging: GPUBuffer;
  readonly #times = new Map<string, KernelTime>();
  #timed: { kernel: string; work: Work }[] = []; // of the current submit, two queries each

  constructor(gpu: GpuDevice) {
    this.#gpu = gpu;
    const { device } = gpu;
    const size = MOST_QUERIES * 8;
    this.#queries = device.createQuerySet({ type: 'timestamp', count: MOST_QUERIES });
    this.#resolved = device.createBuffer({
      size,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
    this.#staging = device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  }

  /** One entry a kernel, the slowest first. */
  get times(): KernelTime[] {
    return [...this.#times.values()].sort((a, b) => b.seconds - a.seconds);
  }

  encode(encoder: GPUCommandEncoder, dispatches: readonly Dispatch[], sizes: StepSizes): void {
    for (const { kernel, pipeline, bindGroup, grid, work } of dispatches) {
      const query = 2 * this.#timed.length;
      const timestampWrites =
        query + 1 < MOST_QUERIES
          ? { querySet: this.#queries, beginningOfPassWriteIndex: query, endOfPassWriteIndex: query + 1 }
          : undefined;
      if (timestampWrites) this.#timed.push({ kernel, work: work(sizes) });
      const pass = encoder.beginComputePass({ timestampWrites });
      const [x, y, z] = grid(sizes);
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(x, y, z);
      pass.end();
    }
  }

  resolve(encoder: GPUCommandEncoder): void {
    const count = 2 * this.#timed.length;
    if (count === 0) return;
    encoder.resolveQuerySet(this.#queries, 0, count, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, this.#staging, 0, 8 * count);
  }

  async read(): Promise<void> {
    const timed = this.#timed;
    this.#timed = [];
    if (timed.length === 0) return;
    await this.#gpu.settled(this.#staging.mapAsync(GPUMapMode.READ));
    const nanoseconds = new BigUint64Array(this.#staging.getMappedRange());
    timed.forEach(({ kernel, work }, i) => {
      const seconds = Number(nanoseconds[2 * i + 1]! - nanoseconds[2 * i]!) / 1e9;
      const before = this.#times.get(kernel) ?? { kernel, dispatches: 0, seconds: 0, bytes: 0, macs: 0 };
      this.#times.set(kernel, {
        kernel,
        dispatches: before.dispatches + 1,
        seconds: before.seconds + seconds,
        bytes: before.bytes + work.bytes,
        macs: before.macs + work.macs,
      });
    });
    this.#staging.unmap();
  }

  dispose(): void {
    this.#queries.destroy();
    this.#resolved.destroy();
    this.#staging.destroy();
  }
}

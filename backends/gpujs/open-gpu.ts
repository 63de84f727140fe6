/**
 * Opens the GPU device that gpu.js computes on. gpu.js finds WebGPU in `navigator` and keeps one device for the
 * process. So `navigator.gpu` is Dawn as long as a backend uses that device. The device gets all limits of the adapter,
 * because gpu.js requests few of them.
 */
import { UserError } from '../../errors.ts';
import type { DeviceInfo } from '../backend.ts';
import { describeAdapter } from '../webgpu/adapter-info.ts';
import { type Dawn, openDawn } from '../webgpu/dawn.ts';
import type { GpuContext, GpuJs } from './gpu-js.ts';

/** The device that all backends of the process share. */
export class OpenGpu {
  readonly context: GpuContext;
  readonly info: DeviceInfo;
  readonly #gpuJs: GpuJs;
  readonly #dawn: Dawn;
  readonly #adapter: GPUAdapter; // kept: the process crashes if it is collected while the device works
  #failure: string | undefined;

  constructor(gpuJs: GpuJs, dawn: Dawn, adapter: GPUAdapter, context: GpuContext) {
    this.context = context;
    this.info = describeAdapter(adapter);
    this.#gpuJs = gpuJs;
    this.#dawn = dawn;
    this.#adapter = adapter;
    context.device.onuncapturederror = ({ error }) => {
      this.#failure ??= error.message.trim().split('\n', 1)[0]!;
    };
  }

  /** The first error of the device, or its loss. */
  get failure(): string | undefined {
    return this.#failure ?? (this.context.isLost ? 'it was lost' : undefined);
  }

  async close(): Promise<void> {
    Reflect.deleteProperty(globalThis.navigator, 'gpu');
    if (!this.context.isLost) await this.#gpuJs.WebGPUContext.destroy();
    this.#dawn.release();
    void this.#adapter;
  }
}

/** Dawn toggles that disable index checks, which never fail and take a third of the time on a software adapter. */
const TOGGLES = ['disable_robustness', 'disable_workgroup_init', 'disable_polyfills_on_integer_div_and_mod'];

interface Shared {
  readonly opened: Promise<OpenGpu>;
  users: number;
}

let current: Shared | undefined;

/** Opens or shares the device; the caller must call `end`. Throws UserError if there is no adapter. */
export async function openGpu(gpuJs: GpuJs): Promise<{ gpu: OpenGpu; end(): Promise<void> }> {
  current ??= { opened: open(gpuJs), users: 0 };
  const shared = current;
  shared.users++;
  const end = async () => {
    shared.users--;
    if (shared.users > 0) return;
    if (current === shared) current = undefined;
    await (await shared.opened.catch(() => undefined))?.close();
  };
  try {
    const gpu = await shared.opened;
    gpu.context.device.lost.then(() => {
      if (current === shared) current = undefined;
    });
    return { gpu, end };
  } catch (error) {
    await end();
    throw error;
  }
}

async function open(gpuJs: GpuJs): Promise<OpenGpu> {
  const dawn = await openDawn({ toggles: TOGGLES });
  try {
    const adapter = await dawn.gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (!adapter) throw noAdapter();
    const gpu = { requestAdapter: async () => withLimits(adapter) };
    Object.defineProperty(globalThis.navigator, 'gpu', { value: gpu, configurable: true });
    return new OpenGpu(gpuJs, dawn, adapter, await gpuJs.WebGPUContext.acquire());
  } catch (error) {
    Reflect.deleteProperty(globalThis.navigator, 'gpu');
    dawn.release();
    throw error;
  }
}

const WANTED_LIMITS = [
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupStorageSize',
] as const;

/** The part of an adapter that gpu.js uses; its devices have the adapter's limits. */
function withLimits(adapter: GPUAdapter): Pick<GPUAdapter, 'limits' | 'requestDevice'> {
  const requiredLimits = Object.fromEntries(WANTED_LIMITS.map((limit) => [limit, adapter.limits[limit]!]));
  return { limits: adapter.limits, requestDevice: () => adapter.requestDevice({ requiredLimits }) };
}

function noAdapter(): UserError {
  return new UserError(
    'There is no GPU with a Vulkan, Metal or Direct3D 12 driver.',
    'Install a driver for your GPU, or choose mode webasm of gpu.js, or another backend.',
  );
}

/**
 * The GPU behind the backend: adapter, limits and features asked for, and every way it can fail turned into one
 * UserError that says what happened.
 */
import { UserError } from '../../errors.ts';
import type { DeviceInfo } from '../backend.ts';
import { describeAdapter } from './adapter-info.ts';
import { type Dawn, openDawn } from './dawn.ts';
import { patiently } from './patience.ts';

export interface DeviceOptions {
  /** Checks of Dawn on every call, and of every index in a kernel; tests and debugging. Default: off. */
  readonly validation?: boolean;
  /** Bytes of one binding; default: what the adapter allows. Tests force less. */
  readonly bindingLimit?: number;
}

/** Without these, kernels that stay within their buffers pay for checks that never fail. */
const FAST_TOGGLES = [
  'skip_validation',
  'disable_robustness',
  'disable_workgroup_init',
  'disable_polyfills_on_integer_div_and_mod',
];

const WANTED_LIMITS = [
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupStorageSize',
] as const;

const WANTED_FEATURES = ['subgroups', 'shader-f16', 'timestamp-query'] as const;

export class GpuDevice {
  readonly info: DeviceInfo;
  readonly device: GPUDevice;
  readonly subgroupSize: number; // the smallest; 0 without subgroups
  readonly packedDot: boolean;
  readonly bindingLimit: number; // bytes
  readonly #dawn: Dawn;
  readonly #adapter: GPUAdapter; // kept: collected while the device works, it takes the process along
  #failure: UserError | undefined;
  #disposed = false;

  private constructor(dawn: Dawn, adapter: GPUAdapter, device: GPUDevice, { bindingLimit }: DeviceOptions) {
    this.#dawn = dawn;
    this.#adapter = adapter;
    this.device = device;
    this.info = describeAdapter(adapter);
    this.subgroupSize = device.features.has('subgroups') ? (adapter.info.subgroupMinSize ?? 4) : 0;
    this.packedDot = dawn.gpu.wgslLanguageFeatures.has('packed_4x8_integer_dot_product');
    this.bindingLimit = Math.min(bindingLimit ?? Infinity, device.limits.maxStorageBufferBindingSize!);
    device.onuncapturederror = ({ error }) => this.#fail(failureOf(error));
    device.lost.then(({ message }) => {
      if (!this.#disposed) this.#fail(lost(this.info.name, message));
    });
  }

  /** Throws UserError where there is no adapter, or it gives no device. */
  static async open(options: DeviceOptions = {}): Promise<GpuDevice> {
    const dawn = await openDawn({ toggles: options.validation ? [] : FAST_TOGGLES });
    try {
      const adapter = await dawn.gpu.requestAdapter({ powerPreference: 'high-performance' });
      if (!adapter) throw noAdapter();
      const device = await adapter.requestDevice({
        requiredFeatures: WANTED_FEATURES.filter((feature) => adapter.features.has(feature)),
        requiredLimits: Object.fromEntries(WANTED_LIMITS.map((limit) => [limit, adapter.limits[limit]!])),
      });
      return new GpuDevice(dawn, adapter, device, options);
    } catch (error) {
      dawn.release();
      throw error;
    }
  }

  has(feature: GPUFeatureName): boolean {
    return this.device.features.has(feature);
  }

  /** Throws the first failure there was, if any: after it, results mean nothing. */
  check(): void {
    if (this.#failure) throw this.#failure;
  }

  /** Runs work that creates things on the device; its errors are thrown as one UserError. */
  async guarded<T>(work: () => Promise<T>): Promise<T> {
    const scopes = ['internal', 'out-of-memory', 'validation'] as const;
    for (const scope of scopes) this.device.pushErrorScope(scope);
    let result: T | undefined;
    let failure: unknown;
    try {
      result = await work();
    } catch (error) {
      failure = error instanceof UserError ? error : failureOf(error);
    }
    const errors = await Promise.all(scopes.map(() => this.device.popErrorScope().catch(() => null)));
    const found = errors.find((error) => error !== null);
    this.check();
    if (found) throw failureOf(found);
    if (failure) throw failure;
    return result as T;
  }

  /** What `work` of the device promises, unless the device fails first. */
  async settled<T>(work: Promise<T>): Promise<T> {
    try {
      const result = await (this.info.software ? patiently(work) : work);
      this.check();
      return result;
    } catch (error) {
      await new Promise(setImmediate); // the loss of the device is told a turn later than what it makes fail
      this.check();
      if (error instanceof UserError) throw error;
      throw failureOf(error);
    }
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#failure ??= new UserError(
      'Expected the device to be in use, but it was disposed of.',
      'Load the model again.',
      {
        kind: 'device',
      },
    );
    this.device.destroy();
    this.#dawn.release();
    void this.#adapter;
  }

  #fail(failure: UserError): void {
    this.#failure ??= failure;
  }
}

function noAdapter(): UserError {
  return new UserError(
    'Expected a GPU with a Vulkan, Metal or Direct3D 12 driver, found no adapter.',
    'Install a driver for your GPU, or choose another backend: --backend cpu',
  );
}

function lost(name: string, message: string): UserError {
  return new UserError(
    `The device ${name} was lost while it computed${message ? `: ${firstLine(message)}` : ''}.`,
    'Try again; if it is lost again, update its driver or use --backend cpu.',
    { kind: 'device', cause: message || undefined },
  );
}

/** An error of Dawn in our words: out of memory, or a call that the device rejected. */
function failureOf(error: unknown): UserError {
  const message = error instanceof Error || isGpuError(error) ? error.message : String(error);
  if (error?.constructor?.name === 'GPUOutOfMemoryError' || /out of memory/i.test(message)) {
    return new UserError(
      'Expected the model, its context and its activations to fit in the memory of the device; they do not.',
      'Use a shorter context (--ctx N), a smaller model or quantization, or --backend cpu.',
      { kind: 'memory', cause: error },
    );
  }
  return new UserError(
    `The device rejected what it was asked to do: ${firstLine(message)}`,
    'Use --backend cpu, and please report this with the output of --debug.',
    { kind: 'device', cause: error },
  );
}

function isGpuError(error: unknown): error is { message: string } {
  return typeof (error as { message?: unknown })?.message === 'string';
}

function firstLine(message: string): string {
  return message.trim().split('\n', 1)[0]!;
}

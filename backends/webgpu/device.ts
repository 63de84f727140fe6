/**
 * The GPU behind the backend: its adapter, and the limits and features requested from it. Every failure of the device
 * becomes a UserError.
 */
import { UserError } from '../../errors.ts';
import type { DeviceInfo } from '../backend.ts';
import { describeAdapter } from './adapter-info.ts';
import { type Dawn, openDawn } from './dawn.ts';
import { patiently } from './patience.ts';

export interface DeviceOptions {
  /** Dawn checks every call, and every index in a kernel. For tests and debugging; default: off. */
  readonly validation?: boolean;
  /** Most bytes of one binding; default: the adapter's limit. Tests set less. */
  readonly bindingLimit?: number;
}

/** Dawn toggles that disable checks: kernels stay within their buffers, so the checks never fail. */
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
  readonly #adapter: GPUAdapter; // kept: the process crashes if it is collected while the device works
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

  /** Throws UserError if there is no adapter, or if it gives no device. */
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

  /** Throws the first failure of the device, if any: results after it are invalid. */
  check(): void {
    if (this.#failure) throw this.#failure;
  }

  /** Runs `work`, which creates objects on the device. Its first error is thrown as a UserError. */
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

  /** Awaits `work` of the device. Throws UserError if the device fails. */
  async settled<T>(work: Promise<T>): Promise<T> {
    try {
      const result = await (this.info.software ? patiently(work) : work);
      this.check();
      return result;
    } catch (error) {
      await new Promise(setImmediate); // the loss of a device is reported after the failures that it causes
      this.check();
      if (error instanceof UserError) throw error;
      throw failureOf(error);
    }
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#failure ??= new UserError('The device was disposed of.', 'Load the model again.', {
      kind: 'device',
    });
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
    'There is no GPU with a Vulkan, Metal or Direct3D 12 driver.',
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

/** The UserError for an error of Dawn: out of memory, or a call that the device rejected. */
function failureOf(error: unknown): UserError {
  const message = error instanceof Error || isGpuError(error) ? error.message : String(error);
  if (error?.constructor?.name === 'GPUOutOfMemoryError' || /out of memory/i.test(message)) {
    return new UserError(
      'The model, its context and its activations do not fit in the memory of the device.',
      'Use a shorter context (--ctx N), a smaller model or quantization, or --backend cpu.',
      { kind: 'memory', cause: error },
    );
  }
  return new UserError(
    `The device rejected a call: ${firstLine(message)}`,
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

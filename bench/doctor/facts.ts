/** Facts that `percept doctor` gathers about a machine; those a platform does not tell are absent. */
export interface Facts {
  readonly node: { readonly version: string; readonly flags: readonly string[] }; // flags of the command line and of NODE_OPTIONS
  readonly emulation?: string; // a translator between this program and the processor
  readonly cpu: CpuBackend;
  readonly cores: Cores;
  readonly load?: number; // running and waiting processes, mean of the last minute
  readonly memory: Memory;
  readonly model?: ModelRead; // absent where the model is not on this machine
  readonly power: Power;
}

/** The CPU backend, or why it does not start. */
export type CpuBackend =
  | { readonly failure: string }
  | { readonly description: string; readonly speed: CpuSpeed };

/** Probes of one thread and of all threads alternated. Units a second. */
export interface CpuSpeed {
  readonly threads: number;
  readonly multiplyOne: readonly number[];
  readonly multiplyAll: readonly number[]; // all threads together
  readonly readAll: readonly number[]; // bytes
  readonly stolenShare?: number; // of processor time during the probes, taken by the host of a virtual machine
  readonly throttledMs?: number; // that the container was paused during the probes
}

export interface Cores {
  readonly present: number;
  readonly usable: number; // by affinity, and by some quotas that Node knows
  readonly quota?: number; // cores' worth of processor time that the container may use
}

export interface Memory {
  readonly availableBytes: number;
  readonly neededBytes?: number; // for the model
  readonly swapUsedBytes?: number;
  readonly swappedBytes?: number; // of this process
}

export interface ModelRead {
  readonly path: string;
  readonly bytes: number; // read
  readonly bytesPerSecond: number;
}

export interface Power {
  readonly governor?: string; // of the clock frequency, Linux
  readonly driver?: string; // of the governor
  readonly onBattery?: boolean;
}

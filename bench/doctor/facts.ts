/** What `percept doctor` knows about a machine; what cannot be learned on a platform is absent. */
export interface Facts {
  readonly node: { readonly version: string; readonly flags: readonly string[] }; // flags from anywhere
  readonly emulation?: string; // what stands between this program and the processor
  readonly cpu: CpuBackend;
  readonly cores: Cores;
  readonly load?: number; // processes that ran or waited, mean of the last minute
  readonly memory: Memory;
  readonly model?: ModelRead; // where the model is on this machine
  readonly power: Power;
}

/** The CPU backend, or why it does not start. */
export type CpuBackend =
  | { readonly failure: string }
  | { readonly description: string; readonly speed: CpuSpeed };

/** Probes of one thread and of all threads took turns; units a second. */
export interface CpuSpeed {
  readonly threads: number;
  readonly multiplyOne: readonly number[];
  readonly multiplyAll: readonly number[]; // all threads together
  readonly readAll: readonly number[]; // bytes
  readonly stolenShare?: number; // of the processors' time meanwhile, by the host of a virtual machine
  readonly throttledMs?: number; // the container was held back meanwhile
}

export interface Cores {
  readonly present: number;
  readonly usable: number; // by affinity; Node counts in some of the quotas, too
  readonly quota?: number; // cores' worth of time that a container allows
}

export interface Memory {
  readonly availableBytes: number;
  readonly neededBytes?: number; // for the model
  readonly swapUsedBytes?: number;
  readonly swappedBytes?: number; // of this process
}

export interface ModelRead {
  readonly path: string;
  readonly bytes: number; // that were read
  readonly bytesPerSecond: number;
}

export interface Power {
  readonly governor?: string; // Linux frequency governor
  readonly driver?: string; // of the frequency
  readonly onBattery?: boolean;
}

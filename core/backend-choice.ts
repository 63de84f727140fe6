/**
 * The fastest backend that `auto` found on this machine. It is measured once for each size of model, with the model
 * that is loaded, and cached until the processor, the device, its driver or percept changes.
 */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import type { DeviceInfo } from '../backends/backend.ts';
import { type BackendName, type Candidate, usableCores } from '../backends/select.ts';
import { writeWhole } from '../backends/whole-file.ts';
import { perceptVersion } from './version.ts';

/** Result of one backend: tokens a second of decode, or the reason of its failure. */
export type Measured = { readonly tokensPerSecond: number } | { readonly failure: string };

export interface BackendChoice {
  readonly chosen: BackendName;
  readonly measured: Readonly<Partial<Record<BackendName, Measured>>>;
  readonly model: string; // used for the measurement
  readonly weightBytes: number;
  /** Measurements that never finished and ended the program as well, perhaps because of a driver. */
  readonly unfinished?: number;
}

/** The conditions of a choice: it is valid only for these. */
export interface Subject {
  readonly threads: number | undefined; // as requested
  readonly devices: readonly DeviceInfo[];
  readonly weightBytes: number;
}

const FILE = 'backend-choices.json';
/** Models whose sizes differ by less than this factor may share a choice. */
const SIZE_CLASS = 4;

export class BackendChoices {
  readonly #path: string;

  constructor(cacheDirectory: string) {
    this.#path = join(cacheDirectory, FILE);
  }

  find(subject: Subject): BackendChoice | undefined {
    return this.#read()[keyOf(subject)];
  }

  /** Stores `choice`; undefined removes the stored one. */
  keep(subject: Subject, choice: BackendChoice | undefined): void {
    writeWhole(this.#path, JSON.stringify({ ...this.#read(), [keyOf(subject)]: choice }, undefined, 1));
  }

  /** All choices for this machine with such devices, for models of any size. */
  forMachine(subject: Omit<Subject, 'weightBytes'>): BackendChoice[] {
    const machine = machineOf(subject);
    const choices = Object.entries(this.#read()).filter(([key]) => key.startsWith(`${machine}, `));
    return choices.map(([, choice]) => choice).sort((a, b) => a.weightBytes - b.weightBytes);
  }

  #read(): Record<string, BackendChoice> {
    try {
      const entries = Object.entries(JSON.parse(readFileSync(this.#path, 'utf8')) ?? {});
      return Object.fromEntries(
        entries.filter((entry): entry is [string, BackendChoice] => isChoice(entry[1])),
      );
    } catch {
      return {}; // no measurement yet
    }
  }
}

/** The file may be damaged, or of another shape. */
function isChoice(value: unknown): value is BackendChoice {
  const { chosen, measured } = (value ?? {}) as Partial<BackendChoice>;
  const isResult = (result: Measured | null) =>
    result !== null && ('failure' in result || Number.isFinite(result.tokensPerSecond));
  return typeof chosen === 'string' && !!measured && Object.values(measured).every(isResult);
}

function keyOf(subject: Subject): string {
  const size = Math.floor(Math.log(subject.weightBytes) / Math.log(SIZE_CLASS));
  return `${machineOf(subject)}, weights from ${SIZE_CLASS ** size} bytes`;
}

function machineOf({ threads, devices }: Omit<Subject, 'weightBytes'>): string {
  const cpu = cpus()[0]?.model.trim() ?? process.arch;
  const gpus = devices.map(({ vendor, name, driver }) => `${vendor} ${name} ${driver}`);
  const cores = `${threads ?? usableCores()} threads`;
  return [`percept ${perceptVersion()}`, cpu, cores, ...gpus].join(', ');
}

/** The fastest of the measured backends; undefined if all failed. */
export function fastest(measured: BackendChoice['measured']): BackendName | undefined {
  const speedOf = (name: BackendName) => {
    const result = measured[name];
    return result && 'tokensPerSecond' in result ? result.tokensPerSecond : 0;
  };
  const names = (Object.keys(measured) as BackendName[]).filter((name) => speedOf(name) > 0);
  return names.sort((a, b) => speedOf(b) - speedOf(a))[0];
}

/** In words: cpu 412 tok/s, webgpu 903 tok/s */
export function explain({ measured, unfinished }: BackendChoice): string {
  if (unfinished) return `the program ended ${unfinished} times while others were tried`;
  return Object.entries(measured)
    .map(([name, result]) =>
      'failure' in result
        ? `${name} failed: ${result.failure}`
        : `${name} ${result.tokensPerSecond.toFixed(0)} tok/s`,
    )
    .join(', ');
}

/** Candidates that no rule excludes. */
export function eligible(candidates: readonly Candidate[]): Candidate[] {
  return candidates.filter(({ out }) => out === undefined);
}

export function devicesOf(candidates: readonly Candidate[]): DeviceInfo[] {
  return eligible(candidates).flatMap(({ device }) => device ?? []);
}

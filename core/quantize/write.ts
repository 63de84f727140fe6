/** Writes a model as one GGUF file, with tensors of chosen types. Threads convert rows and write them to their places. */
import { closeSync, openSync, readSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { SourceMatrix } from '../../backends/backend.ts';
import { UserError } from '../../errors.ts';
import { rowBytes, type TensorType } from '../../kernels/quant-formats.ts';
import type { Gguf, GgufTensor } from '../gguf/types.ts';
import { type EncodedValue, encodedValue, layOut } from '../gguf/writer.ts';
import type { Job } from './job.ts';
import { PRESETS, type PresetName } from './presets.ts';

export interface WriteOptions {
  readonly types: ReadonlyMap<string, TensorType>; // by tensor
  readonly preset: PresetName;
  readonly threads: number;
  /** Importance of the columns of a tensor, of all experts one after the other. */
  readonly importance?: ReadonlyMap<string, Float32Array>;
  readonly onProgress?: (doneBytes: number, bytes: number) => void;
  readonly signal?: AbortSignal;
}

export interface Written {
  readonly bytes: number;
}

/** Bytes of a job's rows as they are read: some milliseconds of work. */
const JOB_BYTES = 2 << 20;
const VERSION_OF_TYPES = 2; // general.quantization_version

const WORKER = import.meta.url.endsWith('.ts')
  ? new URL('../../dist/quantize-worker.js', import.meta.url)
  : new URL('./quantize-worker.js', import.meta.url);

/**
 * Throws UserError if a tensor cannot be read; a file that exists stays as it was then. Not the file that is read: its
 * tensors would be overwritten.
 */
export async function writeModel(gguf: Gguf, path: string, options: WriteOptions): Promise<Written> {
  refuseInput(gguf, path);
  const tensors = [...gguf.tensors.values()].map((tensor) => ({
    ...tensor,
    type: options.types.get(tensor.name) ?? tensor.type,
  }));
  const { header, offsets, bytes } = layOut(metadataOf(gguf, options.preset), tensors);
  const partial = `${path}.partial`;
  rmSync(partial, { force: true });
  try {
    const file = openSync(partial, 'wx');
    writeSync(file, header);
    writeSync(file, new Uint8Array(1), 0, 1, bytes - 1); // the length, before the parts come in any order
    closeSync(file);
    const jobs = tensors.flatMap((tensor, i) => [...jobsOf(gguf, tensor, offsets[i]!, options)]);
    await runAll(jobs, partial, options);
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
  return { bytes };
}

function refuseInput({ path, tensors }: Gguf, out: string): void {
  const there = statSync(out, { throwIfNoEntry: false });
  if (!there) return;
  const inputs = new Set([path, ...tensors.values().flatMap(({ part }) => (part ? [part] : []))]);
  for (const input of inputs) {
    const { dev, ino } = statSync(input);
    if (dev !== there.dev || ino !== there.ino) continue;
    throw new UserError(`${out} is the model that is read.`, 'Give another name for the new file.', {
      kind: 'usage',
    });
  }
}

/** Values as the file has them, but for those that say how it is stored. */
function metadataOf(gguf: Gguf, preset: PresetName): Map<string, EncodedValue> {
  const { metadata, metadataAt, path } = gguf;
  const values = new Map<string, EncodedValue>();
  const file = metadataAt && openSync(path, 'r');
  try {
    for (const [key, value] of metadata) {
      if (/^split\.|^general\.(?:alignment|file_type|quantization_version)$/.test(key)) continue;
      const at = metadataAt?.get(key);
      values.set(key, at && file !== undefined ? readBytes(file, at) : encodedValue(key, value));
    }
  } finally {
    if (file !== undefined) closeSync(file);
  }
  values.set('general.quantization_version', encodedValue('', VERSION_OF_TYPES));
  values.set('general.file_type', encodedValue('', PRESETS[preset].fileType));
  return values;
}

function readBytes(file: number, { offset, bytes }: { offset: number; bytes: number }): Uint8Array {
  const value = new Uint8Array(bytes);
  readSync(file, value, 0, bytes, offset);
  return value;
}

function* jobsOf(
  gguf: Gguf,
  tensor: GgufTensor,
  offset: number,
  { importance }: WriteOptions,
): Generator<Job> {
  const stored = gguf.tensors.get(tensor.name)!;
  const { name, type, shape } = tensor;
  const cols = shape[0]!;
  const experts = shape[2] ?? 1;
  const own = shape[1] ?? 1; // rows of an expert
  const rows = shape.slice(1).reduce((product, size) => product * size, 1);
  const source: SourceMatrix = stored.source ?? {
    op: 'range',
    at: { path: stored.part ?? gguf.path, offset: stored.offset },
    type: stored.type,
    rows,
    cols,
  };
  const step = Math.max(1, Math.floor(JOB_BYTES / (4 * cols)));
  const weights = importance?.get(name);
  const separate = weights !== undefined && weights.length === cols * experts && experts > 1;
  const run = separate ? own : rows;
  for (let from = 0; from < rows; from += run) {
    const expert = separate ? from / own : 0;
    const columns = weights?.subarray(expert * cols, (expert + 1) * cols);
    for (let first = from; first < from + run; first += step) {
      const count = Math.min(step, from + run - first);
      const at = offset + first * rowBytes(type, cols);
      yield {
        name,
        source,
        type,
        cols,
        first,
        rows: count,
        at,
        importance: columns?.length === cols ? columns : undefined,
      };
    }
  }
}

/** Every thread has the next job waiting while it does one. */
async function runAll(
  jobs: readonly Job[],
  path: string,
  { threads, onProgress, signal }: WriteOptions,
): Promise<void> {
  const total = jobs.reduce((sum, job) => sum + 4 * job.rows * job.cols, 0);
  const workers = Array.from({ length: Math.min(threads, jobs.length) }, () => {
    return new Worker(WORKER, { workerData: { path }, execArgv: [] });
  });
  let [next, done] = [0, 0];
  try {
    await new Promise<void>((resolve, reject) => {
      let left = jobs.length;
      if (left === 0) resolve();
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      for (const worker of workers) {
        const asked: Job[] = [];
        const ask = () => {
          const job = jobs[next++];
          if (!job) return;
          asked.push(job);
          worker.postMessage(job);
        };
        worker.on('error', reject);
        worker.on('message', (answer: { message?: string; hint?: string }) => {
          if (answer.message !== undefined) {
            reject(new UserError(answer.message, answer.hint ?? 'Check the disk and its free space.'));
            return;
          }
          const job = asked.shift()!;
          done += 4 * job.rows * job.cols;
          onProgress?.(done, total);
          if (--left === 0) resolve();
          ask();
        });
        ask();
        ask();
      }
    });
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

/** Chooses and starts the backend of a model. With `auto` it is the fastest one, and cpu replaces a lost device. */
import type { Backend, Executable } from '../backends/backend.ts';
import { FailoverExecutable } from '../backends/failover.ts';
import type { BackendName, BackendOptions } from '../backends/select.ts';
import * as present from '../backends/select.ts';
import {
  type BackendChoice,
  BackendChoices,
  devicesOf,
  eligible,
  explain,
  fastest,
  type Measured,
  type Subject,
} from './backend-choice.ts';
import { decodeSpeed } from './decode-speed.ts';

/** A message for the user that is not an error. */
export interface Note {
  readonly text: string;
  readonly detail: boolean; // shown only on request
}

export interface EngineOptions extends BackendOptions {
  readonly backend: string | ((options: BackendOptions) => Promise<Backend>);
  readonly cacheDirectory: string;
  readonly onNote: (note: Note) => void;
  /** Default: the backends of backends/select.ts; tests pass their own. */
  readonly backends?: Pick<typeof present, 'candidates' | 'selectBackend'>;
}

/** A model to start on a backend, with its limits. */
export interface Task {
  readonly name: string;
  readonly weightBytes: number;
  readonly sequences: number;
  readonly contextLength: number;
  readonly maxTokens: number;
  /** Gives the weights to `backend` and compiles the program. Called once for each backend that is tried. */
  compile(backend: Backend): Promise<Executable>;
}

export interface Engine {
  readonly backend: Backend; // the replacement after the device has failed
  readonly executable: Executable;
  dispose(): Promise<void>;
}

/** Throws UserError if the backend cannot run here or cannot compile the model. */
export async function startEngine(task: Task, options: EngineOptions): Promise<Engine> {
  const { backend } = options;
  if (backend !== 'auto') {
    return new PlainEngine(await start(task, backend, options));
  }
  const chosen = await choose(task, options);
  if (chosen !== 'cpu') {
    try {
      return new FailoverEngine(await start(task, chosen, options), task, options);
    } catch (error) {
      options.onNote(
        note(`${chosen} is the fastest here, but it does not start: ${messageOf(error)} Using cpu.`),
      );
    }
  }
  return new PlainEngine(await start(task, 'cpu', options));
}

interface Started {
  readonly backend: Backend;
  readonly executable: Executable;
}

async function start(task: Task, wanted: EngineOptions['backend'], options: EngineOptions): Promise<Started> {
  const { threads, sentinels, cacheDirectory, backends = present } = options;
  const backendOptions = { threads, sentinels, cacheDirectory };
  const backend =
    typeof wanted === 'function'
      ? await wanted(backendOptions)
      : await backends.selectBackend(wanted, backendOptions);
  try {
    return { backend, executable: await task.compile(backend) };
  } catch (error) {
    await backend.dispose();
    throw error;
  }
}

async function stop({ backend, executable }: Started): Promise<void> {
  executable.dispose();
  await backend.dispose();
}

class PlainEngine implements Engine {
  readonly backend: Backend;
  readonly executable: Executable;

  constructor({ backend, executable }: Started) {
    this.backend = backend;
    this.executable = executable;
  }

  dispose(): Promise<void> {
    return stop(this);
  }
}

/** Continues on cpu when the device is lost. */
class FailoverEngine implements Engine {
  readonly executable: Executable;
  #backend: Backend;
  #disposed = false;

  constructor({ backend, executable: first }: Started, task: Task, options: EngineOptions) {
    this.#backend = backend;
    const { sequences, maxTokens } = task;
    const replace = async (failure: Error) => {
      options.onNote(note(`${failure.message} Continuing on cpu.`));
      const replacement = await start(task, 'cpu', options);
      if (this.#disposed) {
        await stop(replacement);
        throw failure;
      }
      const lost = this.#backend;
      this.#backend = replacement.backend;
      await lost.dispose().catch(() => {}); // errors of a lost device have been reported already
      return replacement.executable;
    };
    this.executable = new FailoverExecutable({ first, sequences, maxTokens, replace });
  }

  get backend(): Backend {
    return this.#backend;
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    this.executable.dispose();
    await this.#backend.dispose();
  }
}

// ----- the choice of `auto`

/** After this many measurements that never finished, cpu is used without measuring again. */
const MOST_UNFINISHED = 2;

async function choose(task: Task, options: EngineOptions): Promise<BackendName> {
  const { cacheDirectory, threads, onNote, backends = present } = options;
  const all = await backends.candidates({ cacheDirectory });
  for (const { name, out } of all) if (out) onNote({ text: `auto leaves out ${name}: ${out}`, detail: true });
  const [only, ...more] = eligible(all).map(({ name }) => name);
  if (more.length === 0) return only!;
  const choices = new BackendChoices(cacheDirectory);
  const subject = { threads, devices: devicesOf(all), weightBytes: task.weightBytes };
  const known = choices.find(subject);
  if (known && (known.unfinished ?? MOST_UNFINISHED) >= MOST_UNFINISHED) {
    onNote({ text: `auto takes ${known.chosen}: ${explain(known)}`, detail: true });
    return known.chosen;
  }
  onNote(note(`Measuring once which is faster for models of this size: ${[only, ...more].join(' or ')} ...`));
  const choice = await measure(task, [only!, ...more], options, choices, subject);
  onNote(note(`It is ${choice.chosen} (${explain(choice)}). percept devices shows it again.`));
  return choice.chosen;
}

async function measure(
  task: Task,
  names: readonly BackendName[],
  options: EngineOptions,
  choices: BackendChoices,
  subject: Subject,
): Promise<BackendChoice> {
  const about = { chosen: 'cpu', model: task.name, weightBytes: task.weightBytes } as const;
  const unfinished = (choices.find(subject)?.unfinished ?? 0) + 1;
  choices.keep(subject, { ...about, measured: {}, unfinished });
  const measured: Partial<Record<BackendName, Measured>> = {};
  for (const name of names) measured[name] = await measureOne(task, name, options);
  const choice = { ...about, measured, chosen: fastest(measured) ?? 'cpu' };
  const failed = Object.values(measured).some((result) => 'failure' in result);
  choices.keep(subject, failed ? undefined : choice); // the failure may concern only this model
  return choice;
}

async function measureOne(task: Task, name: BackendName, options: EngineOptions): Promise<Measured> {
  try {
    const started = await start(task, name, options);
    try {
      return { tokensPerSecond: await decodeSpeed(started.executable, task) };
    } finally {
      await stop(started);
    }
  } catch (error) {
    return { failure: messageOf(error) };
  }
}

function note(text: string): Note {
  return { text, detail: false };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

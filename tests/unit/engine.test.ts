/** The choices and measurements of `auto`, and answers that outlive their device. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Backend, DeviceInfo, Executable, Result, Step } from '../../backends/backend.ts';
import type { BackendName, Candidate } from '../../backends/select.ts';
import { exitCodeOf } from '../../cli/output.ts';
import { BackendChoices } from '../../core/backend-choice.ts';
import { type EngineOptions, type Note, startEngine } from '../../core/engine.ts';
import { UserError } from '../../errors.ts';
import { FakeExecutable } from './fake-model.ts';

const DEVICE: DeviceInfo = {
  ...{ name: 'Fastgraph 9', vendor: 'fast', architecture: 'nine', driver: 'fast 1.0', software: false },
  ...{ features: [], limits: {} },
};
const SIZES = { contextLength: 64, sequences: 1, maxTokens: 16, favourite: () => undefined };
const TASK = {
  name: 'a model',
  weightBytes: 1e8,
  ...SIZES,
  compile: (backend: Backend) => backend.compile(NONE),
};
const NONE = undefined as never; // what a fake compiles does not matter
const LOST = new UserError('The device Fastgraph 9 was lost.', 'Try again.', { kind: 'device' });
const STEP: Step = { slices: [{ seq: 0, pos: 0, tokens: [1], want: { kind: 'logits' } }] };

interface Behaviour {
  readonly stepMs?: number;
  readonly fails?: Error; // at compile
  readonly losesDevice?: true; // at the first step
}

let folder: string;
let started: BackendName[];
let running: number;
let notes: Note[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'percept-engine-'));
  [started, running, notes] = [[], 0, []];
});
afterEach(() => rmSync(folder, { recursive: true }));

class SlowExecutable extends FakeExecutable {
  readonly #behaviour: Behaviour;

  constructor(behaviour: Behaviour) {
    super(SIZES);
    this.#behaviour = behaviour;
  }

  override submit(step: Step): Promise<readonly Result[]> {
    const { stepMs = 0, losesDevice } = this.#behaviour;
    if (losesDevice) throw LOST;
    return setTimeout(stepMs).then(() => super.submit(step));
  }
}

function engineOptions(behaviours: Partial<Record<BackendName, Behaviour>>, webgpu: Partial<Candidate> = {}) {
  const all: Candidate[] = [{ name: 'cpu' }, { name: 'webgpu', device: DEVICE, ...webgpu }];
  const selectBackend = async (name: string): Promise<Backend> => {
    const behaviour = behaviours[name as BackendName]!;
    started.push(name as BackendName);
    running++;
    return {
      ...{ name, threads: 1, description: '', supports: () => true, weight: () => 0 },
      forget: () => {},
      compile: async (): Promise<Executable> => {
        if (behaviour.fails) throw behaviour.fails;
        return new SlowExecutable(behaviour);
      },
      dispose: async () => {
        running--;
      },
    };
  };
  return {
    backend: 'auto',
    cacheDirectory: folder,
    onNote: (note) => notes.push(note),
    backends: { selectBackend, candidates: async () => all },
  } satisfies EngineOptions;
}

/** Notes of the engine. */
const told = () => notes.filter(({ detail }) => !detail).map(({ text }) => text);

describe('auto', () => {
  it('takes cpu at once if nothing else is eligible, and explains why on request', async () => {
    const options = engineOptions({ cpu: {} }, { out: 'no driver' });
    const engine = await startEngine(TASK, options);
    expect(engine.backend.name).toBe('cpu');
    expect(started).toEqual(['cpu']);
    expect(readdirSync(folder)).toEqual([]);
    expect(notes).toEqual([{ text: 'auto leaves out webgpu: no driver', detail: true }]);
    await engine.dispose();
    expect(running).toBe(0);
  });

  it.each<[BackendName, Record<string, Behaviour>]>([
    ['webgpu', { cpu: { stepMs: 6 }, webgpu: {} }],
    ['cpu', { cpu: {}, webgpu: { stepMs: 6 } }],
  ])('measures once and takes the faster one: %s', async (faster, behaviours) => {
    const engine = await startEngine(TASK, engineOptions(behaviours));
    expect(engine.backend.name).toBe(faster);
    expect(started).toEqual(['cpu', 'webgpu', faster]);
    expect(told()[0]).toMatch(/^Measuring once which is faster .* cpu or webgpu/);
    expect(told()[1]).toMatch(new RegExp(`^It is ${faster} \\(cpu \\d+ tok/s, webgpu \\d+ tok/s\\)`));
    await engine.dispose();
    expect(running).toBe(0);

    [started, notes] = [[], []];
    const again = await startEngine({ ...TASK, weightBytes: 1.2e8 }, engineOptions(behaviours));
    expect(started).toEqual([faster]);
    expect(told()).toEqual([]);
    await again.dispose();
  });

  it('measures again for models of another size and for another driver', async () => {
    const behaviours = { cpu: {}, webgpu: { stepMs: 2 } };
    for (const [task, device] of [
      [TASK, DEVICE],
      [{ ...TASK, weightBytes: 1e10 }, DEVICE],
      [TASK, { ...DEVICE, driver: 'fast 1.1' }],
    ] as const) {
      started = [];
      await (await startEngine(task, engineOptions(behaviours, { device }))).dispose();
      expect(started).toEqual(['cpu', 'webgpu', 'cpu']);
    }
    const choices = new BackendChoices(folder).forMachine({ threads: undefined, devices: [DEVICE] });
    expect(choices.map(({ weightBytes }) => weightBytes)).toEqual([1e8, 1e10]);
  });

  it('falls back to cpu if the other one rejects the model, and retries next time', async () => {
    const behaviours = { cpu: { stepMs: 2 }, webgpu: { fails: new UserError('Q9 is not supported.', '') } };
    for (let i = 0; i < 2; i++) {
      started = [];
      const engine = await startEngine(TASK, engineOptions(behaviours));
      expect(engine.backend.name).toBe('cpu');
      expect(started).toEqual(['cpu', 'webgpu', 'cpu']);
      expect(told().at(-1)).toContain('webgpu failed: Q9 is not supported.');
      await engine.dispose();
    }
    expect(running).toBe(0);
  });

  it.each(['null', '[]', '5', '{', 'nothing', 'measured'])(
    'is found again where the file has %s',
    async (text) => {
      const choices = new BackendChoices(folder);
      const subject = { threads: undefined, devices: [DEVICE], weightBytes: TASK.weightBytes };
      choices.keep(subject, { chosen: 'cpu', measured: {}, model: 'a model', weightBytes: 1e8 });
      const path = join(folder, 'backend-choices.json');
      const [key] = Object.keys(JSON.parse(readFileSync(path, 'utf8')));
      const entry = { nothing: null, measured: { chosen: 'cpu', measured: { cpu: null } } }[text];
      writeFileSync(path, entry === undefined ? text : JSON.stringify({ [key!]: entry }));
      expect(choices.find(subject)).toBeUndefined();
      expect(choices.forMachine(subject)).toEqual([]);
    },
  );

  it('avoids a backend whose measurement ended the program twice', async () => {
    const choices = new BackendChoices(folder);
    const subject = { threads: undefined, devices: [DEVICE], weightBytes: TASK.weightBytes };
    const behaviours = { cpu: { stepMs: 2 }, webgpu: {} };
    const unfinished = { chosen: 'cpu', measured: {}, model: 'a model', weightBytes: 1e8 } as const;
    choices.keep(subject, { ...unfinished, unfinished: 2 });
    const engine = await startEngine(TASK, engineOptions(behaviours));
    expect(engine.backend.name).toBe('cpu');
    expect(started).toEqual(['cpu']);
    await engine.dispose();
    choices.keep(subject, { ...unfinished, unfinished: 1 });
    expect((await startEngine(TASK, engineOptions(behaviours))).backend.name).toBe('webgpu');
  });

  it('falls back to cpu with a note if the chosen one no longer starts', async () => {
    const options = engineOptions({ cpu: { stepMs: 4 }, webgpu: {} });
    await (await startEngine(TASK, options)).dispose();
    const broken = engineOptions({ cpu: {}, webgpu: { fails: new UserError('It does not fit.', '') } });
    const engine = await startEngine(TASK, broken);
    expect(engine.backend.name).toBe('cpu');
    expect(told().at(-1)).toBe(
      'webgpu is the fastest here, but it does not start: It does not fit. Using cpu.',
    );
  });
});

describe('a device that is lost', () => {
  it('moves the answer to cpu, with a note', async () => {
    await (await startEngine(TASK, engineOptions({ cpu: { stepMs: 4 }, webgpu: {} }))).dispose();
    const engine = await startEngine(TASK, engineOptions({ cpu: {}, webgpu: { losesDevice: true } }));
    expect(engine.backend.name).toBe('webgpu');
    await engine.executable.submit(STEP);
    expect(engine.backend.name).toBe('cpu');
    expect(told().at(-1)).toBe('The device Fastgraph 9 was lost. Continuing on cpu.');
    await engine.dispose();
    expect(running).toBe(0);
  });

  it('is an error if the backend was requested by name', async () => {
    const options = engineOptions({ webgpu: { losesDevice: true } });
    const engine = await startEngine(TASK, { ...options, backend: 'webgpu' });
    expect(() => engine.executable.submit(STEP)).toThrow(LOST);
    expect(exitCodeOf(LOST)).toBe(7);
    await engine.dispose();
  });
});

it('a custom backend is started with the options', async () => {
  const { backends, ...options } = engineOptions({ cpu: {} });
  const own = (options: object) => {
    expect(options).toMatchObject({ threads: 3 });
    return backends.selectBackend('cpu');
  };
  const engine = await startEngine(TASK, { ...options, threads: 3, backend: own });
  expect(engine.backend.name).toBe('cpu');
});

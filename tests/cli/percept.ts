/** Runs the built program as a user does: its streams, its exit code, in a home of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { inject, onTestFinished } from 'vitest';

export const PROGRAM = resolve(import.meta.dirname, '../../bin/percept.js');
export const TINY_MODEL = resolve(import.meta.dirname, '../fixtures/tiny-llama.Q8_0.gguf');

export interface Finished {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

export interface Surroundings {
  /** Text piped to stdin; without it stdin is empty. */
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Runs it to its end. */
export function percept(args: readonly string[], surroundings: Surroundings = {}): Promise<Finished> {
  return finished(start(args, surroundings), surroundings.input ?? '');
}

/** Starts it with stdin open. */
export function start(args: readonly string[], { env, cwd }: Surroundings = {}): ChildProcess {
  return spawn(process.execPath, [PROGRAM, ...args], {
    cwd: cwd ?? emptyFolder(),
    env: { ...clean(), ...env },
  });
}

export async function finished(child: ChildProcess, input = ''): Promise<Finished> {
  let stdout = '';
  let stderr = '';
  child.stdout!.setEncoding('utf8').on('data', (text) => (stdout += text));
  child.stderr!.setEncoding('utf8').on('data', (text) => (stderr += text));
  child.stdin!.on('error', () => {}); // it may end before it reads
  child.stdin!.end(input);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { stdout, stderr, code };
}

/** A folder that is removed after the test. */
export function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'percept-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The environment without the settings of the tester, without a software adapter, and with a new home. */
function clean(): NodeJS.ProcessEnv {
  const foreign = /^(PERCEPT_|NO_COLOR$|FORCE_COLOR$|NODE_)/;
  const adapters = new Set(inject('adapters').flatMap(({ environment }) => Object.values(environment)));
  const own = Object.entries(process.env).filter(
    ([name, value]) => !foreign.test(name) && !adapters.has(value!),
  );
  return { ...Object.fromEntries(own), PERCEPT_HOME: emptyFolder() };
}

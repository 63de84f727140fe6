/**
 * llama.cpp's own benchmarks as peers, one process per run, so that percept and the peer can alternate. Flags and JSON
 * are those of llama.cpp 0c1e570.
 *
 * It takes its backends, shared libraries, from the working directory, too. So it starts in a folder of our own, which
 * also keeps Windows from taking the program itself from there.
 */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { UserError } from '../../errors.ts';
import type { Runner, RunnerTarget } from '../runner.ts';
import type { SpeedTest } from '../speed-test.ts';

/** Runs tests of one sequence. */
export function llamaBench(program: string, { path, threads }: RunnerTarget): Runner {
  const flags = ['-m', resolve(path), '-t', threads, '-ngl', 0, '-r', 1, '-o', 'json'];
  return {
    name: 'llama-bench',
    canRun: ({ batch }) => batch === 1,
    run: ({ kind, tokens, depth }, signal) => {
      const [read, written] = kind === 'pp' ? [tokens, 0] : [0, tokens];
      const args = [...flags, '-p', read, '-n', written, '-d', depth];
      return speedFrom({ program, args, signal }, (stdout) => JSON.parse(stdout)[0].avg_ts);
    },
    dispose: async () => {},
  };
}

/** Runs tests that write, with any number of sequences. It needs a depth of 1 or more. */
export function llamaBatchedBench(program: string, { path, threads }: RunnerTarget): Runner {
  const flags = ['-m', resolve(path), '-t', threads, '-ngl', 0, '--output-format', 'jsonl'];
  return {
    name: 'llama-batched-bench',
    canRun: ({ kind }) => kind === 'tg',
    run: ({ tokens, depth, batch }: SpeedTest, signal) => {
      const read = Math.max(1, depth);
      const args = [...flags, '-c', batch * (read + tokens), '-npp', read, '-ntg', tokens, '-npl', batch];
      return speedFrom({ program, args, signal }, (stdout) => JSON.parse(lastLine(stdout)).speed_tg);
    },
    dispose: async () => {},
  };
}

interface Run {
  readonly program: string;
  readonly args: readonly (string | number)[];
  readonly signal?: AbortSignal;
}

/** Throws UserError where the program fails or prints no speed. */
async function speedFrom({ program, args, signal }: Run, read: (stdout: string) => number): Promise<number> {
  try {
    const cwd = import.meta.dirname;
    const { stdout } = await promisify(execFile)(located(program), args.map(String), { cwd, signal });
    const speed = read(stdout);
    if (!(speed > 0)) throw new Error(`it printed ${stdout.slice(0, 200)}`);
    return speed;
  } catch (cause) {
    signal?.throwIfAborted();
    throw new UserError(
      `No speed from ${program}: ${reason(cause)}.`,
      `Give the path of the program: --peer NAME=PATH. This command failed: ${program} ${args.join(' ')}`,
      { cause },
    );
  }
}

/** A path as it holds in any folder; a mere name is one of PATH. */
function located(program: string): string {
  return /[\\/]/.test(program) ? resolve(program) : program;
}

function reason(cause: unknown): string {
  const { stderr, message, code } = cause as Error & { stderr?: string; code?: string | number };
  if (code === 'ENOENT') return 'there is no such program';
  return (stderr && lastLine(stderr)) || message;
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1)!;
}

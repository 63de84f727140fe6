/** Native llama.cpp's own benchmark as a peer: one process a run, so that both sides can take turns. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { UserError } from '../errors.ts';
import type { Test } from './measure.ts';

/** Tokens a second that the program at `path` reports for one run. */
export async function runLlamaBench(
  path: string,
  model: string,
  threads: number,
  test: Test,
): Promise<number> {
  const [p, n] = test.kind === 'pp' ? [test.tokens, 0] : [0, test.tokens];
  const args = ['-m', model, '-t', threads, '-p', p, '-n', n, '-r', 1, '-o', 'json'].map(String);
  try {
    const { stdout } = await promisify(execFile)(path, args);
    const [row] = JSON.parse(stdout) as { avg_ts: number }[];
    return row!.avg_ts;
  } catch (cause) {
    throw new UserError(
      `Expected ${path} to run as llama-bench.`,
      'Give the path of the llama-bench program.',
      { cause },
    );
  }
}

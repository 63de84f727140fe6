/** Reads from the environment what the launcher (bin/percept.js) has already written on the terminal. */
import type { Output } from './output.ts';

const VARIABLE = 'PERCEPT_GREETED';

export interface Greeting {
  /** The program's name and version are on the terminal. */
  readonly said: boolean;
  /** Escape sequence that erases the launcher's placeholder for the first frame; empty if there is none. */
  readonly erase: string;
}

/** Erases the placeholder, so that lines can be written before a chat. A later `readGreeting` still says `said`. */
export async function clearGreeting(
  output: Pick<Output, 'control'>,
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const { said, erase } = readGreeting(env);
  await output.control(erase);
  if (said) env[VARIABLE] = '1';
}

/** Reads the greeting and removes it from the environment, so that child processes do not see it. */
export function readGreeting(env: NodeJS.ProcessEnv = process.env): Greeting {
  const value = env[VARIABLE];
  delete env[VARIABLE];
  return { said: value !== undefined, erase: value?.includes('\x1b') ? value : '' };
}

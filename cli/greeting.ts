/** What the launcher has written before the program was loaded (bin/percept.js), as it says in the environment. */
import type { Output } from './output.ts';

const VARIABLE = 'PERCEPT_GREETED';

export interface Greeting {
  /** The program's name and version stand on the terminal. */
  readonly said: boolean;
  /** Takes away what stands for the first frame; empty where nothing does. */
  readonly erase: string;
}

/** Makes room for lines before a chat: what stands for the first frame goes, the name stays said. */
export async function clearWay(
  output: Pick<Output, 'print'>,
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const { said, erase } = takeGreeting(env);
  await output.print(erase);
  if (said) env[VARIABLE] = '1';
}

/** Asks once: programs started from here on are not concerned. */
export function takeGreeting(env: NodeJS.ProcessEnv = process.env): Greeting {
  const value = env[VARIABLE];
  delete env[VARIABLE];
  return { said: value !== undefined, erase: value?.includes('\x1b') ? value : '' };
}

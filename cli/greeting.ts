/** What the launcher has written before the program was loaded (bin/percept.js), as it says in the environment. */
const VARIABLE = 'PERCEPT_GREETED';

export interface Greeting {
  /** The program's name and version stand on the terminal. */
  readonly said: boolean;
  /** Takes away what stands for the first frame; empty where nothing does. */
  readonly erase: string;
}

/** Asks once: programs started from here on are not concerned. */
export function takeGreeting(env: NodeJS.ProcessEnv = process.env): Greeting {
  const value = env[VARIABLE];
  delete env[VARIABLE];
  return { said: value !== undefined, erase: value?.includes('\x1b') ? value : '' };
}

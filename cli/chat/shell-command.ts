/** Runs a command in the user's shell and collects what it prints, up to a bound. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { isAbsolute } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../errors.ts';
import { CutText } from './cut-text.ts';

interface ShellOptions {
  readonly signal: AbortSignal;
  /** Receives the beginning of the output while it comes. */
  readonly onText: (text: string) => void;
}

export interface ShellResult {
  readonly output: CutText;
  /** `exit code 1`, `ended by SIGSEGV`, or `stopped`. */
  readonly ending: string;
}

/** Time that a stopped command gets to end, ms. */
const GRACE_MS = 1000;
/** Time that the rest of the output gets to come, ms: a program left in the background may hold the pipe. */
const REST_MS = 500;

const SIGNALS = ['SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/**
 * Runs `command` with `$SHELL -c`, without stdin and without a terminal, so that keys and the screen stay with the chat.
 * An abort stops it, or throws its reason if it came before. What it leaves in the background ends with it.
 *
 * @throws UserError if the shell cannot be started
 */
export async function runInShell(command: string, { signal, onText }: ShellOptions): Promise<ShellResult> {
  signal.throwIfAborted(); // its listener below would not be called
  const output = new CutText();
  const child = started(command);
  const release = endWithPercept(child);
  let kill: NodeJS.Timeout | undefined;
  const stop = () => {
    endGroup(child, 'SIGTERM');
    kill = setTimeout(() => endGroup(child, 'SIGKILL'), GRACE_MS);
  };
  signal.addEventListener('abort', stop, { once: true });
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding('utf8').on('data', (text: string) => {
      const shown = output.add(text);
      if (shown !== '') onText(shown);
    });
  const closed = once(child, 'close').catch(() => {});
  try {
    const [code, name] = await once(child, 'exit');
    await Promise.race([closed, sleep(REST_MS, undefined, { ref: false })]);
    const ending = signal.aborted ? 'stopped' : name ? `ended by ${name}` : `exit code ${code}`;
    return { output, ending };
  } catch (cause) {
    throw notStarted(cause);
  } finally {
    signal.removeEventListener('abort', stop);
    clearTimeout(kill);
    endGroup(child, 'SIGKILL');
    child.stdout?.destroy();
    child.stderr?.destroy();
    release();
  }
}

/** Of its own session, where there is one: the terminal cannot be asked for a password or left in another mode. */
function started(command: string): ChildProcess {
  const cwd = process.cwd(); // the user's own command: it is meant for this folder
  const stdio = ['ignore', 'pipe', 'pipe'] as const;
  if (process.platform === 'win32') return spawn(command, { shell: true, cwd, stdio: [...stdio] });
  const { SHELL = '' } = process.env;
  const shell = isAbsolute(SHELL) ? SHELL : '/bin/sh'; // a name alone could be a program of this folder
  return spawn(shell, ['-c', command], { cwd, stdio: [...stdio], detached: true });
}

function endGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    if (process.platform === 'win32') child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch {
    // all of it has ended
  }
}

/** Ends the command where percept ends without closing the chat. Returns what undoes this. */
function endWithPercept(child: ChildProcess): () => void {
  const onExit = () => endGroup(child, 'SIGKILL');
  const onSignal = (name: NodeJS.Signals) => {
    onExit();
    if (process.listenerCount(name) > 1) return; // a chat on a screen closes itself
    release();
    process.kill(process.pid, name);
  };
  const release = () => {
    process.off('exit', onExit);
    for (const name of SIGNALS) process.off(name, onSignal);
  };
  process.on('exit', onExit);
  for (const name of SIGNALS) process.on(name, onSignal);
  return release;
}

function notStarted(cause: unknown): UserError {
  return new UserError(
    `Starting the shell failed: ${(cause as Error).message}`,
    'Set SHELL to the path of your shell, such as /bin/sh.',
    { cause },
  );
}

/** A process that still runs after this long was not stopped: there is no shell that could bring it back. */
const STOP_MS = 200;

/**
 * Stops all processes of this job as Ctrl-Z does in a cooked terminal: the shell waits for those that started this one,
 * the launcher or npx, too. Settles when `fg` brings them back.
 */
export async function suspendProcess(): Promise<void> {
  if (process.platform === 'win32') return; // no job control there
  const handlers = process.listeners('SIGTSTP');
  process.removeAllListeners('SIGTSTP'); // else it would not stop
  process.kill(0, 'SIGTSTP');
  await continued();
  for (const handler of handlers) process.on('SIGTSTP', handler);
}

/** The clock goes on while a process is stopped, and its timers are late by as much. */
function continued(): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      process.off('SIGCONT', settle);
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(settle, STOP_MS);
    process.on('SIGCONT', settle);
  });
}

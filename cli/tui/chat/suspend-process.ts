import { once } from 'node:events';

/** Stops this process as Ctrl-Z does in a cooked terminal; settles when `fg` brings it back. */
export async function suspendProcess(): Promise<void> {
  if (process.platform === 'win32') return; // no job control there
  const alive = setInterval(() => {}, 1 << 30); // a signal that is waited for keeps no process alive
  const continued = once(process, 'SIGCONT');
  process.kill(process.pid, 'SIGTSTP');
  await continued;
  clearInterval(alive);
}

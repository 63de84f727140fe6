import { once } from 'node:events';

/** Stops this process, as Ctrl-Z does in a terminal in cooked mode. Settles when `fg` continues it. */
export async function suspendProcess(): Promise<void> {
  if (process.platform === 'win32') return; // no job control there
  const alive = setInterval(() => {}, 1 << 30); // a pending signal does not keep the process alive
  const continued = once(process, 'SIGCONT');
  process.kill(process.pid, 'SIGTSTP');
  await continued;
  clearInterval(alive);
}

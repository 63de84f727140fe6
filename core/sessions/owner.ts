/**
 * Identifies the process that writes an answer, and tells whether it is alive.
 *
 * A process holds a lock on a file of its own while it may write. The operating system releases the lock however the
 * process ends. Unlike a pid, this works across pid reuse, hosts and containers.
 */
import { existsSync, globSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { tryLock } from '../models/lock.ts';
import { newSessionId } from './session-id.ts';
import { IN_MEMORY } from './store-errors.ts';

export class Owner {
  readonly #path: string; // of the sessions file
  #own: { readonly name: string; readonly release: () => void } | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** The name of this process. The first call acquires its lock. */
  get name(): string {
    this.#own ??= this.#path === IN_MEMORY ? { name: '', release: () => {} } : this.#claim();
    return this.#own.name;
  }

  isAlive(name: string): boolean {
    if (name === this.#own?.name) return true;
    const lock = this.#lockOf(name);
    if (!existsSync(lock)) return false;
    try {
      const release = tryLock(lock);
      release?.();
      return release === undefined;
    } catch {
      return false; // a disk that cannot be written: nobody writes there
    }
  }

  release(): void {
    if (!this.#own) return;
    this.#own.release();
    if (this.#path !== IN_MEMORY) rmSync(this.#lockOf(this.#own.name), { force: true }); // an open file may stay
    this.#own = undefined;
  }

  #claim() {
    this.#sweep();
    for (;;) {
      const name = newSessionId();
      const release = tryLock(this.#lockOf(name));
      // Another process may have removed the file before it was locked.
      if (release && existsSync(this.#lockOf(name))) return { name, release };
      release?.();
    }
  }

  /** Removes lock files of processes that were killed. */
  #sweep(): void {
    const names = globSync(`${basename(this.#path)}-*.lock`, { cwd: dirname(this.#path) });
    for (const name of names) tryLock(join(dirname(this.#path), name))?.();
  }

  #lockOf(name: string): string {
    return `${this.#path}-${name}.lock`;
  }
}

import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Writes a file of a cache so that readers see the old one or the new one. Where that is not possible, there is none. */
export function writeWhole(path: string, text: string): void {
  const making = `${path}.${process.pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(making, text);
    renameSync(making, path);
  } catch {
    // a home that cannot be written to: the next start finds out again
  }
}

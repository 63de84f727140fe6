import { onTestFinished } from 'vitest';

/** Runs the rest of a test in `folder`, whose content may be foreign. */
export function within(folder: string): void {
  const before = process.cwd();
  process.chdir(folder);
  onTestFinished(() => process.chdir(before));
}

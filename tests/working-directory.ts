import { onTestFinished } from 'vitest';

/** Has the rest of a test run in `folder`, as somebody else may have left it. */
export function within(folder: string): void {
  const before = process.cwd();
  process.chdir(folder);
  onTestFinished(() => process.chdir(before));
}

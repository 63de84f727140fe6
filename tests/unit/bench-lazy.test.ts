import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { expect, it } from 'vitest';

/** Packages that come with a module: those it imports at once, and those that what it imports does. */
function packagesWith(file: string, seen = new Set<string>()): Set<string> {
  const packages = new Set<string>();
  if (seen.has(file)) return packages;
  seen.add(file);
  const imports = readFileSync(file, 'utf8').matchAll(/^(?:import|export) (?!type )[^;]*?from '([^']+)';/gms);
  for (const [, name] of imports) {
    if (!name!.startsWith('.')) packages.add(name!);
    else for (const other of packagesWith(resolve(dirname(file), name!), seen)) packages.add(other);
  }
  return packages;
}

it('a bench without a dashboard loads neither React nor Ink', () => {
  for (const file of ['cli/bench.ts', 'cli/bench/models.ts', 'cli/bench/kernels.ts']) {
    const packages = packagesWith(resolve(file));
    expect(packages).toContain('node:fs');
    expect(packages).not.toContain('ink');
    expect(packages).not.toContain('react');
  }
  expect(packagesWith(resolve('cli/tui/bench/start.tsx'))).toContain('ink'); // it would be found
});

import { readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

interface Loaded {
  readonly files: Set<string>; // of this project, relative to its root
  readonly packages: Set<string>;
}

/** A module with all its static imports, transitively. */
function loadedWith(file: string, loaded: Loaded = { files: new Set(), packages: new Set() }): Loaded {
  const path = resolve(file);
  const name = relative('.', path);
  if (loaded.files.has(name)) return loaded;
  loaded.files.add(name);
  const imports = readFileSync(path, 'utf8').matchAll(/^(?:import|export) (?!type )[^;]*?from '([^']+)';/gms);
  for (const [, other] of imports) {
    if (other!.startsWith('.')) loadedWith(resolve(dirname(path), other!), loaded);
    else loaded.packages.add(other!);
  }
  return loaded;
}

describe('a bench loads', () => {
  it('neither React nor Ink without a dashboard', () => {
    for (const file of ['cli/bench/models.ts', 'cli/bench/kernels.ts']) {
      const { packages } = loadedWith(file);
      expect(packages).toContain('node:fs');
      expect(packages).not.toContain('ink');
      expect(packages).not.toContain('react');
    }
    expect(loadedWith('cli/tui/bench/start.tsx').packages).toContain('ink'); // the check can find it
  });

  it('no kernels for models, and neither before it knows which one runs', () => {
    const table = 'bench/conformance/cases.ts';
    expect([...loadedWith('cli/commands/bench.ts').files].sort()).toEqual([
      'cli/commands/bench.ts',
      'errors.ts',
    ]);
    expect(loadedWith('cli/bench/models.ts').files).not.toContain(table);
    expect(loadedWith('cli/bench/kernels.ts').files).toContain(table); // the check can find it
  });

  it('only the choice of cases for verify', () => {
    const files = [...loadedWith('cli/commands/verify.ts').files].filter((file) =>
      file.startsWith('cli/bench'),
    );
    expect(files).toEqual(['cli/bench/case-words.ts']);
  });
});

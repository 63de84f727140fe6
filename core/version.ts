import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Version of percept, from package.json one folder up, both in the sources (core/) and in the bundle (dist/). */
export function perceptVersion(): string {
  return versionIn(new URL('../package.json', import.meta.url));
}

/** Version of an npm package that percept uses; undefined if it is not installed. */
export function packageVersion(name: string): string | undefined {
  try {
    let folder = dirname(createRequire(import.meta.url).resolve(name));
    while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
    return versionIn(join(folder, 'package.json'));
  } catch {
    return undefined;
  }
}

function versionIn(path: string | URL): string {
  return JSON.parse(readFileSync(path, 'utf8')).version;
}

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Of percept, from the package.json beside the folder of this file, in the sources (core/) as in the bundle (dist/). */
export function perceptVersion(): string {
  return versionIn(new URL('../package.json', import.meta.url));
}

/** Of an npm package that percept uses; undefined where it is not installed. */
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

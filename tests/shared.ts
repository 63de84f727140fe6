/**
 * Goldens that do not ship with the project are beside the checkout, in ../shared. If they are absent, the
 * tests that need them are skipped and say so; PERCEPT_REQUIRE_SHARED=1 makes their absence a failure.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../../shared');

/** A describe block over the goldens; `path` resolves below ../shared. */
export function describeShared(name: string, body: (path: (relative: string) => string) => void): void {
  if (existsSync(ROOT)) {
    describe(name, () => body((relative) => resolve(ROOT, relative)));
  } else if (process.env.PERCEPT_REQUIRE_SHARED === '1') {
    it(name, () => {
      throw new Error(
        `Expected the goldens beside the checkout, at ${ROOT}, because PERCEPT_REQUIRE_SHARED=1.`,
      );
    });
  } else {
    it.skip(`${name} (skipped: there are no goldens at ../shared)`);
  }
}

import { totalmem } from 'node:os';
import { describe, expect, it } from 'vitest';
import { freeMemory, pageCacheIn } from '../../core/free-memory.ts';
import { checkMemory } from '../../core/model.ts';

describe('free memory', () => {
  it('is more than nothing and no more than there is', () => {
    expect(freeMemory()).toBeGreaterThan(0);
    expect(freeMemory()).toBeLessThanOrEqual(totalmem());
  });

  it('has the page cache of a control group, without shared memory', () => {
    const v2 = 'anon 20\nfile 900\nshmem 100\ninactive_file 700\nactive_file 80\n';
    expect(pageCacheIn(v2)).toBe(780);
    expect(pageCacheIn('anon 20\ninactive_file 700\n')).toBe(700);
    const v1 = 'cache 5\ninactive_file 1\nactive_file 2\ntotal_inactive_file 30\ntotal_active_file 40\n';
    expect(pageCacheIn(v1)).toBe(70);
    expect(pageCacheIn('')).toBeUndefined();
  });

  it('refuses nothing if it is unknown', () => {
    const use = { weights: 1e15, kv: 0, arena: 0 };
    expect(() => checkMemory(use, 1e9)).toThrow('of free memory');
    expect(() => checkMemory(use, undefined)).not.toThrow();
  });
});

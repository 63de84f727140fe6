import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Differentiates } from '../../bench/conformance/gradients.ts';
import {
  backwardIn,
  backwardOf,
  columnOf,
  columnsIn,
  supportTable,
  TABLE_FILE,
  withTable,
} from '../../scripts/support-table.ts';
import { titled } from '../titled.ts';
import { BACKENDS } from './backends.ts';

const markdown = readFileSync(TABLE_FILE, 'utf8');

describe('the table of kernels/README.md (node scripts/support-table.ts writes it)', () => {
  it('has the ops, cases and errors of the conformance table', () => {
    expect(withTable(markdown, supportTable(columnsIn(markdown)))).toBe(markdown);
  });

  it('names a backend where it computes a backward', () => {
    const softmax = backwardOf({ backward: ({ op }) => op === 'softmax' || 'not yet' });
    expect(softmax.filter((each) => each)).toHaveLength(1);
    const backward = softmax.map((each) => (each ? 'cpu, webgpu' : 'none'));
    const columns = new Map([...columnsIn(markdown), ['backward', backward]]);
    const table = withTable(markdown, supportTable(columns));
    expect(table).toMatch(/^\| softmax .*\| x +\| cpu, webgpu \|$/m);
    expect(backwardIn(columnsIn(table), 'webgpu')).toEqual(softmax);
  });

  for (const { name, kind, absent, start } of BACKENDS) {
    it.skipIf(absent)(titled(`agrees with ${name}`, absent), async () => {
      const backend = await start({ threads: 1 });
      expect(columnsIn(markdown).get(kind)).toEqual(columnOf(backend));
      expect(backwardIn(columnsIn(markdown), kind)).toEqual(backwardOf(backend as Differentiates));
      await backend.dispose();
    });
  }
});

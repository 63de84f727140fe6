import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { columnOf, columnsIn, supportTable, TABLE_FILE, withTable } from '../../scripts/support-table.ts';
import { BACKENDS, titled } from './backends.ts';

const markdown = readFileSync(TABLE_FILE, 'utf8');

describe('the table of kernels/README.md (node scripts/support-table.ts writes it)', () => {
  it('has the ops, cases and errors of the conformance table', () => {
    expect(withTable(markdown, supportTable(columnsIn(markdown)))).toBe(markdown);
  });

  for (const { name, kind, absent, start } of BACKENDS) {
    it.skipIf(absent)(titled(`agrees with ${name}`, absent), async () => {
      const backend = await start({ threads: 1 });
      expect(columnsIn(markdown).get(kind)).toEqual(columnOf(backend));
      await backend.dispose();
    });
  }
});

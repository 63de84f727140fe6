/** NaN and Infinity are reported: in weights when they load, in activations by logits that are NaN. */
import { describe, expect, it } from 'vitest';
import type { Op } from '../../backends/backend.ts';
import { quantize } from '../../kernels/reference/quantize.ts';
import { sourceFormat } from '../../kernels/source-formats.ts';
import { titled } from '../titled.ts';
import { withModels } from './backends.ts';
import { lastRows } from './steps.ts';

for (const { name, absent, kind, start } of withModels()) {
  describe.skipIf(absent)(titled(name, absent), () => {
    it('refuses weights that are NaN or infinite', async () => {
      const backend = await start();
      const table = new Float32Array(40 * 32).fill(0.5);
      const limits = { sequences: 1, contextLength: 8, maxTokens: 8 };
      for (const [type, place, bad] of [
        ['F32', 2, [0x80, 0x7f]], // Infinity, at the end of its four bytes
        ['F32', 2, [0xc0, 0x7f]], // NaN
        ['F16', 32, [0, 0x7e]],
        ['Q8_0', 39 * 34, [0, 0x7e]], // the scale of the last row
        ['Q4_1', 2, [0, 0xfc]], // a minimum of -Infinity
      ] as const) {
        const bytes = new Uint8Array((table.length / sourceFormat(type).elements) * sourceFormat(type).bytes);
        quantize(type, table, bytes);
        const compile = () => {
          const weight = backend.weight({ name: 'w', type, rows: 40, cols: 32 }, { bytes });
          const ops: Op[] = [
            { op: 'embed', table: weight },
            { op: 'select', x: 0 },
          ];
          return backend.compile({ name: 'a table', ops, output: 1, states: [], limits });
        };
        (await compile()).dispose();
        bytes.set(bad, place);
        await expect(compile()).rejects.toThrow('the weights of w to be finite');
      }
      await backend.dispose();
    });

    // The reference computes in float64. WGSL lets a device assume that there is no NaN.
    it.runIf(kind === 'cpu').each(['F32', 'F16', 'Q8_0', 'Q4_1'] as const)(
      'gives NaN for an activation that overflowed, through weights of %s',
      async (type) => {
        const backend = await start();
        const cols = 256;
        const vector = (rows: number, values: Float32Array) =>
          backend.weight({ name: 'f', type: 'F32', rows, cols }, { bytes: new Uint8Array(values.buffer) });
        const table = new Float32Array(2 * cols).fill(0.5);
        table[cols + 37] = 3e38; // twice that is Infinity, its norm NaN, and the norm of the others 0
        const { elements, bytes } = sourceFormat(type);
        const codes = new Uint8Array((16 * cols * bytes) / elements);
        quantize(type, new Float32Array(16 * cols).fill(0.25), codes);
        const ops: Op[] = [
          { op: 'embed', table: vector(2, table) },
          { op: 'zip', fn: 'add', a: 0, b: 0 },
          { op: 'norm', x: 1, weight: vector(1, new Float32Array(cols).fill(1)), eps: 1e-5 },
          { op: 'select', x: 2 },
          {
            op: 'matmul',
            x: 3,
            weight: backend.weight({ name: 'w', type, rows: 16, cols }, { bytes: codes }),
          },
        ];
        const limits = { sequences: 1, contextLength: 8, maxTokens: 8 };
        const executable = await backend.compile({ name: 'a sum', ops, output: 4, states: [], limits });
        const [finite, none] = [0, 1].map((id) => ({ seq: 0, pos: id, tokens: [id] }));
        expect([...(await lastRows(executable, finite!))].every(Number.isFinite)).toBe(true);
        expect([...(await lastRows(executable, none!))].every(Number.isNaN)).toBe(true);
        await backend.dispose();
      },
    );
  });
}

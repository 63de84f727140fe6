/**
 * Rows of the embedding table as numbers: out[t][c] = table[token t][c]. The host picks the packed rows of the step's
 * tokens (a few kB each), so the device does not hold the whole table.
 */
import type { KernelSource } from './kernel-source.ts';
import { blockLayout, codeOf, type PackedBlock } from './packed-block.ts';

/** rows: [T][K / block * floats], the floats of a block side by side */
export function embed(block: PackedBlock): KernelSource {
  const { weights, bits, floats, header, perWord, minimum } = blockLayout(block);
  const text =
    bits === 0
      ? `function (rows) { return rows[this.thread.y][this.thread.x]; }`
      : `function (rows) {
    const block = Math.floor((this.thread.x + 0.5) / ${weights});
    const i = this.thread.x - block * ${weights};
    const word = Math.floor((i + 0.5) / ${perWord});
    const shift = (i - word * ${perWord}) * ${bits};
    const at = block * ${floats};
    const code = ${codeOf(block, `rows[this.thread.y][at + word + ${header}]`, 'shift')};
    return code * rows[this.thread.y][at]${minimum ? ' + rows[this.thread.y][at + 1]' : ''};
  }`;
  return { name: 'embed', text, args: ['Array'] };
}

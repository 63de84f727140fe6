import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Definitions, expand } from '../../backends/webgpu/wgsl.ts';

const lines = (...all: string[]) => all.join('\n');
const expanded = (text: string, definitions: Definitions = {}, parts: Record<string, string> = {}) =>
  expand(text, definitions, (name) => parts[name]!);

describe('directives of kernels', () => {
  it('select by a definition, its absence or its value', () => {
    const text = lines(
      '#if A',
      'a',
      '#else',
      'not a',
      '#end',
      '#if !A',
      'no a',
      '#end',
      '#if B == two',
      'b',
      '#end',
    );
    expect(expanded(text, { A: true, B: 'two' })).toBe(lines('a', 'b'));
    expect(expanded(text, { B: 'one' })).toBe(lines('not a', 'no a'));
    expect(expanded(lines('#if N == 2', 'n', '#end'), { N: 2 })).toBe('n');
  });

  it('nest, each #else with its own #if', () => {
    const text = lines('#if A', '#if B', 'both', '#else', 'a', '#end', '#else', '#if B', 'b', '#end', '#end');
    expect(expanded(text, { A: true, B: true })).toBe('both');
    expect(expanded(text, { A: true })).toBe('a');
    expect(expanded(text, { B: true })).toBe('b');
    expect(expanded(text)).toBe('');
  });

  it('repeat numbered lines, as often as a definition says', () => {
    const text = lines('#for t TOKENS', 'x_$t = $tu;', '#for r 2', 'y_$t_$r', '#end', '#end');
    expect(expanded(text, { TOKENS: 2 })).toBe(
      lines('x_0 = 0u;', 'y_0_0', 'y_0_1', 'x_1 = 1u;', 'y_1_0', 'y_1_1'),
    );
    expect(expanded(lines('a', '#for t 0', 'b', '#end', 'c'))).toBe(lines('a', 'c'));
  });

  it('include other texts and their directives', () => {
    const parts = { part: lines('#if A', 'part', '#end') };
    expect(expanded(lines('#include part', 'rest'), { A: 1 }, parts)).toBe(lines('part', 'rest'));
  });

  it.each([
    ['#if A', /"#if A" has no #end/],
    ['#end', /unexpected #end/],
    ['#unless A', /unexpected #unless/],
    ['#if A > 2\n#end', /cannot read the condition "A > 2"/],
    ['#for t COUNT\n#end', /cannot read "#for t COUNT"/],
  ])('are rejected if invalid: %s', (text, message) => {
    expect(() => expanded(text)).toThrow(message);
  });
});

it('every op of the reference has a kernel with the same name', () => {
  const kernels = readdirSync(resolve(import.meta.dirname, '../../kernels/webgpu'));
  for (const op of ['attention', 'embed', 'map', 'rms-norm', 'rope', 'select', 'softmax', 'zip']) {
    expect(kernels).toContain(`${op}.wgsl`);
  }
});

/** The example backend equals the one printed in docs/backends.md, and works. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { ReferenceBackend } from '../../backends/reference.ts';
import { CHECKED_CASES } from '../../bench/conformance/cases.ts';
import { runCase } from '../../bench/conformance/judge.ts';
import { nameOf, slice, stepWith, supportsCase } from '../../bench/conformance/op-case.ts';
import { generate, loadModel, SamplerChain, Sequence, samplerParameters } from '../../core/index.ts';
import { TINY_MODEL } from '../cli/percept.ts';
import { ExampleBackend } from './example-backend.ts';
import { compileTapped, TAPPED_STEPS } from './tapped.ts';

it('is printed in docs/backends.md word for word', () => {
  const read = (path: string) => readFileSync(resolve(import.meta.dirname, path), 'utf8');
  expect(read('../../docs/backends.md')).toContain(`\n\`\`\`ts\n${read('example-backend.ts')}\`\`\`\n`);
});

const backend = new ExampleBackend();

/** All cases, but of attention, which is slowest, only the smallest shapes. */
const cases = CHECKED_CASES.filter((each) => {
  return (
    supportsCase(backend, each) === true && (each.op !== 'attention' || each.shape.includes('heads of 8,'))
  );
});

it.each(cases.map((op) => [nameOf(op), op] as const))('%s', async (_, op) => {
  expect((await runCase(op, new ExampleBackend())).nmse).toBeLessThan(1e-13); // the reference rounds its rows to float32
});

it('gives each slice of a step what it wants, as the reference does', async () => {
  const [one, other] = [
    await compileTapped(new ExampleBackend(), 'F32'),
    await compileTapped(new ReferenceBackend(), 'F32'),
  ];
  for (const step of TAPPED_STEPS) expect(await one.submit(step)).toEqual(await other.submit(step));
  expect([one.kvTrim(0, 3), one.kvTrim(0, 5)]).toEqual([3, 3]);
  expect(() => one.submit(stepWith({ kind: 'greedy', count: 1 }, slice(0, 0, 1)))).toThrow(RangeError);
});

it('runs a model, which another backend gives the same answer', async () => {
  const answers = [];
  for (const start of [async () => new ExampleBackend(), 'reference'] as const) {
    const model = await loadModel(TINY_MODEL, { backend: start });
    const sampler = new SamplerChain(samplerParameters({ temperature: 0 }), model.tokenizer);
    const ids = [];
    for await (const { id } of generate(new Sequence(model), [1, 2, 3], { sampler, maxTokens: 8 }))
      ids.push(id);
    answers.push(ids);
    await model.dispose();
  }
  expect(answers[0]).toHaveLength(8);
  expect(answers[0]).toEqual(answers[1]);
});

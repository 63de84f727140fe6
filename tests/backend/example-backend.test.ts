/** The example backend equals the one printed in docs/backends.md, and works. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { CHECKED_CASES } from '../../bench/conformance/cases.ts';
import { runCase } from '../../bench/conformance/judge.ts';
import { nameOf, supportsCase } from '../../bench/conformance/op-case.ts';
import { generate, loadModel, SamplerChain, Session, samplerParameters } from '../../core/index.ts';
import { TINY_MODEL } from '../cli/percept.ts';
import { ExampleBackend } from './example-backend.ts';

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

it('runs a model, with the same answer as another backend', async () => {
  const answers = [];
  for (const start of [async () => new ExampleBackend(), 'reference'] as const) {
    const model = await loadModel(TINY_MODEL, { backend: start });
    const sampler = new SamplerChain(samplerParameters({ temperature: 0 }), model.tokenizer);
    const ids = [];
    for await (const { id } of generate(new Session(model), [1, 2, 3], { sampler, maxTokens: 8 }))
      ids.push(id);
    answers.push(ids);
    await model.dispose();
  }
  expect(answers[0]).toHaveLength(8);
  expect(answers[0]).toEqual(answers[1]);
});

/** percept verify finds faults: a backend whose results are corrupted in various ways. */
import { describe, expect, it } from 'vitest';
import type { Backend, Executable } from '../../backends/backend.ts';
import { ReferenceBackend } from '../../backends/reference.ts';
import { CHECKED_CASES, casesNamed } from '../../bench/conformance/cases.ts';
import { type Answer, answer, compare, isWrong, promptIds } from '../../bench/verify/model-check.ts';
import { checkOps, isWrong as isWrongOp } from '../../bench/verify/op-check.ts';
import { loadModel } from '../../core/index.ts';
import { UserError } from '../../errors.ts';
import { TINY_MODEL } from '../cli/percept.ts';

type Spoil = (logits: Float32Array) => Float32Array;

/** The reference under another name, with results changed by `spoil`. */
class SpoiltBackend extends ReferenceBackend {
  override readonly name = 'spoilt' as 'reference';
  readonly #spoil: Spoil;

  constructor(spoil: Spoil) {
    super();
    this.#spoil = spoil;
  }

  override async compile(program: Parameters<Backend['compile']>[0]): Promise<Executable> {
    const inner = await super.compile(program);
    const submit = inner.submit.bind(inner);
    inner.submit = async (step) =>
      (await submit(step)).map((result) => {
        return result.kind === 'logits' ? { ...result, logits: this.#spoil(result.logits.slice()) } : result;
      });
    return inner;
  }
}

const LOST = new UserError('The device was lost.', 'Try again.', { kind: 'device' });
const lose: Spoil = () => {
  throw LOST;
};

describe('ops', () => {
  const cases = ['silu of 172', 'add of 172'].flatMap((name) => casesNamed(CHECKED_CASES, [name]));

  it('are right if the errors are small', async () => {
    const verdicts = await checkOps(new SpoiltBackend((rows) => rows.map((x) => x * (1 + 5e-7))), cases);
    expect(verdicts.map(({ op }) => op)).toEqual(['map', 'zip']);
    for (const verdict of verdicts) {
      expect(verdict.worst).toBeCloseTo(0.25, 1); // (5e-7)^2 of 1e-12
      expect(isWrongOp(verdict)).toBe(false);
    }
  });

  it.each<[string, Spoil, number]>([
    ['a little more', (rows) => rows.map((x) => x * (1 + 2e-6)), 4],
    ['no number', (rows) => rows.fill(Number.NaN, 7, 8), Number.NaN],
    ['a row too few', (rows) => rows.subarray(172), Number.POSITIVE_INFINITY],
  ])('are wrong by %s', async (_, spoil, worst) => {
    const [verdict] = await checkOps(new SpoiltBackend(spoil), cases);
    if (Number.isFinite(worst)) expect(verdict!.worst).toBeCloseTo(worst, 0);
    else expect(verdict!.worst).toBe(worst);
    expect(verdict!.worst_case).toContain('silu of 172');
    expect(isWrongOp(verdict!)).toBe(true);
  });

  it('end when the device fails', async () => {
    const verdicts = await checkOps(new SpoiltBackend(lose), cases);
    expect(verdicts).toEqual([
      expect.objectContaining({ op: 'map', worst: null, failure: 'The device was lost.' }),
    ]);
    expect(isWrongOp(verdicts[0]!)).toBe(true);
  });

  it('stop on abort', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(checkOps(new ReferenceBackend(), cases, { signal })).rejects.toThrow('enough');
  });
});

describe('answers', async () => {
  const TOKENS = 6;
  const answers: Answer[] = [];
  const reference = await loadModel(TINY_MODEL, { backend: 'reference', contextLength: 256 });
  for (const prompt of promptIds(reference, TOKENS))
    answers.push(await answer(reference, prompt, TOKENS, {}));
  await reference.dispose();

  async function verdictOn(spoil: Spoil) {
    const backend = async () => new SpoiltBackend(spoil);
    const model = await loadModel(TINY_MODEL, { backend, contextLength: 256 });
    const verdict = await compare(model, answers, {});
    await model.dispose();
    return verdict;
  }

  it('are right if they are the same', async () => {
    const verdict = await verdictOn((rows) => rows);
    expect(verdict).toMatchObject({ tokens: 18, equal: 18, first_difference: null, worst_logit_error: 0 });
    expect(verdict.decode_tok_s).toBeGreaterThan(0);
    expect(isWrong(verdict)).toBe(false);
  });

  it('differ if the best logit differs, which counts only above the margin', async () => {
    const weaken = (by: number) => (rows: Float32Array) => {
      rows[rows.indexOf(Math.max(...rows))]! -= by;
      return rows;
    };
    const little = await verdictOn(weaken(0.2));
    expect(little.worst_logit_error).toBeCloseTo(0.2, 5);
    expect(little.worst_margin).toBeLessThanOrEqual(0.2);
    expect(isWrong(little)).toBe(false);
    const much = await verdictOn(weaken(5));
    expect(much.equal).toBe(0);
    expect(much.first_difference).toMatchObject({ prompt: 1, token: 1, expected: answers[0]!.ids[0] });
    expect(much.worst_margin).toBeGreaterThan(0.3);
    expect(isWrong(much)).toBe(true);
  });

  it('are wrong if a logit is not a number', async () => {
    const verdict = await verdictOn((rows) => rows.fill(Number.NaN, 3, 4));
    expect(verdict.worst_logit_error).toBeNaN();
    expect(isWrong(verdict)).toBe(true);
  });
});

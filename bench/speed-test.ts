/**
 * Tests as llama-bench defines them: pp N reads N tokens in the largest steps allowed, tg N writes N tokens one by one.
 * At depth d, the cache holds d tokens before the test; with batch b, each step advances b sequences.
 */
export interface SpeedTest {
  readonly kind: 'pp' | 'tg';
  readonly tokens: number; // of each sequence
  readonly depth: number;
  readonly batch: number; // sequences
}

/** One step: `count` tokens at pos, pos + 1, ... of each sequence. */
export interface TimedStep {
  readonly pos: number;
  readonly count: number;
  readonly logits: boolean; // of the last token of each sequence
}

export interface TestLists {
  readonly prompts: readonly number[]; // tokens read; 0: no test of reading
  readonly generations: readonly number[]; // tokens written; 0: no test of writing
  readonly depths: readonly number[];
  readonly batches: readonly number[]; // for writing
}

/** Every combination; at each depth, reading comes first. */
export function speedTests({ prompts, generations, depths, batches }: TestLists): SpeedTest[] {
  const tests = depths.flatMap((depth) => [
    ...prompts.map((tokens) => ({ kind: 'pp', tokens, depth, batch: 1 }) as const),
    ...generations.flatMap((tokens) =>
      batches.map((batch) => ({ kind: 'tg', tokens, depth, batch }) as const),
    ),
  ]);
  return tests.filter(({ tokens }) => tokens > 0);
}

/** pp512, tg128, tg128x8 for 8 sequences. */
export function testName({ kind, tokens, batch }: SpeedTest): string {
  return `${kind}${tokens}${batch > 1 ? `x${batch}` : ''}`;
}

/** Whether a test of that name reads a prompt. The multiply roof limits reading, the memory roof limits writing. */
export function isPrefill(name: string): boolean {
  return name.startsWith('pp');
}

/** With the depth, as llama-bench writes it: tg128 @ d4096. */
export function labelOf(name: string, depth: number): string {
  return depth > 0 ? `${name} @ d${depth}` : name;
}

/** The steps of a test, of at most `maxTokens` tokens each. */
export function* timedSteps(test: SpeedTest, maxTokens: number): Generator<TimedStep> {
  const { kind, tokens, depth } = test;
  const most = kind === 'tg' ? 1 : maxTokens;
  for (let at = 0; at < tokens; at += most) {
    const count = Math.min(most, tokens - at);
    yield { pos: depth + at, count, logits: kind === 'tg' || at + count === tokens };
  }
}

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isRight, type Question } from '../../bench/first-minute/judge.ts';

const FILE = new URL('../../bench/first-minute/questions.jsonl', import.meta.url);

describe('the questions of the first minute', () => {
  const questions: Question[] = readFileSync(FILE, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

  it('are a hundred, each with a check that an empty answer fails', () => {
    expect(new Set(questions.map(({ ask }) => ask)).size).toBe(100);
    for (const question of questions) expect(isRight(question, '')).toBe(false);
  });

  it.each([
    [['au'], 'Its symbol is Au.', true],
    [['au'], 'Because of autumn', false],
    [['100'], 'at 1000 degrees', false],
    [['carbon dioxide'], 'Carbon\n dioxide (CO2)', true],
    [['thank'], 'Thankful', false],
  ])('are checked by whole words: %j in %j', (group, answer, right) => {
    expect(isRight({ ask: '', words: [group] }, answer)).toBe(right);
    expect(isRight({ ask: '', words: [group, ['nowhere']] }, answer)).toBe(false);
  });
});

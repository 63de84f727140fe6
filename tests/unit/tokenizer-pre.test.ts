/** Pre-tokenizers: the word boundaries of each. */
import { describe, expect, it } from 'vitest';
import { preTokenizerOf, splitWords } from '../../core/tokenizer/pre-tokenizers.ts';
import { UserError } from '../../errors.ts';
import { randomText, seededRandom } from './vocabularies.ts';

const cut = (name: string, text: string) => splitWords(text, preTokenizerOf(name)).join('|');

describe('pre-tokenizers', () => {
  // Words according to the tokenizer.json of a model of each name.
  it.each([
    ['gpt-2', "I'll pay  $1234\n\nNow'S", "I|'ll| pay| | $|1234|\n|\n|Now|'|S"],
    ['smollm', "I'll pay  $1234\n\nNow", "I|'ll| pay| | $|1|2|3|4|\n|\n|Now"],
    ['llama-bpe', "I'LL pay  $1234\n\nNow (ok)", "I|'LL| pay| | $|123|4|\n\n|Now| (|ok|)"],
    ['qwen2', "I'LL pay  $1234!\n\nNow", "I|'LL| pay| | $|1|2|3|4|!\n\n|Now"],
    ['qwen35', 'हिन्दी 12', 'हिन्दी| |1|2'],
    ['gpt-4o', "camelCase it's HTTPServer", "camel|Case| it's| HTTPServer"],
    ['tekken', "camelCase it's 12", "camel|Case| it|'s| |1|2"],
    ['deepseek-v3', 'abc1234漢字 #x\n', 'abc|123|4|漢字| #|x|\n'],
    ['deepseek-coder', 'a = 12\n', 'a| = |1|2|\n'],
    ['falcon', 'a==1234', 'a|==|123|4'],
    ['default', 'a==1234', 'a|==|123|4'],
    ['bloom', 'Hi, you', 'Hi|,| you'],
    ['viking', 'Hi42', 'Hi|4|2'],
    ['seed-coder', 'a!\n\nb', 'a|!|\n\n|b'],
    ['deepseek-llm', 'Hi, you 漢字 1234\n', 'Hi|,| you| |漢字| |1234|\n'],
    ['bailingmoe', "it's\n\n 12", "it|'s|\n\n| |1|2"],
    ['exaone-moe', 'one two  3', 'one two| | |3'],
    ['ufakzeka', "Ali'nin 12", "Ali|'nin| |1|2"],
    ['laguna', 'a b\n\n12', 'a| b|\n\n|1|2'],
    ['jais-2', `a${' '.repeat(11)}b`, `a|${' '.repeat(8)}|  | b`],
    ['granite-embed-multi-97m', "camelCase it's 1234", "camel|Case| it's| |123|4"],
    ['tiny_aya', 'a 1234567 12345b', 'a| |1|234|567| |123|45|b'],
    ['kimi-k2', '你好world HTTPServer', '你好|world| HTTPServer'],
    ['youtu', 'ㄅㄆ你好abc12', 'ㄅㄆ|你好|abc|1|2'],
    ['afmoe', '12345 漢字 x', '12|345| |漢字| x'],
    ['spark2_5', 'a!\n\n12', 'a|!|\n|\n|1|2'],
    ['superbpe', 'a1234567b', 'a|1|234|567|b'],
    ['chameleon', '<sentinel:1>IMGIMGABZ x  y', '<|sentinel|:|1|>|IMGIMGABZ| x|  |y'],
    ['gemma4', 'a b\n\nc', 'a b|\n\n|c'],
    ['whitespace', 'a b', 'a| |b'],
  ])('%s', (name, text, expected) => {
    expect(cut(name, text)).toBe(expected);
  });

  it('use the white space of Unicode, not of JavaScript', () => {
    expect(cut('gpt-2', 'a \u0085b')).toBe('a| |\u0085|b');
    expect(cut('gpt-2', 'a \ufeffb')).toBe('a| \ufeff|b');
  });

  it('lose no text, under any name', () => {
    const random = seededRandom(6);
    for (const name of everyName()) {
      const preTokenizer = preTokenizerOf(name);
      for (let round = 0; round < 50; round++) {
        const text = randomText(random, 30);
        expect(splitWords(text, preTokenizer).join('')).toBe(text);
      }
    }
  });
});

/** The names that the error for an unknown one lists. */
function everyName(): string[] {
  try {
    preTokenizerOf('');
  } catch (error) {
    if (error instanceof UserError)
      return error.hint
        .replace(/^.*Known are: /, '')
        .slice(0, -1)
        .split(', ');
  }
  throw new Error('Expected an error that lists the supported names.');
}

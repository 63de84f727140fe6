import { describe, expect, it } from 'vitest';
import { Random } from '../../core/sampler/random.ts';
import type { SearchHit, SessionStore } from '../../core/sessions/store.ts';
import { ask, createdAt, failure, opened, question } from './sessions-fixture.ts';

/** The marked parts of a snippet. */
function marked({ snippet: { text, matches } }: SearchHit): string[] {
  return matches.map(([start, length]) => text.slice(start, start + length));
}

const found = (store: SessionStore, query: string) => store.search(query).map(({ snippet }) => snippet.text);

describe('the search', () => {
  it.each([
    ['a word', 'sky', ['sky']],
    ['the beginning of one', 'SK', ['sky']],
    ['several, in any order', 'blue sky', ['sky', 'Blue']],
    ['one with other accents', 'reves', ['rêves']],
    ['one that the text has without', 'Blüe', ['Blue']],
    ['what is no word', 'C++', ['C++']],
    ['a part of code', 'std::sort', ['std::sort']],
    ['words in a row', '"sky is blue"', ['sky is Blue']],
    ['a quotation that is not closed', '"sky', ['sky']],
    ['a language without spaces', '世界', ['世界']],
    ['an emoji', '👩‍🚀', ['👩‍🚀']],
    ['a language with marks', 'हिन्दी', ['हिन्दी']],
    ['words and no words', '👩‍🚀 sky 世', ['sky', '世', '👩‍🚀']],
  ])('finds %s', async (_, query, expected) => {
    const store = await opened();
    ask(store, 'sky is Blue in rêves; C++ std::sort 你好世界 👩‍🚀 हिन्दी');
    ask(store, 'something of the class C, which asks whether to sort, is, std, in a whisky.');
    const hits = store.search(query);
    expect(hits).toHaveLength(1);
    expect(marked(hits[0]!)).toEqual(expected);
  });

  it.each(['ky', 'C--', 'sky AND red', 'sky NOT blue', '世间', '"blue sky"', 'text:sky', '🎉', '*', 'zzz'])(
    'finds nothing for %s',
    async (query) => {
      const store = await opened();
      ask(store, 'sky is Blue; C++ 你好世界');
      expect(store.search(query)).toEqual([]);
    },
  );

  it.each(['', ' \n', '""', '" "', '"'])('requires words, and rejects %j', async (query) => {
    const store = await opened();
    expect(failure(() => store.search(query)).kind).toBe('usage');
  });

  it('accepts anything as a query', async () => {
    const store = await opened();
    ask(store, `sky ' " \\ ( ) * ^ - + : { } NEAR OR \0 %_ \ud800 ﷽ 𞤀`);
    const random = new Random(1);
    const parts = ["'", '"', '\\', '(', ')', '*', '^', '-', '+', ':', '{', 'NEAR(', 'OR', 'AND', 'NOT'];
    parts.push(
      ' ',
      '\0',
      '%',
      '\ud800',
      '\udc00',
      '﷽',
      '𞤀',
      '\u0301',
      'a',
      'İ',
      'ß',
      '🎉',
      '\ufdd0',
      '￿',
      '.*',
      '[',
    );
    for (let i = 0; i < 300; i++) {
      const length = 1 + Math.floor(random.uniform() * 6);
      const pick = () => parts[Math.floor(random.uniform() * parts.length)]!;
      const query = Array.from({ length }, pick).join('');
      if (query.replace(/["\s]/g, '') !== '') expect(store.search(query)).toBeInstanceOf(Array);
    }
  });

  it('returns role and session', async () => {
    const store = await opened();
    const id = ask(store, 'Why?', 'Rayleigh scattering.');
    expect(store.search('rayleigh')).toEqual([
      {
        session: id,
        title: 'Why?',
        message: { id: 2, role: 'assistant', createdAt },
        snippet: { text: 'Rayleigh scattering.', matches: [[0, 8]] },
      },
    ]);
  });

  it('ranks by relevance, and the newest first among equals', async () => {
    const store = await opened();
    ask(store, `${'many other words '.repeat(50)} sky`);
    const [older, newer] = [ask(store, 'the sky'), ask(store, 'the sky')];
    const order = store.search('sky').map(({ session }) => session);
    expect(order.slice(0, 2)).toEqual([newer, older]);
    expect(order).toHaveLength(3);
    expect(store.search('sky', { limit: 1 })).toHaveLength(1);
    expect(found(store, '☁')).toEqual([]);
  });

  it('shows the part of a long text where the words are close together', async () => {
    const store = await opened();
    const filler = 'lorem ipsum dolor sit amet '.repeat(20);
    ask(store, `sky first. ${filler}\n\nA sky\tthat is blue. ${filler}`);
    const [hit] = store.search('sky blue');
    expect(marked(hit!)).toEqual(['sky', 'blue']);
    expect(hit!.snippet.text).toMatch(/^….{10,40} A sky that is blue\..*…$/);
    expect(hit!.snippet.text.length).toBeLessThan(125);
  });

  it('finds given titles, and skips system messages', async () => {
    const store = await opened();
    const id = store.create({ model: 'smollm2' });
    store.append(id, { id: 1, role: 'system', content: 'secret words', createdAt });
    store.append(id, question('Hello', 2, 1));
    store.rename(id, 'old name');
    store.rename(id, 'Holiday plans');
    expect(store.search('secret')).toEqual([]);
    expect(store.search('old')).toEqual([]);
    expect(store.search('plan hol')).toEqual([
      {
        session: id,
        title: 'Holiday plans',
        snippet: {
          text: 'Holiday plans',
          matches: [
            [0, 7],
            [8, 5],
          ],
        },
      },
    ]);
  });
});

import { describe, expect, it } from 'vitest';
import { ContextWindow } from '../../cli/chat/context-window.ts';
import type { Message } from '../../core/chat-template.ts';
import { answerLimit, fittingMessages, fittingTurns } from '../../core/context-window.ts';
import type { TreeMessage } from '../../core/conversation.ts';

/** Prompts that begin with each turn, after a system message: as many tokens, whose ids are the turn. */
function tokensOf(turns: readonly number[], system = 0) {
  return (turn: number) =>
    new Array<number>(system + turns.slice(turn).reduce((sum, tokens) => sum + tokens, 0)).fill(turn);
}

describe('the first turn that stays', () => {
  it.each<[string, number[], number, number]>([
    ['all fit', [100, 100, 100], 0, 0],
    ['all fit beside an answer, to the token', [350, 200, 200], 0, 0],
    ['one token too many: down to half the context', [351, 200, 200], 0, 1],
    ['as many leave as are needed', [200, 200, 200, 200, 100], 0, 2],
    ['the system message counts', [300, 200, 200], 100, 1],
    ['the last one stays, whatever its size', [100, 900], 0, 1],
    ['a single one stays', [2000], 0, 0],
  ])('%s', (_, turns, system, expected) => {
    const { turn, ids } = fittingTurns(turns.length, tokensOf(turns, system), { contextLength: 1000 });
    expect({ turn, ids }).toEqual({ turn: expected, ids: tokensOf(turns, system)(expected) });
  });

  it('leaves no more room than the answer may take', () => {
    const tokens = tokensOf([500, 490]);
    expect(fittingTurns(2, tokens, { contextLength: 1000, maxTokens: 10 }).turn).toBe(0);
    expect(fittingTurns(2, tokens, { contextLength: 1000, maxTokens: 11 }).turn).toBe(1);
  });

  it('renders few prompts', () => {
    let rendered = 0;
    const tokens = tokensOf(Array.from({ length: 1000 }, () => 10));
    const count = (turn: number) => {
      rendered++;
      return tokens(turn);
    };
    fittingTurns(1000, count, { contextLength: 4096 });
    expect(rendered).toBeLessThan(13);
  });

  it('renders one prompt if all fit', () => {
    let rendered = 0;
    fittingTurns(10, () => [rendered++], { contextLength: 100 });
    expect(rendered).toBe(1);
  });
});

describe('the limit of an answer', () => {
  it('is dropped where the context ends first', () => {
    const limit = (promptTokens: number) => answerLimit({ contextLength: 100, maxTokens: 10 }, promptTokens);
    expect([limit(90), limit(91)]).toEqual([10, undefined]);
    expect(answerLimit({ contextLength: 100 }, 99)).toBeUndefined();
  });
});

/** One token a character. */
const encode = (messages: readonly Message[]) => [
  ...Buffer.from(messages.map(({ content }) => content).join('')),
];
const textOf = (ids: readonly number[]) => Buffer.from(ids).toString();

describe('messages that fit', () => {
  const messages: Message[] = ['system', 'user', 'assistant', 'user', 'assistant', 'user'].map((role, i) => ({
    role,
    content: String(i).repeat(10),
  }));

  it('are all, or the system message and the last turns', () => {
    const all = fittingMessages(messages, encode, { contextLength: 100 });
    expect({ ids: textOf(all.ids), left: all.left }).toEqual({
      ids: textOf(encode(messages)),
      left: 0,
    });
    const few = fittingMessages(messages, encode, { contextLength: 64 });
    expect({ ids: textOf(few.ids), left: few.left }).toEqual({
      ids: `${'0'.repeat(10)}${'5'.repeat(10)}`,
      left: 4,
    });
  });
});

describe('the window of a chat', () => {
  function pathOf(...contents: readonly string[]): TreeMessage[] {
    return contents.map((content, i) => ({
      ...{ id: i + 1, parent: i === 0 ? undefined : i, createdAt: '' },
      role: i % 2 === 0 ? 'user' : 'assistant',
      content,
    }));
  }
  const room = { contextLength: 64 };

  it('begins at the same question until more have to leave', () => {
    const window = new ContextWindow(encode);
    const path = pathOf('a'.repeat(20), 'b'.repeat(10), 'c'.repeat(10), 'd'.repeat(6), 'e');
    expect(window.fit(path.slice(0, 3), room)).toMatchObject({ left: 0 });
    expect(window.firstOf(path)).toBeUndefined();
    const full = window.fit(path, { ...room, contextLength: 56 });
    expect({ ids: textOf(full.ids), left: full.left }).toEqual({ ids: `${'c'.repeat(10)}dddddde`, left: 2 });
    const longer = pathOf(...path.map(({ content }) => content), 'f'.repeat(5), 'g');
    expect(textOf(window.fit(longer, room).ids)).toBe(`${'c'.repeat(10)}ddddddefffffg`);
    expect(window.firstOf(longer)).toBe(3);
    expect(window.firstOf(pathOf('another branch'))).toBeUndefined();
  });

  it('stays as it is if the last question alone is too long', () => {
    const window = new ContextWindow(encode);
    const path = pathOf('a'.repeat(20), 'b', 'c'.repeat(100));
    expect(window.fit(path, room)).toMatchObject({ left: 0 });
    expect(window.firstOf(path)).toBeUndefined();
  });
});

import { describe, expect, it } from 'vitest';
import { LineTranscript } from '../../cli/chat/line-mode.ts';
import { messagesOf, systemOf, turnsOf } from '../../cli/chat/messages.ts';
import { Speedometer } from '../../cli/chat/speedometer.ts';
import type { AnswerOrigin, TreeMessage } from '../../core/conversation.ts';

function said(
  ...messages: readonly (readonly [role: TreeMessage['role'], content: string])[]
): TreeMessage[] {
  return messages.map(([role, content], i) => ({
    id: i + 1,
    parent: i === 0 ? undefined : i,
    createdAt: '2026-01-15T12:00:00Z',
    role,
    content,
  }));
}

describe('messages of a branch', () => {
  it('puts the last system message first', () => {
    const path = said(['system', 'old'], ['user', 'a'], ['assistant', 'b'], ['system', 'new'], ['user', 'c']);
    expect(messagesOf(path)).toEqual([
      { role: 'system', content: 'new' },
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b' },
      { role: 'user', content: 'c' },
    ]);
    expect(systemOf(path)).toBe('new');
  });

  it('has none if the last one is empty', () => {
    const path = said(['system', 'old'], ['user', 'a'], ['system', '']);
    expect(messagesOf(path)).toEqual([{ role: 'user', content: 'a' }]);
  });

  it('counts turns by their questions, answered or not', () => {
    const path = said(['system', 's'], ['user', 'a'], ['assistant', 'b'], ['user', 'c']);
    expect(turnsOf(path).map(({ number, answer }) => [number, answer?.content])).toEqual([
      [1, 'b'],
      [2, undefined],
    ]);
  });
});

describe('Speedometer', () => {
  it('counts tokens a second over the last two seconds', () => {
    const speedometer = new Speedometer();
    for (let ms = 0; ms <= 1000; ms += 100) speedometer.token(ms);
    expect(speedometer.speed).toMatchObject({ tokens: 11, seconds: 1, tokensPerSecond: 10 });
    for (let ms = 1010; ms <= 4000; ms += 10) speedometer.token(ms);
    expect(speedometer.speed.tokensPerSecond).toBeCloseTo(100, 5);
    expect(speedometer.speed.recent.length).toBeGreaterThan(5);
  });

  it('has no speed after one token', () => {
    const speedometer = new Speedometer();
    speedometer.token(5);
    expect(speedometer.speed).toMatchObject({ tokens: 1, tokensPerSecond: 0, recent: [] });
  });
});

describe('LineTranscript', () => {
  const origin: AnswerOrigin = {
    ...{ model: 'm', backend: 'cpu', finish: 'stop', seed: 1 },
    ...{ promptTokens: 1, completionTokens: 2, cachedTokens: 0, prefillMs: 1, decodeMs: 1 },
  };

  function transcript() {
    const written: string[] = [];
    const lines = new LineTranscript({ print: async (text) => void written.push(text) });
    return { lines, written };
  }

  it('prints an answer in whole sentences', () => {
    const { lines, written } = transcript();
    lines.add({ kind: 'answer-begin' });
    for (const text of ['Cats', ' purr. They', ' sle', 'ep!\nAnd', ' more'])
      lines.add({ kind: 'answer-text', text });
    lines.add({ kind: 'answer-end', origin });
    expect(written.filter((text) => text !== '')).toEqual([
      'Answer: ',
      'Cats purr. ',
      'They sleep!\n',
      'And more\n',
    ]);
  });

  it("does not repeat the user's input, but prints earlier messages", () => {
    const { lines, written } = transcript();
    lines.typed('hello');
    lines.add({ kind: 'user', text: 'hello' });
    lines.add({ kind: 'user', text: 'hello' });
    expect(written).toEqual(['You: hello\n']);
  });

  it('asks once, on a line of its own', () => {
    const { lines, written } = transcript();
    lines.prompt();
    lines.prompt();
    lines.add({ kind: 'notice', text: 'a note' });
    lines.prompt();
    expect(written.join('')).toBe('> \na note\n> ');
  });

  it('neutralises control sequences of a model', () => {
    const { lines, written } = transcript();
    lines.add({ kind: 'answer-text', text: '\x1b]0;owned\x07\x1b[2J\u202e.\n' });
    lines.add({ kind: 'error', error: new Error('\x1b[31m') });
    expect(written.join('')).not.toMatch(/[\x1b\x07\u202e]/);
  });
});

/** Conversations whose writes fail for a while, or for good: the chat goes on, and nothing is lost that can be saved. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SessionKeeper } from '../../cli/chat/session-keeper.ts';
import type { AnswerOrigin, TreeMessage } from '../../core/conversation.ts';
import { IN_MEMORY, openSessions, type SessionStore } from '../../core/sessions/store.ts';
import { UserError } from '../../errors.ts';

const createdAt = '2026-11-30T12:00:00.000Z';
const ORIGIN: AnswerOrigin = {
  ...{ model: 'm', backend: 'cpu', seed: 1, finish: 'stop' },
  ...{ promptTokens: 1, completionTokens: 1, cachedTokens: 0, prefillMs: 1, decodeMs: 1 },
};

let store: SessionStore;
let keeper: SessionKeeper;
let isFull: boolean;
let reported: string[];

beforeEach(async () => {
  store = await openSessions(IN_MEMORY);
  isFull = false;
  reported = [];
  keeper = new SessionKeeper(fillable(store));
  keeper.reports = {
    waits: ({ message }) => reported.push(message),
    recovered: () => reported.push('recovered'),
    removed: () => reported.push('removed'),
  };
});

afterEach(() => store.close());

const requireRoom = () => {
  if (isFull) throw new UserError('The disk is full.', 'Free some space.');
};

/** The store, whose writes fail while `isFull`. */
function fillable(real: SessionStore): SessionStore {
  const writes = ['append', 'begin', 'setHead', 'rename'] as const;
  return new Proxy(real, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (writes.some((write) => write === name)) requireRoom();
        const result = value.apply(target, args);
        if (name !== 'begin') return result;
        return {
          text: (piece: string) => result.text(piece),
          end(origin: AnswerOrigin) {
            requireRoom();
            result.end(origin);
          },
        };
      };
    },
  });
}

function say(id: number, content: string) {
  const role = id % 2 === 1 ? 'user' : 'assistant';
  const message: TreeMessage = { id, parent: id > 1 ? id - 1 : undefined, role, content, createdAt };
  if (role === 'user') return keeper.add(message, 'm');
  const { content: _, ...begun } = message;
  const writer = keeper.begin(begun, { model: 'm' });
  for (const piece of content) writer.text(piece);
  writer.end(ORIGIN);
}

const stored = (id = keeper.id!) =>
  [...store.read(id).conversation.messages.values()].map(({ content }) => content);

describe('a conversation whose writes fail', () => {
  it.each([0, 1, 2, 3, 4, 5])('from message %i on is stored later, in its order', (first) => {
    const texts = ['one', 'two', 'three', 'four', 'five', 'six'];
    for (const [i, text] of texts.entries()) {
      isFull = i >= first && i < 5;
      say(i + 1, text);
    }
    expect(stored()).toEqual(texts);
    expect(store.read(keeper.id!).conversation.messages.get(6)!.origin).toEqual(ORIGIN);
    expect(reported).toEqual(first < 5 ? ['The disk is full.', 'recovered'] : []);
    expect(keeper.problem).toBeUndefined();
  });

  it('within an answer keeps all of its text', () => {
    say(1, 'one');
    const writer = keeper.begin({ id: 2, parent: 1, role: 'assistant', createdAt }, { model: 'm' });
    writer.text('two');
    isFull = true;
    writer.text(' and more');
    writer.end(ORIGIN);
    expect(reported).toEqual(['The disk is full.']);
    isFull = false;
    say(3, 'three');
    expect(stored()).toEqual(['one', 'two and more', 'three']);
  });

  it('tries once more at the end, and knows whether it succeeded', () => {
    isFull = true;
    say(1, 'one');
    keeper.setHead(1);
    expect(keeper.problem).toBeInstanceOf(UserError);
    vi.spyOn(store, 'close').mockReturnValue(undefined);
    keeper.close();
    expect(keeper.problem?.message).toBe('The disk is full.');
    isFull = false;
    keeper.close();
    expect(keeper.problem).toBeUndefined();
    expect(stored()).toEqual(['one']);
  });

  it('does not wait for a lock again and again', () => {
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    const append = vi.spyOn(store, 'append').mockImplementation(() => {
      now += 5000;
      throw new UserError('Another process has locked it.', 'Wait.');
    });
    for (const id of [1, 2, 3]) say(id, 'text');
    expect(append).toHaveBeenCalledTimes(1);
    vi.restoreAllMocks();
    vi.spyOn(performance, 'now').mockReturnValue(now + 60_000);
    say(4, 'text');
    expect(stored()).toHaveLength(4);
    vi.restoreAllMocks();
  });
});

describe('a conversation that another process removes', () => {
  it('is stored no more, until all of it is stored anew', () => {
    say(1, 'one');
    say(2, 'two');
    store.remove(keeper.id!);
    say(3, 'three');
    say(4, 'four');
    expect(reported).toEqual(['removed']);
    expect(keeper.id).toBeUndefined();
    expect(store.list()).toEqual([]);
    const messages = ['one', 'two'].map((content, i) => ({
      ...{ id: i + 1, parent: i || undefined, content, createdAt },
      role: i === 0 ? ('user' as const) : ('assistant' as const),
    }));
    keeper.addAll({ messages: new Map(messages.map((message) => [message.id, message])), head: 2 }, 'm');
    expect(stored()).toEqual(['one', 'two']);
  });

  it('during an answer ends without an error', () => {
    say(1, 'one');
    const writer = keeper.begin({ id: 2, parent: 1, role: 'assistant', createdAt }, { model: 'm' });
    store.remove(keeper.id!);
    writer.text('two');
    writer.end(ORIGIN);
    expect(reported).toEqual(['removed']);
  });
});

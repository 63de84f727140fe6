import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { INITIAL_STATE } from '../../cli/chat/chat-state.ts';
import { PacedState } from '../../cli/chat/paced-state.ts';
import { Pacer } from '../../cli/chat/pacer.ts';
import type { Entry } from '../../cli/chat/transcript.ts';
import { Turns } from '../../cli/chat/turns.ts';

function turns() {
  const state = new PacedState(INITIAL_STATE, new Pacer({ least: 1, most: 1, share: 1 }));
  const entries: Entry[] = [];
  const sent: string[] = [];
  const all = new Turns({
    state,
    transcript: { add: (entry) => void entries.push(entry) },
    canSend: () => true,
    send: async (text) => void sent.push(text),
  });
  const queue = (text: string) => {
    all.queue({ text, run: text.startsWith('/') ? async () => void sent.push(`ran ${text}`) : undefined });
  };
  return { turns: all, queue, state: state.store, entries, sent };
}

/** Throws the reason of `signal` some time after it aborts, as a generation does. */
async function endsAfter(signal: AbortSignal, done: () => void): Promise<void> {
  await new Promise((resolve) => signal.addEventListener('abort', resolve));
  await sleep(5);
  done();
  throw signal.reason;
}

describe('Turns', () => {
  it('runs queued commands in their place among messages', async () => {
    const { turns: all, queue, sent } = turns();
    await all.run('working', async () => {
      for (const text of ['one', '/two', '/three', 'four']) queue(text);
    });
    await sleep(5);
    expect(sent).toEqual(['one', 'ran /two', 'ran /three', 'four']);
  });

  it('sends queued messages in order when the running turn ends', async () => {
    const { turns: all, queue, state, sent } = turns();
    const running = all.run('working', async () => {
      queue('one');
      queue('two');
      queue('three');
      expect(all.unqueue()).toBe('three');
    });
    expect(await running).toBe(true);
    await sleep(0);
    expect(sent).toEqual(['one', 'two']);
    expect(state.get()).toMatchObject({ phase: 'idle', queued: [] });
  });

  it('prints errors, but not a requested abort', async () => {
    const { turns: all, entries } = turns();
    const stopped = all.run('answering', (signal) => endsAfter(signal, () => {}));
    all.stop();
    expect(await stopped).toBe(false);
    expect(entries).toEqual([]);
    const error = new Error('broken');
    expect(await all.run('working', () => Promise.reject(error))).toBe(false);
    expect(entries).toEqual([{ kind: 'error', error }]);
  });

  it('stops and awaits the running turn on close, and sends no more', async () => {
    const { turns: all, queue, sent } = turns();
    let ended = false;
    void all.run('answering', (signal) =>
      endsAfter(signal, () => {
        ended = true;
      }),
    );
    queue('late');
    await all.close(60_000);
    expect(ended).toBe(true);
    expect(sent).toEqual([]);
  });

  it.each(['answering', 'loading'] as const)('closes even if %s never ends', async (phase) => {
    const { turns: all } = turns();
    void all.run(phase, () => new Promise(() => {}));
    await all.close(phase === 'loading' ? 60_000 : 1); // close does not wait for a load
    expect(all.busy).toBe(true);
  });
});

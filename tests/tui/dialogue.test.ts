import { writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { emptyFolder, TINY_MODEL } from '../cli/percept.ts';
import { answers, chat, command, dialogue, entries, idle, say, store, unsent, user } from './dialogue.ts';

describe('Dialogue', () => {
  it('asks and answers, in entries and in the conversation', async () => {
    await chat();
    await say('once upon');
    const kinds = entries.map(({ kind }) => kind).filter((kind) => kind !== 'answer-text');
    expect(kinds).toEqual(['model', 'user', 'answer-begin', 'answer-end']);
    const text = entries.map((entry) => (entry.kind === 'answer-text' ? entry.text : '')).join('');
    expect(answers()).toEqual([text]);
    expect(dialogue.branch.path.at(-1)!.origin).toMatchObject({
      finish: 'length',
      completionTokens: 6,
      backend: 'cpu',
    });
  });

  it('answers queued messages in order', async () => {
    await chat();
    dialogue.say('one');
    dialogue.say('two');
    expect(dialogue.state.get().queued).toEqual([{ text: 'two' }]);
    dialogue.say('three');
    expect(dialogue.unqueue()).toBe('three');
    await idle();
    expect(dialogue.branch.path.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant']);
    expect(dialogue.branch.path[2]!.content).toBe('two');
  });

  it('retries beside the first answer, with another seed', async () => {
    await chat();
    await say('once upon');
    await command('/retry');
    await command('/retry');
    const [question] = dialogue.branch.path;
    const versions = [...dialogue.branch.conversation.messages.values()].filter(
      ({ parent }) => parent === question!.id,
    );
    expect(versions).toHaveLength(3);
    expect(new Set(versions.map(({ origin }) => origin!.seed)).size).toBe(3);
    expect(dialogue.branch.versionOf(versions[2]!.id)).toEqual({ number: 3, of: 3 });
    expect(dialogue.branch.switchVersion(-1)).toBe(true);
    expect(answers()).toEqual([versions[1]!.content]);
    const { promptTokens, completionTokens } = versions[1]!.origin!;
    expect(dialogue.state.get().contextUsed).toBe(promptTokens + completionTokens);
    expect(dialogue.branch.switchVersion(1)).toBe(true);
    expect(dialogue.branch.switchVersion(1)).toBe(false);
  });

  it('gives the same answer for the same seed', async () => {
    await chat();
    await say('once upon');
    const [first] = answers();
    await command('/clear');
    await say('once upon');
    expect(answers()).toEqual([first]);
  });

  it('keeps a stopped answer, and reports it', async () => {
    await chat({ maxTokens: 100 });
    dialogue.say('once upon');
    await new Promise<void>((resolve) => {
      dialogue.state.subscribe(() => dialogue.state.get().phase === 'answering' && resolve());
    });
    dialogue.stop();
    await idle();
    const last = dialogue.branch.path.at(-1)!;
    expect(last).toMatchObject({ role: 'assistant', origin: { finish: 'aborted' } });
    expect(last.origin!.completionTokens).toBeLessThan(100);
  });

  it('reports a failure and continues', async () => {
    await chat();
    await say('word '.repeat(2000));
    expect(entries.at(-1)).toMatchObject({
      kind: 'error',
      error: {
        kind: 'context',
        message: expect.stringMatching(/^Expected at most 512 tokens, .* but \d+ are needed\.$/),
        hint: 'Shorten it: this model was trained for a context of 512 tokens.',
      },
    });
    expect(unsent).toEqual(['word '.repeat(2000)]);
    expect(dialogue.branch.path).toEqual([]);
    await say('once');
    expect(answers()).toHaveLength(1);
  });

  it('returns a message that could not be sent', async () => {
    await chat();
    const folder = emptyFolder();
    writeFileSync(join(folder, 'picture.bin'), Buffer.from([0, 1, 2]));
    await say(`look at @${join(folder, 'picture.bin')}`);
    expect(entries.at(-1)!.kind).toBe('error');
    expect(unsent).toEqual([expect.stringContaining('picture.bin')]);
    expect(dialogue.branch.path).toEqual([]);
  });

  it('scores tokens while its frontend wants their probabilities', async () => {
    const tokens = () =>
      entries.flatMap((entry) => (entry.kind === 'answer-text' ? (entry.token ?? []) : []));
    await chat();
    await say('once');
    expect(tokens()).toEqual([]);
    user.scored = true;
    await say('twice');
    expect(tokens()[0]!.top.length).toBeGreaterThan(1);
    for (const { logprob } of tokens()) expect(Math.exp(logprob)).toBeLessThanOrEqual(1);
  });

  it('puts the system message of the options first', async () => {
    await chat({ system: 'be brief' });
    await say('once');
    expect(dialogue.branch.path[0]).toMatchObject({ role: 'system', content: 'be brief' });
    expect(await command('/template')).toContain('system: be brief');
  });

  it('stores everything, and continues it from disk', async () => {
    await chat();
    await say('once');
    await command('/retry');
    await say('twice');
    const kept = store.last()!;
    expect([...kept.conversation.messages.values()]).toEqual([
      ...dialogue.branch.conversation.messages.values(),
    ]);
    await command('/clear');
    await dialogue.resume(store.read(kept.id));
    const contents = dialogue.branch.path.map(({ content }) => content);
    expect([contents[0], contents[2]]).toEqual(['once', 'twice']);
    await say('thrice');
    expect(store.last()!.id).toBe(kept.id);
    expect(store.last()!.messages).toBe(kept.messages + 2);
  });

  it('resumes a session while its model loads, and stays busy', async () => {
    await chat();
    await say('once');
    const { id } = store.last()!;
    await dialogue.resume(store.read(id));
    const loading = dialogue.load(TINY_MODEL, 'cpu');
    let models = 0; // loaded at the first idle moment
    dialogue.state.subscribe(() => {
      if (!dialogue.busy) models ||= entries.filter(({ kind }) => kind === 'model').length;
    });
    await loading;
    expect(models).toBe(2);
  });

  it('stores a model reference that works from any folder', async () => {
    await chat();
    expect(await dialogue.load(relative(process.cwd(), TINY_MODEL), 'cpu')).toBe(true);
    await say('once');
    expect(dialogue.branch.path.at(-1)!.origin!.model).toBe(TINY_MODEL);
    expect(store.last()!.model).toBe(TINY_MODEL);
  });

  it('does not wait for a loading model when it closes', async () => {
    await chat();
    let loaded = false;
    const loading = dialogue.load(TINY_MODEL, 'reference').then(() => {
      loaded = true;
    });
    await dialogue.close();
    expect(loaded).toBe(false);
    await loading;
    expect(dialogue.loaded).toBeUndefined();
  });

  it('switches the model in place and prefills the conversation', async () => {
    await chat();
    await say('once upon');
    const answered = answers();
    expect(await command('/backend reference')).toBe('<model>');
    expect(dialogue.state.get()).toMatchObject({ model: { backend: 'reference' } });
    expect(dialogue.state.get().contextUsed).toBeGreaterThan(0);
    expect(answers()).toEqual(answered);
    expect(await command('/model nowhere.gguf')).toContain('error: There is no model "nowhere.gguf"');
    await say('again');
    expect(answers()).toHaveLength(2);
  });
});

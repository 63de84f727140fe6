import { writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Options } from '../../cli/arguments/options.ts';
import { SAMPLING_NAMES } from '../../cli/arguments/options.ts';
import type { ChoiceList } from '../../cli/chat/choices.ts';
import { Dialogue } from '../../cli/chat/dialogue.ts';
import { Pacer } from '../../cli/chat/pacer.ts';
import { SessionKeeper } from '../../cli/chat/session-keeper.ts';
import { ShellLines } from '../../cli/chat/shell-lines.ts';
import { completeCommand, runCommand, SLASH_COMMANDS } from '../../cli/chat/slash-commands/index.ts';
import type { CommandContext, Screen } from '../../cli/chat/slash-commands/slash-command.ts';
import type { Entry } from '../../cli/chat/transcript.ts';
import { themeOf } from '../../cli/terminal/theme.ts';
import { leavesOf } from '../../core/conversation.ts';
import { openSessions, type SessionStore } from '../../core/sessions/store.ts';
import { emptyFolder, TINY_MODEL } from '../cli/percept.ts';

const TEMPLATE =
  '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}';

let entries: Entry[];
let offered: ChoiceList | undefined;
/** What the user does with a list: takes the choice of this value, or leaves. */
let taken: string | undefined;
let composed: { text: string; send?: (text: string) => void } | undefined;
let left: boolean;
let scored: boolean;
let unsent: string[];
let store: SessionStore;
let dialogue: Dialogue;
let context: CommandContext;

const screen: Screen = {
  columns: 80,
  choose: async (list) => {
    offered = list;
    return list.choices.find(({ value }) => value === taken);
  },
  compose: (text, send) => {
    composed = { text, send };
    return true;
  },
  copy: () => true,
  clear: () => {},
  exit: () => {
    left = true;
  },
  inspect: () => false,
};

async function chat(options: Partial<Options> = {}): Promise<Dialogue> {
  const template = join(emptyFolder(), 'template.jinja');
  writeFileSync(template, TEMPLATE);
  const all = {
    model: TINY_MODEL,
    backend: 'cpu',
    maxTokens: 6,
    seed: 1,
    temperature: 1,
    template,
    ...options,
  };
  dialogue = new Dialogue({
    frontend: {
      transcript: { add: (entry) => void entries.push(entry) },
      wantsProbabilities: () => scored,
      onUnsent: (text) => void unsent.push(text),
    },
    keeper: new SessionKeeper(store),
    options: all,
    pacer: new Pacer({ least: 1, most: 1, share: 1 }),
  });
  context = {
    dialogue,
    screen,
    theme: themeOf({ color: 0, background: 'dark', ascii: true }),
    commands: SLASH_COMMANDS,
  };
  expect(await dialogue.load(TINY_MODEL, 'cpu')).toBe(true);
  return dialogue;
}

/** Waits until nothing is running or queued. */
async function idle(): Promise<void> {
  await new Promise<void>((resolve) => {
    const check = () => {
      const { phase, queued } = dialogue.state.get();
      if (phase === 'idle' && queued.length === 0) resolve();
    };
    dialogue.state.subscribe(check);
    setTimeout(check, 5);
  });
}

async function say(text: string): Promise<void> {
  dialogue.say(text);
  await idle();
}

async function command(line: string): Promise<string> {
  const before = entries.length;
  await runCommand(context, line);
  await idle();
  return entries
    .slice(before)
    .map((entry) => {
      if (entry.kind === 'output') return entry.lines.join('\n');
      if (entry.kind === 'notice') return entry.text;
      return entry.kind === 'error' ? `error: ${(entry.error as Error).message}` : `<${entry.kind}>`;
    })
    .join('\n');
}

const answers = () =>
  dialogue.branch.path.filter(({ role }) => role === 'assistant').map(({ content }) => content);

beforeEach(async () => {
  entries = [];
  composed = undefined;
  offered = undefined;
  taken = undefined;
  left = false;
  scored = false;
  unsent = [];
  store = await openSessions(join(emptyFolder(), 'sessions.db'));
});

afterEach(() => dialogue.close());

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
    expect(dialogue.state.get().queued).toEqual(['two']);
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
    scored = true;
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

describe('what goes with the next question', () => {
  const question = () => dialogue.branch.path.findLast(({ role }) => role === 'user')!.content;
  const notices = () => entries.flatMap((entry) => (entry.kind === 'notice' ? entry.text : []));

  it('follows what the user writes, once', async () => {
    await chat();
    dialogue.enclose('a file', 'another');
    await say('hello');
    expect(question()).toBe('hello\n\na file\n\nanother');
    await say('again');
    expect(question()).toBe('again');
  });

  it('waits for a question that can be sent, and is dropped by /clear', async () => {
    await chat();
    dialogue.enclose('a file');
    await say('@nofile.txt');
    expect(unsent).toEqual(['@nofile.txt']);
    await say('hello');
    expect(question()).toBe('hello\n\na file');
    dialogue.enclose('another');
    await command('/clear');
    await say('hello');
    expect(question()).toBe('hello');
  });

  it('is a command of the user, with its output made visible, and its exit code', async () => {
    await chat();
    const shell = new ShellLines(dialogue);
    await shell.run("!printf 'a\\033[31mb\\n```\\n'; exit 3");
    const output = entries.flatMap((entry) => (entry.kind === 'output' ? entry.lines : [])); // may come in parts
    expect(output).toEqual(['  a\u241b[31mb', '  ```']);
    expect(notices()).toEqual(['exit code 3; command and output go with your next question']);
    await say('why?');
    expect(question()).toMatch(
      /^why\?\n\nA command and its output \(exit code 3\):\n````console\n\$ printf /,
    );
    expect(question()).toMatch(/\nab\n```\n````$/);
  });

  it('is explained by ! alone', async () => {
    await chat();
    await new ShellLines(dialogue).run('!');
    expect(notices()).toEqual([expect.stringContaining('! runs a command in your shell')]);
  });

  it('is no command that comes from elsewhere', async () => {
    await chat();
    await say('!exit 3');
    expect(question()).toBe('!exit 3');
    expect(notices()).toEqual([]);
  });
});

describe('slash commands', () => {
  it('edits a question into a sibling', async () => {
    await chat();
    await say('once');
    await say('twice');
    await command('/edit 1 thrice');
    expect(dialogue.branch.path.map(({ content }) => content)[0]).toBe('thrice');
    expect(leavesOf(dialogue.branch.conversation)).toHaveLength(2);
    expect(dialogue.branch.versionOf(dialogue.branch.path[0]!.id)).toEqual({ number: 2, of: 2 });
    await command('/edit');
    expect(offered).toBeUndefined(); // there is one question on this branch
    expect(composed!.text).toBe('thrice');
    composed!.send!('four times');
    await idle();
    expect(dialogue.branch.path[0]!.content).toBe('four times');
  });

  it('lets the user choose among several questions', async () => {
    await chat();
    await say('once');
    await say('twice');
    await command('/edit');
    expect(offered!.choices.map(({ text }) => text)).toEqual(['once', 'twice']);
    expect(offered!.at).toBe(1);
    expect(composed).toBeUndefined(); // the list was left
    taken = '1';
    await command('/edit');
    expect(composed!.text).toBe('once');
    composed!.send!('thrice');
    await idle();
    expect(dialogue.branch.path[0]!.content).toBe('thrice');
  });

  it('lets the user choose a conversation or a model', async () => {
    await chat();
    expect(await command('/resume')).toBe('there are no saved conversations yet');
    await say('purple elephants');
    const { id } = dialogue.keeper;
    await command('/clear');
    const before = dialogue.state.get();
    await command('/resume');
    expect(dialogue.state.get()).toBe(before); // the list was left
    expect(offered!.choices).toMatchObject([
      { value: id, before: 'now', text: 'purple elephants', after: ['tiny-llama.Q8_0.gguf', '2 messages'] },
    ]);
    taken = id;
    await command('/load');
    expect(dialogue.branch.path[0]!.content).toBe('purple elephants');
    const { loaded } = dialogue;
    taken = undefined;
    await command('/model');
    expect(dialogue.loaded).toBe(loaded);
    expect(offered!.choices[offered!.at!]).toMatchObject({ current: true, value: TINY_MODEL });
    expect(offered!.choices.find(({ value }) => value === 'tinyllama')!.after).toContain('not pulled');
    taken = TINY_MODEL;
    await command('/model');
    expect(dialogue.loaded).not.toBe(loaded);
  });

  it('undoes, branches and returns', async () => {
    await chat();
    await say('one');
    await say('two');
    await command('/undo');
    expect(composed).toEqual({ text: 'two', send: undefined });
    await say('three');
    await command('/branch 1');
    await say('four');
    expect(await command('/branches')).toMatch(/1 .*two.*\n.*2 .*three.*\n \* 3 .*four/);
    await command('/branches 1');
    expect(dialogue.branch.path.map(({ content }) => content)).toContain('two');
    expect(await command('/branches 9')).toContain('the number of a branch, from 1 to 3, got "9"');
  });

  it('forks an answer at a token', async () => {
    await chat();
    await say('once upon');
    const answer = dialogue.branch.path.at(-1)!;
    const { ids } = dialogue.answerIds(answer);
    const other = (ids[2]! + 1) % 100;
    await dialogue.retry(answer.parent!, [...ids.slice(0, 2), other]);
    const forked = dialogue.answerIds(dialogue.branch.path.at(-1)!);
    expect(forked.ids.slice(0, 3)).toEqual([...ids.slice(0, 2), other]);
    expect(forked.ids.length).toBe(9); // three forced, six generated
  });

  it('goes on from a summary, and keeps the whole conversation', async () => {
    await chat({ system: 'Be brief.', ignoreEos: true });
    expect(await command('/compact')).toContain('error: ');
    await say('one');
    const before = dialogue.branch.conversation;
    const shown = await command('/compact');
    const summary = shown.split('\n').slice(2).join(' ').trim();
    expect(summary).not.toBe('');
    const [system, ...others] = dialogue.branch.path;
    expect(others).toEqual([]);
    expect(system!.content).toMatch(/^Be brief\.\n\nSummary of the conversation so far:\n./s);
    expect(dialogue.branch.conversation.messages.size).toBe(before.messages.size + 1);
    await say('two');
    expect(answers()).toHaveLength(1);
    expect(await command('/branches')).toMatch(/one/);
  });

  it('changes nothing if the summary is stopped or fails', async () => {
    await chat({ ignoreEos: true });
    await say('one');
    const { path } = dialogue.branch;
    const stopping = dialogue.state.subscribe(
      () => dialogue.state.get().phase === 'answering' && dialogue.stop(),
    );
    expect(await command('/compact')).toBe('stopped: the conversation is as it was');
    stopping();
    await command('/set ctx 8');
    expect(await command('/compact')).toMatch(/^error: Expected at most 8 tokens, [^\n]*$/);
    expect(dialogue.branch.path).toEqual(path);
  });

  it('says that the context fills, what leaves it when it is full, and what to do', async () => {
    await chat({ ctx: 256, maxTokens: 12, ignoreEos: true });
    const notices = async (text: string) => {
      const before = entries.length;
      await say(text);
      return entries.slice(before).flatMap((entry) => (entry.kind === 'notice' ? entry.text : []));
    };
    const fills = / % of the context is used: .*; \/compact puts a summary in their place$/;
    const left = /^the context was full: the oldest \d+ messages left it, and (\d+) tokens are read again$/;
    const said: string[] = [];
    for (let i = 0; i < 16; i++) said.push(...(await notices(`question ${i}`)));
    const kinds = said.map((text) => (fills.test(text) ? 'fills' : left.test(text) ? 'left' : text));
    expect(kinds.slice(0, 4)).toEqual(['fills', 'left', 'fills', 'left']);
    expect(answers()).toHaveLength(16); // none has left the conversation
    const shown = await command('/template');
    expect(shown).not.toContain('question 0');
    expect(shown).toContain('question 15');
    expect(await command('/context')).toMatch(/turn 1 +has left/);
    dialogue.options = { ...dialogue.options, maxTokens: undefined };
    expect((await notices('to the end')).at(-1)).toMatch(/^the context is full: go on, .*\/compact/);
    expect(await notices('go on')).toContainEqual(expect.stringMatching(left));
  });

  it('changes the context, and keeps the conversation', async () => {
    await chat();
    await say('one');
    await command('/set ctx 128');
    expect(dialogue.loaded!.model.contextLength).toBe(128);
    expect(await command('/set ctx 100000')).toContain(
      'Expected a context of 1 to 512 tokens, as trained, got 100000.',
    );
    expect(dialogue.loaded!.model.contextLength).toBe(128);
    await command('/set ctx');
    expect(dialogue.loaded!.model.contextLength).toBe(512);
    await say('two');
    expect(answers()).toHaveLength(2);
  });

  it('sets parameters and refuses wrong ones', async () => {
    await chat();
    expect(await command('/set temperature 0.5')).toBe('temperature is 0.5');
    expect(await command('/params')).toMatch(/temperature +0\.5/);
    expect(await command('/set top-p 7')).toContain('error: Expected top-p to be a number from 0 to 1');
    expect(await command('/params')).toMatch(/top-p +0\.95/);
    expect(await command('/set nonsense 1')).toContain('error: Expected the name of a parameter');
    expect(await command('/set temperture 1')).toContain('error:');
    expect(entries.at(-1)).toMatchObject({ error: { hint: 'Did you mean temperature?' } });
    expect(await command('/set temperature')).toBe('temperature is reset to its default');
  });

  it('lists parameters under the names that /set takes', async () => {
    await chat();
    const listed = (await command('/params')).split('\n').map((line) => line.trim().split(' ')[0]);
    const settable = (await completeCommand(context, '/set ')).map(({ value }) => value);
    expect(settable).toEqual(expect.arrayContaining([...SAMPLING_NAMES, 'ctx']));
    expect(listed).toEqual(expect.arrayContaining(settable));
    expect(await command('/set dry 0.8')).toBe('dry is 0.8');
    expect(await command('/params')).toMatch(/dry +0\.8,1\.75,2/);
  });

  it('asks the screen for the source of answers, if it renders them', async () => {
    await chat();
    expect(await command('/raw')).toContain('always');
    const asked: (boolean | undefined)[] = [];
    const rendering = {
      ...context,
      screen: { ...screen, showSource: (on: boolean | undefined) => asked.push(on) > 1 },
    };
    for (const line of ['/raw', '/raw on', '/raw off']) await runCommand(rendering, line);
    expect(asked).toEqual([undefined, true, false]);
    expect(entries.at(-1)).toEqual({ kind: 'notice', text: 'answers are shown as Markdown source' });
  });

  it('suggests commands for typos, and rejects commands while busy', async () => {
    await chat({ maxTokens: 50 });
    expect(await command('/rety')).toContain('no command /rety');
    dialogue.say('once');
    await runCommand(context, '/retry');
    expect(entries).toContainEqual({ kind: 'notice', text: expect.stringContaining('/retry has to wait') });
    await idle();
  });

  it('searches, saves, loads and exports', async () => {
    await chat();
    await say('purple elephants');
    expect(await command('/save The zoo')).toContain('"The zoo"');
    expect(await command('/search elephants')).toContain('purple elephants');
    expect(await command('/search nothinglikethis')).toContain('no message contains');
    const file = join(emptyFolder(), 'chat.md');
    expect(await command(`/export ${file}`)).toBe(`wrote ${file}`);
    expect(await command(`/export ${file}`)).toContain('the file exists');
    const { id } = dialogue.keeper;
    await command('/clear');
    await command(`/load ${id!.slice(0, 5)}`);
    expect(dialogue.branch.path[0]!.content).toBe('purple elephants');
  });

  it('shows internals: context, stats, tokens, alternatives', async () => {
    await chat();
    await say('once upon');
    expect(await command('/context')).toMatch(/turn 1 .*\n.*total .*\n.*free/);
    expect(await command('/stats')).toMatch(/answers +1, 6 tokens/);
    expect(await command('/tokens once')).toMatch(/:\d+.*\n\d+ tokens?/);
    expect(await command('/alt 1')).toMatch(/%/);
    expect(await command('/alt 99')).toContain('error: Expected the number of a token');
  });

  it('explains every command, and leaves', async () => {
    await chat();
    const help = await command('/help');
    for (const { name } of SLASH_COMMANDS) expect(help).toContain(`/${name}`);
    expect(await command('/help retry')).toContain('/retry');
    await command('/exit');
    expect(left).toBe(true);
  });

  it('completes commands and their arguments', async () => {
    await chat();
    const values = async (line: string) => (await completeCommand(context, line)).map(({ value }) => value);
    expect(await values('/')).toContain('/retry');
    expect(await values('/backend ')).toEqual(['auto', 'cpu', 'webgpu', 'gpujs', 'reference']);
    expect(await values('/set ')).toContain('temperature');
    expect(await values('hello')).toEqual([]);
  });
});

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SAMPLING_NAMES } from '../../cli/arguments/options.ts';
import { systemOf } from '../../cli/chat/messages.ts';
import { completeCommand, runCommand, SLASH_COMMANDS } from '../../cli/chat/slash-commands/index.ts';
import { leavesOf } from '../../core/conversation.ts';
import { readGguf } from '../../core/gguf/index.ts';
import { matrix, peftAdapter } from '../adapter-files.ts';
import { emptyFolder, TINY_MODEL } from '../cli/percept.ts';
import {
  answers,
  chat,
  command,
  composed,
  context,
  dialogue,
  entries,
  idle,
  left,
  offered,
  say,
  screen,
  user,
} from './dialogue.ts';

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
    user.taken = '1';
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
    user.taken = id;
    await command('/load');
    expect(dialogue.branch.path[0]!.content).toBe('purple elephants');
    const { loaded } = dialogue;
    user.taken = undefined;
    await command('/model');
    expect(dialogue.loaded).toBe(loaded);
    expect(offered!.choices[offered!.at!]).toMatchObject({ current: true, value: TINY_MODEL });
    expect(offered!.choices.find(({ value }) => value === 'tinyllama')!.after).toContain('not pulled');
    user.taken = TINY_MODEL;
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
    expect(dialogue.branch.path.map(({ role }) => role)).toEqual(['system', 'system']);
    expect(systemOf(dialogue.branch.path)).toBe(`Be brief.\n\n${dialogue.branch.path[1]!.content}`);
    expect(dialogue.branch.path[1]!.content).toMatch(/^Summary of the conversation so far:\n./s);
    expect(dialogue.branch.conversation.messages.size).toBe(before.messages.size + 2);
    await say('two');
    expect(answers()).toHaveLength(1);
    expect(await command('/branches')).toMatch(/one/);
  });

  it('goes on from one summary at a time, whatever the system message is', async () => {
    await chat({ system: 'Be brief.', ignoreEos: true });
    const system = () => systemOf(dialogue.branch.path);
    const heading = 'Summary of the conversation so far:\n';
    await say('one');
    await command('/compact');
    const first = system();
    await say('two');
    await command('/compact');
    expect(system()).not.toBe(first);
    expect(system().split(heading)).toHaveLength(2);
    const summary = heading + system().split(heading)[1]!;
    expect(await command('/system')).toBe('system message: Be brief.\nthe summary of /compact goes with it');
    await command('/system Be long.');
    expect(system()).toBe(`Be long.\n\n${summary}`);
    await command('/system none');
    expect(system()).toBe(summary);
    expect(await command('/system')).toBe('there is no system message\nthe summary of /compact goes with it');
    expect(await command('/template')).toContain(`system: ${heading.trim()}`);
    await say('three');
    await command('/compact');
    expect(system()).not.toBe(summary);
    expect(system().split(heading)).toHaveLength(2);
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

  it('adds adapters, changes their factors and takes them off', async () => {
    const down = 'model.layers.0.mlp.down_proj';
    const width = (await readGguf(TINY_MODEL)).tensors.get('blk.0.ffn_down.weight')!.shape[0]!;
    const adapter = peftAdapter(join(emptyFolder(), 'adapter'), [
      matrix(`${down}.lora_A.weight`, 2, width),
      matrix(`${down}.lora_B.weight`, 256, 2),
    ]);
    await chat();
    expect(await command('/lora')).toMatch(/^no adapter is applied; /);
    await command(`/lora ${adapter}=0.5`);
    expect(dialogue.options.lora).toEqual([`${adapter}=0.5`]);
    await command(`/lora ${adapter}`);
    expect(await command('/lora')).toContain(`applied: ${adapter}; `);
    expect(await command('/lora ./nowhere')).toContain('error: ');
    expect(dialogue.options.lora).toEqual([adapter]);
    expect(await command('/lora off ./other')).toContain('No such adapter is applied.');
    await command(`/lora off ${adapter}`);
    expect(dialogue.options.lora).toEqual([]);
    await say('one');
    expect(answers()).toHaveLength(1);
  });

  it('keeps what is set while a context is loaded that fails', async () => {
    await chat();
    const loading = runCommand(context, '/set ctx 100000');
    await command('/set temperature 0.5');
    await loading;
    expect(dialogue.options).toMatchObject({ ctx: undefined, temperature: 0.5 });
  });

  it.each(['/set ctx 128', '/backend reference'])(
    'keeps what %s chose if only reading is stopped',
    async (line) => {
      await chat();
      await say('one');
      const { loaded } = dialogue;
      const stopping = dialogue.state.subscribe(
        () => dialogue.state.get().phase === 'reading' && dialogue.stop(),
      );
      await command(line);
      stopping();
      expect(dialogue.loaded).not.toBe(loaded);
      const { model } = dialogue.loaded!;
      expect(dialogue.options.ctx ?? 512).toBe(model.contextLength);
      expect(dialogue.options.backend).toBe(model.backend.name);
    },
  );

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
    const help = await command('/help all');
    for (const { name } of SLASH_COMMANDS) expect(help).toContain(`/${name}`);
    expect(await command('/help retry')).toMatch(/\/retry.*\n.*Left and Right/);
    expect((await command('/help')).split('\n').length).toBeLessThan(21); // of 24 rows, beside the prompt
    await command('/exit');
    expect(left).toBe(true);
  });

  it('starts no race with what is neither a backend nor a model here', async () => {
    await chat();
    const raced: (readonly string[])[] = [];
    const racing = {
      ...context,
      screen: { ...screen, race: (names: readonly string[]) => void raced.push(names) },
    };
    for (const names of ['cpu gpu', 'smollm9 cpu']) await runCommand(racing, `/race ${names} hi`);
    expect(raced).toEqual([]);
    expect(entries.flatMap((entry) => (entry.kind === 'error' ? [String(entry.error)] : []))).toEqual([
      expect.stringContaining('gpu is neither a backend nor a model on this machine.'),
      expect.stringContaining('smollm9 is neither'),
    ]);
    await runCommand(racing, `/race cpu ${TINY_MODEL} hi`);
    expect(raced).toEqual([['cpu', TINY_MODEL]]);
  });

  it('completes commands and their arguments', async () => {
    await chat();
    const values = async (line: string) => (await completeCommand(context, line)).map(({ value }) => value);
    expect(await values('/')).toContain('/retry');
    expect(await values('/backend ')).toEqual(['auto', 'cpu', 'webgpu', 'gpujs', 'reference']);
    expect(await values('/set ')).toContain('temperature');
    expect(await values('/set temperature ')).toEqual([]);
    expect(await values('/set ignore-eos ')).toEqual(['on', 'off']);
    expect(await values('/backend cpu ')).toEqual([]);
    expect(await values('hello')).toEqual([]);
  });

  it('completes paths of model files', async () => {
    await chat();
    const folder = emptyFolder();
    for (const name of ['a.gguf', 'notes.txt', '.hidden.gguf', 'two words.gguf'])
      writeFileSync(join(folder, name), '');
    mkdirSync(join(folder, 'more'));
    expect(await completeCommand(context, `/model ${folder}/`)).toEqual([
      { value: `${folder}/a.gguf` },
      { value: `${folder}/more/`, partial: true },
    ]);
    expect(await completeCommand(context, `/model ${folder}/.h`)).toEqual([
      { value: `${folder}/.hidden.gguf` },
    ]);
    expect(await completeCommand(context, '/model /no/such/folder/')).toEqual([]);
  });
});

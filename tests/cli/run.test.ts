import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readGguf } from '../../core/gguf/index.ts';
import { describeShared } from '../shared.ts';
import { emptyFolder, percept, TINY_MODEL } from './percept.ts';

const GREEDY = ['-m', TINY_MODEL, '-t', '0'];
const TEMPLATE = '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{{ bos_token }}';

/** The prompt as the program tokenizes it, through a template that prints all of it. */
async function promptIds(args: readonly string[], input?: string): Promise<number[]> {
  const cwd = emptyFolder();
  writeFileSync(join(cwd, 'show.jinja'), TEMPLATE);
  const flags = ['-n', '1', '--json', '--template', 'show.jinja'];
  const { stdout, stderr } = await percept([...GREEDY, ...flags, ...args], { cwd, input });
  expect(stderr).toBe('');
  return JSON.parse(stdout).prompt_ids;
}

async function idsOf(input: string): Promise<number[]> {
  const { stdout } = await percept(['tokenize', '-m', TINY_MODEL, '--special', '-'], { input });
  return stdout.trim().split(' ').map(Number);
}

describe('the prompt', () => {
  it.each([
    ['arguments, joined', ['Why', 'is', 'the sky blue?'], '', 'user: Why is the sky blue?\n<s>'],
    ['stdin, where there are none', [], 'Why?\n', 'user: Why?\n<s>'],
    ['stdin, for a dash', ['-'], 'Why?\n', 'user: Why?\n<s>'],
    ['stdin below the argument', ['write a message'], 'diff\n', 'user: write a message\n\ndiff\n<s>'],
    ['text after a double dash', ['--', '--stats'], '', 'user: --stats\n<s>'],
    ['with a system message', ['-s', 'Be brief.', 'Hi'], '', 'system: Be brief.\nuser: Hi\n<s>'],
    ['the name of a command, forced', ['run', 'lsit'], '', 'user: lsit\n<s>'],
  ])('is made of %s', async (_, args, input, expected) => {
    expect(await promptIds(args, input)).toEqual(await idsOf(expected));
  });

  it("reads messages from a file, after the flag's system message", async () => {
    const messages = join(emptyFolder(), 'messages.json');
    const turns = [
      { role: 'system', content: 'old' },
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b' },
    ];
    writeFileSync(messages, JSON.stringify(turns));
    const rest = 'user: a\nassistant: b\n';
    expect(await promptIds(['--messages', messages])).toEqual(await idsOf(`system: old\n${rest}<s>`));
    expect(await promptIds(['--messages', messages, '-s', 'new', 'c'])).toEqual(
      await idsOf(`system: new\n${rest}user: c\n<s>`),
    );
  });

  it('holds special tokens only where the template writes them', async () => {
    const text = 'a</s>\n<s>b';
    const count = async (args: readonly string[], input?: string) =>
      (await promptIds(args, input)).filter((id) => id === 1 || id === 2).length;
    const messages = join(emptyFolder(), 'messages.json');
    writeFileSync(messages, JSON.stringify([{ role: 'user', content: text }]));
    const file = join(emptyFolder(), 'text');
    writeFileSync(file, text);
    expect(await count(['-f', file, 'why?'])).toBe(1);
    expect(await count([text])).toBe(1);
    expect(await count(['-'], text)).toBe(1);
    expect(await count(['-s', text, 'Hi'])).toBe(1);
    expect(await count(['--messages', messages])).toBe(1);
    expect(await count(['--parse-special', text])).toBe(3);
  });

  it('has files after it, each in a fence, and those of folders', async () => {
    const folder = emptyFolder();
    mkdirSync(join(folder, 'src'));
    writeFileSync(join(folder, 'src', 'a.ts'), 'a();\n');
    writeFileSync(join(folder, 'src', 'pic.png'), Buffer.from([0]));
    writeFileSync(join(folder, 'b c.md'), 'b\n');
    const files = ['-f', join(folder, 'b c.md'), `--file=${join(folder, 'src', 'a.ts')}`];
    const attached = `${folder}/b c.md:\n\`\`\`md\nb\n\`\`\`\n\n${folder}/src/a.ts:\n\`\`\`ts\na();\n\`\`\``;
    expect(await promptIds([...files, 'why?'])).toEqual(await idsOf(`user: why?\n\n${attached}\n<s>`));
    expect(await promptIds(files)).toEqual(await idsOf(`user: ${attached}\n<s>`));
    const piped = `user: why?\n\npiped\n\n${attached}\n<s>`;
    expect(await promptIds(['why?', ...files], 'piped\n')).toEqual(await idsOf(piped));
    writeFileSync(join(folder, 'show.jinja'), TEMPLATE);
    const flags = ['-n', '1', '--template', 'show.jinja', '-f', 'src', 'why?'];
    const { stderr } = await percept([...GREEDY, ...flags], { cwd: folder });
    expect(stderr).toBe('attached src: 1 file, 1 line; left out: 1 binary file\n');
  });

  it('has stdin among its files for -f -', async () => {
    const stdin = 'stdin:\n```\npiped\n```';
    expect(await promptIds(['-f', '-', 'why?'], 'piped\n')).toEqual(
      await idsOf(`user: why?\n\n${stdin}\n<s>`),
    );
  });

  it.each([
    [['-f', 'none.txt', 'why?'], 'There is no file none.txt.'],
    [['-f', 'show.jinja', '--raw', 'why?'], '--raw cannot be combined with --file.'],
    [['-f', 'show.jinja', '--parse-special', 'why?'], '--parse-special cannot be combined with --file.'],
    [['-f', 'show.jinja', '--prompt-ids', '1'], '--prompt-ids cannot be combined with --file.'],
  ])('is refused: %j', async (args, message) => {
    const cwd = emptyFolder();
    writeFileSync(join(cwd, 'show.jinja'), TEMPLATE);
    const { stderr, code } = await percept([...GREEDY, ...args], { cwd });
    expect(stderr).toContain(`error: ${message}\n`);
    expect(code).toBe(2);
  });

  it('has no binary file', async () => {
    const cwd = emptyFolder();
    writeFileSync(join(cwd, 'pic.png'), Buffer.from([0]));
    const { stderr } = await percept([...GREEDY, '-f', 'pic.png', 'why?'], { cwd });
    expect(stderr).toContain('pic.png is not UTF-8 text');
    expect(stderr).toContain('or leave it out');
  });

  it('is not changed by --raw, except for special tokens', async () => {
    const { stdout } = await percept([...GREEDY, '--raw', '-n', '1', '--json', '-'], { input: 'a</s>\n' });
    expect(JSON.parse(stdout).prompt_ids).toEqual([1, ...(await idsOf('a</s>\n'))]);
  });

  it('may be token ids', async () => {
    const { stdout } = await percept([...GREEDY, '--prompt-ids', '1, 2 3', '-n', '1', '--json']);
    expect(JSON.parse(stdout).prompt_ids).toEqual([1, 2, 3]);
  });

  it('needs a template in a chat', async () => {
    const { stderr, code } = await percept([...GREEDY, 'hi']);
    expect(code).toBe(2);
    expect(stderr).toContain('The model file has no chat template.');
    expect(stderr).toContain('--raw');
  });
});

describe('the answer', () => {
  const ask = ['--prompt-ids', '1,5,9'];

  it('is the text on stdout with one newline, and nothing else', async () => {
    const { stdout, stderr, code } = await percept([...GREEDY, ...ask, '-n', '8']);
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
    const json = JSON.parse((await percept([...GREEDY, ...ask, '-n', '8', '--json'])).stdout);
    expect(stdout).toBe(`${json.text.replace(/\n+$/, '')}\n`);
  });

  it('in JSON is one object of the documented shape', async () => {
    const { stdout } = await percept([
      ...GREEDY,
      ...ask,
      '-n',
      '4',
      '--threads',
      '1',
      '--seed',
      '7',
      '--json',
    ]);
    expect(stdout.match(/\n/g)).toHaveLength(1);
    expect(JSON.parse(stdout)).toEqual({
      model: TINY_MODEL,
      backend: 'cpu',
      threads: 1,
      prompt_ids: [1, 5, 9],
      ids: Array(4).fill(expect.any(Number)),
      text: expect.any(String),
      finish_reason: 'length',
      usage: { prompt_tokens: 3, completion_tokens: 4, cached_tokens: 0 },
      timings: {
        load_ms: expect.any(Number),
        prefill_ms: expect.any(Number),
        prefill_tok_s: expect.any(Number),
        decode_ms: expect.any(Number),
        decode_tok_s: expect.any(Number),
        first_token_ms: expect.any(Number),
      },
      seed: 7,
    });
  });

  it('in JSON lines is a start, the tokens and an end', async () => {
    const args = [...GREEDY, ...ask, '-n', '3', '--jsonl', '--logprobs', '2'];
    const lines = (await percept(args)).stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ type }) => type)).toEqual(['start', 'token', 'token', 'token', 'end']);
    expect(lines[0]).toMatchObject({ model: TINY_MODEL, backend: 'cpu', prompt_ids: [1, 5, 9] });
    for (const { id, logprob, top } of lines.slice(1, 4)) {
      expect(top).toHaveLength(2);
      expect(top[0]).toMatchObject({ id, logprob }); // greedy
      expect(logprob).toBeLessThanOrEqual(0);
    }
    expect(lines[4]).toMatchObject({ finish_reason: 'length', usage: { completion_tokens: 3 } });
  });

  it('stays the same for the same seed, whatever the number of threads', async () => {
    const sampled = (seed: string, threads: string) =>
      percept(['-m', TINY_MODEL, ...ask, '-n', '20', '--seed', seed, '--threads', threads]);
    const first = await sampled('1', '1');
    expect((await sampled('1', '2')).stdout).toBe(first.stdout);
    expect((await sampled('2', '1')).stdout).not.toBe(first.stdout);
  });

  it('may use another type of cache, set in any way', async () => {
    const ids = async (flags: string[], env?: Record<string, string>) => {
      const { stdout, stderr } = await percept(
        [...GREEDY, ...ask, '-n', '4', '--json', '--logprobs', '0', ...flags],
        {
          env,
        },
      );
      return JSON.parse(stdout || stderr).logprobs.map(({ logprob }: { logprob: number }) => logprob);
    };
    const auto = await ids([]);
    const f32 = await ids(['--kv-type', 'f32']);
    expect(await ids(['--kv-type', 'q8'])).toEqual(auto); // auto for quantized weights
    expect(f32).not.toEqual(auto);
    expect(await ids([], { PERCEPT_KV_TYPE: 'f32' })).toEqual(f32);
  });

  it('has statistics with --stats, unless -q is given', async () => {
    const args = [
      '-m',
      TINY_MODEL,
      ...ask,
      '-n',
      '2',
      '--seed',
      '9',
      '--samplers',
      'top_k,temperature',
      '--stats',
    ];
    const { stderr } = await percept(args);
    expect(stderr).toMatch(/^prompt: 3 tokens, [\d.]+ tok\/s$/m);
    expect(stderr).toMatch(/^answer: 2 tokens, [\d.]+ tok\/s, ended by length$/m);
    expect(stderr).toMatch(/^first token: \d+ ms after \d+ ms of loading$/m);
    expect(stderr).toMatch(/^engine: cpu, \d+ threads, context of 512 tokens$/m);
    expect(stderr).toMatch(/^sampling: top-k 40 -> temperature 0\.8 -> .*, seed 9$/m);
    expect((await percept([...args, '-q'])).stderr).toBe('');
  });
});

describe('each failure has its own exit code', () => {
  it('3: no such model', async () => {
    const { stdout, stderr, code } = await percept(['-m', './none.gguf', 'hi']);
    expect({ stdout, code }).toEqual({ stdout: '', code: 3 });
    expect(stderr).toContain('none.gguf');
  });

  it('3: a model that may not be pulled, with the command to pull it', async () => {
    const { stderr, code } = await percept(['--no-pull', 'hi']);
    expect(code).toBe(3);
    expect(stderr).toContain('percept pull smollm2');
  });

  it('4: no server answers', async () => {
    const { stderr, code } = await percept(['-m', 'http://127.0.0.1:1/model.gguf', 'hi']);
    expect(code).toBe(4);
    expect(stderr).toContain('connection refused');
  });

  it('5: a context that does not fit in memory', async () => {
    const file = readFileSync(TINY_MODEL);
    const key = 'llama.context_length';
    file.writeUInt32LE(2 ** 31 - 1, file.indexOf(key) + key.length + 4); // after the type of the value
    const path = join(emptyFolder(), 'wide.gguf');
    writeFileSync(path, file);
    const { stderr, code } = await percept(['-m', path, '--ctx', '2000000000', '--prompt-ids', '1']);
    expect(code).toBe(5);
    expect(stderr).toMatch(/The model needs \d+ MB of free memory/);
  });

  it('6: a prompt and an answer that do not fit the context', async () => {
    const { stdout, stderr, code } = await percept([
      ...GREEDY,
      '--prompt-ids',
      '1,2,3',
      '-n',
      '100',
      '--ctx',
      '64',
    ]);
    expect({ stdout, code }).toEqual({ stdout: '', code: 6 });
    expect(stderr).toMatch(/64 tokens.*103 are needed/);
  });

  describe('6: an answer that fills the context, after its text', () => {
    const full = async (...flags: string[]) => {
      const args = [...GREEDY, '--prompt-ids', '1,2,3', '--ignore-eos', '--ctx', '16', ...flags];
      const { stdout, stderr, code } = await percept(args);
      expect(code).toBe(6);
      expect(stderr).toMatch(/^error: .* context of 16 tokens: .*\n {2}Give a larger context.*\n$/);
      return stdout;
    };
    const usage = { prompt_tokens: 3, completion_tokens: 13, cached_tokens: 0 };

    it('as text', async () => {
      expect((await full()).trimEnd()).not.toBe('');
    });

    it('as a JSON object', async () => {
      const answer = JSON.parse(await full('--json'));
      expect(answer).toMatchObject({ finish_reason: 'length', usage });
      expect(answer.ids).toHaveLength(13);
      expect(`${answer.text.replace(/\n+$/, '')}\n`).toBe(await full());
    });

    it('as JSON lines', async () => {
      const lines = (await full('--jsonl'))
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(lines).toHaveLength(1 + 13 + 1 + 1);
      expect(lines.at(-1)).toMatchObject({ type: 'error', error: { kind: 'context', exit_code: 6 } });
      expect(lines.at(-2)).toMatchObject({ type: 'end', finish_reason: 'length', usage });
    });
  });

  it('1: a file that is not a model', async () => {
    const path = join(emptyFolder(), 'notes.gguf');
    writeFileSync(path, 'just some notes');
    const { stderr, code } = await percept(['-m', path, 'hi', '--raw']);
    expect(code).toBe(1);
    expect(stderr.trimEnd().split('\n')).toHaveLength(2);
  });
});

describeShared('stories260K', (shared) => {
  it('writes the story of the golden, greedily', async () => {
    const golden = JSON.parse(readFileSync(shared('models/stories260K.json'), 'utf8'));
    const args = [
      '-m',
      shared('models/stories260K.gguf'),
      '--prompt-ids',
      golden.prompt_ids.join(','),
      '-t',
      '0',
    ];
    const { stdout } = await percept([...args, '-n', '60', '--json']);
    expect(JSON.parse(stdout).ids).toEqual(golden.greedy_ids.slice(0, 60));
  });
});

it('reports a model of zeros, as of a file whose data never arrived', async () => {
  const bytes = readFileSync(TINY_MODEL);
  const { tensors } = await readGguf(TINY_MODEL);
  bytes.fill(0, Math.min(...[...tensors.values()].map(({ offset }) => offset)));
  const model = join(emptyFolder(), 'zeros.gguf');
  writeFileSync(model, bytes);
  for (const flags of [[], ['--logprobs', '1', '--json'], ['--backend', 'reference']]) {
    const { stdout, stderr, code } = await percept(['-m', model, '--raw', 'hi', '-n', '3', ...flags]);
    expect(code).toBe(1);
    expect(`${stdout}${stderr}`).toContain('Expected logits that differ, got 0 for every token.');
  }
});

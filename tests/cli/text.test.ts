import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeShared } from '../shared.ts';
import { emptyFolder, percept, TINY_MODEL } from './percept.ts';

const MODEL = ['-m', TINY_MODEL];

describe('percept tokenize and detokenize', () => {
  it('round-trip, through arguments and pipes', async () => {
    const { stdout: ids } = await percept(['tokenize', ...MODEL, 'a b']);
    expect(ids).toMatch(/^\d+( \d+)*\n$/);
    expect((await percept(['tokenize', ...MODEL, '-'], { input: 'a b' })).stdout).toBe(ids);
    expect((await percept(['tokenize', ...MODEL], { input: 'a b' })).stdout).toBe(ids);
    expect((await percept(['detokenize', ...MODEL, '-'], { input: ids })).stdout).toBe('a b\n');
    const listed = ids.trim().replaceAll(' ', ',');
    expect((await percept(['detokenize', ...MODEL, listed])).stdout).toBe('a b\n');
  });

  it('read and write JSON', async () => {
    const { ids, pieces } = JSON.parse((await percept(['tokenize', ...MODEL, 'ab', '--json'])).stdout);
    expect(pieces).toHaveLength(ids.length);
    const lines = await percept(['tokenize', ...MODEL, '--jsonl', '-'], { input: '"ab"\n""\n"a\\nb"\n' });
    expect(lines.stdout.split('\n')[0]).toBe(JSON.stringify(ids));
    expect(lines.stdout.split('\n')[1]).toBe('[]');
    expect(lines.stdout.trimEnd().split('\n')).toHaveLength(3);
    const text = await percept(['detokenize', ...MODEL, '--json', JSON.stringify(ids)]);
    expect(JSON.parse(text.stdout)).toEqual({ text: 'ab' });
  });

  it('pass over a byte order mark, as Windows writes it', async () => {
    const { stdout: ids } = await percept(['tokenize', ...MODEL, 'a b']);
    expect((await percept(['tokenize', ...MODEL, '-'], { input: '\ufeffa b' })).stdout).toBe(ids);
    const jsonl = await percept(['tokenize', ...MODEL, '--jsonl', '-'], { input: '\ufeff"a b"\r\n' });
    expect(JSON.parse(jsonl.stdout)).toEqual(ids.trim().split(' ').map(Number));
  });

  it('parse and show special tokens only with --special', async () => {
    const plain = (await percept(['tokenize', ...MODEL, '</s>'])).stdout.trim().split(' ');
    const special = (await percept(['tokenize', ...MODEL, '--special', '</s>'])).stdout.trim().split(' ');
    expect(special).toEqual(['2']);
    expect(plain.length).toBeGreaterThan(1);
    expect((await percept(['detokenize', ...MODEL, '2'])).stdout).toBe('\n');
    expect((await percept(['detokenize', ...MODEL, '2', '--special'])).stdout).toBe('</s>\n');
  });

  it('name the invalid line', async () => {
    const { stderr, code } = await percept(['tokenize', ...MODEL, '--jsonl', '-'], { input: '"a"\n{}\n' });
    expect(code).toBe(2);
    expect(stderr).toContain('Expected a JSON string on line 2 of stdin, got {}.');
  });

  it('name an id outside the vocabulary', async () => {
    const { stderr, code } = await percept(['detokenize', ...MODEL, '512']);
    expect(code).toBe(1);
    expect(stderr).toContain('from 0 to 511, got 512');
  });
});

describe('percept template', () => {
  it('renders without a model, to the byte', async () => {
    const cwd = emptyFolder();
    writeFileSync(join(cwd, 'messages.json'), '[{"role": "user", "content": "Hi"}]');
    const source = "{{ bos_token }}{{ messages[0].content }}{{ eos_token }} {{ strftime_now('%d %b %Y') }}";
    writeFileSync(join(cwd, 'own.jinja'), source);
    const args = ['template', '--messages', 'messages.json', '--template', 'own.jinja'];
    const values = ['--bos', '<a>', '--eos', '<b>', '--now', '2026-01-15T12:00:00'];
    const { stdout, code } = await percept([...args, ...values], { cwd });
    expect({ stdout, code }).toEqual({ stdout: '<a>Hi<b> 15 Jan 2026', code: 0 });
    const json = await percept([...args, ...values, '--json'], { cwd });
    expect(JSON.parse(json.stdout)).toEqual({ prompt: stdout });
    const late = await percept([...args, '--now', 'tomorrow'], { cwd });
    expect(late).toMatchObject({ code: 2, stderr: expect.stringContaining('Expected --now to be a date') });
  });

  it('reads messages and a template after byte order marks', async () => {
    const cwd = emptyFolder();
    writeFileSync(join(cwd, 'messages.json'), '\ufeff[{"role": "user", "content": "Hi"}]');
    writeFileSync(join(cwd, 'own.jinja'), '\ufeff{{ messages[0].content }}', 'utf16le');
    const args = ['template', '--messages', 'messages.json', '--template', 'own.jinja'];
    expect((await percept(args, { cwd })).stdout).toBe('Hi');
  });

  it('keeps the floats of JSON', async () => {
    const cwd = emptyFolder();
    writeFileSync(join(cwd, 'own.jinja'), '{{ messages[0].n }} {{ messages[0] | tojson }}');
    const input = '[{"role": "user", "n": 1.0, "m": [1, 2e3, 0.5]}]';
    const { stdout } = await percept(['template', '--messages', '-', '--template', 'own.jinja'], {
      cwd,
      input,
    });
    expect(stdout).toBe('1.0 {"role": "user", "n": 1.0, "m": [1, 2000.0, 0.5]}');
  });

  it('refuses a file that is not an array of messages', async () => {
    const { stderr, code } = await percept(['template', '--messages', '-'], { input: '{"role": "user"}' });
    expect(code).toBe(2);
    expect(stderr).toContain('Expected a JSON array of messages in -, got a JSON object.');
  });
});

describe('percept score', () => {
  const text = 'abcdefghij '.repeat(40);

  it('gives perplexity, and the log probability of every token', async () => {
    const args = ['score', ...MODEL, '--ctx', '32', '--chunks', '2', '-'];
    const plain = await percept(args, { input: text });
    expect(plain.stdout).toMatch(/^perplexity [\d.]+\nsecond half [\d.]+\n$/);
    const json = JSON.parse((await percept([...args, '--json'], { input: text })).stdout);
    expect(json).toMatchObject({ backend: 'cpu', context: 32, chunks: 2, tokens: 62 });
    const { stdout } = await percept([...args, '--jsonl'], { input: text });
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const logprobs = lines.filter(({ type }) => type === 'token').map(({ logprob }) => logprob);
    expect(logprobs).toHaveLength(62);
    const mean = logprobs.reduce((sum, logprob) => sum + logprob, 0) / 62;
    expect(json.perplexity).toBeCloseTo(Math.exp(-mean), 6);
    expect(lines.at(-1)).toMatchObject({ type: 'end', perplexity: json.perplexity });
  });

  it('takes a text that is shorter than a chunk as one chunk, with a note', async () => {
    const { stdout, stderr, code } = await percept(['score', ...MODEL, '-', '--json'], { input: 'abcdef' });
    const { context, chunk_tokens, chunks, tokens } = JSON.parse(stdout);
    expect({ code, context, chunks }).toEqual({ code: 0, context: 512, chunks: 1 });
    expect(tokens).toBe(chunk_tokens - 1);
    expect(stderr).toContain(
      `The text has ${chunk_tokens} tokens, less than a chunk of 512: it is scored as one chunk.\n`,
    );
    const empty = await percept(['score', ...MODEL, '-'], { input: 'a' });
    expect(empty.stderr).toMatch(
      /Expected a text of at least one chunk, 3 tokens, got \d\.\n {2}Give a longer/,
    );
  });
});

describeShared('goldens of templates', (shared) => {
  it('are rendered by the command line', async () => {
    const golden = JSON.parse(readFileSync(shared('goldens/chat-templates/golden.json'), 'utf8'));
    const { messages, tools, bos_token, eos_token, rendered } =
      golden['meta-llama-Llama-3.2-3B-Instruct'].tools;
    const cwd = emptyFolder();
    writeFileSync(join(cwd, 'messages.json'), JSON.stringify(messages));
    writeFileSync(join(cwd, 'tools.json'), JSON.stringify(tools));
    const file = shared('goldens/chat-templates/meta-llama-Llama-3.2-3B-Instruct.jinja');
    const args = ['--messages', 'messages.json', '--tools', 'tools.json', '--template', file];
    const values = ['--bos', bos_token, '--eos', eos_token, '--now', '2026-01-15T12:00:00'];
    expect((await percept(['template', ...args, ...values], { cwd })).stdout).toBe(rendered);
  });

  it('of a vocabulary are tokenized by the command line', async () => {
    const golden = JSON.parse(readFileSync(shared('goldens/tokenizers/phi-3.json'), 'utf8'));
    const input = golden.cases.map(({ text }: { text: string }) => `${JSON.stringify(text)}\n`).join('');
    const vocabulary = shared('goldens/tokenizers/ggml-vocab-phi-3.gguf');
    const { stdout } = await percept(['tokenize', '-m', vocabulary, '--jsonl', '-'], { input });
    const ids = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(ids).toEqual(golden.cases.map((one: { ids: number[] }) => one.ids));
  });
});

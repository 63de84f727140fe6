import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../cli/commands/index.ts';
import { emptyFolder, percept } from './percept.ts';

describe.each(['bash', 'zsh', 'fish', 'powershell'])('percept completion %s', (shell) => {
  it('knows every command and every option', async () => {
    const { stdout, code } = await percept(['completion', shell]);
    expect(code).toBe(0);
    for (const { name, options } of COMMANDS) {
      expect(stdout).toContain(name);
      for (const option of options) expect(stdout).toMatch(new RegExp(`[-l ]${option}\\b`));
    }
  });
});

const hasBash = spawnSync('bash', ['--version']).status === 0;

const PERCEPT = `#!/bin/sh
case $1 in
  sessions) echo 7fg1r4sp; echo m2x0v9aa ;;
  *) echo smollm2; [ "$3" = --pulled ] || echo hf:owner/repo/tiny.gguf ;;
esac
`;

interface Asked {
  readonly program?: string; // replaces percept for the lookup of names
  readonly flags?: readonly string[];
}

/** Output of a shell that loads percept's completion and then runs `ask` in `folder`. */
async function inShell(
  shell: string,
  ask: string,
  args: readonly string[] = [],
  { program = PERCEPT, flags = [] }: Asked = {},
): Promise<{ lines: string[]; folder: string }> {
  const folder = emptyFolder();
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'percept'), program);
  chmodSync(join(bin, 'percept'), 0o755);
  const { stdout: script } = await percept(['completion', shell === 'pwsh' ? 'powershell' : shell]);
  const path = join(folder, shell === 'pwsh' ? 'completion.ps1' : 'completion');
  writeFileSync(path, script);
  const { stdout, stderr } = spawnSync(shell, [...flags, '-c', ask, ...args], {
    env: { ...process.env, HOME: folder, PATH: `${bin}${delimiter}${process.env.PATH}` },
    cwd: folder,
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return { lines: stdout.split('\n').filter((line) => line !== ''), folder };
}

const ASK_BASH = `source ./completion; compopt() { COMPREPLY=(files); }
  COMP_LINE=$1; COMP_POINT=\${#1}; _percept; printf '%s\\n' "\${COMPREPLY[@]}"`;

/** Completions of bash after `line`, with a percept that has two models and two sessions. */
async function offered(line: string, asked: Asked = {}): Promise<string[]> {
  return (await inShell('bash', ASK_BASH, ['-', line], asked)).lines;
}

describe.skipIf(!hasBash)(`completion in bash${hasBash ? '' : ' (skipped: there is no bash)'}`, () => {
  it.each([
    ['percept co', ['convert', 'config', 'completion']],
    ['percept --max', ['--max-tokens']],
    ['percept show --c', ['--ctx']],
    [
      'percept list --',
      ['--json', '--names', '--pulled', '--quiet', '--no-color', '--ascii', '--debug', '--help'],
    ],
    ['percept --backend ', ['auto', 'cpu', 'webgpu', 'gpujs', 'reference']],
    ['percept score --kv-type ', ['auto', 'f32', 'f16', 'q8']],
    ['percept completion f', ['fish']],
    ['percept -m sm', ['smollm2']],
    ['percept -m hf:ow', ['owner/repo/tiny.gguf']], // bash itself keeps the text before the colon
    ['percept show ', ['smollm2', 'hf:owner/repo/tiny.gguf']],
    ['percept show ./', ['files']],
    ['percept -m ./ti', ['files']],
    ['percept --model=./ti', ['files']],
    ['percept rm ', ['smollm2']],
    ['percept --backend=g', ['gpujs']],
    ['percept chat --model=hf:ow', ['owner/repo/tiny.gguf']],
    ['percept --samplers to', ['top_k', 'top_p']],
    ['percept --samplers top_k,te', ['top_k,temperature']],
    ['percept bench ker', ['kernels']],
    ['percept hel', ['help']],
    ['percept help sh', ['show']],
    ['percept sessions s', ['show', 'search']],
    ['percept sessions show 7f', ['7fg1r4sp']],
    ['percept chat --resume ', ['7fg1r4sp', 'm2x0v9aa']],
    ['percept score ', ['files']],
    ['percept -f ', ['files']],
    ['percept chat --file ', ['files']],
    ['percept run --messages ', ['files']],
    ['percept "some text" -n ', []],
  ])('%s', async (line, expected) => {
    expect(await offered(line)).toEqual(expected);
  });
});

/** Hostile names, as a model's record, a file or a foreign session may contain them. */
const HOSTILE = [
  'https://h/x$(touch pwned).gguf',
  'https://h/`touch pwned`.gguf',
  '$(touch pwned)',
  '/m/a;touch pwned;.gguf',
  "/m/it's; touch pwned #.gguf",
  '/m/"$(touch pwned)".gguf',
  '/m/a b.gguf',
  '/m/*.gguf',
  '*(e:touch pwned:)',
  '~/{a,b}.gguf',
  '/m/ünï.gguf',
];
const UNPRINTABLE = '/m/\x1b]0;title\x07.gguf';
const program = [...HOSTILE, UNPRINTABLE].reduce(
  (text, name) => `${text}printf '%s\\n' '${name.replaceAll("'", "'\\''")}'\n`,
  '#!/bin/sh\n',
);
const has = (shell: string) => spawnSync(shell, ['--version']).status === 0;
const suite = (shell: string) =>
  describe.skipIf(!has(shell))(
    `names are data in ${shell}${has(shell) ? '' : ` (skipped: there is no ${shell})`}`,
    () => {
      it.each(CASES[shell]!)('%s', async (_, ask, flags = []) => {
        const { lines, folder } = await inShell(shell, ask, [], { program, flags });
        expect(lines.sort()).toEqual(HOSTILE.toSorted()); // the order depends on the shell
        expect(existsSync(join(folder, 'pwned'))).toBe(false);
      });
    },
  );

/** Each prints the completed names; bash as its command line would read them. */
const CASES: Readonly<Record<string, [title: string, ask: string, flags?: string[]][]>> = {
  bash: ['percept show ', 'percept -m ', 'percept chat --resume ', 'percept rm '].map((line) => [
    line,
    `source ./completion; COMP_LINE='${line}'; COMP_POINT=\${#COMP_LINE}; _percept
    for word in "\${COMPREPLY[@]}"; do eval "printf '%s\\n' $word"; done`,
  ]),
  zsh: ['_percept_names', '_percept_sessions'].map((name) => [
    name,
    `compdef() { }; compadd() { print -rl -- "\${(@P)argv[-1]}" }
    setopt globsubst shwordsplit nullglob; source ./completion; ${name}`,
    ['-f'],
  ]),
  fish: ['percept show ', 'percept -m ', 'percept chat --resume ', 'percept rm '].map((line) => [
    line,
    `source ./completion; for name in (complete -C '${line}' | string split -f 1 \\t); contains -- $name ${HOSTILE.map((name) => `'${name.replace(/[\\']/g, '\\$&')}'`).join(' ')}; and echo $name; end`,
    ['--no-config'],
  ]),
  pwsh: ['percept show ', 'percept -m ', 'percept chat --resume '].map((line) => [
    line,
    `. ./completion.ps1; (TabExpansion2 '${line}' ${line.length}).CompletionMatches | ForEach-Object { Invoke-Expression "Write-Output $($_.CompletionText)" }`,
    ['-NoProfile'],
  ]),
};
for (const shell of Object.keys(CASES)) suite(shell);

/** Types each argument and Tab at a prompt of zsh, and prints what then stands there. */
const ASK_ZSH = `touch tiny.gguf
  cat > setup <<'END'
autoload -U compinit; compinit -u -D; source ./completion
typed() { print -r -- "$BUFFER" >> typed; BUFFER= }; zle -N typed; bindkey '^Xd' typed
print READ''Y
END
  zmodload zsh/zpty; zpty z zsh -f -i; zpty -w z 'source ./setup'; zpty -r z shown '*READY*'
  for line in "$@"; do zpty -w -n z "$line"$'\\t\\x18d'; done
  zpty -w z 'print EN""DED'; zpty -r z shown '*ENDED*'; cat typed`;

describe.skipIf(!has('zsh'))(`completion in zsh${has('zsh') ? '' : ' (skipped: there is no zsh)'}`, () => {
  it('offers names, files, and values after = and commas', async () => {
    const lines = {
      'percept -m ./ti': './tiny.gguf',
      'percept show ./ti': './tiny.gguf',
      'percept --model=sm': '--model=smollm2',
      'percept --backend=g': '--backend=gpujs',
      'percept rm ': 'smollm2',
      'percept --samplers top_k,te': 'top_k,temperature',
      'percept bench ker': 'kernels',
      'percept help sh': 'show',
    };
    const { lines: typed } = await inShell('zsh', ASK_ZSH, ['-', ...Object.keys(lines)], { flags: ['-f'] });
    expect(typed.map((line) => line.trim().split(' ').at(-1)!.replace(/,$/, ''))).toEqual(
      Object.values(lines),
    );
  });

  it('knows options of every command', async () => {
    const lines = COMMANDS.map(({ name }) => `percept ${name} --he`);
    const { lines: typed } = await inShell('zsh', ASK_ZSH, ['-', ...lines], { flags: ['-f'] });
    expect(typed.map((line) => line.trim())).toEqual(lines.map((line) => `${line}lp`));
  });
});

describe.skipIf(!has('fish'))(
  `completion in fish${has('fish') ? '' : ' (skipped: there is no fish)'}`,
  () => {
    it.each([
      ['percept -m ./ti', ['./tiny.gguf']],
      ['percept show ./ti', ['./tiny.gguf']],
      ['percept --backend=g', ['--backend=gpujs']],
      ['percept rm ', ['smollm2']],
      ['percept --samplers top_k,te', ['top_k,temperature']],
      ['percept bench ker', ['kernels']],
      ['percept help sh', ['show']],
    ])('%s', async (line, expected) => {
      const ask = `source ./completion; touch tiny.gguf; complete -C '${line}' | string split -f 1 \\t`;
      expect((await inShell('fish', ask, [], { flags: ['--no-config'] })).lines).toEqual(expected);
    });
  },
);

describe.skipIf(!hasBash)(`a word begun in bash${hasBash ? '' : ' (skipped: there is no bash)'}`, () => {
  it.each([
    ['percept show https://h/x', ['//h/x\\$\\(touch\\ pwned\\).gguf']],
    ['percept show https://h/x\\$', ['//h/x\\$\\(touch\\ pwned\\).gguf']],
    ['percept show "/m/ü', ['/m/ünï.gguf']],
    ["percept show 'https://h/x", ['files']],
    ['percept show $(to', ['\\$\\(touch\\ pwned\\)']],
  ])('%s', async (line, expected) => {
    expect(await offered(line, { program })).toEqual(expected);
  });
});

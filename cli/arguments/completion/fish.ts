import {
  type CompletedCommand,
  type CompletedOption,
  MODEL_NAMES,
  PULLED_NAMES,
  SESSION_IDS,
  type Values,
} from './grammar.ts';

export function fishScript(commands: readonly CompletedCommand[]): string {
  const names = commands.map(({ name }) => name);
  return `# fish completion for percept
# Names are data: fish does not expand the lines of a command again, and it quotes completions.
function __percept_command
    set -l words (commandline -opc)
    if contains -- "$words[2]" ${names.join(' ')}
        echo $words[2]
    else
        echo ${names[0]}
    end
end
complete -c percept -f
${commands.map(({ name, summary }) => commandLine(name, summary)).join('\n')}
${commands.flatMap(commandLines).join('\n')}
`;
}

function commandLine(name: string, summary: string): string {
  return `complete -c percept -n 'test (count (commandline -opc)) -eq 1' -a ${name} -d ${quoted(summary)}`;
}

function commandLines({ name, options, operand, first }: CompletedCommand): string[] {
  const here = `complete -c percept -n 'test (__percept_command) = ${name}'`;
  const lines = options.map((option) => `${here} ${optionArguments(option)}`);
  const after = (words: string) => here.replace("-n '", `-n 'test (count (commandline -opc)) ${words}; and `);
  const takes = operand !== 'none' && operand !== 'any';
  if (first) lines.push(`${after('-eq 2')} ${values(first)}`);
  if (takes) lines.push(`${after(first ? '-gt 2' : '-gt 1')} ${values(operand)}`);
  return lines;
}

function optionArguments(option: CompletedOption): string {
  const { name, alias, describe } = option;
  const flags = `${alias ? `-s ${alias} ` : ''}-l ${name} -d ${quoted(describe)}`;
  if (option.values === 'none') return flags;
  return option.values === 'files' ? `${flags} -r -F` : `${flags} -x ${values(option.values)}`.trimEnd();
}

function values(kind: Values): string {
  if (kind === 'models') return `-a '(${MODEL_NAMES} 2>/dev/null; __fish_complete_suffix .gguf)'`;
  if (kind === 'pulled') return `-a '(${PULLED_NAMES} 2>/dev/null)'`;
  if (kind === 'sessions') return `-a '(${SESSION_IDS} 2>/dev/null)'`;
  if (kind === 'files') return '-F';
  if (kind === 'any' || kind === 'none') return '';
  return 'list' in kind ? `-a '(__fish_append , ${kind.list.join(' ')})'` : `-a ${quoted(kind.join(' '))}`;
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}

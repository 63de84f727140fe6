import {
  type CompletedCommand,
  type CompletedOption,
  MODEL_NAMES,
  PULLED_NAMES,
  SESSION_IDS,
  type Values,
} from './grammar.ts';

export function zshScript(commands: readonly CompletedCommand[]): string {
  const [fallback, ...named] = commands;
  return `#compdef percept
# Names are data: quotes keep zsh from expanding them under any option, and compadd quotes completions.
_percept_lines() {
  local -a names=("\${(@f)1}")
  names=("\${(@)names:#(|*[[:cntrl:]]*)}")
  compadd -a names
}
_percept_names() { _percept_lines "$(${MODEL_NAMES} 2>/dev/null)" }
_percept_pulled() { _percept_lines "$(${PULLED_NAMES} 2>/dev/null)" }
_percept_models() { _alternative 'names:model:_percept_names' 'files:file:_files -g "*.gguf(-.)"' }
_percept_sessions() { _percept_lines "$(${SESSION_IDS} 2>/dev/null)" }
_percept() {
  local -a commands=(
${commands.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`).join('\n')}
  )
  ((CURRENT == 2)) && _describe command commands
  case $words[2] in
${named.map((command) => `    ${command.name}) ((CURRENT > 2)) && ${inCommand(command)} ;;`).join('\n')}
    ${fallback!.name}) ((CURRENT > 2)) && ${inCommand(fallback!)} ;;
    *) _arguments -s ${specs(fallback!)} ;;
  esac
}
compdef _percept percept
`;
}

/** _arguments counts from the word before the first argument. */
function inCommand(command: CompletedCommand): string {
  return `{ shift words; ((CURRENT--)); _arguments -s ${specs(command)} }`;
}

function specs({ options, operand, first }: CompletedCommand): string {
  const firsts = first ? [quoted(`1:operand:${action(first)}`)] : [];
  const operands = operand === 'none' ? [] : [quoted(`*:operand:${action(operand)}`)];
  return [...options.map(optionSpec), ...firsts, ...operands].join(' ');
}

function optionSpec({ name, alias, describe, values }: CompletedOption): string {
  const takes = values !== 'none';
  const text = `[${describe.replace(/[[\]:\\]/g, '\\$&')}]${takes ? `:value:${action(values)}` : ''}`;
  const long = quoted(`*--${name}${takes ? '=' : ''}${text}`);
  return alias ? `${quoted(`*-${alias}${text}`)} ${long}` : long;
}

function action(values: Values): string {
  if (values === 'models') return '_percept_models';
  if (values === 'pulled') return '_percept_pulled';
  if (values === 'sessions') return '_percept_sessions';
  if (values === 'files') return '_files';
  if (values === 'any' || values === 'none') return '{:}'; // ' ' would print a message, which keeps an option from being inserted
  return 'list' in values ? `_values -s , value ${values.list.join(' ')}` : `(${values.join(' ')})`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

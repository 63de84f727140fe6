import {
  allOptions,
  type CompletedCommand,
  type CompletedOption,
  MODEL_NAMES,
  SESSION_IDS,
  type Values,
} from './grammar.ts';

/** Words are split at spaces, not at COMP_WORDBREAKS, which would cut hf:owner/repo at its colon. */
export function bashScript(commands: readonly CompletedCommand[]): string {
  const names = commands.map(({ name }) => name);
  return `# bash completion for percept
_percept_offer() {
  local IFS=$'\\n' head=\${1%"\${1##*[:=]}"}
  COMPREPLY=($(compgen -W "$2" -- "$1"))
  COMPREPLY=("\${COMPREPLY[@]#"$head"}")
}
_percept() {
  local line=\${COMP_LINE:0:COMP_POINT} command=${names[0]} options
  local -a words
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  local cur=\${words[-1]} prev=\${words[-2]}
  COMPREPLY=()
  case $prev in
${optionCases(allOptions(commands))}
  esac
  case \${words[1]} in
    ${names.join('|')}) ((\${#words[@]} > 2)) && command=\${words[1]} ;;
  esac
  case $command in
${commands.map(({ name, options }) => `    ${name}) options='${options.flatMap(flags).join(' ')}' ;;`).join('\n')}
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$cur"))
    return
  fi
  if ((\${#words[@]} == 2)); then
    COMPREPLY=($(compgen -W '${names.join(' ')}' -- "$cur"))
    return
  fi
  case $command in
${commands.map((command) => `    ${command.name}) ${operandAction(command)} ;;`).join('\n')}
  esac
}
complete -F _percept percept
`;
}

function optionCases(options: readonly CompletedOption[]): string {
  const taking = options.filter(({ values }) => values !== 'none');
  return taking
    .map((option) => `    ${flags(option).join('|')}) ${action(option.values)}; return ;;`)
    .join('\n');
}

function operandAction({ first, operand }: CompletedCommand): string {
  if (!first) return action(operand);
  return `if ((\${#words[@]} == 3)); then ${action(first)}; else ${action(operand)}; fi`;
}

function action(values: Values): string {
  if (values === 'models') return offer(MODEL_NAMES);
  if (values === 'sessions') return offer(SESSION_IDS);
  if (values === 'files') return 'compopt -o default';
  if (values === 'none' || values === 'any') return ':';
  return `COMPREPLY=($(compgen -W '${values.join(' ')}' -- "$cur"))`;
}

function offer(command: string): string {
  return `_percept_offer "$cur" "$(${command} 2>/dev/null)"`;
}

function flags({ name, alias }: CompletedOption): string[] {
  return alias ? [`-${alias}`, `--${name}`] : [`--${name}`];
}

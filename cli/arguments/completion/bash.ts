import {
  allOptions,
  type CompletedCommand,
  type CompletedOption,
  MODEL_NAMES,
  PULLED_NAMES,
  SESSION_IDS,
  type Values,
} from './grammar.ts';

/** Splits words at spaces instead of COMP_WORDBREAKS, which would split hf:owner/repo at its colon. */
export function bashScript(commands: readonly CompletedCommand[]): string {
  const names = commands.map(({ name }) => name);
  return `# bash completion for percept
# Offers the lines of stdin that start with $1, quoted or not. Lines are data: nothing here expands them (compgen -W
# would), and the completion is quoted. Inside an open quote, only names that need no quotes are offered.
_percept_offer() {
  local name quoted head=\${1%"\${1##*[:=]}"} plain='^[[:alnum:]_@%+=:,./#?~-]+$'
  while IFS= read -r name; do
    [[ -z $name || $name == *[[:cntrl:]]* ]] && continue
    printf -v quoted %q "$name"
    [[ $name =~ ^[[:alnum:]_@%+=:,./-]+$ ]] && quoted=$name
    if [[ $1 == [\\'\\"]* ]]; then
      [[ $name =~ $plain && $name == "\${1:1}"* ]] && COMPREPLY+=("\${name#"\${head:1}"}")
    elif [[ $quoted == "$1"* || $name == "$1"* ]]; then
      COMPREPLY+=("\${quoted#"$head"}")
    fi
  done
}
_percept() {
  local IFS=$' \\t\\n' line=\${COMP_LINE:0:COMP_POINT} command=${names[0]} options
  local -a words
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  local cur=\${words[-1]} prev=\${words[-2]}
  [[ $cur == --*=* ]] && prev=\${cur%%=*} cur=\${cur#*=}
  COMPREPLY=()
  case $prev in
${optionCases(allOptions(commands))}
  esac
  case \${words[1]} in
    ${names.join('|')}) ((\${#words[@]} > 2)) && command=\${words[1]} ;;
  esac
  case $command in
${commands.map(({ name, options }) => `    ${name}) options=${lines(options.flatMap(flags))} ;;`).join('\n')}
  esac
  if [[ $cur == -* ]]; then
    _percept_offer "$cur" <<<"$options"
    return
  fi
  if ((\${#words[@]} == 2)); then
    ${offer(names)}
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
  if (values === 'models') return `${offerOf(MODEL_NAMES)}; ${FILES_IF_NONE}`;
  if (values === 'pulled') return offerOf(PULLED_NAMES);
  if (values === 'sessions') return offerOf(SESSION_IDS);
  if (values === 'files') return 'compopt -o default';
  if (values === 'none' || values === 'any') return ':';
  return 'list' in values ? offerList(values.list) : offer(values);
}

function offer(words: readonly string[]): string {
  return `_percept_offer "$cur" <<<${lines(words)}`;
}

/** The last word of a list; the words before it stay. */
function offerList(words: readonly string[]): string {
  return `local -a list=(${words.join(' ')}); _percept_offer "$cur" <<<"$(printf '%s\\n' "\${list[@]/#/\${cur%"\${cur##*,}"}}")"`;
}

/** A word that no name begins with is a path: the shell completes it itself. */
const FILES_IF_NONE = `((\${#COMPREPLY[@]})) || compopt -o default`;

function offerOf(command: string): string {
  return `_percept_offer "$cur" < <(${command} 2>/dev/null)`;
}

/** A bash word that contains `words`, one per line. */
function lines(words: readonly string[]): string {
  return `$'${words.join('\\n')}'`;
}

function flags({ name, alias }: CompletedOption): string[] {
  return alias ? [`-${alias}`, `--${name}`] : [`--${name}`];
}

import {
  allOptions,
  type CompletedCommand,
  MODEL_NAMES,
  PULLED_NAMES,
  SESSION_IDS,
  type Values,
} from './grammar.ts';

export function powershellScript(commands: readonly CompletedCommand[]): string {
  const taking = allOptions(commands).filter(({ values }) => values !== 'none');
  const valueRows = taking.flatMap(({ name, alias, values }) => {
    const keys = alias ? [`-${alias}`, `--${name}`] : [`--${name}`];
    return keys.map((key) => `    ${quoted(key)} = ${list(values)}`);
  });
  return `# PowerShell completion for percept
# Names are data: they are compared as text, and completions are quoted.
Register-ArgumentCompleter -Native -CommandName percept -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $options = @{
${commands.map(({ name, options }) => `    ${quoted(name)} = ${list(options.map((option) => `--${option.name}`))}`).join('\n')}
  }
  $operands = @{
${commands.map(({ name, operand }) => `    ${quoted(name)} = ${list(operand)}`).join('\n')}
  }
  $firsts = @{
${firsts(commands).join('\n')}
  }
  $values = [System.Collections.Hashtable]::new([System.StringComparer]::Ordinal)
${valueRows.map((row) => row.replace(/^ {4}(\S+) = /, '  $values[$1] = ')).join('\n')}
  $words = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { "$_" })
  $command = if ($words.Count -gt 1 -and $options.ContainsKey($words[1])) { $words[1] } else { ${quoted(commands[0]!.name)} }
  $candidates = if ($words.Count -gt 0 -and $values.ContainsKey($words[-1])) { $values[$words[-1]] }
    elseif ($wordToComplete -like '-*') { $options[$command] }
    elseif ($words.Count -le 1) { $options.Keys }
    elseif ($words.Count -eq 2 -and $firsts.ContainsKey($command)) { $firsts[$command] }
    else { $operands[$command] }
  if ($candidates -eq 'models') { $candidates = ${MODEL_NAMES} 2>$null }
  if ($candidates -eq 'pulled') { $candidates = ${PULLED_NAMES} 2>$null }
  if ($candidates -eq '<sessions>') { $candidates = ${SESSION_IDS} 2>$null }
  $begun = $wordToComplete -replace '^[''"]', ''
  $candidates | Where-Object {
    $_ -and $_ -notmatch '\\p{C}' -and $_.StartsWith($begun, [System.StringComparison]::OrdinalIgnoreCase)
  } | Sort-Object | ForEach-Object {
    $inserted = if ($_ -match '^[\\w./:\\\\-][\\w./:\\\\@=+%#?~-]*$') { $_ } else {
      "'" + [System.Management.Automation.Language.CodeGeneration]::EscapeSingleQuotedStringContent($_) + "'"
    }
    [System.Management.Automation.CompletionResult]::new($inserted, $_, 'ParameterValue', $_)
  }
}
`;
}

function firsts(commands: readonly CompletedCommand[]): string[] {
  return commands.flatMap(({ name, first }) => (first ? [`    ${quoted(name)} = ${list(first)}`] : []));
}

/** Without candidates, PowerShell completes files itself. */
function list(values: Values): string {
  if (values === 'models' || values === 'pulled') return quoted(values);
  if (values === 'sessions') return "'<sessions>'"; // sessions is a command
  if (values === 'files' || values === 'any' || values === 'none') return '@()';
  return `@(${('list' in values ? values.list : values).map(quoted).join(', ')})`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

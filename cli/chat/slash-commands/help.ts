import {
  type CommandContext,
  commandNamed,
  GROUPS,
  print,
  rows,
  type SlashCommand,
  unknownCommand,
} from './slash-command.ts';

export const HELP: SlashCommand = {
  name: 'help',
  aliases: ['?'],
  args: '[COMMAND]',
  summary: 'list commands and keys',
  group: 'Screen',
  anytime: true,
  complete: ({ commands }) => commands.map(({ name, summary }) => ({ value: name, detail: summary })),
  run(context, args) {
    if (args !== '') return printOne(context, args.replace(/^\//, ''));
    print(context, [...commandLines(context), '', ...keyLines(context)]);
  },
};

/** The most useful keys, for /help and for ? on an empty prompt. */
export const KEYS: readonly (readonly [keys: string, meaning: string])[] = [
  ['Enter', 'send'],
  ['Ctrl-J, Alt-Enter, \\ Enter', 'new line (Shift-Enter too, if the terminal reports it)'],
  ['Esc, Ctrl-C', 'stop the answer, keeping its text'],
  ['Tab', 'complete a command, an argument, or a path after @'],
  ['@file, @folder', 'attach a text file, or the text files of a folder'],
  ['!command', 'run a command in your shell; it and its output go with the next question'],
  ['Up, Down, Ctrl-R', 'earlier messages; search them'],
  ['Left, Right', 'on an empty prompt: other versions of the last answer or question'],
  ['Ctrl-T', 'colour tokens by probability'],
  ['Ctrl-O', 'unfold a paste; on an empty prompt: show all of the last question'],
  ['Ctrl-G', 'edit in $EDITOR'],
  ['Ctrl-Z, Ctrl-L', 'suspend; redraw'],
  ['Esc Esc', 'edit a question'],
  ['Ctrl-D, Ctrl-C twice', 'exit'],
];

function commandLines(context: CommandContext): string[] {
  const { theme, commands } = context;
  const width = Math.max(...commands.map((command) => signature(command).length));
  return GROUPS.flatMap((group, i) => [
    ...(i > 0 ? [''] : []),
    theme.strong(group),
    ...rows(
      context,
      commands
        .filter((command) => command.group === group)
        .map((command) => [theme.accent(signature(command).padEnd(width)), command.summary]),
    ),
  ]);
}

function keyLines(context: CommandContext): string[] {
  return [context.theme.strong('Keys'), ...rows(context, KEYS)];
}

function printOne(context: CommandContext, name: string) {
  const command = commandNamed(context, name);
  if (!command) throw unknownCommand(context, name);
  const { summary, aliases = [] } = command;
  const other = aliases.length > 0 ? `; also ${aliases.map((alias) => `/${alias}`).join(', ')}` : '';
  print(context, [`  ${context.theme.accent(signature(command))}  ${summary}${other}`]);
}

function signature({ name, args }: SlashCommand): string {
  return args ? `/${name} ${args}` : `/${name}`;
}

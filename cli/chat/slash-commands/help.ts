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
  args: '[all|COMMAND]',
  summary: 'list commands and keys',
  group: 'Screen',
  anytime: true,
  complete: ({ commands }) => [
    { value: 'all', detail: 'every command and key' },
    ...commands.map(({ name, summary }) => ({ value: name, detail: summary })),
  ],
  run(context, args) {
    if (args === 'all') return print(context, [...commandLines(context), '', ...keyLines(context, KEYS)]);
    if (args !== '') return printOne(context, args.replace(/^\//, ''));
    const everyday = EVERYDAY.map((name) => commandNamed(context, name)!);
    print(context, [
      ...[context.theme.strong('Commands'), ...commandRows(context, everyday), ''],
      ...[...keyLines(context, KEYS.slice(0, EVERYDAY_KEYS)), ''],
      context.theme.dim('/help all lists every command and key, /help COMMAND explains one'),
    ]);
  },
};

/** What a newcomer needs first, so that it fits a screen of 24 rows with the keys. */
const EVERYDAY = ['retry', 'edit', 'clear', 'load', 'model', 'set', 'why'];

/** The most useful keys first. */
const KEYS: readonly (readonly [keys: string, meaning: string])[] = [
  ['Enter, Ctrl-J', 'send; new line'],
  ['Esc', 'stop the answer, keeping its text'],
  ['Tab', 'complete a command, an argument, a path after @'],
  ['@file, @folder', 'attach a text file, or those of a folder'],
  ['!command', 'run it; its output goes with the next question'],
  ['Up, Down, Ctrl-R', 'earlier messages; search them'],
  ['Ctrl-D', 'exit, also during an answer'],
  ['Alt-Enter, \\ Enter', 'new line (Shift-Enter too, if the terminal reports it)'],
  ['Up', 'during an answer: take back a message that waits'],
  ['Left, Right', 'on an empty prompt: other versions of an answer or a question'],
  ['Esc Esc', 'edit a question'],
  ['Ctrl-T', 'colour tokens by probability'],
  ['Ctrl-O', 'unfold a paste; on an empty prompt: all of the last question'],
  ['Ctrl-G', 'edit in $EDITOR'],
  ['Ctrl-_', 'undo typing'],
  ['Ctrl-W, Ctrl-U, Ctrl-Y', 'cut a word, cut to the start, paste what was cut'],
  ['Ctrl-Z, Ctrl-L', 'suspend; redraw'],
  ['Ctrl-C', 'stop the answer; clear the prompt; twice: exit'],
  ['?', 'on an empty prompt: this help'],
  ['Esc, q', 'leave a view'],
];
const EVERYDAY_KEYS = 7;

function commandLines(context: CommandContext): string[] {
  const { theme, commands } = context;
  return GROUPS.flatMap((group, i) => [
    ...(i > 0 ? [''] : []),
    theme.strong(group),
    ...commandRows(
      context,
      commands.filter((command) => command.group === group),
    ),
  ]);
}

/** In all groups the summaries begin in one column. */
function commandRows(context: CommandContext, shown: readonly SlashCommand[]): readonly string[] {
  const width = Math.max(...context.commands.map((command) => signature(command).length));
  return rows(
    context,
    shown.map((command) => [context.theme.accent(signature(command).padEnd(width)), command.summary]),
  );
}

function keyLines(context: CommandContext, keys: typeof KEYS): string[] {
  const width = Math.max(...KEYS.map(([names]) => names.length));
  return [
    context.theme.strong('Keys'),
    ...rows(
      context,
      keys.map(([names, meaning]) => [names.padEnd(width), meaning]),
    ),
  ];
}

function printOne(context: CommandContext, name: string) {
  const command = commandNamed(context, name);
  if (!command) throw unknownCommand(context, name);
  const { summary, details, aliases = [] } = command;
  const other = aliases.length > 0 ? `; also ${aliases.map((alias) => `/${alias}`).join(', ')}` : '';
  print(context, [
    `${context.theme.accent(signature(command))}  ${summary}${other}`,
    ...(details ? [details] : []),
  ]);
}

function signature({ name, args }: SlashCommand): string {
  return args ? `/${name} ${args}` : `/${name}`;
}

/** Commands about the screen. */
import { lastAnswerOf } from '../messages.ts';
import { type CommandContext, type SlashCommand, say, usage } from './slash-command.ts';

export const SCREEN: readonly SlashCommand[] = [
  {
    name: 'raw',
    args: '[on|off]',
    summary: 'show answers as Markdown source, or rendered',
    group: 'Screen',
    anytime: true,
    complete: () => [{ value: 'on' }, { value: 'off' }],
    run(context, args) {
      const { screen } = context;
      if (!screen.showSource) return say(context, 'answers are always shown as Markdown source here');
      const isSource = screen.showSource(args === '' ? undefined : args === 'on');
      say(context, isSource ? 'answers are shown as Markdown source' : 'Markdown is rendered');
    },
  },
  {
    name: 'copy',
    args: '[code]',
    summary: 'copy the last answer, or its last code block',
    group: 'Screen',
    anytime: true,
    complete: () => [{ value: 'code', detail: 'the last code block' }],
    run: copy,
  },
  {
    name: 'exit',
    aliases: ['quit', 'bye'],
    summary: 'exit; percept chat -c continues',
    group: 'Screen',
    anytime: true,
    run: ({ screen }) => screen.exit(),
  },
];

/** A fenced code block. */
const FENCE = /^(`{3,}|~{3,})[^\n]*\n([\s\S]*?)\n?^\1`*~*\s*$/gm;

function copy(context: CommandContext, args: string) {
  const { dialogue, screen } = context;
  const answer = lastAnswerOf(dialogue.branch.path);
  if (!answer) throw usage('There is no answer to copy yet.', 'Ask something first.');
  let text = answer.content;
  if (args === 'code') {
    const block = [...text.matchAll(FENCE)].at(-1);
    if (!block) throw usage('The last answer has no code block.', '/copy copies the whole answer.');
    text = block[2]!;
  } else if (args !== '')
    throw usage(`Expected nothing or "code" after /copy, got "${args}".`, 'Type: /copy or /copy code');
  if (!screen.copy(text))
    throw usage('This terminal has no clipboard.', '/export FILE writes the conversation to a file.');
  const lines = text.split('\n').length;
  say(context, `copied ${lines === 1 ? '1 line' : `${lines} lines`} (if the terminal allows OSC 52)`);
}

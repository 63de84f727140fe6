/** Commands about what is seen. */
import { lastAnswerOf } from '../messages.ts';
import { type CommandContext, type SlashCommand, say, usage } from './slash-command.ts';

export const SCREEN: readonly SlashCommand[] = [
  {
    name: 'raw',
    args: '[on|off]',
    summary: 'show the source of answers instead of rendered Markdown',
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
    summary: 'copy the last answer, or its last block of code, to the clipboard',
    group: 'Screen',
    anytime: true,
    complete: () => [{ value: 'code', detail: 'the last block of code' }],
    run: copy,
  },
  {
    name: 'exit',
    aliases: ['quit', 'bye'],
    summary: 'leave; the conversation is kept (percept chat -c goes on with it)',
    group: 'Screen',
    anytime: true,
    run: ({ screen }) => screen.exit(),
  },
];

/** A fenced block of code. */
const FENCE = /^(`{3,}|~{3,})[^\n]*\n([\s\S]*?)\n?^\1`*~*\s*$/gm;

function copy(context: CommandContext, args: string) {
  const { dialogue, screen } = context;
  const answer = lastAnswerOf(dialogue.branch.path);
  if (!answer) throw usage('Expected an answer to copy, but there is none yet.', 'Ask something first.');
  let text = answer.content;
  if (args === 'code') {
    const block = [...text.matchAll(FENCE)].at(-1);
    if (!block)
      throw usage('Expected a block of code in the last answer, but it has none.', '/copy takes all of it.');
    text = block[2]!;
  } else if (args !== '')
    throw usage(`Expected nothing or "code" after /copy, got "${args}".`, 'Write: /copy code');
  if (!screen.copy(text))
    throw usage('Expected a terminal with a clipboard, but this is none.', '/export FILE writes it.');
  const lines = text.split('\n').length;
  say(context, `copied ${lines === 1 ? '1 line' : `${lines} lines`} (if the terminal allows it: OSC 52)`);
}

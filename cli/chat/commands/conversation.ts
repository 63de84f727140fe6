/** Commands about what was said: nothing of it is ever overwritten. */
import { leavesOf, pathTo } from '../../../core/conversation.ts';
import { terminalText } from '../../terminal/terminal-text.ts';
import { truncate } from '../../terminal/text/wrap.ts';
import { type Turn, turnsOf } from '../messages.ts';
import { type CommandContext, numberIn, print, type SlashCommand, say, usage } from './slash-command.ts';

export const CONVERSATION: readonly SlashCommand[] = [
  {
    name: 'retry',
    aliases: ['regen'],
    summary: 'answer the last question again; the other answers stay',
    group: 'Conversation',
    async run({ dialogue }) {
      await dialogue.retry(lastTurn(dialogue.branch.path).question.id);
    },
  },
  {
    name: 'edit',
    args: '[TURN] [TEXT]',
    summary: 'write a question anew; the old one and its answers stay',
    group: 'Conversation',
    run: edit,
  },
  {
    name: 'undo',
    summary: 'take the last question back, with its answer; /branches finds it again',
    group: 'Conversation',
    run({ dialogue, screen }) {
      const { question } = lastTurn(dialogue.branch.path);
      dialogue.branch.moveTo(question.parent);
      dialogue.transcript.add({ kind: 'notice', text: 'took back the last question and its answer' });
      screen.compose(question.content);
    },
  },
  {
    name: 'branch',
    args: '[TURN]',
    summary: 'go on from an earlier turn; what came after it stays a branch of its own',
    group: 'Conversation',
    complete: ({ dialogue }) =>
      turnsOf(dialogue.branch.path).map((turn) => ({
        value: `${turn.number}`,
        detail: shortly(turn.question.content),
      })),
    run: branch,
  },
  {
    name: 'branches',
    args: '[NUMBER]',
    summary: 'list the branches, or go to one of them',
    group: 'Conversation',
    complete: ({ dialogue }) =>
      leavesOf(dialogue.branch.conversation).map(({ content }, i) => ({
        value: `${i + 1}`,
        detail: shortly(content),
      })),
    run: branches,
  },
  {
    name: 'history',
    summary: 'the turns of this branch',
    group: 'Conversation',
    anytime: true,
    run(context) {
      const { dialogue } = context;
      const turns = turnsOf(dialogue.branch.path);
      if (turns.length === 0) return say(context, 'nothing was said yet');
      print(
        context,
        turns.flatMap((turn) => turnLines(context, turn)),
      );
    },
  },
  {
    name: 'clear',
    aliases: ['new'],
    summary: 'begin a new conversation; this one is kept',
    group: 'Conversation',
    run({ dialogue, screen }) {
      dialogue.branch.startOver();
      screen.clear();
      dialogue.transcript.add({ kind: 'cut', title: 'a new conversation' });
    },
  },
];

function lastTurn(path: Parameters<typeof turnsOf>[0]): Turn {
  const turn = turnsOf(path).at(-1);
  if (turn) return turn;
  throw usage('Expected a question that was asked, but there is none yet.', 'Ask something first.');
}

async function edit({ dialogue, screen }: CommandContext, args: string): Promise<void> {
  const turns = turnsOf(dialogue.branch.path);
  const [, number, text] = /^(?:(\d+)(?:\s+|$))?(.*)$/s.exec(args)!;
  const turn = number === undefined ? lastTurn(dialogue.branch.path) : turnNumbered(turns, number);
  const { id, content } = turn.question;
  if (text !== '') return dialogue.rewrite(id, text!);
  const composed = screen.compose(content, (written) => void dialogue.rewrite(id, written));
  if (!composed) throw usage('Expected the new text of the question, got none.', 'Write: /edit TEXT');
}

function branch(context: CommandContext, args: string) {
  const { dialogue } = context;
  const turns = turnsOf(dialogue.branch.path);
  if (args === '') {
    say(context, 'from which turn? /branch TURN');
    return print(
      context,
      turns.flatMap((turn) => turnLines(context, turn)),
    );
  }
  const { answer, question, number } = turnNumbered(turns, args);
  dialogue.branch.moveTo((answer ?? question).id);
  say(context, `going on after turn ${number}; /branches lists what else there is`);
}

function branches(context: CommandContext, args: string) {
  const { dialogue, theme, screen } = context;
  const { conversation } = dialogue.branch;
  const leaves = leavesOf(conversation);
  if (args !== '') {
    const leaf = leaves[numberIn(args, [1, leaves.length], 'a branch') - 1]!;
    return dialogue.branch.switchTo(leaf.id);
  }
  if (leaves.length === 0) return say(context, 'nothing was said yet');
  const onPath = new Set(dialogue.branch.path.map(({ id }) => id));
  const lines = leaves.map((leaf, i) => {
    const turns = turnsOf(pathTo(conversation, leaf.id));
    const last = turns.at(-1)?.question.content ?? leaf.content;
    const mark = onPath.has(leaf.id) ? theme.accent(theme.glyphs.on) : ' ';
    const count = turns.length === 1 ? '1 turn ' : `${turns.length} turns`;
    const answer = turns.at(-1)?.answer?.content ?? '';
    const text = `${shortly(last)} ${theme.glyphs.arrow} ${shortly(answer)}`;
    return truncate(
      ` ${mark} ${i + 1}  ${theme.dim(count)}  ${text}`,
      screen.columns - 1,
      theme.glyphs.ellipsis,
    );
  });
  print(context, [...lines, theme.dim('   /branches NUMBER goes to one')]);
}

function turnNumbered(turns: readonly Turn[], text: string): Turn {
  return turns[numberIn(text, [1, turns.length], 'a turn') - 1]!;
}

function turnLines(
  { theme, dialogue, screen }: CommandContext,
  { number, question, answer }: Turn,
): string[] {
  const versions = (message: Turn['question']) => {
    const version = dialogue.branch.versionOf(message.id);
    const { older, newer } = theme.glyphs;
    return version ? theme.dim(` ${older} ${version.number}/${version.of} ${newer}`) : '';
  };
  return [
    `${`${number}`.padStart(3)}  ${theme.accent(shortly(question.content))}${versions(question)}`,
    `     ${answer ? `${shortly(answer.content)}${versions(answer)}` : theme.dim('no answer')}`,
  ].map((line) => truncate(line, screen.columns - 1, theme.glyphs.ellipsis));
}

/** A text on one line. */
function shortly(text: string): string {
  const line = terminalText(text.replace(/\s+/g, ' ').trim());
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}

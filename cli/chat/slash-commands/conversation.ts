/** Commands that move in the conversation. None of them overwrites a message. */
import { leavesOf, pathTo } from '../../../core/conversation.ts';
import { terminalText } from '../../terminal/terminal-text.ts';
import { truncate, wrapWords } from '../../terminal/text/wrap.ts';
import { type Turn, turnsOf } from '../messages.ts';
import {
  type CommandContext,
  loadedModel,
  numberIn,
  print,
  type Screen,
  type SlashCommand,
  say,
  usage,
} from './slash-command.ts';

export const CONVERSATION: readonly SlashCommand[] = [
  {
    name: 'retry',
    aliases: ['regen'],
    summary: 'another answer to the last question',
    details: 'Earlier answers are kept: on an empty prompt Left and Right switch between them.',
    group: 'Conversation',
    async run({ dialogue }) {
      await dialogue.retry(lastTurn(dialogue.branch.path).question.id);
    },
  },
  {
    name: 'edit',
    args: '[TURN] [TEXT]',
    summary: 'rewrite a question: one from a list, or TURN',
    details: 'The old question and its answers are kept.',
    group: 'Conversation',
    run: edit,
  },
  {
    name: 'undo',
    summary: 'take back the last question and its answer',
    details: '/branches still lists them.',
    group: 'Conversation',
    run({ dialogue, screen }) {
      const { question } = lastTurn(dialogue.branch.path);
      const left = dialogue.undo(question) ? '; what was attached goes with your next question' : '';
      dialogue.transcript.add({ kind: 'notice', text: `the last question and its answer are undone${left}` });
      screen.compose(dialogue.typedOf(question));
    },
  },
  {
    name: 'compact',
    summary: 'go on from a summary that the model writes',
    details: '/branches returns to the whole conversation.',
    group: 'Conversation',
    run: compact,
  },
  {
    name: 'branch',
    args: '[TURN]',
    summary: 'continue from an earlier turn',
    details: 'Later turns are kept as another branch.',
    group: 'Conversation',
    complete: ({ dialogue }) =>
      turnsOf(dialogue.branch.path).map((turn) => ({
        value: `${turn.number}`,
        detail: preview(turn.question.content),
      })),
    run: branch,
  },
  {
    name: 'branches',
    args: '[NUMBER]',
    summary: 'list the branches, or switch to one',
    group: 'Conversation',
    complete: ({ dialogue }) =>
      leavesOf(dialogue.branch.conversation).map(({ content }, i) => ({
        value: `${i + 1}`,
        detail: preview(content),
      })),
    run: branches,
  },
  {
    name: 'history',
    summary: 'list the turns of this branch',
    group: 'Conversation',
    anytime: true,
    run(context) {
      const { dialogue } = context;
      const turns = turnsOf(dialogue.branch.path);
      if (turns.length === 0) return say(context, 'there are no messages yet');
      print(
        context,
        turns.flatMap((turn) => turnLines(context, turn)),
      );
    },
  },
  {
    name: 'clear',
    aliases: ['new'],
    summary: 'start a new conversation; this one stays saved',
    group: 'Conversation',
    run({ dialogue, screen }) {
      dialogue.branch.startOver();
      dialogue.dropEnclosed();
      screen.clear();
      dialogue.transcript.add({ kind: 'cut', title: 'new conversation' });
    },
  },
];

function lastTurn(path: Parameters<typeof turnsOf>[0]): Turn {
  const turn = turnsOf(path).at(-1);
  if (turn) return turn;
  throw usage('There is no question yet.', 'Ask something first.');
}

async function edit({ dialogue, screen }: CommandContext, args: string): Promise<void> {
  const turns = turnsOf(dialogue.branch.path);
  const [, number, text] = /^(?:(\d+)(?:\s+|$))?(.*)$/s.exec(args)!;
  const last = lastTurn(dialogue.branch.path);
  if (number === undefined && text !== '') return dialogue.rewrite(last.question.id, text!);
  const turn = number === undefined ? await chosenTurn(turns, screen) : turnNumbered(turns, number);
  if (!turn) return;
  const { id } = turn.question;
  if (text !== '') return dialogue.rewrite(id, text!);
  const composed = screen.compose(dialogue.typedOf(turn.question), (text) => void dialogue.rewrite(id, text));
  if (!composed) throw usage('There is no new text for the question.', 'Type: /edit TEXT');
}

async function compact(context: CommandContext): Promise<void> {
  const { dialogue, screen } = context;
  lastTurn(dialogue.branch.path); // there must be one
  loadedModel(context);
  await dialogue.compact((summary) => {
    if (summary === undefined) return say(context, 'stopped: the conversation is as it was');
    const lines = summary.split('\n').flatMap((line) => wrapWords(terminalText(line), screen.columns - 4));
    print(context, [
      'the conversation goes on from this summary; /branches lists the whole one:',
      '',
      ...lines,
    ]);
  });
}

/** The only turn, or the one that the user chooses. */
async function chosenTurn(turns: readonly Turn[], screen: Screen): Promise<Turn | undefined> {
  if (turns.length === 1) return turns[0];
  const choices = turns.map(({ number, question }) => ({
    value: `${number}`,
    before: `${number}`,
    text: question.content,
    after: [],
  }));
  const chosen = await screen.choose({
    title: 'Edit a question',
    choices,
    at: choices.length - 1,
    taking: 'edit',
    leaving: 'leave',
  });
  return chosen && turns[Number(chosen.value) - 1];
}

function branch(context: CommandContext, args: string) {
  const { dialogue } = context;
  const turns = turnsOf(dialogue.branch.path);
  if (args === '') {
    say(context, 'which turn? /branch TURN');
    return print(
      context,
      turns.flatMap((turn) => turnLines(context, turn)),
    );
  }
  const { answer, question, number } = turnNumbered(turns, args);
  dialogue.branch.moveTo((answer ?? question).id);
  say(context, `continuing after turn ${number}; /branches lists the other branches`);
}

function branches(context: CommandContext, args: string) {
  const { dialogue, theme, screen } = context;
  const { conversation } = dialogue.branch;
  const leaves = leavesOf(conversation);
  if (args !== '') {
    const leaf = leaves[numberIn(args, [1, leaves.length], 'a branch') - 1]!;
    return dialogue.branch.switchTo(leaf.id);
  }
  if (leaves.length === 0) return say(context, 'there are no messages yet');
  const onPath = new Set(dialogue.branch.path.map(({ id }) => id));
  const lines = leaves.map((leaf, i) => {
    const turns = turnsOf(pathTo(conversation, leaf.id));
    const last = turns.at(-1)?.question.content ?? leaf.content;
    const mark = onPath.has(leaf.id) ? theme.accent(theme.glyphs.on) : ' ';
    const count = turns.length === 1 ? '1 turn ' : `${turns.length} turns`;
    const answer = turns.at(-1)?.answer?.content ?? '';
    const text = `${preview(last)} ${theme.glyphs.arrow} ${preview(answer)}`;
    return truncate(
      ` ${mark} ${i + 1}  ${theme.dim(count)}  ${text}`,
      screen.columns - 1,
      theme.glyphs.ellipsis,
    );
  });
  print(context, [...lines, theme.dim('   /branches NUMBER switches to one')]);
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
    `${`${number}`.padStart(3)}  ${theme.accent(preview(question.content))}${versions(question)}`,
    `     ${answer ? `${preview(answer.content)}${versions(answer)}` : theme.dim('no answer')}`,
  ].map((line) => truncate(line, screen.columns - 1, theme.glyphs.ellipsis));
}

/** The beginning of a text on one line. */
function preview(text: string): string {
  const line = terminalText(text.replace(/\s+/g, ' ').trim());
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}

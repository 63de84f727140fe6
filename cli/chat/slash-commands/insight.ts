/** Commands that look inside: context use, speeds, token probabilities, attention. */
import type { AnswerOrigin } from '../../../core/conversation.ts';
import { SamplerChain } from '../../../core/sampler/chain.ts';
import { formatBytes } from '../../sizes.ts';
import { bar } from '../../terminal/plot/bars.ts';
import { parametersOf } from '../generation.ts';
import { alternativeLines, attentionLines } from '../inspection.ts';
import { lastAnswerOf, messagesOf, turnsOf } from '../messages.ts';
import { requireContenders } from '../race.ts';
import {
  type CommandContext,
  loadedModel,
  numberIn,
  print,
  rows,
  type SlashCommand,
  say,
  usage,
} from './slash-command.ts';

export const INSIGHT: readonly SlashCommand[] = [
  {
    name: 'context',
    summary: 'tokens of the context that each turn uses',
    group: 'Insight',
    anytime: true,
    run: contextUse,
  },
  {
    name: 'stats',
    summary: 'speed, cache and memory of this chat',
    group: 'Insight',
    anytime: true,
    run: stats,
  },
  {
    name: 'alt',
    args: '[TOKEN]',
    summary: 'alternatives to each token of the last answer',
    details: 'Enter continues from one.',
    group: 'Insight',
    run: (context, args) => inspect(context, 'alternatives', args),
  },
  {
    name: 'why',
    args: '[TOKEN]',
    summary: 'what each token of the last answer attends to',
    group: 'Insight',
    run: (context, args) => inspect(context, 'attention', args),
  },
  {
    name: 'race',
    args: 'A B [PROMPT]',
    summary: 'race two backends, or two models, on the same prompt',
    group: 'Insight',
    run: race,
  },
];

function contextUse(context: CommandContext) {
  const { chat, model } = loadedModel(context);
  const { dialogue, theme } = context;
  const { contextLength } = model;
  const path = dialogue.branch.path;
  const first = dialogue.firstQuestion;
  const lengthUpTo = (i: number) => chat.promptIds(messagesOf(path.slice(0, i + 1), first), false).length;
  const begin = first === undefined ? 0 : path.findIndex(({ id }) => id === first);
  const lengths = path.map((_, i) => (i < begin ? 0 : lengthUpTo(i)));
  const { contextUsed: used } = dialogue.state.get(); // without what the template adds after the last answer
  if (lengths.length > 0) lengths[lengths.length - 1] = used;
  const share = (tokens: number) => `${bar(tokens / contextLength, 20, theme)} ${tokens}`;
  const turns = turnsOf(path).map(({ number, question, answer }) => {
    const at = path.findIndex(({ id }) => id === question.id);
    if (at < begin) return [`turn ${number}`, 'has left'] as const;
    const end = lengths[path.findIndex(({ id }) => id === (answer ?? question).id)]!;
    return [`turn ${number}`, share(end - (lengths[at - 1] ?? 0))] as const;
  });
  print(context, rows(context, [...turns, ['total', share(used)], ['free', share(contextLength - used)]]));
}

function stats(context: CommandContext): void {
  const loaded = loadedModel(context);
  const { dialogue } = context;
  const { model } = loaded;
  const answers = [...dialogue.branch.conversation.messages.values()].flatMap(({ origin }) => origin ?? []);
  const sum = (of: (origin: AnswerOrigin) => number) => answers.reduce((total, each) => total + of(each), 0);
  const tokens = sum(({ completionTokens }) => completionTokens);
  const seconds = sum(({ decodeMs }) => decodeMs) / 1000;
  const speed = seconds > 0 ? `, ${(tokens / seconds).toFixed(1)} tok/s` : '';
  const { weights, kv, arena } = model.executable.memory;
  const sampler = new SamplerChain(parametersOf(loaded, dialogue.options), model.tokenizer);
  print(
    context,
    rows(context, [
      ['answers', `${answers.length}, ${tokens} tokens${speed}`],
      [
        'prompts',
        `${sum(({ promptTokens }) => promptTokens)} tokens, ${sum(({ cachedTokens }) => cachedTokens)} of them cached`,
      ],
      ['engine', `${model.backend.name}, ${model.backend.description}`],
      ['weights', formatBytes(weights)],
      [
        'context',
        `${formatBytes(kv)} reserved for ${model.sequences} branches of ${model.contextLength} tokens`,
      ],
      ['scratch', formatBytes(arena)],
      ['sampling', sampler.describe()],
    ]),
  );
}

async function inspect(
  context: CommandContext,
  kind: 'alternatives' | 'attention',
  args: string,
): Promise<void> {
  const { dialogue, screen } = context;
  loadedModel(context);
  const answer = lastAnswerOf(dialogue.branch.path);
  if (!answer) throw usage('There is no answer to inspect yet.', 'Ask something first.');
  const count = dialogue.answerIds(answer).ids.length;
  const token = args === '' ? undefined : numberIn(args, [1, count], 'a token') - 1;
  if (screen.inspect(kind, token)) return;
  await dialogue.work(async (signal) => {
    const lines = kind === 'alternatives' ? alternativeLines : attentionLines;
    print(context, await lines(context, answer, token, signal));
  });
}

async function race(context: CommandContext, args: string): Promise<void> {
  const { dialogue, screen } = context;
  loadedModel(context);
  const [, a, b, text] = /^(\S+)\s+(\S+)\s*(.*)$/s.exec(args) ?? [];
  if (a === undefined || b === undefined) {
    throw usage(
      `Expected two backends or two models, got "${args}".`,
      'Type: /race cpu webgpu, or /race smollm2 ./other.gguf',
    );
  }
  const prompt = text || turnsOf(dialogue.branch.path).at(-1)?.question.content;
  if (prompt === undefined)
    throw usage('There is no prompt, and no earlier question to reuse.', 'Type: /race cpu webgpu PROMPT');
  if (!screen.race)
    return say(
      context,
      'a race needs a terminal that can redraw; percept bench --backend A,B compares them as text',
    );
  await requireContenders([a, b]);
  screen.race([a, b], prompt);
}

/**
 * Asks a model the questions of a newcomer's first minute, and counts the answers that contain the expected words and end
 * by themselves. The catalogue's sampling defaults are chosen by it. Without options they hold; --plain asks without them.
 *
 *   node scripts/first-minute.ts -m smollm2 --seeds 1,2,3 --plain --system '' --sampling '{"temperature":0.2}'
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { isRight, type Question } from '../bench/first-minute/judge.ts';
import { templateOf } from '../cli/prompt.ts';
import { Chat } from '../core/chat.ts';
import type { Message } from '../core/chat-template.ts';
import { directories } from '../core/directories.ts';
import { loadModel, type Model } from '../core/model.ts';
import { parametersFor } from '../core/model-defaults.ts';
import { resolveModel } from '../core/models/resolve.ts';
import { SamplerChain } from '../core/sampler/chain.ts';
import type { SamplerParameters } from '../core/sampler/parameters.ts';

/** An answer that is longer has lost its way: none of the questions asks for more. */
const MOST_TOKENS = 400;

interface Setting {
  readonly system: string | undefined; // undefined: the template's own
  readonly sampling: Partial<SamplerParameters>;
}

interface Count {
  right: number;
  repeated: number; // ended because they repeat themselves
  unended: number; // MOST_TOKENS long
  tokens: number;
}

const { values } = parseArgs({
  options: {
    model: { type: 'string', short: 'm', default: 'smollm2' },
    seeds: { type: 'string', default: '1,2,3' },
    system: { type: 'string' },
    sampling: { type: 'string', default: '{}' },
    plain: { type: 'boolean', default: false },
    show: { type: 'boolean', default: false },
  },
});

const questions: Question[] = readFileSync(
  new URL('../bench/first-minute/questions.jsonl', import.meta.url),
  'utf8',
)
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));
const { path } = await resolveModel(values.model, { directories: directories(), pull: false });
const loaded = await loadModel(path);
const model: Model = values.plain ? { ...loaded, defaults: { sampling: {} } } : loaded;
const chat = await Chat.open(model, templateOf(model, {}));
const setting: Setting = { system: values.system, sampling: JSON.parse(values.sampling) };
for (const seed of values.seeds.split(',').map(Number)) {
  const count = await measure(seed);
  console.log(JSON.stringify({ model: values.model, ...setting, seed, ...count }));
}
await loaded.dispose();

async function measure(seed: number): Promise<Count> {
  const count = { right: 0, repeated: 0, unended: 0, tokens: 0 };
  for (const question of questions) {
    const { text, finishReason, stoppedBy, usage } = await answer(question, { seed, model });
    const isEnded = finishReason === 'stop' && stoppedBy === undefined;
    const right = isEnded && isRight(question, text);
    if (right) count.right++;
    if (stoppedBy === 'repetition') count.repeated++;
    if (finishReason === 'length') count.unended++;
    count.tokens += usage.completionTokens;
    if (values.show && !right) console.log(`${seed} ${question.ask}\n    ${JSON.stringify(text)}`);
  }
  return count;
}

async function answer({ ask }: Question, { seed, model }: { seed: number; model: Model }) {
  const { system, sampling } = setting;
  const messages: Message[] = [{ role: 'user', content: ask }];
  if (system !== undefined) messages.unshift({ role: 'system', content: system });
  const parameters = parametersFor(model.defaults, { ...sampling, seed });
  const sampler = new SamplerChain(parameters, model.tokenizer);
  const tokens = chat.answer(chat.promptIds(messages), { sampler, maxTokens: MOST_TOKENS });
  for (;;) {
    const next = await tokens.next();
    if (next.done) return next.value;
  }
}

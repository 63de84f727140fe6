import type { TemplateSource } from '../../core/chat.ts';
import { ChatTemplate, type Message } from '../../core/chat-template.ts';
import { readModel } from '../../core/read-model.ts';
import { tokenizerFromGguf } from '../../core/tokenizer/index.ts';
import { UserError } from '../../errors.ts';
import type { Call } from '../command.ts';
import { readJsonArray, readText } from '../input.ts';
import { modelFile } from '../model-file.ts';
import { templateOf } from '../prompt.ts';

/** Prints the exact prompt that a template makes from messages. */
export async function template(call: Call): Promise<void> {
  const { options, output } = call;
  const messages = await readJsonArray<Message>(required(options.messages), 'messages');
  const tools = options.tools === undefined ? undefined : await readJsonArray(options.tools, 'tools');
  const now = options.now === undefined ? undefined : parseDate(options.now);
  const { source, bosToken, eosToken } = await templateSource(call, tools !== undefined);
  const parsed = await ChatTemplate.parse(source);
  const prompt = parsed.render({
    messages,
    tools,
    now,
    bosToken: options.bos ?? bosToken,
    eosToken: options.eos ?? eosToken,
  });
  if (options.json) return output.json({ prompt });
  await output.print(output.interactive ? `${prompt}\n` : prompt);
}

/** --template needs no model. */
async function templateSource(call: Call, withTools: boolean): Promise<TemplateSource> {
  if (call.options.template !== undefined) return { source: await readText(call.options.template) };
  const gguf = await readModel((await modelFile(call.options.model ?? '', call.options, call)).path);
  return templateOf({ gguf, tokenizer: tokenizerFromGguf(gguf) }, { withTools });
}

function required(messages: string | undefined): string {
  if (messages !== undefined) return messages;
  const hint = 'Run: percept template --messages chat.json';
  throw new UserError('percept template needs messages: there is no --messages FILE.', hint, {
    kind: 'usage',
  });
}

/** Local time, unless the text names a time zone. */
function parseDate(text: string): Date {
  const date = new Date(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00` : text);
  if (!Number.isNaN(date.getTime())) return date;
  throw new UserError(
    `Expected --now to be a date, got "${text}".`,
    'A date looks like this: 2026-01-15T12:00:00',
    {
      kind: 'usage',
    },
  );
}

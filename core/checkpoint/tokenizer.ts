/** The tokenizer and the chat template of a checkpoint, under GGUF's keys. */
import { join } from 'node:path';
import type { GgufValue } from '../gguf/types.ts';
import { type TokenizerJson, tokenizerJsonMetadata } from '../tokenizer/tokenizer-json.ts';
import { Config, isObject } from './config.ts';
import { readJson, readText } from './json-file.ts';

const MOST_TEMPLATE_BYTES = 4 * 1024 * 1024;

/** Empty without tokenizer.json: such a model answers ids, not texts. */
export async function tokenizerMetadata(folder: string, model: Config): Promise<[string, GgufValue][]> {
  const at = (name: string) => join(folder, name);
  const json = await readJson(at('tokenizer.json'));
  if (!json) return [];
  const config = new Config(at('tokenizer_config.json'), (await readJson(at('tokenizer_config.json'))) ?? {});
  const generation = new Config(
    at('generation_config.json'),
    (await readJson(at('generation_config.json'))) ?? {},
  );
  const special = (name: string) => contentOf(config, `${name}_token`);
  const ends = endsOf(generation) ?? endsOf(model);
  const facts = {
    family: model.text('model_type') ?? '',
    size: model.required('vocab_size'),
    special: { bos: special('bos'), eos: special('eos'), unknown: special('unk'), padding: special('pad') },
    ends,
    begin: model.number('bos_token_id'),
    adds: { bos: config.flag('add_bos_token'), eos: config.flag('add_eos_token') },
  };
  const template = (await readText(at('chat_template.jinja'), MOST_TEMPLATE_BYTES)) ?? templateOf(config);
  const types = model.number('type_vocab_size');
  return [
    ...(types === undefined
      ? []
      : [['tokenizer.ggml.token_type_count', types] satisfies [string, GgufValue]]),
    ...tokenizerJsonMetadata(at('tokenizer.json'), json as TokenizerJson, facts),
    ...(template === undefined ? [] : [['tokenizer.chat_template', template] satisfies [string, GgufValue]]),
  ];
}

/** A special token is a text, or an object that has it. */
function contentOf(config: Config, name: string): string | undefined {
  if (!config.has(name)) return undefined;
  return config.textOrOf(name, 'content');
}

/** Ids that end a turn. */
function endsOf(config: Config): readonly number[] | undefined {
  if (!config.has('eos_token_id')) return undefined;
  return config.numbersOrOne('eos_token_id');
}

/** Of several templates, the default. */
function templateOf(config: Config): string | undefined {
  const list = config.has('chat_template') ? config.textOrList('chat_template') : undefined;
  if (typeof list === 'string' || list === undefined) return list;
  const named = list.filter(isObject);
  const found = named.find(({ name }) => name === 'default') ?? named[0];
  return typeof found?.template === 'string' ? found.template : undefined;
}

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ChatTemplate, chatTemplateOf, type Message, type RenderOptions } from '../../core/chat-template.ts';
import { type Gguf, type GgufValue, readGguf } from '../../core/gguf/index.ts';
import { tokenizerFromGguf } from '../../core/tokenizer/index.ts';
import { describeShared } from '../shared.ts';
import { errorOf, HI, NOON, render } from './chat-templates.ts';

interface Golden {
  readonly messages: Message[];
  readonly tools?: unknown[];
  readonly add_generation_prompt?: boolean;
  readonly bos_token?: string;
  readonly eos_token?: string;
  readonly rendered?: string;
  readonly error?: string;
}

describeShared('templates of ten models, as rendered by transformers', (path) => {
  const { note: _note, ...models } = JSON.parse(
    readFileSync(path('goldens/chat-templates/golden.json'), 'utf8'),
  );
  const cases = Object.entries(models).flatMap(([model, goldens]) =>
    Object.entries(goldens as Record<string, Golden>).map(([name, golden]) => ({ model, name, golden })),
  );

  it('are 38 renderings and 2 refusals', () => {
    expect(cases.filter(({ golden }) => golden.rendered !== undefined)).toHaveLength(38);
    expect(cases).toHaveLength(40);
  });

  it.each(cases)('$model: $name', async ({ model, golden }) => {
    const rendering = render(readFileSync(path(`goldens/chat-templates/${model}.jinja`), 'utf8'), {
      messages: golden.messages,
      tools: golden.tools,
      addGenerationPrompt: golden.add_generation_prompt,
      bosToken: golden.bos_token,
      eosToken: golden.eos_token,
    });
    if (golden.error === undefined) expect(await rendering).toBe(golden.rendered);
    else expect((await errorOf(rendering)).message).toContain(golden.error.replace('TemplateError: ', ''));
  });
});

describeShared('ordinary conversations', (path) => {
  const { note: _note, ...models } = JSON.parse(
    readFileSync(path('goldens/chat-templates/golden.json'), 'utf8'),
  );

  it.each(['llama-bpe', 'qwen2', 'phi-3', 'llama-spm'])(
    'have the ids of their whole text: %s',
    async (name) => {
      const gguf = await readGguf(path(`goldens/tokenizers/ggml-vocab-${name}.gguf`));
      const tokenizer = tokenizerFromGguf(gguf);
      for (const [model, goldens] of Object.entries(models)) {
        const source = readFileSync(path(`goldens/chat-templates/${model}.jinja`), 'utf8');
        const template = await ChatTemplate.parse(source);
        for (const golden of Object.values(goldens as Record<string, Golden>)) {
          if (golden.rendered === undefined) continue;
          const { text, markup } = template.prompt({
            messages: golden.messages,
            tools: golden.tools,
            addGenerationPrompt: golden.add_generation_prompt,
            bosToken: golden.bos_token,
            eosToken: golden.eos_token,
            now: NOON,
          });
          expect(tokenizer.encode(text, { special: markup })).toEqual(
            tokenizer.encode(text, { special: true }),
          );
        }
      }
    },
  );
});

describeShared('prompts of SmolLM2', (path) => {
  const folder = 'goldens/smollm2-135m-instruct-q4_1';
  const chats = JSON.parse(readFileSync(path(`${folder}/chat.json`), 'utf8')) as {
    messages: Message[];
    prompt: string;
  }[];

  it.each(chats)('$prompt', async ({ messages, prompt }) => {
    expect(await render(readFileSync(path(`${folder}/chat_template.jinja`), 'utf8'), { messages })).toBe(
      prompt,
    );
  });
});

describe('variables', () => {
  it.each<[string, Partial<RenderOptions>, string]>([
    ['{{ add_generation_prompt }}', {}, 'True'],
    ['{{ add_generation_prompt }}', { addGenerationPrompt: false }, 'False'],
    ['{{ bos_token }}|{{ eos_token }}', { bosToken: '<s>', eosToken: '</s>' }, '<s>|</s>'],
    ['{{ bos_token }}|{{ bos_token is defined }}', {}, '|False'],
    ['{{ tools }}|{{ documents }}', {}, 'None|None'],
    ['{{ tools[0].name }}', { tools: [{ name: 'add' }] }, 'add'],
    ['{{ enable_thinking }}', { extra: { enable_thinking: false } }, 'False'],
    ['{{ messages[0].content }}', { extra: { messages: [] } }, 'Hi'],
    ['{{ range }}', { extra: { range: 'far' } }, 'far'],
    [
      '{{ messages[0].content[0].text }}',
      { messages: [{ role: 'user', content: [{ type: 'text', text: 'a' }] }] },
      'a',
    ],
  ])('%s with %o', async (source, options, text) => {
    expect(await render(source, options)).toBe(text);
  });
});

describe('errors', () => {
  it('contain the message of raise_exception', async () => {
    const error = await errorOf(render("{{ raise_exception('System role not supported') }}"));
    expect(error.message).toBe('The chat template refuses the messages: System role not supported.');
    expect(error.hint).toMatch(/--template FILE.*--raw/);
    expect(error.cause).toBeInstanceOf(Error);
  });

  it.each([
    ['{% if x %}', 'not valid Jinja'],
    ['{{ 1 +* }}', 'not valid Jinja'],
    ['{% unknown %}', 'not valid Jinja'],
    ['{{ "a" | nofilter }}', 'nofilter'],
    ['{{ nothing() }}', 'nothing is undefined'],
    ["{{ 'x'.join([1]) }}", 'joins what is no list of texts'],
    ["{{ 'x'.find(none) }}", 'without a text'],
    ["{{ 'x'.startswith('x', 1.0) }}", 'no whole number'],
    ['{% for x in [1] %}{{ loop([1]) }}{% endfor %}', 'loop is no function'],
    ['{% for x in [1] recursive %}{{ loop() }}{% endfor %}', 'without a list'],
    ['{% for loop in [1] %}{% endfor %}', 'the variable of a loop "loop"'],
    ['{{ dict([1]) }}', 'goes through a whole number'],
    ['{{ dict([([], 2)]) }}', 'no pairs of a key and a value'],
    ['{{ cycler() }}', 'no items'],
    ['{{ 1 is unknown }}', 'the unknown test unknown'],
    ['{{ 1 is eq }}', '0 arguments instead of 1'],
    ["{{ 'a' is in('a', 'b') }}", '2 arguments instead of 1'],
    ['{{ 1 is divisibleby 0 }}', 'divides by zero'],
    ["{{ 'a' is odd }}", 'divides a text'],
    ['{{ none + 1 }}', 'puts + between a none and a whole number'],
    ['{{ [1].append(2) }}', 'would change a value'],
    ['{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}', 'calls within each other'],
    [`{{ ${'('.repeat(50_000)} }}`, 'not valid Jinja'],
  ])('%s', async (source, message) => {
    const error = await errorOf(render(source));
    expect(error.message).toContain(message);
    expect(error.hint).toMatch(/--template FILE.*--raw/);
    expect(error.cause).toBeInstanceOf(Error);
  });

  it.each<[unknown, string]>([
    [undefined, 'an array of messages, got nothing'],
    ['Hi', 'an array of messages, got the string "Hi"'],
    [{ role: 'user' }, 'an array of messages, got an object'],
    [[...HI, null], 'an object as message 2 of 2, got null'],
    [['Hi'], 'an object as message 1 of 1, got the string "Hi"'],
    [[{ content: 'Hi' }], 'a string as the role of message 1 of 1, got nothing'],
    [[{ role: 7, content: 'Hi' }], 'got the number 7'],
  ])('messages %j', async (messages, expected) => {
    const error = await errorOf(render('{{ messages }}', { messages: messages as Message[] }));
    expect(error.message).toContain(expected);
    expect(error.hint).toContain('"role"');
  });
});

describe('templates that would never end', () => {
  const doubled = (statement: string) => statement.repeat(40);
  const long = (doublings: number) => `{% set x = 'a' %}${'{% set x = x ~ x %}'.repeat(doublings)}`;
  it.each([
    ['a long range', '{% for i in range(1000000000) %}{% endfor %}', 'range of 1000000000'],
    ['an endless range', '{% for i in range(0, 1, 0) %}{% endfor %}', 'range'],
    [
      'ranges in ranges',
      '{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}',
      'steps',
    ],
    ['endless recursion', '{% macro f(f) %}{{ f(f) }}{% endmacro %}{{ f(f) }}', 'calls within each other'],
    ['an endless loop', '{% for x in [1] recursive %}{{ loop([x]) }}{% endfor %}', 'calls within each other'],
    [
      'a tree of loops',
      '{% for x in range(30) recursive %}{% if loop.depth < 30 %}{{ loop(range(x)) }}{% endif %}{% endfor %}',
      'steps',
    ],
    ['a growing text', `{% set x = 'a' %}${doubled('{% set x = x ~ x %}')}{{ x }}`, 'characters'],
    ['a growing list', `{% set x = [1] %}${doubled('{% set x = x + x %}')}{{ x }}`, 'characters'],
    ['a growing tree', `{% set x = [1] %}${doubled('{% set x = [x, x] %}')}{{ x|tojson }}`, 'characters'],
    ['a wide indent', '{{ "a\nb"|indent(100000000) }}', 'characters'],
    ['an indent of JSON', '{{ [1]|tojson(indent=400000000) }}', 'characters'],
    ['a long replacement', `${long(20)}{{ x.replace('a', x) }}`, 'characters'],
    ['a long join', `${long(12)}{{ range(100000)|join(x) }}`, 'characters'],
    ['keys of a mapping', `${long(20)}{% set x = {x: 1} %}${doubled('{% set x = [x, x] %}')}`, 'characters'],
    ...[
      'x|upper',
      "x.replace('a', 'b')",
      "x.split('a')",
      'x|list',
      "x == 'b' ~ x",
      "'aab' in x",
      'x[::-1]',
      'x|tojson',
      'x.strip()',
      'x ~ x',
      "(x ~ ' ')|truncate(200000)",
      'x is lower',
      '[x]|string',
      "(' ' * 200000).strip()",
      "('%%' * 100000) % 1",
      'x|title',
      'x|e',
      "x.count('aaaaaaab')",
      "x.count('', 1)",
      "x.find('b', 1)",
      "x.endswith('b', 1)",
      "'x'.join(x)",
      "x.replace('a', '\\n').splitlines()",
      'x|wordcount',
      "strftime_now(x.replace('a', '%Y'))",
    ].map((work) => [
      `endless work: ${work}`,
      `${long(18)}{% for i in range(50000) %}{% set y = ${work} %}{% endfor %}`,
      'steps',
    ]),
    [
      'a large mapping',
      `{% set d = {${Array.from({ length: 10_000 }, (_, i) => `'${i}': 1`)}} %}{% for i in range(50000) %}{% set y = d.values() %}{% endfor %}`,
      'steps',
    ],
    [
      'many arguments',
      '{% macro f() %}{% if varargs %}{% endif %}{% endmacro %}{% set l = range(50000)|list %}{% for i in range(50000) %}{% set y = f(*l) %}{% endfor %}',
      'steps',
    ],
    ...['l|sort', 'l|unique', '-1 in l', 'l + l', 'l|tojson', 'l|reverse|list', 'l == l + [1]'].map(
      (work) => [
        `endless work: ${work}`,
        `{% set l = range(50000)|list %}{% for i in range(50000) %}{% set y = ${work} %}{% endfor %}`,
        'steps',
      ],
    ),
    ['a huge source', '{{ x }}'.repeat(100_000), 'characters'],
  ])('%s', async (_name, source, message) => {
    expect((await errorOf(render(source!))).message).toContain(message);
  });
});

it('a loop of 80,000 iterations ends', async () => {
  expect(await render('{% for i in range(80000) %}{% endfor %}a')).toBe('a');
});

describe('the template of a model', () => {
  const gguf = (entries: Record<string, GgufValue>) =>
    ({ metadata: new Map(Object.entries(entries)) }) as unknown as Gguf;
  const both = gguf({ 'tokenizer.chat_template': 'chat', 'tokenizer.chat_template.tool_use': 'tools' });

  it('is found by its name', () => {
    expect(chatTemplateOf(both)).toBe('chat');
    expect(chatTemplateOf(both, true)).toBe('tools');
    expect(chatTemplateOf(gguf({ 'tokenizer.chat_template': 'chat' }), true)).toBe('chat');
    expect(chatTemplateOf(gguf({ 'tokenizer.chat_template.default': 'default' }))).toBe('default');
  });

  it('may be missing', () => {
    expect(chatTemplateOf(gguf({}))).toBeUndefined();
  });

  it('must be a string', () => {
    expect(() => chatTemplateOf(gguf({ 'tokenizer.chat_template': 1 }))).toThrow(
      'a string under the metadata key',
    );
  });
});

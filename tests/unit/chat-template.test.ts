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
    [
      '{{ messages[0].content[0].text }}',
      { messages: [{ role: 'user', content: [{ type: 'text', text: 'a' }] }] },
      'a',
    ],
  ])('%s with %o', async (source, options, text) => {
    expect(await render(source, options)).toBe(text);
  });
});

/** The expected texts come from jinja2 3.1.6, configured as in transformers. */

describe('as Python', () => {
  const cases: [source: string, text: string][] = [
    ['{{ true }} {{ none }} {{ x }} {{ 1.0 }}', 'True None  1.0'],
    ["{{ [1, 'a', true, none, {'b': [0.5]}] }}", "[1, 'a', True, None, {'b': [0.5]}]"],
    [
      `{{ ["it's", 'q"q', "\\\\", "\n", "both ' and \\""] }}`,
      `["it's", 'q"q', '\\\\', '\\n', 'both \\' and "']`,
    ],
    ["{{ {'a': true}|string }} {{ none|string }} {{ true|string }}", "{'a': True} None True"],
    ["{{ 'a' ~ none ~ true ~ [1] ~ 1 }}", 'aNoneTrue[1]1'],
    [
      "{{ '1' == 1 }} {{ 0 == '' }} {{ none == x }} {{ 1 == 1.0 }} {{ true == 1 }}",
      'False False False True True',
    ],
    ["{{ [1, [2]] == [1, [2]] }} {{ {'a': 1} == {'a': 1} }} {{ {'a': 1} != {'a': 2} }}", 'True True True'],
    ["{{ [1] == [1, 2] }} {{ {'a': 1} == {'b': 1} }} {{ [] == none }}", 'False False False'],
    [
      '{% for i in [1, 2] %}{% if i == 1 %}{% set z = 1 %}{% endif %}{{ z is defined }} {% endfor %}',
      'True False ',
    ],
    ['{% set z = 0 %}{% for i in [1, 2] %}{% set z = z + 1 %}{{ z }}{% endfor %}{{ z }}', '110'],
    ['{% for i in [1, 2, 3] %}{% if i == 2 %}a{% continue %}{% endif %}{{ i }}{% endfor %}', '1a3'],
    ['{% for i in [1, 2, 3] %}b{% if i == 2 %}a{% break %}{% endif %}{{ i }}{% endfor %}', 'b1ba'],
    ['{% for i in [1, 2] %}{% for j in [1, 2] %}{{ j }}{% break %}{% endfor %}{{ i }}{% endfor %}', '1112'],
    [
      "{{ 'xaxbx'.strip('x') }}|{{ '\n a \n'.rstrip('\n') }}|{{ 'abab'.lstrip('ab') }}|{{ ' a '.strip() }}",
      'axb|\n a ||a',
    ],
    ['{{ [] | first }}', ''],
    ["{{ {'a': 'é\n\"', 'b': [1, none], 'c': true}|tojson }}", '{"a": "é\\n\\"", "b": [1, null], "c": true}'],
    ["{{ {'b': 1, 'a': []}|tojson(indent=2) }}", '{\n  "b": 1,\n  "a": []\n}'],
    ["{{ '<&>'|tojson }}", '"<&>"'],
    ['{{ range(3)|list }} {{ range(5, 1, -2)|list }}', '[0, 1, 2] [5, 3]'],
    [
      '{% set ns = namespace(n=0) %}{% for i in range(4) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}',
      '6',
    ],
    ["{% macro f(a, b='x') %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}{{ f(1, b=2) }}", '1x12'],
    ['{% generation %}a{% endgeneration %}', 'a'],
    ['  {% if true %}\na\r\n  {% endif %}\nb\n', 'a\nb'],
    [
      "{{ strftime_now('%a %A %b %B %d %e %H %I %j %m %M %p %S %y %Y %-d %%') }}",
      'Thu Thursday Jan January 15 15 12 12 015 01 00 PM 00 26 2026 15 %',
    ],
  ];
  it.each(cases)('%s', async (source, text) => {
    expect(await render(source)).toBe(text);
  });

  const MORE: Message[] = [
    { role: 'system', content: 'Sys  ' },
    { role: 'user', content: 'Hi\n', n: 3, f: Object(1), l: [3, 1, 2], d: { b: 1, a: [true, null] } },
    { role: 'assistant', content: '日本 "q" <b> & \'x\'' },
  ];
  it.each([
    ["{{ messages | selectattr('role', 'in', ['user', 'system']) | list | length }}", '2'],
    ["{{ messages | rejectattr('n') | map(attribute='role') | join('|') }}", 'system|assistant'],
    ['{{ messages[1].l | max }} {{ messages[1].l | min }} {{ messages[1].l | sum }}', '3 1 6'],
    [
      '{{ messages[1].d | dictsort }} {{ messages[1].d.items() | list }}',
      "[('a', [True, None]), ('b', 1)] [('b', 1), ('a', [True, None])]",
    ],
    ['{% for k, v in messages[1].d.items() %}{{ k }}={{ v }};{% endfor %}', 'b=1;a=[True, None];'],
    ['{{ messages[1].f }} {{ [1.0, 2] | tojson }} {{ 0.00001 }}', '1.0 [1.0, 2] 1e-05'],
    ['{{ -7 % 3 }} {{ 7 % -3 }} {{ -7.5 % 2 }} {{ -7 // 2 }}', '2 -2 0.5 -4'],
    [
      "{{ 'a b'.split() }}{{ 'a,b,c'.split(',', 1) }}{{ 'a,b,c'.rsplit(',', 1) }}",
      "['a', 'b']['a', 'b,c']['a,b', 'c']",
    ],
    [
      "{{ 'abc'.find('c') }}{{ '😀c'.find('c') }}{{ 'abc'.endswith(('c', 'd')) }}{{ 'aBC'.capitalize() }}",
      '21TrueAbc',
    ],
    [
      "{{ 'abc' | first }}{{ 'abc' | last }}{{ 'abc' | reverse }}{{ '😀' | length }}{{ 'it is' | title }}",
      'accba1It Is',
    ],
    ["{{ 'a' * 3 }} {{ 2 * [1] }} {{ 'a' < 'b' }} {{ (1, 2) + (3, 4) }}", 'aaa [1, 1] True (1, 2, 3, 4)'],
    ["{{ '%s is %d' | format('x', 3) }} {{ '%05.2f|%-3s|%x' % (3.14159, 'a', 255) }}", 'x is 3 03.14|a  |ff'],
    [
      "{{ 'hello world foo' | wordcount }} {{ 'abcdefghijkl' | truncate(6) }} {{ 3.7 | round }} {{ 2.5 | round }}",
      '3 abc... 4.0 2.0',
    ],
    [
      "{{ [1, 2, 3, 4] | batch(3) | list }} {{ [1, 2, 3] | slice(2) | list }} {{ ['a'] | map('upper') | list }}",
      "[[1, 2, 3], [4]] [[1, 2], [3]] ['A']",
    ],
    ['{{ messages[2].content | e }}', '日本 &#34;q&#34; &lt;b&gt; &amp; &#39;x&#39;'],
    [
      "{{ messages[0].content is eq 'Sys  ' }} {{ 6 is divisibleby 4 }} {{ 'x' is not in('abc') }}",
      'True False True',
    ],
    [
      "{% with a = [1, 2], b = f(1, y=2) if x else 'z' %}{{ a }}{{ b }}{% endwith %}{{ a }}{% with %}c{% endwith %}",
      '[1, 2]zc',
    ],
    [
      '{% for i in [1, 2] %}{% with j = i %}{{ j }}{{ loop.first }}{% break %}{% endwith %}{% endfor %}',
      '1True',
    ],
    [
      'a{% raw %}{{ not }} {% parsed %}\n{% endraw %}\nb{%- raw -%} x {%- endraw %}',
      'a{{ not }} {% parsed %}\nbx',
    ],
    [
      '{{ messages[1].d | tojson(indent=2) }}{{ {} | tojson(indent=2) }}',
      '{\n  "b": 1,\n  "a": [\n    true,\n    null\n  ]\n}{}',
    ],
    [
      "{{ strftime_now('%c|%x %X|%F %T|%U %W %u %w|%f%Z') }}",
      'Thu Jan 15 12:00:00 2026|01/15/26 12:00:00|2026-01-15 12:00:00|02 02 4 4|000000',
    ],
  ])('%s', async (source, text) => {
    expect(await render(source, { messages: MORE })).toBe(text);
  });

  it('pads and strips dates', async () => {
    const now = new Date(2024, 11, 3, 0, 5, 9);
    expect(await render("{{ strftime_now('%e|%-d|%I|%-H|%p|%j|%y') }}", { now })).toBe(' 3|3|12|0|AM|338|24');
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
    ['{{ nothing() }}', 'not a function'],
    ['{{ none + 1 }}', 'null'],
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
    ['endless recursion', '{% macro f(f) %}{{ f(f) }}{% endmacro %}{{ f(f) }}', 'call stack'],
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
    [
      'a macro defined over and over',
      `{% for i in range(50000) %}{% macro f() %}${'{{ x }}'.repeat(10_000)}{% endmacro %}{% endfor %}`,
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
    ['a gap', `a${' '.repeat(100_000)}b`, 'blanks'],
  ])('%s', async (_name, source, message) => {
    expect((await errorOf(render(source!))).message).toContain(message);
  });
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

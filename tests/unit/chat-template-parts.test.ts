import { describe, expect, it } from 'vitest';
import { ChatTemplate, type Message, type RenderOptions } from '../../core/chat-template.ts';
import { errorOf, HI, NOON, render } from './chat-templates.ts';

describe('parts that come from the template', () => {
  /** The prompt with its markup in braces. */
  async function marked(source: string, options: Partial<RenderOptions> = {}): Promise<string> {
    const { text, markup } = (await ChatTemplate.parse(source)).prompt({
      messages: HI,
      now: NOON,
      ...options,
    });
    let result = '';
    let at = 0;
    for (let i = 0; i < markup.length; i += 2) {
      result += `${text.slice(at, markup[i])}{${text.slice(markup[i], markup[i + 1])}}`;
      at = markup[i + 1]!;
    }
    return result + text.slice(at);
  }
  const said = (content: string): Partial<RenderOptions> => ({ messages: [{ role: 'user', content }] });
  const C = 'messages[0].content';

  it.each([
    [`<s>{{ ${C} }}</s>`, '{<s>}<s>x</s>{</s>}'],
    [`{{ '<s>' + ${C} + '</s>' }}`, '{<s>}<s>x</s>{</s>}'],
    [`{{ ('<s> ' ~ ${C} ~ ' </s> ') | trim }}`, '{<s> }<s>x</s>{ </s>}'],
    [`{{ (' <s>' + ${C}).strip().replace('x', '<y>') }}`, '{<s>}<s>{<y>}</s>'],
    [`{{ ${C}.replace('<', '[').replace('[', '<') }}`, '{<}s>x{<}/s>'],
    [`{{ ('<a>' + ${C}).split('x')[0] }}|{{ ${C}.split('x')[1] }}`, '{<a>}<s>{|}</s>'],
    [`{{ ('<A>' + ${C}) | upper }}{{ ${C}.title() }}`, '{<A>}<S>X</S><S>X</S>'],
    [`{{ ['<a>', ${C}] | join('<b>') }}`, '{<a><b>}<s>x</s>'],
    [`{{ ('<a>' + ${C})[1:5] }}{{ ${C}[0] }}{{ ${C}[::-1] }}`, '{a>}<s<>s/<x>s<'],
    [
      `{% for m in messages %}<a>{{ m.content }}{% if true %}<b>{% endif %}{% endfor %}`,
      '{<a>}<s>x</s>{<b>}',
    ],
    [
      `{% for i in [1, 2] %}<a>{% if i == 2 %}{% break %}{% endif %}{{ ${C} }}{% endfor %}<c>`,
      '{<a>}<s>x</s>{<a><c>}',
    ],
    [`{% for i in [] %}{% else %}<a>{{ ${C} }}{% endfor %}`, '{<a>}<s>x</s>'],
    [
      `{% for x in [[${C}]] recursive %}<a>{{ loop(x) if x is not string else x }}{% endfor %}`,
      '{<a><a>}<s>x</s>',
    ],
    [`{% set j = joiner('<a>') %}{{ j() }}{{ ${C} }}{{ j() }}`, '<s>x</s>{<a>}'],
    [`{% macro f(x) %}<a>{{ x }}{% endmacro %}{{ f(${C}) }}{{ f('<b>') }}`, '{<a>}<s>x</s>{<a><b>}'],
    [`{% set x %}<a>{{ ${C} }}{% endset %}{{ x }}`, '{<a>}<s>x</s>'],
    [`{% set ns = namespace(x='<a>') %}{% set ns.x = ns.x ~ ${C} %}{{ ns.x }}`, '{<a>}<s>x</s>'],
    [`{{ ('<a>\n' + ${C}) | indent(2) }}`, '{<a>}\n  <s>x</s>'],
    [
      `{{ messages | map(attribute='content') | first }}{{ messages[0] | tojson }}`,
      '<s>x</s>{"role": "user", "content": "<s>x</s>"}',
    ],
    [`{% for k, v in messages[0].items() %}{{ k }}{{ v }}{% endfor %}`, 'role{user}content<s>x</s>'],
    [`{{ '%s|%s' | format('<a>', ${C}) }}`, '<a>|<s>x</s>'],
    [`{% filter trim %} <a>{{ ${C} }}{% endfilter %}`, '{<a>}<s>x</s>'],
    [`{{ '<|' + messages[0].role + '|>' }}`, '{<|user|>}'],
    ['{{ bos_token }}{{ tools[0].name }}', '{<s>}<s>'],
  ])('%s', async (source, expected) => {
    const tools = [{ name: '<s>' }];
    // A mapping printed as JSON holds braces of its own.
    expect(await marked(source, { ...said('<s>x</s>'), tools, bosToken: '<s>' })).toBe(expected);
  });

  it('are no roles but single words', async () => {
    const messages = [{ role: 'x|><|y', content: '' }];
    expect(await marked("{{ '<|' + messages[0].role + '|>' }}", { messages })).toBe('{<|}x|><|y{|>}');
  });
});

describe('content', () => {
  it('of null is empty', async () => {
    const call = { name: 'weather', arguments: {} };
    const messages = [...HI, { role: 'assistant', content: null, tool_calls: [call] }];
    expect(await render("{% for m in messages %}[{{ m.content + '' }}]{% endfor %}", { messages })).toBe(
      '[Hi][]',
    );
  });

  const parts = (...texts: string[]) => [
    { role: 'user', content: texts.map((text) => ({ type: 'text', text })) },
  ];

  it('in parts of text is joined, unless the template reads parts', async () => {
    expect(await render('{{ messages[0].content }}', { messages: parts('a', 'b') })).toBe('ab');
    const source = "{% for part in messages[0].content %}{{ part['text'] }};{% endfor %}";
    expect(await render(source, { messages: parts('a', 'b') })).toBe('a;b;');
  });

  it.each([
    [[{ type: 'image_url', image_url: { url: 'x' } }], 'A part of type "image_url" is in message 1 of 1'],
    [[{ type: 'text' }], 'A text part of message 1 of 1 has no text'],
    [['text'], 'A part without a type'],
    [[null], 'A part without a type'],
    [7, 'Expected a string as the content of message 1 of 1, got the number 7'],
  ])('%j is refused in words', async (content, message) => {
    const messages = [{ role: 'user', content }] as unknown as Message[];
    const error = await errorOf(render('{{ messages[0].content }}', { messages }));
    expect(error.message).toContain(message);
  });

  it('may be of any length', async () => {
    const content = 'To be, or not to be. '.repeat(250_000);
    const source =
      "<a>{{ messages[0].content | trim }}</a>{{ messages[0].content.split('</think>')[-1] | length }}";
    const text = await render(source, { messages: [{ role: 'user', content }] });
    expect(text).toBe(`<a>${content.trim()}</a>${content.length}`);
  });
});

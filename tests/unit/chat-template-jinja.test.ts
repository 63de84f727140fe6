/** What Jinja does in the sandbox that transformers makes. Expected texts are those of jinja2 3.1.6. */
import { describe, expect, it } from 'vitest';
import { errorOf, render } from './chat-templates.ts';

describe('templates', () => {
  it.each([
    // methods of mappings before entries of the same name, and the other way round in brackets
    ["{% set d = {'items': 1} %}{{ d.items() | list }}|{{ d['items'] }}", "[('items', 1)]|1"],
    ["{{ {1: 'a', 2.0: 'b'}[2] }}{{ {'a': 1}.get('b', 7) }}{{ {'a': 1}.b }}", 'b7'],
    // targets
    ['{% for a, (b, c) in [[1, (2, 3)]] %}{{ a }}{{ b }}{{ c }}{% endfor %}', '123'],
    ['{% set a, b = 1, 2 %}{{ b }}{{ a }}{% set c, = [3] %}{{ c }}', '213'],
    ["{% for k, v in {'x': 1}.items() %}{{ k }}={{ v }}{% endfor %}", 'x=1'],
    // scopes
    ['{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{% endfor %}{{ x }}', '1'],
    ['{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}', '2'],
    ['{% set ns = namespace(x=1) %}{% for i in [5] %}{% set ns.x = i %}{% endfor %}{{ ns.x }}', '5'],
    [
      '{% macro f(a, b=a) %}{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, 3, c=4) }}',
      "12(3,){'c': 4}",
    ],
    ['{% macro f() %}[{{ caller(1) }}]{% endmacro %}{% call(x) f() %}{{ x + 1 }}{% endcall %}', '[2]'],
    ['{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }}', '3'],
    // loops
    [
      '{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.revindex0 }} {% endfor %}',
      'True12 False121 True10 ',
    ],
    ['{% for x in [1, 2, 3, 4] if x % 2 == 0 %}{{ loop.index }}{{ x }}{% else %}none{% endfor %}', '1224'],
    ['{% for x in [1, 2] %}{% generation %}{{ x }}{% endgeneration %}{% endfor %}', '12'],
    // what is false is nothing to these filters, and what they make is true even if it is empty
    ["{{ none | selectattr('a') | list }}{{ none | map('upper') | list }}", '[][]'],
    ["{{ 'yes' if [] | select | first is undefined }}{{ 'yes' if [] | select }}{{ 'yes' if [] }}", 'yesyes'],
    // comparisons in a row, operators
    [
      '{{ 1 < 2 < 3 }}{{ 1 < 3 < 2 }}{{ 7 // 2 }}{{ -7 // 2 }}{{ 2 ** 3 }}{{ 6 / 2 }}{{ -2 % 3 }}',
      'TrueFalse3-483.01',
    ],
    ["{{ 'a' ~ none ~ 1 }}{{ not 1 == 2 }}{{ 'x' if false }}", 'aNone1True'],
    ["{{ 'b' in 'abc' and 2 not in [1] }}{{ 3 is divisibleby 3 }}{{ 1 is not eq 2 }}", 'TrueTrueTrue'],
    // texts
    ["{{ '{} {a[0]!r:>5}|{:05.1f}|{:,}'.format('x', 2.25, 1234567, a=['z']) }}", "x   'z'|002.2|1,234,567"],
    [
      "{{ 'ab'.center(7) }}|{{ 'a'.zfill(3) }}|{{ 'a,b'.rpartition(',') }}|{{ 'aB'.swapcase() }}|{{'a'.ljust(3)}}|",
      "   ab  |00a|('a', ',', 'b')|Ab|a  |",
    ],
    ["{{ '{0}-{0}-{n.k}'.format(1, n={'k': 2}) }}{{ '{{}}'.format() }}", '1-1-2{}'],
    [
      "{{ '<a>' | safe + '<b>' }}|{{ '<b>' | e }}|{{ ('<b>' | e) ~ '<c>' }}",
      '<a>&lt;b&gt;|&lt;b&gt;|&lt;b&gt;<c>',
    ],
    ["{% autoescape true %}{{ '<' ~ 1 }}{{ '<' }}{% endautoescape %}{{ '<' }}", '&lt;1&lt;<'],
    [
      "{{ 'abc' | center(7) }}|{{ 1500 | filesizeformat }}|{{ 'a b&c' | urlencode }}",
      '  abc  |1.5 kB|a%20b%26c',
    ],
    ["{{ '<p>a  <b>c</b></p>' | striptags }}|{{ 'a bc def' | wordwrap(4) }}", 'a c|a bc\ndef'],
    // white space
    ['a\n  {% if true %}\n  b\n  {% endif %}\nc', 'a\n  b\nc'],
    ['a\n  {%+ if true %}x{% endif +%}\nb', 'a\n  x\nb'],
    ['a {{- " b " -}} c{# x #}\nd\n', 'a b cd'],
    ['{% raw %}{{ x }}{% endraw %}{{ "\\u00e9\\x41\\n" }}{{ "a" "b" }}', '{{ x }}éA\nab'],
  ] as const)('%s', async (source, expected) => {
    expect(await render(source)).toBe(expected);
  });

  it.each([
    ['{{ none | length }}', 'length'],
    ['{% for x in none %}{% endfor %}', 'no elements'],
    ['{{ x.y }}', 'x, which is undefined'],
    ['{{ none.a.b }}', 'undefined'],
    ['{% set true = 1 %}', 'gives true a value'],
    ['{% include "x" %}', 'the name of a statement'],
  ])('%s fails', async (source, words) => {
    expect((await errorOf(render(source))).message).toContain(words);
  });

  it('get null as None, or as an empty text if they take it for text', async () => {
    const messages = [{ role: 'assistant', content: null }];
    expect(await render('{{ messages[0].content is none }}', { messages })).toBe('True');
    expect(await render("{{ 'x' in messages[0].content }}", { messages })).toBe('False');
  });
});

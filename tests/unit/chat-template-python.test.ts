/** What templates make, as Python's Jinja does: the expected texts come from jinja2 3.1.6, configured as in transformers. */
import { describe, expect, it } from 'vitest';
import type { Message } from '../../core/chat-template.ts';
import { render } from './chat-templates.ts';

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
    [
      '{{ 1e3 }} {{ -1.5e-3 }} {{ 1E+2 }} {{ 1_000 }} {{ 0x10 }} {{ -0b101 }} {{ 0o17 }} {{ 1_0.2_5e1_0 }} {{ 1e400 }}',
      '1000.0 -0.0015 100.0 1000 16 -5 15 102500000000.0 inf',
    ],
    [
      "{% set e = 5 %}{{ [1, e - 3] }} {{ 1 if 1e0 else 2 }} {{ 1 in [1] }} {{ '1e3' }} 1e3",
      '[1, 2] 1 True 1e3 1e3',
    ],
    [
      '{% for x in [[1, [2, [3]]], [4]] recursive %}{% if x is number %}{{ x }}{% else %}{{ loop.depth }}{{ loop.index }}({{ loop(x) }}){% endif %}{% endfor %}',
      '11(122(232(3)))12(4)',
    ],
    [
      '{% for x in [1, [2, 3]] if x != 2 recursive %}{% set l = loop %}{% for y in [x] if y is iterable %}{{ l(y) }}{% else %}{{ x }}{% endfor %}{% endfor %}',
      '13',
    ],
    ["{% set d = {'recursive': [1]} %}{% for x in d.recursive %}{{ x }}{% endfor %}", '1'],
    [
      "{% for x in [[1], [2, 3]] %}{% for y in x %}{{ loop.cycle('a', 'b') }}{% endfor %}{{ loop.cycle('c', 'd') }}{% endfor %}",
      'acabd',
    ],
    [
      "{{ dict(a=1) }} {{ dict({'a': 1}, b=2) }} {{ dict([('a', 1), ['b', 2]], a=3) }} {{ dict() }}",
      "{'a': 1} {'a': 1, 'b': 2} {'a': 3, 'b': 2} {}",
    ],
    [
      "{% set j = joiner('|') %}{% for x in [1, 2, 3] %}{{ j() }}{{ x }}{% endfor %}{% set k = joiner() %}{{ k() }}{{ k() }}",
      '1|2|3, ',
    ],
    [
      "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}{{ c.reset() }}{{ c.current }}",
      'abbaNonea',
    ],
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
    [
      "{% set d = {'a': 1, 2: 'b', 1.5: {3: []}} %}{{ d }} {{ d | tojson }} {{ d[2] }}{{ d[2.0] }}{{ d['2'] }} {{ d.get(2) }} {{ d.get(9, 'x') }} {{ d.get('z') }}",
      '{\'a\': 1, 2: \'b\', 1.5: {3: []}} {"a": 1, "2": "b", "1.5": {"3": []}} bb b x None',
    ],
    [
      "{% set d = dict([(1, 'a'), (2, 'b')]) %}{{ 2 in d }}{{ '2' in d }}{{ 3 in d }} {% for k in d %}{{ k + 1 }}{% endfor %} {% for k, v in d.items() %}{{ k * 2 }}{{ v }}{% endfor %} {{ d | dictsort }}",
      "TrueFalseFalse 23 2a4b [(1, 'a'), (2, 'b')]",
    ],
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
      "{{ 'abc'.startswith('b', 1) }} {{ 'abc'.startswith('ab', 0, 1) }} {{ 'abc'.startswith('', 4) }} {{ 'abc'.endswith(('x', 'b'), 0, -1) }} {{ '😀b'.startswith('b', 1) }}",
      'True False False True True',
    ],
    [
      "{{ 'abcabc'.find('a', 1) }} {{ 'abcabc'.find('c', 0, 2) }} {{ 'abcabc'.rfind('c', 0, -1) }} {{ 'c😀bc'.rfind('c', 1) }} {{ 'abc'.find('', 2, 1) }}",
      '3 -1 2 3 -1',
    ],
    [
      "{{ 'abcabc'.count('a', 1) }} {{ 'abcabc'.count('c', 0, 3) }} {{ '😀b'.count('') }} {{ 'abc'.count('', 4) }} {{ 'aaaa'.count('aa') }}",
      '1 1 3 0 2',
    ],
    [
      "{{ 'a\\nb\\r\\nc\\rd\\n'.splitlines(true) }} {{ 'a\\n\\nb\\x0cc'.splitlines() }} {{ ''.splitlines() }}",
      "['a\\n', 'b\\r\\n', 'c\\r', 'd\\n'] ['a', '', 'b', 'c'] []",
    ],
    ["{{ 'x'.join('abc') }} {{ '-'.join({'a': 1, 'b': 2}) }} {{ ''.join(x) }}", 'axbxc a-b '],
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
    [
      "{{ ['a', 'B', '1', 'b2', ''] | select('lower') | list }} {{ ['a', 'B', '1', 'B2'] | select('upper') | list }}",
      "['a', 'b2'] ['B', 'B2']",
    ],
    [
      "{{ 'a' is lower }} {{ '1' is lower }} {{ '' is upper }} {{ true is lower }} {{ none is not upper }}",
      'True False False False True',
    ],
    [
      "{{ [1, 'a', [1], (1, 2), {}, none, x] | select('iterable') | list | length }} {{ {} is sequence }}",
      '5 True',
    ],
    ["{{ [1, range, 'a', x] | select('callable') | list | length }} {{ range is callable }}", '2 True'],
    [
      '{{ true is number }} {{ true is integer }} {{ 1.0 is float }} {{ 3.0 is odd }} {{ true is odd }} {{ -2 is even }}',
      'True False True True True True',
    ],
    [
      '{{ true is sameas true }} {{ 1 is sameas true }} {{ messages is sameas messages }} {{ [] is sameas([]) }}',
      'True False True False',
    ],
    ["{{ namespace() is mapping }} {{ {} is mapping }} {{ 'lower' is test }}", 'False True True'],
    [
      "{% for k, l in messages | groupby(attribute='role') %}{{ k }}{{ l | length }};{% endfor %}",
      'assistant1;system1;user1;',
    ],
    [
      "{% for k, l in [{'t': 'B'}, {'t': 'a'}, {'t': 'b'}] | groupby('t') %}{{ k }}{{ l | length }}{% endfor %}",
      'a1B2',
    ],
    [
      "{% for k, l in [{'t': 'B'}, {}, {'t': 'b'}] | groupby('t', 'c', case_sensitive=true) %}{{ k }}{{ l | length }}{% endfor %}",
      'B1b1c1',
    ],
    ['{{ messages[2].content | e }}', '日本 &#34;q&#34; &lt;b&gt; &amp; &#39;x&#39;'],
    [
      "{{ messages[0].content is eq 'Sys  ' }} {{ 6 is divisibleby 4 }} {{ 'x' is not in('abc') }}",
      'True False True',
    ],
    [
      "{{ 'a' is in ['a', ['b']] }} {{ 'a' is not in {'a': {'b': 1}} }} {{ [3 is in [1], 1 is in [1 is in [1], 1]] }}",
      'True False [False, True]',
    ],
    [
      '{{ 6 is divisibleby messages[1].n }} {{ 3 is in messages[1].l[:1] and true }} {{ 2 is not in messages[1].l }}',
      'True True False',
    ],
    [
      "{{ 'SYS' is eq messages[0].content.strip().upper() }} {{ 'and' is eq 'an' 'd' or 1 }} {{ 1 is eq 1 ~ 'x' }}",
      'True True Truex',
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

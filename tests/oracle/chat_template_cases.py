# SPDX-License-Identifier: Apache-2.0
"""Our own chat templates for chat_template_vectors.py. Together they use every construct."""

# Related constructs stand together. Each expression between `;;` or line ends is rendered on its own.
VALUES = r"""
'a' ;; "b" ;; 'it''s' ;; 'a\nb' ;; 'a\tb\\c\'d\"e' ;; '\<\s>' ;; '\x41\u00e9\U0001F600\101\0end' ;; 'two' "parts" ;; 0
7 ;; -7 ;; +7 ;; --7 ;; - 7 ;; true ;; false ;; none ;; True ;; False ;; None ;; [] ;; [1, 'b', none] ;; (1, 2) | length
(1,) | tojson ;; {} ;; {'a': 1, 'b': [2]} ;; {'a': 1, 'a': 2}
missing ;; missing == missing ;; missing == none ;; missing == '' ;; not missing ;; missing ~ 'x' ;; missing.x
missing['x'] ;; missing + 'x' ;; 'x' in missing ;; missing is iterable
nothing ;; nothing.x ;; nothing['x'] ;; nothing.x.y ;; nothing ~ 1 ;; yes ~ no ;; seven.x ;; seven['x'] is defined
word.x ;; word['x'] is defined ;; word[0] ;; word[-1] ;; word[99] ;; word[99] is defined
uni | length ;; word | length
uni ;; uni[1] ;; uni[-2] ;; uni[1:3] ;; uni[::-1] ;; uni[:-1] ;; uni[3:] ;; uni[::2] ;; uni[3:0:-1] ;; uni[-2:]
uni[5:2] ;; uni[:99] ;; word[:0] ;; word[2:4] ;; numbers[1:] ;; numbers[::-1] ;; numbers[:-1] ;; numbers[-99:99]
numbers[0] ;; numbers[-1] ;; numbers[5] is defined ;; numbers[none:2] ;; numbers['x'] is defined ;; numbers.x is defined
numbers.0 ;; nested.a.b.1.c ;; nested['a']['b'][0] ;; nested.a['b'][-1].c ;; nested.nope ;; nested.nope.x ;; nested['k']
nested.list[1][0]
1 + 2 ;; 1 + 2 * 3 ;; (1 + 2) * 3 ;; 7 - 10 - 1 ;; 7 // 2 ;; -7 // 2 ;; 7 // -2 ;; -7 % 3 ;; 7 % -3 ;; 7 % 0 ;; 7 // 0
2 * 3 % 4 ;; 1 + true ;; 'a' + 'b' ;; 'a' + 1 ;; 1 + 'a' ;; 'a' ~ 1 ~ true ~ none ;; 1 ~ 2 + 3 ;; 1 + 2 ~ 3 ;; [1] + [2]
[1] + 'a' ;; none + 1 ;; -'a'
1 == 1 ;; 1 == true ;; 0 == false ;; 1 == '1' ;; 'a' == 'a' ;; [1, 2] == [1, 2] ;; [1] == [true] ;; {'a': 1} == {'a': 1}
{'a': 1, 'b': 2} == {'b': 2, 'a': 1} ;; none == false ;; none == none ;; 1 != 2 ;; 1 < 2 ;; 2 <= 2 ;; 'a' < 'b'
'B' < 'a' ;; 1 < 'a' ;; 1 < 2 < 3 ;; 3 > 2 > 2 ;; 1 == 1 == true ;; (1 == 1) == true
'a' in 'abc' ;; '' in 'abc' ;; 'd' not in 'abc' ;; not 'a' in 'abc' ;; 1 in numbers ;; 9 not in numbers ;; 'k' in nested
'z' in nested ;; 1 in 'abc' ;; 'a' in nothing ;; [2, 3] in nested.list ;; not not 1 ;; not 0 ;; not ''
1 and 2 ;; 0 and 2 ;; '' or 'x' ;; none or 0 or 'y' ;; 1 or missing.x.y ;; 0 and missing.x.y ;; true and false or true
not true or true ;; (not true) == false ;; 1 if 2 else 3 ;; 1 if 0 else 3 ;; 1 if 0 ;; (1 if 0) is defined
1 if 0 else 2 if 0 else 3 ;; 'a' if word else 'b' ~ 'c' ;; [1 if yes else 2, 3]
word is defined ;; missing is defined ;; missing is not defined ;; missing is undefined ;; nothing is none
nothing is not none ;; word is string ;; 7 is string ;; nested is mapping ;; numbers is mapping ;; numbers is sequence
word is sequence ;; nested is sequence ;; 7 is sequence ;; numbers is iterable ;; word is iterable ;; 7 is iterable
nested is iterable ;; missing is sequence
7 is number ;; true is number ;; true is integer ;; 7 is integer ;; true is boolean ;; 1 is boolean ;; true is true
1 is true ;; false is false ;; 0 is false ;; 7 is odd ;; 6 is even ;; 7 is divisibleby 7 ;; 7 is divisibleby(2)
7 is equalto 7 ;; 7 is eq(8) ;; 7 is ne 8 ;; 7 is lt 8 ;; 7 is ge(7) ;; 7 is greaterthan 9 ;; 7 is in numbers
3 is in [3] ;; 'a' is odd ;; word is nosuchtest
word is string and word is defined ;; word is string == true ;; 1 + 1 is odd ;; not word is string
word is not string or yes ;; 'a' is string ~ 'b'
word | upper ;; word | title ;; word | capitalize ;; 'HeLLo' | lower ;; '  x ' | trim ;; 'xxaxx' | trim('x') ;; 7 | trim
missing | trim ;; none | trim ;; spaces | trim ;; uni | list | tojson ;; '-a-b (c)d' | title ;; "they're bill's" | title
"it's".title() ;; 'a1b c'.title()
numbers | length ;; word | length ;; nested | length ;; missing | length ;; 7 | length ;; numbers | count
numbers | first ;; numbers | last ;; [] | first ;; [] | first is defined ;; word | first ;; word | last
numbers | join ;; numbers | join(', ') ;; word | join('-') ;; [1, none, true, 'x', missing] | join('|')
nested.a.b | join ;; numbers | join(d='+')
numbers | list | tojson ;; nested | list | tojson ;; numbers | reverse | list | tojson ;; word | reverse
uni | reverse ;; nested | items | list | tojson ;; missing | items | list | tojson ;; numbers | items ;; 7 | list
missing | default('d') ;; missing | d('d') ;; '' | default('d') ;; '' | default('d', true) ;; none | default('d')
none | default('d', boolean=true) ;; missing | default ;; nested.x | default(nested.k) ;; missing.x | default('d')
'12' | int ;; ' 12 ' | int ;; '+5' | int ;; '-5' | int ;; 'x' | int ;; 'x' | int(3) ;; none | int ;; true | int
'' | int(default=4) ;; [] | int ;; '12' | int + 1
'aXbXc' | replace('X', '-') ;; 'aXbXc' | replace('X', '-', 1) ;; 'abc' | replace('b', '') ;; 112 | replace(1, 'x')
word | replace('o', 'oo') ;; word | string ;; 7 | string ;; none | string ~ 'x' ;; true | string
messages | map(attribute='role') | join(',') ;; messages | map(attribute='nope') | list | length
messages | map(attribute='nope', default='-') | join ;; ['a', 'b'] | map('upper') | join
['a b', 'c'] | map('replace', ' ', '_') | join(',') ;; [nested] | map(attribute='a.b.1.c') | join
[nested] | map(attribute='a.b') | first | length ;; [[1, 2]] | map(attribute=1) | join
[[1, 2]] | map(attribute='1') | join
messages | selectattr('role', 'equalto', 'user') | list | length
messages | selectattr('role', 'in', ['user', 'tool']) | map(attribute='role') | join
messages | rejectattr('role', 'eq', 'user') | map(attribute='role') | join(' ')
messages | selectattr('tool_calls') | list | length ;; messages | selectattr('tool_calls', 'defined') | list | length
messages | selectattr('role', 'equalto', 'none') | first is defined
[1, 2, 3, 4] | select('odd') | list | tojson ;; [1, 2, 3, 4] | reject('odd') | join
[0, 1, ''] | select | list | tojson ;; [1, 5] | select('gt', 2) | first
'abc' | selectattr('type', 'equalto', 'image') | list | length ;; [missing] | selectattr('x') | list
[1] | selectattr('x') | list | length ;; [1] | select('nosuch') | list
messages[1].content | selectattr('type', 'equalto', 'text') | map(attribute='text') | join('/')
messages[1].content[0].text ;; messages[1]['content'][1]['text'] is defined ;; (messages | length) > 3
messages | length > 3 ;; messages[-1].role ;; messages[-1]['items'] ;; messages[nothing or 0].role
nested | tojson ;; messages[2] | tojson ;; messages[2] | tojson(indent=2) ;; numbers | tojson(indent=4)
[] | tojson(indent=2) ;; {} | tojson(indent=2) ;; nested | tojson(sort_keys=true)
messages[2].tool_calls[0].function | tojson(sort_keys=true) ;; numbers | tojson(separators=(',', ':'))
nested | tojson(indent=1, separators=(',', ': ')) ;; word | tojson ;; none | tojson ;; true | tojson ;; missing | tojson
'a/\u0001\u007f\u2028' | tojson ;; messages | map(attribute='role') | tojson ;; -5 | tojson ;; "\b\f\r" | tojson
word.upper() ;; word.title() ;; word.capitalize() ;; 'ABC'.lower() ;; '  x '.strip() ;; '  x '.lstrip() ~ '.'
'  x '.rstrip() ~ '.' ;; 'xxaxy'.strip('xy') ;; 'xxaxy'.lstrip('x') ;; 'xxax'.rstrip('x') ;; ''.strip() ;; '  '.strip()
spaces.strip() ;; spaces.lstrip() ;; 'éaé'.strip('é') ;; word.strip(none) ;; word.strip(1)
word.split() | tojson ;; '  a  b '.split() | tojson ;; 'a,b,,c'.split(',') | tojson ;; 'a,b,c'.split(',', 1) | tojson
' a b  c '.split(none, 1) | tojson ;; ''.split() | tojson ;; ''.split(',') | tojson
messages[3].content.split('</think>')[-1].lstrip('\n') ;; messages[3].content.split('</think>')[0] ;; 'abc'.split('')
'a b'.split(' ', maxsplit=1) | tojson ;; 'a b'.split(' ', 0) | tojson ;; spaces.split() | tojson
word.startswith('he') ;; word.endswith('ld') ;; word.startswith('x') ;; word.startswith(('x', 'he'))
word.endswith('') ;; ''.startswith('a') ;; word.startswith(1) ;; 'abc'.replace('b', 'x') ;; 'aaa'.replace('a', 'b', 2)
', '.join(['a', 'b']) ;; ','.join(numbers) ;; '-'.join('abc') ;; word.nosuch() ;; word['upper']
word.upper | length ;; numbers.items | length
nested.items() | list | tojson ;; nested.keys() | list | tojson ;; nested.values() | list | tojson ;; nested.get('k')
nested.get('z') ;; nested.get('z', 'd') ;; nested.get('k', 'd') ;; nested.get('z') is none ;; 'k' in nested.keys()
messages[3].items is defined ;; messages[3]['items'] ;; messages[3].items() | list | length ;; nested.pop('k')
numbers.append(1)
range(3) | list | tojson ;; range(1, 4) | join ;; range(5, 0, -2) | join ;; range(0) | length ;; range(3)[1]
range(2, 8, 3) | list | tojson ;; range('a') ;; range(1, 2, 0) ;; range(1000000) | length ;; dict(a=1, b='x') | tojson
dict(nested, z=1) | length ;; namespace(a=1).a ;; namespace().x is defined ;; raise_exception('no') ;; nosuch()
word() ;; nested.k()
word | nosuchfilter ;; word | upper | lower | title ;; word | replace('l', 'L') | upper ;; -7 | string | length
'a' ~ 'b' | upper ;; ('a' ~ 'b') | upper ;; 'a' + 'b' | upper ;; [3, 4] | join == '34' ;; not word | length == 3
7 | default(8) + 1 ;; {'a': [1, {'b': 2}]}['a'][1].b ;; {'a': 1}.a ;; {'a': {}}.a.b ;; [1, 2][1] ;; (1, 2)[0]
'abc'[1] ;; "abc".upper()[0]
word.__class__ ;; nested.__class__ ;; word | upper() ;; word | trim() ;; word is string()
messages[0].content is string ;; messages[1].content is string ;; messages[1].content is sequence
messages[1].content is mapping ;; messages[1].content is iterable and messages[1].content is not string
"""

STATEMENTS = [
    "{% if yes %}a{% elif no %}b{% else %}c{% endif %}", "{% if no %}a{% elif yes %}b{% else %}c{% endif %}",
    "{% if no %}a{% elif no %}b{% else %}c{% endif %}", "{% if no %}a{% endif %}",
    "{% if no %}a{% elif no %}b{% elif zero %}c{% elif seven %}d{% endif %}", "{% if yes: %}a{% endif %}",
    "{% if 1, %}a{% endif %}", "{% if yes %}", "{% endif %}", "{% if yes %}{% endfor %}", "{% if %}a{% endif %}",
    "{% else %}",
    "{% for x in numbers %}{{ x }},{% endfor %}", "{% for x in [] %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in numbers %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in missing %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in 7 %}{{ x }}{% endfor %}", "{% for x in none %}{{ x }}{% endfor %}",
    "{% for x in 'a漢b' %}<{{ x }}>{% endfor %}", "{% for x in nested %}{{ x }};{% endfor %}",
    "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in {'a': 1, 'b': 2} | items %}{{ k }}={{ v }};{% endfor %}",
    "{% for (a, b) in [[1, 2], [3, 4]] %}{{ a }}{{ b }} {% endfor %}",
    "{% for a, b in [[1, 2, 3]] %}{{ a }}{% endfor %}", "{% for a, b in ['xy'] %}{{ a }}-{{ b }}{% endfor %}",
    "{% for a, b in [1] %}{% endfor %}",
    "{% for x in 1, 2, 3 %}{{ x }}{% endfor %}", "{% for x in (1, 2) %}{{ x }}{% endfor %}",
    "{% for x in numbers + [9] %}{{ x }}{% endfor %}",
    "{% for x in numbers if x > 1 %}{{ loop.index }}:{{ x }} {% endfor %}",
    "{% for x in numbers if x > 5 %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in range(5) if x is odd %}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}",
    ("{% for x in numbers %}{{ loop.index }}{{ loop.index0 }}"
     "{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }};{% endfor %}"),
    "{% for x in numbers %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}",
    "{% for x in numbers %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}",
    "{% for x in 'abcd' %}{{ loop.cycle('o', 'e') }}{% endfor %}",
    "{% for x in [1] %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}",
    ("{% for x in [1, 2] %}"
     "{% for y in [3, 4] %}{{ loop.index }}{{ x }}{{ y }} {% endfor %}{{ loop.index }};{% endfor %}"),
    ("{% for x in [1, 2] %}{% set outer = loop %}"
     "{% for y in [3, 4] %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}"),
    "{% for x in numbers %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in numbers %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    ("{% for x in [1, 2] %}"
     "{% for y in [1, 2] %}{% if y == 2 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{% endfor %}"),
    "{% for x in range(6) %}{% if loop.last %}!{% elif x % 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{{ loop }}", "{{ loop.index }}", "{% for x in numbers %}{% endfor %}{{ loop is defined }}{{ x is defined }}",
    "{% for x in loop %}{% endfor %}", "{% for loop in numbers %}{{ loop }}{% endfor %}",
    "{% set x = 1 %}{{ x }}", "{% set x = 1 %}{% set x = x + 1 %}{{ x }}", "{% set x, y = 1, 2 %}{{ x }}{{ y }}",
    "{% set x, y = [1] %}{{ x }}", "{% set x, y = 'ab' %}{{ y }}{{ x }}", "{% set x = 1, 2 %}{{ x | length }}",
    "{% set (x, y) = [1, 2] %}{{ x }}", "{% set x %}a{{ 1 }}b{% endset %}{{ x | length }}{{ x }}",
    "{% set x %}{% endset %}[{{ x }}]",
    "{% set x = 1 %}{% for i in numbers %}{{ x }}{% set x = i %}{{ x }} {% endfor %}{{ x }}",
    "{% for i in numbers %}{% set y = i %}{% endfor %}{{ y is defined }}",
    "{% for i in [1, 2] %}{{ y is defined }}{% set y = i %}{{ y }}{% endfor %}",
    "{% if yes %}{% set x = 1 %}{% endif %}{{ x }}", "{% if no %}{% set x = 1 %}{% endif %}{{ x is defined }}",
    "{% set word = 'new' %}{{ word }}", "{% for i in [1] %}{% set word = 'new' %}{{ word }}{% endfor %}{{ word }}",
    "{% for i in [1] %}{% if yes %}{% set z = 5 %}{% endif %}{{ z }}{% endfor %}{{ z is defined }}",
    "{% set x = missing %}{{ x is defined }}{{ x }}", "{% set x = 1 if no %}{{ x is defined }}",
    "{% set ns = namespace(x=1) %}{% for i in numbers %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace() %}{% set ns.a = 'b' %}{{ ns.a }}{{ ns['a'] }}{{ ns.c is defined }}",
    ("{% set ns = namespace(found=false) %}"
     "{% for m in messages %}{% if m.role == 'tool' and not ns.found %}"
     "{{ loop.index }}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.found }}"),
    "{% set d = {} %}{% set d.x = 1 %}", "{% set missing.x = 1 %}",
    ("{% set ns = namespace(l=[]) %}{% for i in numbers %}"
     "{% set ns.l = ns.l + [i * 2] %}{% endfor %}{{ ns.l | tojson }}"),
    "{% set ns = namespace(n=0) %}{% for x in range(6) if ns.n < 3 %}{% set ns.n = ns.n + 1 %}{{ x }}{% endfor %}",
    ("{% set ns = namespace(n=0) %}{% for x in range(6) if ns.n < 3 %}"
     "{{ loop.last }}{% set ns.n = ns.n + 1 %}{{ x }}{% endfor %}"),
    ("{% set ns = namespace(n=0) %}{% for x in range(6) if ns.n < 3 %}"
     "{{ loop.length }}{% set ns.n = ns.n + 1 %}{{ x }} {% endfor %}"),
    ("{% set g = messages | map(attribute='role') %}{% for r in g %}{{ r }} {% endfor %}"
     "{% for r in g %}{{ r }}{% endfor %}."),
    "{% set g = messages | selectattr('role', 'equalto', 'nobody') %}{% if g %}yes{% endif %}",
    "{% set g = numbers | select('odd') %}{{ g | first }}{{ g | first }}{{ g | first is defined }}",
    "{% set g = numbers | map('string') %}{{ '1' in g }}{{ g | list | tojson }}",
    "{% macro m() %}x{% endmacro %}{{ m() }}{{ m() | upper }}",
    "{% macro m(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(b=4, a=5) }} {{ m() }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=1) }}",
    "{% macro m(a, b=a) %}{{ b }}{% endmacro %}{{ m(3) }}",
    "{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}",
    "{% set x = 1 %}{% macro m() %}{{ x }}{% set x = 2 %}{{ x }}{% endmacro %}{{ m() }}{{ x }}",
    "{% macro m() %}{{ x is defined }}{% endmacro %}{% for x in [1] %}{{ m() }}{% endfor %}",
    "{% macro m() %}{{ y }}{% endmacro %}{% set y = 5 %}{{ m() }}",
    "{% macro m() %}{{ word }}{{ messages | length }}{% endmacro %}{{ m() }}",
    "{% set ns = namespace(n=0) %}{% macro m() %}{% set ns.n = ns.n + 1 %}{{ ns.n }}{% endmacro %}{{ m() }}{{ m() }}",
    "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}",
    ("{% macro m(x) %}{% for i in x %}{{ i }}{{ loop.last }}{% endfor %}{% endmacro %}"
     "{% for x in [[1, 2]] %}{{ m(x) }}{{ loop.first }}{% endfor %}"),
    "{{ m() }}{% macro m() %}x{% endmacro %}", "{% macro m() %}  x\n{% endmacro %}{{ m() ~ '|' }}",
    "{% generation %}{{ word }}{% set q = 1 %}{{ q }}{% endgeneration %}{{ q is defined }}",
    "{% for x in numbers %}{% generation %}{{ x }}{{ loop.index }}{% endgeneration %}{% endfor %}",
    "{%- generation -%} a {%- endgeneration -%} b", "{% generation %}",
    ("{% if messages[0]['role'] == 'system' %}"
     "{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}{{ rest | length }}"),
    ("{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
     "{{ raise_exception('Roles must alternate') }}{% endif %}{% endfor %}"),
    "{{ 'a' if add_generation_prompt }}{{ bos_token }}{{ eos_token }}{{ tools is none }}{% if tools %}t{% endif %}",
    "{{ 'line\nbreak' }}", "{{ 'x\\\ny' }}", "a\r\nb\rc\n", "a\n\n", "\n", "", "a", "{{ 'x' }}\n", "{{ 'x' }}\n\n",
    "{{ '{{ x }}' }}", "{ { % } }", "{{ {'a': {'b': 1}}['a']['b'] }}", "{{ {'a':1}}}",
    "{% set x = {'a': '}}'} %}{{ x.a }}", "{{", "{{ 'a }}", "{{ 1 +}}", "{{ 1 2 }}", "{{ (1 }}", "{{ 1) }}",
    "{{ [1) }}", "{{ }}", "{{ ? }}", "{# x", "{# {{ x }} {% if %} #}a", "{##}", "{#-#}a", "{% %}", "{%", "{% nosuch %}",
    "{{ 1 }",
    "{{ a.b. }}", "{{ word. }}", "{{ numbers[1 }}", "{{ word | }}", "{{ word is }}", "{{ not }}",
    "{% for in x %}{% endfor %}", "{% for x numbers %}{% endfor %}", "{% for 1 in numbers %}{% endfor %}",
    "{% set 1 = 2 %}", "{% set x %}", "{% macro %}{% endmacro %}", "{% macro m(1) %}{% endmacro %}", "{{ word(}}",
    "{{ {'a'} }}", "{{ {'a' 1} }}", "{{ 'a\\x4' }}", "{{ 'a\\u12' }}",
]

"""Chat templates of an attacker, by the numbers of the cases that they belong to."""

from __future__ import annotations

# ruff: noqa: E501
DEEP = "{% set ns = namespace(x=['a']) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}"
"""A list of 61 lists that has 2**60 leaves."""

PAIRS = DEEP.replace("['a']", "('a',)").replace("[ns.x, ns.x]", "(ns.x, ns.x)")
TWO_DEEP = (
    DEEP + "{% set a = ns.x %}" + DEEP.replace("set ns =", "set n2 =").replace("ns.x", "n2.x").replace("ns", "n2")
)
CHAIN = "{% set ns = namespace(x=1) %}{% for i in range(100000) %}{% set ns.x = (ns.x,) %}{% endfor %}"
LONG = "{% set ns = namespace(x='abcdefgh') %}{% for i in range(20) %}{% set ns.x = ns.x + ns.x %}{% endfor %}"
"""A text of 8 Mi characters."""

REFUSED: dict[str, dict[str, str]] = {
    "A1 what is internal": {
        "by dot": "{{ messages.__class__ }}",
        "by dot in a branch": "{% if false %}{{ messages.__class__ }}{% endif %}",
        "by subscript": "{{ messages['__class__'] }}",
        "by a computed subscript": "{{ messages['__cl' ~ 'ass__'] }}",
        "by attr": "{{ messages | attr('__class__') }}",
        "by map": "{{ messages | map(attribute='__class__') | join }}",
        "by map and attr": "{{ messages | map('attr', '__class__') | list }}",
        "by a computed map": "{{ messages | map(attribute='__cl' ~ 'ass__') | join }}",
        "by selectattr": "{{ messages | selectattr('__class__.__mro__') | list }}",
        "by sort": "{{ messages | sort(attribute='__class__') }}",
        "by groupby": "{{ messages | groupby('__class__.__name__') }}",
        "by max": "{{ messages | max(attribute='role.__class__') }}",
        "by a method's own": "{{ 'a'.upper.__self__ }}",
        "the frame of a generator": "{{ (messages | map('upper')).gi_frame }}",
        "the bytes of a number": "{{ (5).to_bytes(1000000000, 'big') }}",
        "the template itself": "{{ self }}",
        "the template's module": "{{ self._TemplateReference__context }}",
        "an argument of Jinja's own": "{{ namespace(_loop_vars=1) }}",
        "an underscore on a namespace": "{% set ns = namespace() %}{% set ns.__init__ = 1 %}",
        "a look-alike name": "{% set rоle = 1 %}{{ rоle }}",
    },
    "A2 formats": {
        "a field's attribute": "{{ '{0.__class__}'.format(messages) }}",
        "a field's item": "{{ '{0[role]}'.format(messages[0]) }}",
        "a stored format": "{% set f = '{0.__class__}'.format %}{{ f(messages) }}",
        "format_map": "{{ '{a}'.format_map({'a': 1}) }}",
        "format_map of an attribute": "{{ '{a.__class__}'.format_map({'a': 1}) }}",
        "through map": "{{ ['{0.__class__}'] | map('format', messages) | list }}{{ messages.x }}",
        "a field as a width": "{{ '{:{}}'.format('a', 999999999) }}",
    },
    "A3 mutation": {
        "of the messages": "{{ messages.append({'role': 'user'}) }}",
        "of a message": "{{ messages[0].update({'role': 'system'}) }}",
        "pop": "{{ messages.pop() }}",
        "clear": "{% set x = messages.clear() %}",
        "through map": "{{ [messages] | map(attribute='clear') | first }}",
    },
    "A4 other files": {
        "include": "{% include 'secrets.jinja' %}",
        "include that may fail": "{% include 'secrets.jinja' ignore missing %}",
        "import": "{% import 'a' as a %}",
        "from": "{% from 'a' import b %}",
        "extends": "{% extends 'a' %}",
        "block": "{% block a %}{% endblock %}",
    },
    "A5 helpers": {
        "globals of a function": "{{ raise_exception.__globals__ }}",
        "globals by subscript": "{{ raise_exception['__glo' ~ 'bals__'] }}",
        "the code of a macro": "{% macro m() %}{% endmacro %}{{ m['_fu' ~ 'nc'] }}",
        "lipsum": "{{ lipsum() }}",
        "lipsum's globals": "{{ lipsum['__globals__'] }}",
        "cycler": "{{ cycler('a').next() }}",
        "joiner": "{{ joiner()() }}",
        "random": "{{ messages | random }}",
        "random through map": "{{ [messages] | map('ran' ~ 'dom') | list }}",
    },
    "A13 what has an address": {
        "a function": "{{ raise_exception }}",
        "a method": "{{ 'a'.upper }}",
        "a macro": "{% macro m() %}{% endmacro %}{{ m }}",
        "a generator": "{{ messages | map(attribute='role') }}",
        "a namespace": "{{ namespace(a=1) }}",
        "a namespace in itself": "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
        "a method in a list": "{{ [messages[0].items] }}",
        "a method in a format": "{{ '%s' % ('a'.upper,) }}",
        "a method in a JSON": "{{ 'a'.upper | tojson }}",
        "a loop": "{% for m in messages %}{{ loop }}{% endfor %}",
    },
    "A15 what is not there": {
        "a field": "{{ messages[0].conten }}",
        "a name": "{{ mesages }}",
        "joined": "{{ ['a', messages[0].conten] | join }}",
        "put together": "{{ 'a' ~ messages[0].conten }}",
        "added": "{{ 'a' + messages[0].conten }}",
        "trimmed": "{{ messages[0].conten | trim }}",
        "formatted": "{{ '%s' % messages[0].conten }}",
        "in a list": "{{ [messages[0].conten] }}",
    },
}
"""What no template may do."""

ENDLESS: dict[str, dict[str, str]] = {
    "A6 loops": {
        "ranges in ranges": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "a test that is never true": (
            "{% for i in range(99999) %}{% for j in range(99999) if j < 0 %}{% endfor %}{% endfor %}"
        ),
        "a silent counter": (
            "{% set ns = namespace(n=0) %}{% for i in range(99999) %}{% for j in range(99999) %}"
            "{% set ns.n = ns.n + 1 %}{% endfor %}{% endfor %}"
        ),
        "macros in macros": (
            "{% macro m0() %}{% endmacro %}"
            + "".join(
                f"{{% macro m{n} () %}}{{{{ m{n - 1}() }}}}{{{{ m{n - 1}() }}}}{{% endmacro %}}" for n in range(1, 60)
            )
            + "{{ m59() }}"
        ),
        "a macro in itself": "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
        "a macro twice in itself": "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(40) }}",
        "a caller in itself": (
            "{% macro m() %}{{ caller() }}{% endmacro %}{% macro r() %}{% call m() %}{{ r() }}{% endcall %}{% endmacro %}"
            "{{ r() }}"
        ),
        "a loop in itself": "{% for i in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}",
        "a loop twice in itself": (
            "{% for i in [1] recursive %}{% if loop.depth < 40 %}{{ loop([1]) }}{{ loop([1]) }}{% endif %}{% endfor %}"
        ),
        "call blocks": (
            "{% macro m() %}{{ caller() }}{{ caller() }}{% endmacro %}"
            + "{% call m() %}" * 40
            + "a"
            + "{% endcall %}" * 40
        ),
        "loops in the names of loops": "".join(f"{{% for i{n} in range(9999) %}}" for n in range(15))
        + "{% endfor %}" * 15,
    },
    "A7 texts": {
        "times": "{{ 'x' * 10 ** 9 }}",
        "times from the left": "{{ 1000000000 * 'x' }}",
        "a doubled sum": "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "a long sum": LONG + "{{ " + " + ".join(["ns.x"] * 50) + " }}",
        "sums without a loop": "{% set x = 'aaaaaaaa' %}" + "{% set x = x + x + x %}" * 60,
        "doubled by ~": "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "doubled by a format": (
            "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = '%s%s' % (ns.x, ns.x) %}{% endfor %}"
        ),
        "doubled by format()": (
            "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = '{0}{0}{0}'.format(ns.x) %}{% endfor %}"
        ),
        "doubled by a set block": (
            "{% set x = 'aaaaaaaa' %}" + "{% set x %}{{ x }}{{ x }}{{ x }}{{ x }}{% endset %}" * 40
        ),
        "doubled by macros": "{% macro m(x) %}{{ x }}{{ x }}{{ x }}{% endmacro %}{% set x = 'aa' %}"
        + "{% set x = m(x) %}" * 60,
        "doubled by join": (
            "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] | join %}{% endfor %}"
        ),
        "doubled by a method join": (
            "{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x.join(ns.x) %}{% endfor %}"
        ),
        "replaced": "{{ ('a' * 10000).replace('a', 'b' * 10000) }}",
        "replaced everywhere": "{{ ('a' * 10000).replace('', 'b' * 10000) }}",
        "replaced by a filter": "{{ ('a' * 10000) | replace('a', 'b' * 10000) }}",
        "escaped again and again": (
            "{% set ns = namespace(x='&') %}{% for i in range(99) %}{% set ns.x = (ns.x | e) | replace('', '') %}"
            "{% set ns.x = ns.x ~ '' %}{% set ns.x = '%s' % (ns.x ~ '&&&&',) %}{% set ns.x = [ns.x, ns.x] | join | e %}{% endfor %}"
        ),
        "an escaped long text": LONG.replace("abcdefgh", "&&&&&&&&") + "{{ (ns.x * 8) | escape }}",
        "joined": "{{ range(99999) | join('b' * 10000) }}",
        "joined texts": "{{ ('a' * 10000).join('b' * 10000) }}",
        "joined lists": "{{ ([['a' * 10000] * 1000] * 1000) | join }}",
        "a width in %": "{{ '%999999999d' % 5 }}",
        "a precision in %": "{{ '%.999999999f' % 5 }}",
        "a width as an argument": "{{ '%*d' % (999999999, 5) }}",
        "a width in format()": "{{ '{:999999999}'.format(5) }}",
        "a width in the filter": "{{ '%999999999s' | format('a') }}",
        "a width in a test": "{{ '%999999999d' is odd }}",
        "a width in another test": "{{ '%999999999d' is divisibleby(3) }}",
        "a width in a rounding": "{{ 'x' | round(9, 'ceil') }}",
        "a named width": "{{ '%(a)999999999d' % {'a': 5} }}",
        "one value many times": LONG + "{{ '" + "%(a)s" * 1000 + "' % {'a': ns.x} }}",
        "center": "{{ 'a' | center(999999999) }}",
        "center, ljust, zfill": "{{ 'a'.center(999999999) }}{{ 'a'.ljust(999999999) }}{{ 'a'.zfill(999999999) }}",
        "tabs": "{{ '\t'.expandtabs(999999999) }}",
        "indent": "{{ ('a\n' * 1000) | indent(999999999) }}",
        "indent by a text": "{{ ('a\n' * 100000) | indent('b' * 100000) }}",
        "an indented JSON": "{{ [[[1]]] | tojson(indent=1000000000) }}",
        "a JSON of what is escaped": (
            "{% set x = '\x01' * 2 ** 20 %}" + "".join(f"{{% set y{n} = x | tojson %}}" for n in range(100))
        ),
        "a JSON with long marks": "{{ ([1] * 100000) | tojson(separators=('a' * 100000, 'b')) }}",
        "the date": "{{ strftime_now('%Y' * 10000000) }}",
        "fields": "{{ ('{}' * 8000000).format('a') }}",
        "braces": "{{ ('{{' * 8000000).format() }}",
        "conversions": "{{ ('%s' * 8000000) % 'a' }}",
        "signs of conversions": "{{ ('%%' * 8000000) % () }}",
        "signs in the filter": "{{ ('%%' * 8000000) | format }}",
        "an output": LONG + "{{ ns.x }}" * 100,
        "an output of a loop": "{% for i in range(99999) %}{{ 'a' * 100000 }}{% endfor %}",
        "lists that double": "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "a list times": "{{ ([1] * 10 ** 9) | length }}",
        "a tuple times": "{{ ((1, 2) * 10 ** 9) | length }}",
        "a list in a list": "{% set ns = namespace(x=1) %}{% for i in range(99) %}{% for j in range(99999) %}"
        "{% set ns.x = [ns.x, j] %}{% endfor %}{% endfor %}",
        "dicts in dicts": "{% set ns = namespace(x=1) %}{% for i in range(99) %}{% for j in range(99999) %}"
        "{% set ns.x = {'a': ns.x} %}{% endfor %}{% endfor %}",
        "namespaces in namespaces": "{% set ns = namespace(x=1) %}{% for i in range(99) %}{% for j in range(99999) %}"
        "{% set ns.x = namespace(x=ns.x) %}{% endfor %}{% endfor %}",
        "loops that are kept": "{% set ns = namespace(x=1) %}{% for i in range(99) %}{% for j in range(99999) %}"
        "{% for k in [1] %}{% set ns.x = [ns.x, loop] %}{% endfor %}{% endfor %}{% endfor %}",
        "macros that are kept": "{% set ns = namespace(x=1) %}{% for i in range(99) %}{% for j in range(99999) %}"
        "{% macro m() %}{% endmacro %}{% set ns.x = [ns.x, m] %}{% endfor %}{% endfor %}",
        "slices that are kept": LONG
        + "{% set ns.l = 1 %}{% for i in range(99999) %}{% set ns.l = [ns.l, ns.x[1:]] %}{% endfor %}",
        "parts that are kept": LONG + "{% set l = [" + "ns.x.split('a')," * 500 + "] %}",
        "characters that are kept": LONG + "{% set l = [" + "ns.x | list," * 500 + "] %}",
        "a copy of a long list": "{% set l = [0] * 33000000 %}{% set l = l[:] %}",
        "an output of four bytes": LONG.replace("abcdefgh", "😀") + "{{ ns.x }}" * 63,
        "characters of four bytes": LONG.replace("abcdefgh", "😀") + "{% set l = [" + "ns.x + 'a'," * 500 + "] %}",
    },
    "A8 numbers": {
        "a power": "{{ 10 ** 100000000 }}",
        "a power in a branch": "{% if messages %}{{ 10 ** 100000000 }}{% endif %}",
        "a power of a power": "{{ 2 ** (2 ** (2 ** (2 ** (2 ** 2)))) }}",
        "a product": "{% set ns = namespace(x=9) %}{% for i in range(99) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
        "a difference": (
            "{% set ns = namespace(x=9) %}{% for i in range(99999) %}{% set ns.x = ns.x - (0 - ns.x) %}{% endfor %}"
        ),
        "a shifted number": "{{ ('f' * 1000000) | int(0, 16) }}",
        "a float": "{{ 1e308 | int }}",
        "a rounding": "{{ 5.5 | round(1000000000, 'floor') }}",
        "a rounding to the left": "{{ 5 | round(-1000000000) }}",
        "a sum": "{{ ([2 ** 255] * 10) | sum }}",
        "a sum of lists": "{{ ([[1]] * 100000) | sum(start=[]) }}",
    },
    "A9 filters as loops": {
        "sums": "{% for i in range(99999) %}{% set x = range(99999) | sum %}{% endfor %}",
        "membership in a range": "{% for i in range(99999) %}{% set x = 1.5 in range(99999) %}{% endfor %}",
        "membership in a list": "{% set l = range(99999) | list %}{% for i in range(99999) %}{% set x = -1 in l %}{% endfor %}",
        "membership in a text": LONG + "{% for i in range(99999) %}{% set x = 'hgf' in ns.x %}{% endfor %}",
        "membership of a long text": LONG
        + "{% set l = [ns.x[1:] + 'a'] * 100000 %}{% set n = ns.x[1:] + 'b' %}{% set x = n in l %}",
        "a text from behind": "{% set t = 'a' * 4000000 %}{% set x = t.rfind('ab' + 'a' * 2000000) %}",
        "a text in a text": "{% set t = 'ab' * 4000000 %}" + "{% set x = t.count('ab' * 1000000 + 'b') %}" * 99,
        "sorting": "{% set l = range(99999) | list %}{% for i in range(99999) %}{% set x = l | sort %}{% endfor %}",
        "sorting long texts": LONG + "{% set l = [" + "ns.x + 'a'," * 20 + "] * 10000 %}{% set x = l | sort %}",
        "grouping": "{% set l = [{'a': 1}] * 99999 %}{% for i in range(99999) %}{% set x = l | groupby('a') %}{% endfor %}",
        "mapping": "{% for i in range(99999) %}{% set x = range(99999) | map('string') | list %}{% endfor %}",
        "mappings of mappings": "{% set ns = namespace(x=[1]) %}{% for i in range(99999) %}{% set ns.x = ns.x | map('string') %}"
        "{% endfor %}{{ ns.x | list }}" * 30,
        "batches": "{{ [1] | batch(999999999, 'x') | list }}",
        "slices": "{{ [1] | slice(999999999, 'x') | list }}",
        "equal texts": LONG + "{% set a = ns.x + 'a' %}{% set b = ns.x + 'a' %}" + "{% set x = a == b %}" * 3000,
        "characters cut off": "{{ ('a' * 200000).strip('b' * 4000000 ~ 'a') }}",
        "characters cut off on the left": "{{ ('a' * 200000).lstrip('b' * 4000000 ~ 'a') }}",
        "characters trimmed": "{{ ('a' * 200000) | trim('b' * 4000000 ~ 'a') }}",
        "characters trimmed by name": "{{ ('a' * 200000) | trim(chars='b' * 4000000 ~ 'a') }}",
        "many beginnings": "{% set t = ('a',) * 1000000 %}{% for i in range(99999) %}{% set x = 'b'.startswith(t) %}{% endfor %}",
        "a sort by many attributes": "{{ messages | sort(attribute='a,' * 100000 ~ 'a') }}",
        "a long attribute": "{{ messages | map(attribute='x.' * 4000000 ~ 'y') | list }}",
        "groups by a long attribute": "{{ messages | groupby('x.' * 4000000 ~ 'y') }}",
        "a sum of a long attribute": "{{ messages | sum('x.' * 4000000 ~ 'y') }}",
        "the least by a long attribute": "{{ messages | min(attribute='x.' * 4000000 ~ 'y') }}",
        "joined by a long attribute": "{{ messages | join('', 'x.' * 4000000 ~ 'y') }}",
        "a printed list": DEEP + "{{ ns.x }}",
        "a list as JSON": DEEP + "{{ ns.x | tojson }}",
        "a list as a text": DEEP + "{{ ns.x | string | length }}",
        "an escaped list": DEEP + "{{ ns.x | e }}",
        "a safe list": DEEP + "{{ ns.x | safe }}",
        "a trimmed list": DEEP + "{{ ns.x | trim }}",
        "a list in a format": DEEP + "{{ '%s' % (ns.x,) }}{{ '{}'.format(ns.x) }}",
        "a list in an error": DEEP + "{{ raise_exception(ns.x) }}",
        "equal lists": TWO_DEEP + "{{ a == n2.x }}",
        "equal lists by a test": TWO_DEEP + "{{ a is eq(n2.x) }}",
        "equal lists by selectattr": TWO_DEEP + "{{ [{'a': a}] | selectattr('a', 'eq', n2.x) | list | length }}",
        "ordered lists": TWO_DEEP + "{{ a < n2.x }}",
        "a list in a list": TWO_DEEP + "{{ a in [n2.x] }}",
        "the index of a list": TWO_DEEP + "{{ [n2.x].index(a) }}",
        "sorted lists": TWO_DEEP + "{{ [a, n2.x] | sort | length }}",
        "unique lists": TWO_DEEP + "{{ [a, n2.x] | map('string') | list }}",
        "a changed list": TWO_DEEP + "{% for i in [a, n2.x] %}{% if loop.changed(i) %}{% endif %}{% endfor %}",
        "a tuple as a key": PAIRS + "{{ {ns.x: 1} | length }}",
        "a tuple as an item": PAIRS + "{{ {}[ns.x] is defined }}",
        "a tuple that is got": PAIRS + "{{ {}.get(ns.x) }}",
        "a tuple in a dict": PAIRS + "{{ ns.x in {} }}",
        "a tuple for dict()": PAIRS + "{{ dict([(ns.x, 1)]) | length }}",
        "unique tuples": PAIRS + "{{ [ns.x] | unique | list | length }}",
        "a chain as a key": CHAIN + "{{ {ns.x: 1} | length }}",
        "a chain printed": CHAIN + "{{ ns.x }}",
        "a chain in a test": CHAIN + "{{ ns.x in {} }}",
        "a chain compared": CHAIN + "{% set a = ns.x %}" + CHAIN + "{{ a == ns.x }}",
    },
    "A10 depth": {
        "brackets": "{{ " + "(" * 20000 + "1" + ")" * 20000 + " }}",
        "lists": "{{ " + "[" * 20000 + "]" * 20000 + " }}",
        "loops": "{% for i in [1] %}" * 100 + "{% endfor %}" * 100,
        "names in macros": "".join(f"{{%macro m{n}()%}}" for n in range(55))
        + "".join(f"{{%set a{n}=1%}}{{{{a{n}}}}}" for n in range(1900))
        + "{%endmacro%}" * 55,
        "few loops": "{% for i in [1] %}" * 30 + "{% endfor %}" * 30,
        "branches": "{% if true %}" * 100 + "{% endif %}" * 100,
        "set blocks": "{% set x %}" * 100 + "{% endset %}" * 100,
        "a sum": "{{ " + " + ".join("1" * 20000) + " }}",
        "a long ~": "{{ " + " ~ ".join("1" * 18000) + " }}",
        "negations": "{{ " + "not " * 20000 + "1 }}",
        "signs": "{{ " + "-" * 20000 + "1 }}",
        "dots": "{{ a" + ".a" * 20000 + " }}",
        "calls": "{{ a" + "()" * 10000 + " }}",
        "filters": "{{ 1" + "|int" * 10000 + " }}",
        "inline ifs": "{{ " + "1 if a else " * 10000 + "1 }}",
        "comparisons": "{{ " + " < ".join("1" * 15000) + " }}",
        "ors": "{{ " + " or ".join("1" * 15000) + " }}",
        "elifs": "{% if a %}" + "{% elif a %}" * 6000 + "{% endif %}",
        "many tokens": "{{ 1 }}" * 20000,
        "a long source": "a" * 20_000_000,
        "a long number": "{{ " + "9" * 200_000 + " }}",
        "a number that is too great": "{{ 1e400 }}",
        "a long number in sixteens": "{{ 0x" + "f" * 200_000 + " }}",
    },
}
"""What would take too long, or too much memory."""

UNREADABLE: dict[str, str] = {
    "a tag that does not end": "{% if true",
    "a block that does not end": "{% if true %}",
    "a comment that does not end": "{# a",
    "a raw block that does not end": "{% raw %}a",
    "an unknown tag": "{% foo %}",
    "an unknown filter": "{{ 1 | foo }}",
    "an unknown test": "{{ 1 is foo }}",
    "an argument twice": "{{ namespace(a=1, a=2) }}",
    "a break outside of a loop": "{% break %}",
    "a break out of a generation block": "{% for m in messages %}{% generation %}{% if m %}{% break %}{% endif %}{% endgeneration %}{% endfor %}",
    "a continue in a generation block": "{% for m in messages %}{% generation %}{% continue %}{% endgeneration %}{% endfor %}",
    "a wrong escape": "{{ '\\N{no such name}' }}",
}
"""What does not parse."""


def cases(table: dict[str, dict[str, str]]) -> list[tuple[str, str]]:
    """The templates of a table with their names."""
    return [(f"{kind}: {name}", source) for kind, sources in table.items() for name, source in sources.items()]

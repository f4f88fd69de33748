"""Texts, values, expressions, chat templates and files that are drawn at random, most of them nearly right."""

from __future__ import annotations

# ruff: noqa: E501
import json
from typing import TYPE_CHECKING, Any

from jinja_words import BINARY, CONSTANTS, FILTERS, GROWTH, METHODS, NAMES, TESTS

if TYPE_CHECKING:
    from random import Random

TEXTS = (
    "", " ", "a", "Hi there", "\n", "\x00", "\x1b[31m", "\ud800", "\udfff\ud800", "é", "\u202e", "{{ x }}", "{% if %}",
    "<|im_end|>", "<think>a</think>b", "</think>", "[]", '[{"role": "user", "content": "a"}]', "NaN", "1e999", "9" * 5000,
    "\n\nHuman: a\n\nAssistant: b", "a" * 3000, "'", '"', "\\", "%s", "{0}", "prompt", "user", "assistant", "\u2028",
    "chatml", "PKUSafeRLHF", "/", "..", "a/b", ".py", "x.yaml", "x.json:e", "\U0001f468\u200d",
)  # fmt: skip

ODD_CONSTANTS = (
    "8 ** (7 ** 8)", "8 ** (9 ** 10)", "'x' * 10 ** 9", "{{}: 1}", "{[]: 2}", "10 ** 400", "1e308 * 10", "-0.0", "9" * 400,
    "9" * 5000, "'\\ud800'", "1 // 0", "1 % 0", "'%*d' % (9, 9)", "'%0999999999d' % 1", "'{:>999999999}'.format(1)",
    "[[]] * 99999999", "(1,)", "{}", "{'a': {'b': []}}", "'a' < 1", "-'a'", "not 1", "1.5 ** 0.5", "(-1) ** 0.5", "1e999",
    "0x" + "f" * 300, "none.x", "nothing.x.y", "''[9]", "[].x", "{}['a']", "1 | default(2)", "{{}: 1} | default(1)",
    "'a' ~ {{}: 1}", "[{[]: 1}]", "1 if {{}: 1}", "x | nothing", "x is nothing", "'a'[::0]", "'ab'[1e9:]", "[1][True]",
)  # fmt: skip

EXPRESSION_NAMES = ("prompt", "answer", "other", "turns", "better", "self", "loop", "caller", "super", "range")
FIELD_FILTERS = (
    "common_history(turns)", "after_history(turns)", "answered", "tagged_turns({'a': 'user'})", "tool_list",
    "question_answer_pairs", "agreed_with(turns)", "with_prompt(prompt)", "after_prompt(prompt)", "slice(3)",
    "slice(10**9)", "map('upper')", "map('nothing')", "map(attribute='a.b.c')", "batch(3)", "random", "selectattr('a')",
    "replace('', 'xx')", "round(99)", "int", "int(0, 99)", "tojson(9)", "tojson(99999)", "sort(attribute='role')",
)  # fmt: skip


def draw_text(random: Random) -> str:
    """A text, or some together."""
    return "".join(random.choice(TEXTS) for _ in range(random.choice((1, 1, 1, 2, 3))))


def draw_json(random: Random, depth: int = 3) -> Any:
    """A value such as a cell has, or none has."""
    kind = random.randrange(12 if depth else 8)
    if kind < 4:
        return draw_text(random)
    if kind < 8:
        odd = (
            None,
            True,
            False,
            0,
            1,
            -1,
            2,
            1.0,
            1.5,
            float("nan"),
            float("inf"),
            10**30,
            10**400,
            b"a",
            b"\xff",
            (),
        )
        return random.choice((*odd, {1, 2}, 1j, object))
    if kind == 8:
        return [draw_json(random, depth - 1) for _ in range(random.randrange(4))]
    if kind == 9:
        return [{"role": random.choice(("user", "assistant", "system", "x")), "content": draw_text(random)}] * (
            random.randrange(4)
        )
    if kind == 10 and random.random() < 0.05:
        nested: Any = []
        for _ in range(random.choice((50, 150, 2000))):
            nested = [nested] if random.random() < 0.5 else {"a": nested}
        return nested
    keys = ("role", "content", "a", "from", "value", "text", "type", "\ud800", "", "tool_calls", "name")
    return {random.choice(keys): draw_json(random, depth - 1) for _ in range(random.randrange(4))}


def mutate_value(random: Random, value: Any) -> Any:
    """The value, in which one part is another."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        items = dict(value)
        key = random.choice(list(items))
        action = random.random()
        if action < 0.1:
            del items[key]
        elif action < 0.15:
            items[random.choice((draw_text(random), 1, None))] = items.pop(key)
        else:
            items[key] = mutate_value(random, items[key])
        return items
    if isinstance(value, list) and value and random.random() < 0.8:
        items = list(value)
        at = random.randrange(len(items))
        action = random.random()
        if action < 0.15:
            del items[at]
        elif action < 0.3:
            items.insert(at, items[at])
        else:
            items[at] = mutate_value(random, items[at])
        return items
    if isinstance(value, str) and value and random.random() < 0.5:
        at = random.randrange(len(value))
        return value[:at] + draw_text(random) + value[random.choice((at, len(value))) :]
    return draw_json(random)


def mutate_bytes(random: Random, data: bytes) -> bytes:
    """The bytes, in which some are others, gone or there again."""
    if not data:
        return random.choice((b"", b"\x00", b"[", b"{}", b"PAR1"))
    at, size = random.randrange(len(data)), random.choice((1, 1, 2, 8, 64, 1000))
    odd = (b"\xff", b"\x00", b'"', b"\n", b"\r", b",", b"{", b"}", b"[" * 300, b"[" * 20000, b"9" * 5000, b"NaN", b"\xed\xa0\x80",
           b"\\ud800", b"null", b"\xef\xbb\xbf", b"1e999", b'{"a":' * 300, b"-")  # fmt: skip
    insert = random.choice((b"", b"", data[at : at + size], random.choice(odd), random.randbytes(size)))
    return data[:at] + insert + data[at + random.choice((0, 1, size)) :]


SHAPES = (
    "({0} {binary} {1})", "({0} | {filter})", "({0} | {field_filter})", "({0} is {test})", "({0}).{method}", "({0})[{1}]",
    "({0})[{1}:{step}]", "[{0}, {1}]", "{{{0}: {1}}}", "({0} if {1} else {2})", "({0} ~ {1} ~ {2})", "{sign}({0})",
    "({0} ** {1})",
)  # fmt: skip
"""Expressions of smaller ones."""


def draw_expression(random: Random, depth: int = 3, names: tuple[str, ...] = EXPRESSION_NAMES) -> str:
    """An expression of Jinja."""
    if depth == 0 or random.random() < 0.15:
        return random.choice((*names, *names, *CONSTANTS, random.choice(ODD_CONSTANTS)))
    shape = random.choice(SHAPES)
    parts = [draw_expression(random, depth - 1, names) for _ in range(1 + ("{1}" in shape) + ("{2}" in shape))]
    return shape.format(
        *parts,
        binary=random.choice(BINARY),
        filter=random.choice(FILTERS),
        field_filter=random.choice(FIELD_FILTERS),
        test=random.choice(TESTS),
        method=random.choice(METHODS),
        step=random.choice(("", "1", "-2", "0")),
        sign=random.choice(("not ", "-", "+")),
    )


CHAT_TURNS = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}",
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] | trim }}\n{% endfor %}{% if add_generation_prompt %}A:{% endif %}",
    "{% for m in messages %}{% generation %}{{ m.content.split('x')[0] }}{% endgeneration %}{% endfor %}",
    "{{ messages | tojson }}",
    "{{ bos_token }}{{ tools | tojson(indent=2) }}",
)  # fmt: skip


def draw_statement(random: Random, depth: int, growth: bool) -> str:
    """A statement of Jinja."""
    names = tuple(NAMES)
    value = draw_expression(random, 2, names)
    if not growth and "**" in value:
        value = value.replace("**", "+")
    if depth == 0:
        return f"{{{{ {value} }}}}"
    inner = draw_statement(random, depth - 1, growth)
    return random.choice((
        f"{{{{ {value} }}}}",
        f"{{% set ns.x = {value} %}}",
        f"{{% for i in {value} %}}{inner}{{% endfor %}}",
        f"{{% for i in {value} recursive %}}{inner}{{{{ loop([i]) }}}}{{% endfor %}}" if growth else inner,
        f"{{% if {value} %}}{inner}{{% else %}}b{{% endif %}}",
        f"{{% macro f(i) %}}{inner}{{% endmacro %}}",
        f"{{% call f({value}) %}}{inner}{{% endcall %}}",
        f"{{% filter {random.choice(FILTERS)} %}}{inner}{{% endfilter %}}",
        f"{{% set t %}}{inner}{{% endset %}}{{{{ t }}}}",
        f"{{% with t = {value} %}}{inner}{{% endwith %}}",
        random.choice(GROWTH) if growth else "text",
        draw_text(random),
        random.choice(("{% endfor %}", "{% break %}", "{{", "{#", "{% include 'a' %}", "{% raw %}", "{% block a %}")),
    ))  # fmt: skip


def draw_chat_template(random: Random, is_trusted: bool = False) -> str:
    """A chat template; a trusted one has no limits, so it has nothing that grows."""
    parts = [draw_statement(random, 2, not is_trusted) for _ in range(random.randrange(3))]
    parts.insert(random.randrange(len(parts) + 1), random.choice(CHAT_TURNS))
    source = "{% set ns = namespace(x='ab', y=1) %}" + "".join(parts)
    if is_trusted:
        for grown in ("**", "99999", "999999999", " * 10 ", "range("):
            source = source.replace(grown, "+" if grown in ("**", " * 10 ") else "9" if grown != "range(" else "(")
    return source


ROW_NAMES = ("prompt", "answer", "other", "turns", "better")
"""The columns of templates in YAML: texts, conversations, and a label."""


def draw_cell(random: Random, name: str) -> Any:
    """A cell of such a column, most often of its type."""
    if random.random() < 0.1:
        return draw_json(random)
    if name == "turns":
        return [{"role": "user", "content": draw_text(random)}, {"role": "assistant", "content": "a"}]
    return random.randrange(2) if name == "better" else draw_text(random)


def draw_yaml(random: Random) -> str:
    """A template in YAML, or what is nearly one."""
    odd = ("int", "Any", "list[str]", "str | None", "list[", "{a: str}", "[str]", "12")
    row = dict(zip(ROW_NAMES, ("str", "str", "str", "list[Message]", "Index01"), strict=True))
    row = {name: kind if random.random() < 0.95 else random.choice(odd) for name, kind in row.items()}

    def field() -> str:
        written = draw_expression(random, 2, ROW_NAMES) if random.random() < 0.4 else random.choice(ROW_NAMES)
        return "{{ " + written + " }}" + random.choice(("", "", "!"))

    name, parts = random.choice((
        ("preference", ("prompt", "chosen", "rejected")),
        ("supervised", ("prompt", "completion")),
        ("prompt_only", ("prompt",)),
    ))  # fmt: skip
    sample: Any = {part: field() for part in parts}
    if random.random() < 0.2:
        sample["prompt"] = [{"role": "system", "content": field()}, {"messages": "{{ turns }}"}]
    document: Any = {"row": row, name: sample}
    if random.random() < 0.1:
        document["each"] = {"x": "{{ " + draw_expression(random, 1, ROW_NAMES) + " }}"}
    if random.random() < 0.1:
        document[random.choice(("name", "style", "dialect", "ties", "ignored", "example", "x"))] = draw_text(random)
    for _ in range(random.choice((0, 0, 0, 0, 1, 2))):
        document = mutate_value(random, document)
    return write_json(random, document)


def write_json(random: Random, value: Any) -> str:
    """The JSON text of a value; what has none is a text in it."""
    try:
        return json.dumps(value, ensure_ascii=random.random() < 0.5, default=str, skipkeys=True)
    except (ValueError, RecursionError):
        return "{}"


def draw_messages(random: Random) -> Any:
    """A conversation, in which something may be wrong."""
    messages: Any = [
        {
            "role": random.choice(("system", "user", "assistant", "tool", "developer", "x")),
            "content": draw_text(random),
        }
        for _ in range(random.randrange(4))
    ]
    return mutate_value(random, messages) if random.random() < 0.5 else messages


def draw_entry(random: Random) -> Any:
    """An entry of a dataset_info.json, or what is nearly one."""
    columns: dict[str, Any] = random.choice((
        {"prompt": "a", "response": "b c"},
        {"prompt": "a", "query": "d", "chosen": "b c", "rejected": "x"},
        {"messages": "a"},
    ))  # fmt: skip
    parts = ("history", "kto_tag", "tools", "system", "images", "x", "query")
    for _ in range(random.randrange(3)):
        columns = {
            **columns,
            random.choice(parts): random.choice(("d", "b c", "\x1b", "", None, 3, draw_text(random))),
        }
    entry: Any = {
        "formatting": random.choice(("alpaca", "alpaca", "sharegpt", "x", 1)),
        "ranking": random.choice(("chosen" in columns, True, False, None, "x")),
        "columns": columns,
        "tags": {"role_tag": "from", "content_tag": draw_text(random), "user_tag": draw_text(random)},
    }
    entry = {key: value for key, value in entry.items() if random.random() < 0.8}
    for _ in range(random.randrange(2)):
        entry = mutate_value(random, entry)
    return entry

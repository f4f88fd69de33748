"""Expressions of columns: templates that are put together of drawn expressions, on rows of every kind."""

from random import Random
from typing import Any, Literal

import pyarrow as pa
import pytest
from columnar_tables import check_table, draw_table
from pydantic import Field
from support import few

from preftemplates import (
    Index01,
    Message,
    Preference,
    PromptOnly,
    RowModel,
    Strength,
    Supervised,
    Template,
    get_template,
    messages,
)


class Inner(RowModel):
    title: str
    subtitle: str | None = None
    thread: list[Message]
    value: float | None = None


class Item(RowModel):
    from_: str = Field(alias="from")
    value: str


class Columns(RowModel):
    a: str
    b: str
    option: str | None = None
    any: Any = None
    thread: list[Message]
    other: list[Message]
    history: list[Message] | None = None
    message: Message
    mixed: str | list[Message]
    x: float
    y: float = Field(ge=0, lt=50)
    n: int
    m: int | None = None
    k: Index01
    s: Strength
    flag: bool
    literal: Literal["p", "q"]
    record: Inner
    maybe: Inner | None = None
    items: list[Item]
    item: Item


THREAD = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes"}]
OTHER = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "No"}]
INNER = {"title": "T", "subtitle": "S", "thread": [{"role": "user", "content": "Q"}], "value": 0.5}
EXAMPLE = {
    "a": "Hi there", "b": "Hi", "option": "o", "any": "Hi", "thread": THREAD, "other": OTHER, "history": THREAD[:1],
    "message": THREAD[1], "mixed": "Hi", "x": 1.5, "y": 2.25, "n": 3, "m": 4, "k": 1, "s": -2, "flag": True,
    "literal": "p", "record": INNER, "maybe": INNER,
    "items": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes"}],
    "item": {"from": "gpt", "value": "Done"},
}  # fmt: skip
OTHERS = {
    "mixed": [THREAD], "any": [THREAD[:1]], "option": [None], "maybe": [None],
    "a": ["\n\nHuman: Hi\n\nAssistant: x", "Hi\n<extra_id_1>Assistant\nYes"],
    "thread": [[{**message, "content": [{"type": "text", "text": message["content"]}]} for message in THREAD]],
}  # fmt: skip
"""Other values of some columns, of other types."""

PROMPTS = (
    "{{ thread | answered | asking }}", "{{ (thread + other) | asking }}", "{{ (thread | answered)[:-1] }}",
    "{{ history or [] }}", "{{ thread | common_history(other) | with_prompt(any) }}",
    "{{ thread | common_history(other) | with_prompt(option) }}", "{{ mixed | text_or_messages }}",
    "{{ record.thread }}", "{{ maybe.thread if maybe else [] }}", "{{ items | sharegpt | asking }}",
    "{{ (items + [item]) | sharegpt | asking }}", "{{ thread | before_last_answer(other) }}",
    "{{ (thread | answered)[:-1] | agreed_with((other | answered)[:-1]) }}", "{{ a | extra_id_turns }}",
    "{{ thread[:-1] + [{'role': 'user', 'content': a}] }}", "{{ [{'role': 'system', 'content': b}] + thread[:-1] }}",
    "{{ thread | with_prompt(history) | asking }}", "{{ thread | show_media(any) | asking }}",
    "{{ thread | lone_texts | asking }}", "{{ a | human_assistant_turns }}", "{{ thread | calls_among(option) }}",
    "{{ [{'role': 'user', 'content': a}, {'role': 'assistant', 'content': b}] | asking }}",
    "{{ [{'role': 'user', 'content': a}, {'role': 'assistant', 'content': option or ''}] | before_open_answer }}",
)  # fmt: skip
ANSWERS = (
    "{{ a | cut_prompt(b) }}", "{{ a | cut_prompt(b) | trim }}", "{{ a | after_prompt(option) }}",
    "{{ a | after_prompt(b) }}", "{{ option | none_if('') or a }}", "{{ option | either(any) or b }}",
    "{{ ([a, b] | better_first(x - y))[0] }}", "{{ ([a, b] | better_first(s))[1] }}", "{{ ([a, b] | two)[k] }}",
    "{{ record.title }}: {{ record.subtitle or a }}", "{{ maybe.title if maybe else a }}", "{{ item.value }}",
    "{{ a if record.value else b }}", "{{ thread[-1].content }}", "{{ (thread | last).content }}!",
    "{{ a if (thread | last).content == 'Yes' else b }}", "{{ a.removesuffix('re') }}", "{{ a | before_turn_end }}",
    "{{ a.strip().removeprefix('Hi') }}", "{{ a if literal == 'p' else b }}", "{{ a if flag and k else b }}",
    "{{ [a, b][k] ~ thread[-1].content }}", "{{ a if a.startswith(b) else b }}",
    "{{ (thread | common_history(other) | last).content }}", "{{ record.thread[-1].content }}",
    messages("{{ thread | after_history(other) }}"), messages("{{ (items | sharegpt)[-1:] }}"),
    messages("{{ [message] }}"), messages("{{ thread[-1:] }}"), messages("{{ [item] | sharegpt }}"),
)  # fmt: skip
MARGINS = (
    "{{ x - y }}", "{{ (x - y) | abs }}", "{{ y - 1 }}", "{{ 1 + x }}", "{{ x * 0.1 + y }}", "{{ n - m if m else 0 }}",
    "{{ n }}", "{{ y }}", "{{ (n - 2) * 0.3 }}", "{{ record.value }}", "{{ s | abs * 1.0 }}", "{{ none }}", "{{ m }}",
    "{{ x * y }}", "{{ n * n }}", "{{ x - y + n }}", "{{ (x - y) * (x - y) }}", "{{ n - 1.5 }}", "{{ x / y }}",
    "{{ maybe.value if maybe else x }}", "{{ 2 - x }}",
)  # fmt: skip


def draw_template(random):
    class Drawn(Template):
        """What is drawn."""

        Row = Columns
        prompt_only = PromptOnly(prompt=messages(random.choice(PROMPTS)))
        preference = Preference(
            prompt=messages(random.choice(PROMPTS)), chosen=random.choice(ANSWERS), rejected=random.choice(ANSWERS),
            margin=random.choice(MARGINS),
        )  # fmt: skip

    return Drawn().with_style("chatml")


def draw_example(random):
    others = {name: random.choice(values) for name, values in OTHERS.items() if random.random() < 0.25}
    return {**EXAMPLE, **others}


def test_expressions_give_columns_what_they_give_rows():
    columnar = 0
    for seed in range(10 * few().max_examples):
        random = Random(seed)
        template, example = draw_template(random), draw_example(random)
        for dialect in ("trl", "text"):
            adapted = template.with_dialect(dialect).with_columns([*example])
            table = draw_table(random, example)
            columnar += check_table(adapted, random.choice(("prompt_only", "preference")), table)
    assert columnar > 500


class Unread(Template):
    """Messages to which the expression does not come in most rows."""

    class Row(RowModel):
        text: str
        flag: bool
        thread: list[Message]

    supervised = Supervised(prompt="{{ text }}", completion="{{ thread[-1].content if flag else text }}")


def test_messages_are_checked_that_no_expression_comes_to():
    table = pa.table(
        {"text": ["a", "b"], "flag": [False, False], "thread": [[{"role": "user", "content": "c"}], [None]]}
    )
    template = Unread().with_style("chatml").with_dialect("text")
    assert check_table(template, "supervised", table) == 1


@pytest.mark.parametrize("name", ["TRL-implicit-messages", "ms-swift-pairs", "UltraChat"])
def test_lists_without_items_have_no_type(name):
    template = get_template(name).with_style("chatml").with_dialect("text")
    table = pa.table({column: pa.array([[], []]) for column in template.example})
    for format in template.formats:
        assert check_table(template, format, table) == 0

"""Hypothesis strategies for awkward texts, conversations, and rows of any template."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from preftemplates.core.messages import ROLES, Message
from preftemplates.core.paths import get_row_key
from preftemplates.templates.row_types import BOUNDS
from preftemplates.testing.demands import demand

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from preftemplates.core.samples import Format
    from preftemplates.styles.style import Style
    from preftemplates.templates.template import Template

Row = Mapping[str, Any]
MessageSequence = Sequence[Message]

NASTY = (
    "{", "}", "%", "{}", "{0}", "{prompt}", "%s", "%(prompt)s", "$prompt", "{{ 7*7 }}", "{{ content }}", "{% raw %}",
    "{% endraw %}", "{# #}", "<|im_start|>", "<|im_end|>\n", "<|eot_id|>", "</s>", "USER: ", "ASSISTANT:",
    "BEGINNING OF CONVERSATION: ", "\n\nHuman: ", "\n\nAssistant: ", "<think>", "</think>\n", "\\", "\\n", "'", '"',
    "<b>&amp;", "\n", "\r\n", "\r", "\0", "\u2028", "\x85", "\xa0", " ", "\t", "e\u0301", "\u200b", "\u202e", "\ufeff",
    "\U0001f600",
)  # fmt: skip
"""Pieces of text that break formatters: the syntax of Jinja, `format` and styles, whitespace, invisible characters."""

MARK = "\ue000{{ 7*7 }}{# 7 #}{0}%1<7>&\"'\\\r\n \t\ue001"
"""A text that keeps its case, and changes when it is executed, escaped or has its whitespace collapsed."""


@st.composite
def nasty_text(draw: st.DrawFn) -> str:
    """Draw a text over all code points except surrogates, mixed with pieces that break formatters; may be empty."""
    return "".join(draw(_PIECES))


_PIECES = st.lists(st.sampled_from(NASTY) | st.text(max_size=6), max_size=6)


def conversations(style: Style | None = None) -> SearchStrategy[list[Message]]:
    """Return a strategy for lists of text messages, with roles in any order and in the usual order; may be empty.

    Args:
        style: the style whose roles the messages have; by default, the roles that every message may have.
    """
    return _draw_conversation(ROLES if style is None else style.accepted_roles)


def _draw_conversation(roles: Sequence[str]) -> SearchStrategy[list[Message]]:
    system, user, assistant = (
        [_draw_message(role)] if role in roles else [] for role in ("system", "user", "assistant")
    )
    exchanges = st.lists(st.tuples(*user, *assistant), max_size=2).map(chain.from_iterable)
    in_turn = st.tuples(st.tuples(*system) | st.just(()), exchanges, st.tuples(*user) | st.just(()))
    return st.lists(_draw_message(*roles), max_size=4) | in_turn.map(lambda parts: [*chain(*parts)])


def _draw_message(*roles: str) -> SearchStrategy[Any]:
    absent = {"tool_calls": st.none()}  # as Arrow fills in keys that other messages have
    return st.fixed_dictionaries({"role": st.sampled_from(roles), "content": nasty_text()}, optional=absent)


def rows(template: Template, format: Format) -> SearchStrategy[dict[str, Any]]:
    """Return a strategy for rows of a template: drawn by column type, or the example with other texts and labels.

    A drawn text is not a transcript, so a template that reads transcripts accepts only changed examples. Some rows
    still raise a `RowError`.

    Raises:
        AssertionError: the template is custom and has no example, so no row can be drawn.
    """
    columns = get_columns_read(template, format)
    roles = template.style.accepted_roles if columns else ()
    cells = {column: _draw_cell(info.annotation, info.metadata, roles) for column, info in columns.items()}
    labels = {column: cell for column, cell in cells.items() if _is_label(columns[column].annotation)}
    examples = (
        [] if template.example is None else [_change_example(template.example, drawn) for drawn in ({}, {}, labels)]
    )
    demand(
        columns or examples,
        f"{template!r} is a custom template without an example row, so no rows can be drawn; declare an `example`",
    )
    return st.one_of([*examples, *([_draw_record(columns, cells)] if columns else [])])


def get_columns_read(template: Template, format: Format) -> dict[str, FieldInfo]:
    """Return the columns that a dataset type reads, by the row's own names."""
    infos = _index_by_alias(template.row_type)
    return {column: infos[column] for column in template.known_columns(format) or ()}


def _index_by_alias(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {get_row_key(name, info): info for name, info in model.model_fields.items()}


def _is_label(kind: Any) -> bool:
    return kind in (int, float, bool) or get_origin(kind) is Literal


def _draw_record(columns: Mapping[str, FieldInfo], cells: Mapping[str, SearchStrategy[Any]]) -> SearchStrategy[Any]:
    needed = {column: cell for column, cell in cells.items() if columns[column].is_required()}
    return st.fixed_dictionaries(needed, optional={column: cells[column] for column in cells if column not in needed})


def _draw_cell(kind: Any, metadata: Sequence[Any], roles: Sequence[str]) -> SearchStrategy[Any]:
    """Return a strategy for the values of a column's type."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _draw_cell(args[0], args[1:], roles)
    if kind is Message or kind == list[Message]:
        return _draw_message(*roles) if kind is Message else _draw_conversation(roles)
    if origin is Literal:
        return st.sampled_from(args)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        columns = _index_by_alias(kind)
        return _draw_record(
            columns, {name: _draw_cell(info.annotation, info.metadata, roles) for name, info in columns.items()}
        )
    inner = [_draw_cell(arg, (), roles) for arg in args]
    if origin in (list, dict):
        return st.lists(*inner, max_size=4) if origin is list else st.dictionaries(*inner, max_size=3)
    return st.one_of(inner) if origin in (Union, UnionType) else _draw_leaf(kind, metadata)


def _draw_leaf(kind: Any, metadata: Sequence[Any]) -> SearchStrategy[Any]:
    if kind is str:
        return nasty_text()
    if kind is Any:
        leaves = st.none() | st.booleans() | st.integers() | nasty_text()
        return st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(nasty_text(), inner), max_leaves=5)
    opened = [part for item in metadata for part in (item.metadata if isinstance(item, FieldInfo) else [item])]
    bounds = [part for part in opened if type(part) in BOUNDS]
    bounded: Any = Annotated[(kind, *bounds)] if bounds else kind
    return st.from_type(bounded)


@st.composite
def _change_example(draw: st.DrawFn, example: Row, labels: Mapping[str, SearchStrategy[Any]]) -> Any:
    """Draw the example with other labels, and an awkward text in one or several of its texts, or at one place in all.

    Equal texts mostly stay equal: a prompt that both sides of a row contain must remain one prompt.
    """
    row = {**example, **{column: draw(cell) for column, cell in labels.items() if draw(st.booleans())}}
    texts = {path: text for path, text in iter_texts(row) if path[0] not in labels}
    paths = [*texts]
    changed = draw(st.just(paths) | st.lists(st.sampled_from(paths), min_size=1, max_size=3)) if paths else []
    if draw(st.sampled_from([True, True, True, False])):
        changed = [path for path, text in texts.items() if text in {texts[chosen] for chosen in changed}]
    nasty, start = draw(nasty_text()), draw(st.sampled_from(range(64)) | st.just(10**9))
    end = draw(st.sampled_from([start, start, start, 10**9]))
    return replace_texts(row, changed, lambda text: text[:start] + nasty + text[end:])


TextPath = tuple[Any, ...]
"""The keys and indexes that lead to a text in a row."""


def iter_texts(value: Any, path: TextPath = ()) -> Iterator[tuple[TextPath, str]]:
    """Yield all texts inside a value with their paths, except roles and the types of parts."""
    if isinstance(value, str):
        yield path, value
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        if step not in ("role", "from", "type"):
            yield from iter_texts(item, (*path, step))


def replace_texts(value: Any, paths: Iterable[TextPath], change: Callable[[str], str], path: TextPath = ()) -> Any:
    """Return the value with the texts at some paths replaced."""
    if isinstance(value, Mapping):
        return {step: replace_texts(item, paths, change, (*path, step)) for step, item in value.items()}
    if isinstance(value, list):
        return [replace_texts(item, paths, change, (*path, step)) for step, item in enumerate(value)]
    return change(value) if path in paths else value

"""Bundled filters on columns: what each does in an expression whose texts, messages or numbers are columns.

A filter that is missing here, or that gets an argument of another kind, fails, and the row path formats the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from preftemplates.data.columnar import transcripts, turn_operations, turn_sources  # noqa: F401  register operations
from preftemplates.data.columnar.cells import TurnSource
from preftemplates.data.columnar.column_texts import Column, ColumnText, concat_texts
from preftemplates.data.columnar.column_turns import (
    ColumnItems,
    ColumnTurns,
    join_turns,
    list_turn_sources,
    read_items,
    read_message,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from preftemplates.data.columnar.column_texts import Trace

    Filter = Callable[..., Any]

COLUMNAR_FILTERS: dict[str, Filter] = {}
"""The column version of each bundled filter, by name. It gets the run that records questions, the filter, and the
filter's arguments."""


def _register(*names: str) -> Callable[[Filter], Filter]:
    def enter(function: Filter) -> Filter:
        COLUMNAR_FILTERS.update(dict.fromkeys(names, function))
        return function

    return enter


@_register("none_if", "either", "better_first", "two", "before_turn_end", "before_rating_mark")
def _run_as_written(_trace: Trace, function: Filter, *args: Any, **options: Any) -> Any:
    """Run the filter itself: it uses operators and methods of columns and looks into no text."""
    return function(*args, **options)


# --- filters of messages --------------------------------------------------------------------------------------------


@_register("answered", "asking", "before_open_answer")
def _cut_turns(trace: Trace, function: Filter, messages: Any) -> Any:
    """Use the operation with the filter's name on columns, and the filter itself on messages with known roles."""
    if not isinstance(messages, ColumnTurns):
        return function(_list_messages(trace, messages))
    if function.__name__ == "before_open_answer":
        messages.require_texts()
    return messages.apply(function.__name__)


def _list_messages(trace: Trace, messages: Any) -> list[dict[str, Any]]:
    """Return the messages that an expression makes, after checking that each has a role and a content."""
    if not isinstance(messages, list | tuple):
        trace.fail("messages are not a list")
    pairs = [read_message(trace, message) for message in messages]
    return [{"role": role, "content": content} for role, content in pairs]


@_register("before_last_answer", "common_history", "after_history")
def _compare_turns(trace: Trace, function: Filter, messages: Any, other: Any) -> ColumnTurns:
    one, two = (join_turns(trace, [side]) for side in (messages, other))
    return one.apply(function.__name__, two.source)


@_register("agreed_with")
def _agree(trace: Trace, _function: Filter, history: Any, other: Any) -> Any:
    if list_turn_sources(trace, history) == list_turn_sources(trace, other):
        return history
    return join_turns(trace, [history]).apply("agreed_with", join_turns(trace, [other]).source)


@_register("with_prompt")
def _require_prompt(trace: Trace, _function: Filter, history: Any, prompt: Any) -> Any:
    if prompt is None or (not isinstance(prompt, ColumnTurns) and prompt in ("", [])):
        return history
    turns = join_turns(trace, [history])
    if isinstance(prompt, ColumnTurns):
        return turns.apply("with_prompt_turns", prompt.source)
    return turns.apply("with_prompt", _read_column(trace, prompt))


@_register("text_or_messages")
def _read_context(trace: Trace, _function: Filter, context: Any) -> Any:
    if isinstance(context, ColumnText):
        return [{"role": "user", "content": context}]
    return context if isinstance(context, ColumnTurns) else _list_messages(trace, context)


@_register("lone_texts")
def _read_lone_texts(trace: Trace, _function: Filter, messages: Any) -> Any:
    return messages.apply("lone_texts") if isinstance(messages, ColumnTurns) else _list_messages(trace, messages)


@_register("calls_among")
def _require_no_tools(trace: Trace, _function: Filter, messages: Any, tools: Any) -> Any:
    """Return the messages of a conversation without tools, since columns have no calls."""
    _require_nothing(trace, tools)
    return messages if isinstance(messages, ColumnTurns) else _list_messages(trace, messages)


@_register("tool_list")
def _list_no_tools(trace: Trace, _function: Filter, tools: Any) -> None:
    _require_nothing(trace, tools)


def _require_nothing(trace: Trace, tools: Any) -> None:
    if not isinstance(tools, ColumnText | None | list | str) or tools:
        trace.fail("the row has tools")


@_register("show_media")
def _show_nothing(trace: Trace, _function: Filter, shown: Any, *media: Any, **named: Any) -> Any:
    """Return messages or a text of a row without media."""
    if any(cell is not None and not (isinstance(cell, list) and not cell) for cell in (*media, *named.values())):
        trace.fail("the row has media")
    return shown


# --- filters of objects ---------------------------------------------------------------------------------------------

_CONTENT_FIELDS = {
    "sharegpt": ("from_", "value"), "colossalchat_turns": ("from_", "content"), "typed_values": ("role", "content")
}  # fmt: skip
"""The fields of an object with the speaker and the content."""


@_register(*_CONTENT_FIELDS)
def _read_spoken(trace: Trace, function: Filter, turns: Any) -> ColumnTurns:
    """Return the messages of objects that have a speaker and a content."""
    items: ColumnItems = read_items(trace, turns)
    speaker, content = _CONTENT_FIELDS[function.__name__]
    sources = []
    for name, keys in items.cells:
        if not {speaker, content} <= {*keys}:
            trace.fail("an object lacks the fields of a turn")
        others = tuple(key for field, key in keys.items() if field not in (speaker, content))
        operands = (name, function, (speaker, keys[speaker]), (content, keys[content]), others)
        sources.append(ColumnTurns(trace, TurnSource("spoken", operands)))
    return join_turns(trace, sources)


# --- filters of texts -----------------------------------------------------------------------------------------------


def _read_column(trace: Trace, text: Any) -> Column:
    if not isinstance(text, ColumnText):
        trace.fail("a filter is applied to something other than a column of texts")
    return text.require_column("a filter")


@_register("human_assistant_turns", "extra_id_turns")
def _read_transcript(trace: Trace, function: Filter, text: Any) -> ColumnTurns:
    return ColumnTurns(trace, TurnSource(function.__name__, (_read_column(trace, text),)))


@_register("to_summarise")
def _ask_for_summary(trace: Trace, _function: Filter, info: Any) -> Any:
    post, article = info.post, info.article
    if article is not None and post is None:
        return concat_texts(trace, ["Article:\n\n", article, "\n\nTL;DR:"])
    parts = ["SUBREDDIT: r/", info.subreddit, "\n\nTITLE: ", info.title, "\n\nPOST: ", post, "\n\nTL;DR:"]
    if article is not None or any(part is None for part in parts):
        trace.fail("there is no post, or there is also an article")
    return concat_texts(trace, parts)


@_register("after_prompt")
def _require_start(trace: Trace, _function: Filter, text: Any, prompt: Any) -> Any:
    if prompt is None or prompt in ("", []) or (isinstance(prompt, ColumnText | str) and text.startswith(prompt)):
        return text
    return trace.fail("a text does not begin with the prompt")


@_register("cut_prompt")
def _cut_start(trace: Trace, _function: Filter, text: Any, prompt: Any) -> Any:
    if not isinstance(text, ColumnText) or not isinstance(prompt, ColumnText) or not text.startswith(prompt):
        trace.fail("a text does not begin with the prompt")
    return text.remove_start(prompt)

"""Unread values: values of a row that its template does not read."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel

from preftemplates.core.media import has_medium_word
from preftemplates.core.messages import CONTENT_KEYS, Message
from preftemplates.core.paths import extend_path, get_row_key, parse_path
from preftemplates.errors import DefinitionError, preview

_MESSAGE_KEYS = frozenset(("role", "content", "name", "tool_call_id", *CONTENT_KEYS))
"""The keys of a message that styles and dialects know."""


class UnreadValue(NamedTuple):
    """A value of a row that its template does not read.

    Attributes:
        path: its path, such as `system`, `answers[].model` or `chosen[].timestamp`.
        value: the value.
    """

    path: str
    value: Any

    @property
    def key(self) -> str:
        """The last key of the path; empty if there is none."""
        return find_last_key(self.path)


@lru_cache(maxsize=4096)
def find_last_key(path: str) -> str:
    """Return the last key of a path in which `[]` means any item of a list.

    >>> find_last_key("answers[].model"), find_last_key('["better.id"]')
    ('model', 'better.id')
    """
    keys = [step for step in parse_path(path.replace("[]", "[0]")) if isinstance(step, str)]
    return keys[-1] if keys else ""


_Walk = Callable[[Any, str], Iterator[UnreadValue]]
"""Yields the unread values inside the value at a path."""

_UNDECLARED: Any = object()
"""Marks a key that is not declared."""


class UnreadFinder:
    """Finds the values of a row that a row type does not declare.

    In a column that is read, the keys of a declared object are read, and the keys of a message that styles know.
    Null, NaN, and empty texts, lists and objects do not count as values.

    Args:
        row_type: the row type.
        columns: those of its columns that some dataset type reads.
        ignored: the paths that are deliberately not read, each with everything inside it.

    Example:
        >>> from preftemplates import get_template
        >>> template = get_template("PKUSafeRLHF")
        >>> list(template.find_unread({**template.example, "system": "Be brief.", "input": ""}))
        [UnreadValue(path='system', value='Be brief.')]
    """

    def __init__(self, row_type: type[BaseModel], columns: Collection[str], ignored: Iterable[str] = ()) -> None:
        self._walks = {column: walk for column, walk in _make_model_walks(row_type).items() if column in columns}
        self._ignored = frozenset(ignored)

    def find_read_columns(self) -> frozenset[str]:
        """Return the columns that are read as a whole, or ignored."""
        return self._ignored | {column for column, walk in self._walks.items() if walk is None}

    def find(self, row: Mapping[str, Any]) -> Iterator[UnreadValue]:
        """Yield the unread values of a row, in its order."""
        found = _walk_keys(row, "", self._walks)
        return (unread for unread in found if not is_ignored(unread.path, self._ignored)) if self._ignored else found


def check_ignored(ignored: Any, owner: str) -> tuple[str, ...]:
    """Check and return the paths that a template deliberately does not read.

    Raises:
        DefinitionError: they are not a list of texts.
    """
    if isinstance(ignored, str) or not isinstance(ignored, Iterable):
        raise DefinitionError(f"{owner}.ignored: expected a list of columns, got {preview(ignored)}")
    paths = tuple(ignored)
    for path in paths:
        if not isinstance(path, str) or not path:
            raise DefinitionError(f"{owner}.ignored: expected the name of a column, got {preview(path)}")
    return paths


def is_ignored(path: str, ignored: frozenset[str]) -> bool:
    """Return whether a path, or a parent of it, is ignored.

    >>> is_ignored("answers[].model", frozenset(["answers[].model"])), is_ignored("meta.id", frozenset(["meta"]))
    (True, True)
    """
    return path in ignored or any(path.startswith((f"{one}.", f"{one}[")) for one in ignored)


def has_value(value: Any) -> bool:
    """Return whether a value is present: not None, NaN, or an empty text, list or object.

    >>> [has_value(value) for value in (0, False, "", [], None, float("nan"))]
    [True, True, False, False, False, False]
    """
    if value is None or (isinstance(value, float) and value != value):
        return False
    return bool(value) if isinstance(value, str | list | tuple | Mapping) else True


# --- which values carry content ------------------------------------------------------------------------------------

_CONTEXT_WORD = re.compile(
    r"system|history|query|speech|dialog(?:ue)?s?|(?:input|context|prompt|question|instruction|conversation|message|turn"
    r"|document|passage|tool|function|image|picture|video|audio)s?"
)
"""Words in the names of columns that belong to a prompt."""

_PLACE_WORD = re.compile(r"path|url|uri|file|filename|bytes|data|values")
"""Last words in the names of columns that hold a medium or its location."""

_ANSWER_WORD = re.compile(
    r"chosen|rejected|repl(?:y|ies)|preferred|better|worse|safer?|winner|ranking|margin|probability|kto|verdict|grade"
    r"|truth|reasoning|thinking|votes?|rationale|critique|feedback|weight|(?:answer|response|completion|output|solution"
    r"|reference|label|score|rating|preference|rank|reward|thought)s?"
)
"""Words in the names of columns that hold an answer or rate one."""

_ABOUT_WORD = re.compile(
    r"idx|hash|sha|digest|index|num|number|count|len|length|tokens|size|lang|language|locale|version|time|timestamp|date"
    r"|created|updated|user|username|format|status|path|file|licen[cs]e|categor(?:y|ies)"
    r"|(?:id|uid|uuid|key|url|link|source|origin|dataset|subset|split|model|type|name|author|template|style)s?"
)
"""Last words in the names of columns that describe a row, such as `prompt_id`."""

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def is_context(unread: UnreadValue) -> bool:
    """Return whether a value belongs to a prompt, judged by its name or type.

    >>> [is_context(UnreadValue(name, "a")) for name in ("system", "promptText", "prompt_id", "score")]
    [True, True, False, False]
    """
    return _is_named(unread.path, _CONTEXT_WORD) or _names_medium(unread.path) or _is_medium(unread.value)


def carries_content(unread: UnreadValue) -> bool:
    """Return whether a value belongs to a prompt or an answer, or rates an answer, judged by its name or type.

    >>> [carries_content(UnreadValue(name, "a")) for name in ("images", "answers[].score", "response_length", "lang")]
    [True, True, False, False]
    >>> carries_content(UnreadValue("reward_model", {"style": "rule", "ground_truth": "5"}))
    True
    """
    if is_context(unread) or _is_named(unread.path, _ANSWER_WORD):
        return True
    keys = unread.value if isinstance(unread.value, Mapping) else ()
    return any(_is_named(extend_path(unread.path, str(key)), _ANSWER_WORD) for key in keys)


@lru_cache(maxsize=4096)
def _is_named(path: str, word: re.Pattern[str]) -> bool:
    """Return whether the last key of a path contains such a word, and does not end with one that describes the row."""
    words = [part.lower() for part in _WORDS.findall(find_last_key(path))]
    return bool(words) and not _ABOUT_WORD.fullmatch(words[-1]) and any(map(word.fullmatch, words))


_LOOKED_AT = 8
"""The number of items of a list that are checked."""


@lru_cache(maxsize=4096)
def _names_medium(path: str) -> bool:
    """Return whether the last key of a path names a medium, and ends with its name or a word for its location."""
    key = find_last_key(path)
    *_, last = ["", *_WORDS.findall(key)]
    return has_medium_word(key) and (has_medium_word(last) or bool(_PLACE_WORD.fullmatch(last.lower())))


def _is_medium(value: Any) -> bool:
    """Return whether a value is an image, audio or a video as `datasets` decodes or stores it, or a list of these."""
    if isinstance(value, list | tuple):
        return any(map(_is_medium, value[:_LOOKED_AT]))
    if isinstance(value, Mapping):
        return ("bytes" in value and value.keys() <= {"bytes", "path"}) or {"array", "sampling_rate"} <= value.keys()
    if isinstance(value, bytes):
        return True
    return type(value).__module__.startswith(("PIL.", "torchcodec.", "decord."))


# --- what a row type declares --------------------------------------------------------------------------------------


def _make_model_walks(model: type[BaseModel]) -> dict[str, _Walk | None]:
    """Return the walk through the value of each declared key; None for a value that is read as a whole."""
    return {get_row_key(name, info): _make_walk(info.annotation) for name, info in model.model_fields.items()}


def _make_walk(annotation: Any) -> _Walk | None:
    """Return the walk through a value of a type; None if such a value is read as a whole."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _make_walk(arguments[0])
    if annotation is Message:
        walks: dict[str, _Walk | None] = dict.fromkeys(_MESSAGE_KEYS)
        return lambda value, path: _walk_keys(value, path, walks)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        declared = _make_model_walks(annotation)
        return lambda value, path: _walk_keys(value, path, declared)
    if origin in (Union, types.UnionType):
        inner = [walk for walk in map(_make_walk, arguments) if walk is not None]
        # with several kinds of objects, the value's own kind is unknown, so all of it counts as read
        return inner[0] if len(inner) == 1 else None
    if origin is list:
        item = _make_walk(arguments[0])
        return None if item is None else lambda value, path: _walk_items(value, path, item)
    return None


def _walk_keys(value: Any, path: str, walks: Mapping[str, _Walk | None]) -> Iterator[UnreadValue]:
    if not isinstance(value, Mapping):
        return
    for key, item in value.items():
        walk = walks.get(key, _UNDECLARED)
        if walk is _UNDECLARED:
            if has_value(item):
                yield UnreadValue(extend_path(path, str(key)), item)
        elif walk is not None:
            yield from walk(item, extend_path(path, key))


def _walk_items(value: Any, path: str, walk: _Walk) -> Iterator[UnreadValue]:
    for item in value if isinstance(value, list | tuple) else ():
        yield from walk(item, f"{path}[]")

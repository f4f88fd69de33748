"""The errors that preftemplates raises, each with its facts as fields.

PrefTemplatesError
├── DefinitionError (TypeError)      a template, style or dialect is declared wrongly
├── UnknownNameError (LookupError)   nothing is registered under a name; the nearest names are suggested
├── RowError (ValueError)            one row, or one conversation, cannot be used
├── StyleError (ValueError)          a style cannot do what is asked of it
│   ├── StyleSyntaxError             its chat template does not parse
│   ├── StyleRefusedError            its chat template does what none may do (a RowError too)
│   ├── StyleLimitError              its chat template exceeds its limits (a RowError too)
│   └── StyleContractError           its chat template broke a promise of styles
├── SpanError (ValueError)           no character answers the question
├── FileError (ValueError)           a file cannot be read or written
└── MissingPackageError (ImportError)  a package that a feature needs is not installed
"""

from __future__ import annotations

import pickle
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_GUESSES = 3
"""The most names that are suggested because they contain what was typed."""

PREVIEW_LENGTH = 80
"""Values and names from data are cut to this many characters before they enter a message."""


class CodeWithMeaning(StrEnum):
    """A word that a program can count, with a sentence that explains it."""

    meaning: str
    """A sentence that explains the code."""

    def __new__(cls, value: str, meaning: str) -> Self:
        """Create a member that equals its value and has a meaning."""
        code = str.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code


class Code(CodeWithMeaning):
    """The kinds of faults in rows, each a word that a program can count."""

    MISSING_FIELD = "missing_field", "A column is absent or null."
    WRONG_TYPE = "wrong_type", "A cell, or what an expression made of it, has another type than declared."
    BAD_LABEL = "bad_label", "A label lies outside its domain."
    BAD_TEXT = "bad_text", "A text is not Unicode: a lone surrogate."
    BAD_EXPRESSION = "bad_expression", "An expression of the template failed on this row."
    BAD_ROLE = "bad_role", "A message's role is unknown, or the style has no turn for it."
    BAD_TURNS = (
        "bad_turns",
        "Messages are missing, or stand in an order that has no meaning, such as a user's turn as the answer.",
    )
    UNSUPPORTED_CONTENT = (
        "unsupported_content",
        "A message holds what the style or the output cannot spell: images, tool calls.",
    )
    MEDIA_MISMATCH = (
        "media_mismatch",
        "The images, videos or audio of a row are more or fewer than the places that show them.",
    )
    REFUSED_BY_STYLE = "refused_by_style", "The style's chat template raised an error on this conversation."
    OVER_LIMIT = (
        "over_limit",
        "The style's chat template, or a template from a file, needs more time or memory than its limits allow.",
    )
    PREFIX_UNSTABLE = "prefix_unstable", "The text of a response does not begin with the prompt's text."
    PROMPT_MISMATCH = "prompt_mismatch", "The two sides answer different prompts, or share none."
    EMPTY = "empty", "A response, or the prompt, is empty or blank."
    EQUAL = "equal", "Two responses are the same."
    TIE = "tie", "No response is better than the other, and ties are dropped."
    TOO_LONG = "too_long", "A text has more token ids than the maximum length."
    NOTHING_TRAINED = (
        "nothing_trained",
        "No token of a response can be trained on, or the style loses what should be.",
    )
    NO_SAMPLE = "no_sample", "The row holds no sample of the format."
    SEVERAL_SAMPLES = "several_samples", "The row gives several samples, and one was asked for."
    CONTROL_TEXT = (
        "control_text",
        "A content spells what the style writes between turns; who tokenises the text may take it for that.",
    )
    INVISIBLE = (
        "invisible",
        "A content holds characters that do not show, turn the direction of others, or are for private use.",
    )
    LONG_TEXT = "long_text", "A content, or all of a conversation together, has more than 100,000 characters."
    ODD_TURNS = "odd_turns", "The turns of a prompt stand in an unusual order."
    PROMPT_REPEATED = (
        "prompt_repeated",
        "Every answer begins with the whole prompt, which would be written twice.",
    )
    JSON_TEXT = (
        "json_text",
        "A content is the JSON text of messages, or of a list of texts, which would be trained on as text.",
    )
    UNBALANCED_THINKING = (
        "unbalanced_thinking",
        "A thought of an answer is opened and not closed, closed and not opened, or opened within another.",
    )
    SPECIAL_TOKEN = "special_token", "A content spells a special token of the tokenizer, or of a common one."
    CONTENT_CHANGED = "content_changed", "The style cuts, drops or changes a content, other than by trimming it."
    SCORE_CONTRADICTION = (
        "score_contradiction",
        "Scores in columns that are not read say that the rejected answer is the better one.",
    )
    OWN_CHAT_TEMPLATE = "own_chat_template", "The row brings a chat template, which is not used."
    ONE_CLASS = "one_class", "Single answers are all good, or all bad."
    UNREAD_CONTENT = "unread_content", "A column that carries content is not read by the template."
    DUPLICATE = "duplicate", "The same prompt and answers stand in an earlier row."
    CONTRADICTION = (
        "contradiction",
        "An earlier row prefers the other of the same two answers, or judges the same in another way.",
    )
    IN_TEST = "in_test", "The prompt stands in the test set too."
    NEAR_DUPLICATE = "near_duplicate", "The prompt is a near copy of an earlier row's prompt."
    NEAR_TEST = "near_test", "The prompt is a near copy of a prompt of the test set."
    BAD_JSON = "bad_json", "A line is not JSON, or not one object."
    BAD_NUMBER = "bad_number", "A number has more digits than can be read."
    TOO_DEEP = "too_deep", "JSON is nested more deeply than can be read."
    DUPLICATE_KEY = "duplicate_key", "A JSON object names one key twice."
    BAD_ENCODING = "bad_encoding", "A line is not UTF-8."
    TOO_WIDE = "too_wide", "A row has more columns than are read."
    LINE_TOO_LONG = "line_too_long", "A line has more bytes than are read."
    BAD_CSV = "bad_csv", "A CSV record is not one: it has other cells than the header, or a quote that is not closed."


class ReadingChange(CodeWithMeaning):
    """The changes that reading makes to tools and arguments of calls, so that all sources give the same sample."""

    NULL_MEMBER = (
        "null_member",
        "A null member of an object was dropped: a table fills such members in, so no source can keep them.",
    )
    REFORMATTED = "reformatted", "The JSON text of arguments became an object, which is written as another text."


def preview(value: object) -> str:
    r"""Return a value as one printable line of at most 80 characters.

    >>> preview("two\nlines")
    "'two\\nlines'"
    """
    if isinstance(value, str):
        return one_line(repr("".join((value[: PREVIEW_LENGTH + 1],))))
    try:
        return one_line(repr(value))
    except Exception:  # noqa: BLE001  a value's own `__repr__` may raise anything
        return f"<{type(value).__name__}>"


def one_line(text: str, limit: int = PREVIEW_LENGTH) -> str:
    """Return a text with all unprintable characters escaped, cut to `limit` characters."""
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _escape(text: str) -> str:
    """Return a text with all unprintable characters except line ends escaped."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)


def make_visible(text: str) -> str:
    r"""Return a text with its line ends marked and without characters that control a terminal.

    >>> print(make_visible("one" + chr(10) + chr(27) + "[31m"))
    one↵
    \x1b[31m
    """
    return "".join(char if char.isprintable() else "↵\n" if char == "\n" else repr(char)[1:-1] for char in text)


def spell_out(name: str) -> str:
    """Return a column's name in quotes, with non-ASCII characters as code points, so that look-alikes differ.

    >>> spell_out("prоmpt")  # the third letter is Cyrillic
    "'prU+043Empt'"
    """
    return preview("".join(char if char.isascii() else f"U+{ord(char):04X}" for char in name))


def find_nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name that was probably meant, if one is near.

    >>> find_nearest("respnse_0", ["response_0", "prompt"])
    'response_0'
    """
    folded = {candidate.casefold().strip(): candidate for candidate in names}
    matches = get_close_matches(name.casefold().strip(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return a sentence with the nearest known name or the shortest names that contain it; empty if there are none.

    >>> did_you_mean("respnse_0", ["response_0", "prompt"]), did_you_mean("pku", ["PKUSafeRLHF", "HH"])
    (" Did you mean 'response_0'?", " Did you mean 'PKUSafeRLHF'?")
    """
    known = list(dict.fromkeys(names))
    guess = find_nearest(name, known)
    if guess:
        return f" Did you mean {guess!r}?"
    typed = name.casefold().strip()
    holding = sorted((one for one in known if len(typed) > 1 and typed in one.casefold()), key=len)[:_MAX_GUESSES]
    return f" Did you mean {' or '.join(map(repr, holding))}?" if holding else ""


class PrefTemplatesError(Exception):
    """The base class of this library's errors: a message, and facts that a program can read.

    Attributes:
        message: what is wrong, without the place.
        code: one of `Code`, for rows.
        template, style, format: their names, if they are known.
        row: the row's number, counted from 0.
        line: the physical line in the file, counted from 1.
        file: the file's name.
        column: a column by its own name, or the path of a value in it, such as `chosen[1].content`.
        value: the offending value.
        hint: the value or name that was probably meant.
        others: what else is wrong with the row, in words.
    """

    FACTS = ("code", "template", "style", "format", "row", "line", "file", "column", "value", "hint", "others")

    code: Code | None = None
    template: str | None = None
    style: str | None = None
    format: str | None = None
    row: int | None = None
    line: int | None = None
    file: str | None = None
    column: str | None = None
    value: Any = None
    hint: str | None = None
    others: tuple[str, ...] = ()

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.facts = {name: fact for name, fact in facts.items() if fact is not None}
        for name, fact in self.facts.items():
            if name not in self.FACTS:
                raise TypeError(f"an error has no fact {name!r}")
            setattr(self, name, fact)

    def located(self, **facts: Any) -> Self:
        """Return the same error with more facts; facts that it already has stay."""
        return type(self)(self.message, **{**facts, **self.facts})

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, {**self.facts, "value": _picklable(self.value)})

    @property
    def reason(self) -> str:
        """Return what is wrong and in which column, without the row's place."""
        column = f"column {preview(self.column)}: " if self.column is not None else ""
        own = column + self.message + (f"; near: {spell_out(self.hint)}" if self.hint else "")
        return "; ".join([own, *self.others])

    def __str__(self) -> str:
        place = self._place()
        separator = "" if not place else ", " if self.column is not None else ": "
        return _escape(place + separator + self.reason + self._brackets())

    def _place(self) -> str:
        name = one_line(Path(self.file).name) if self.file else ""
        where = " ".join(word for word in (name, f"line {self.line}" if self.line else "") if word)
        if self.row is None:
            return where
        return f"row {self.row} ({where})" if where else f"row {self.row}"

    def _brackets(self) -> str:
        words = [str(self.code)] if self.code else []
        words += [f"{name} {getattr(self, name)}" for name in ("template", "style", "format") if getattr(self, name)]
        return f" [{', '.join(words)}]" if words else ""


def _picklable(value: Any) -> Any:
    """Return the value, or its preview if it cannot be pickled."""
    try:
        pickle.dumps(value)
    except Exception:  # noqa: BLE001  each type of value may raise something else
        return preview(value)
    return value


def _rebuild(cls: type[PrefTemplatesError], message: str, facts: dict[str, Any]) -> PrefTemplatesError:
    return cls(message, **facts)


def missing_column_error(path: str, columns: Iterable[str]) -> RowError:
    """Return the error for a column that a row lacks, with the nearest column that it has."""
    hint = find_nearest(path, columns)
    return RowError("missing", code=Code.MISSING_FIELD, column=path, hint=hint)


class DefinitionError(PrefTemplatesError, TypeError):
    """A template, style, dialect or filter is declared wrongly, or used for something that its kind cannot do."""


class UnknownNameError(PrefTemplatesError, LookupError):
    """Nothing is registered under that name."""


class RowError(PrefTemplatesError, ValueError):
    """One row cannot be used; `code` says why."""

    message_place: Any = None
    """The place among some messages, until it is known which column of the row holds these messages."""


class StyleError(PrefTemplatesError, ValueError):
    """A style cannot do what is asked of it."""


class StyleSyntaxError(StyleError):
    """A chat template does not parse; `line` is the line in the template."""


class StyleRefusedError(StyleError, RowError):
    """An untrusted chat template does something that is not allowed; `line` is the line in the template, if known.

    Most of them raise this error when the style is made. If the fault shows only during rendering, it concerns that
    row.
    """


class StyleLimitError(StyleError, RowError):
    """A chat template needs more time, memory or depth than its limits allow, for itself or for one row."""


class StyleContractError(StyleError):
    """A chat template broke a promise that every style makes."""


class SpanError(PrefTemplatesError, ValueError):
    """No span answers the question. An empty mask would look like an answer, so this is an error."""


class FileError(PrefTemplatesError, ValueError):
    """A file cannot be read as the type that its name indicates, or cannot be written."""


class MissingPackageError(PrefTemplatesError, ImportError):
    """A package that this feature needs is not installed; the message names the command that installs it."""

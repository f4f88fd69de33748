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
    WRONG_TYPE = "wrong_type", "A value, or the result of an expression, does not have the declared type."
    BAD_LABEL = "bad_label", "A label is outside its domain."
    BAD_TEXT = "bad_text", "A text is not valid Unicode: it holds a lone surrogate."
    BAD_EXPRESSION = "bad_expression", "An expression of the template failed on this row."
    BAD_ROLE = "bad_role", "A message's role is unknown, or the style has no turn for it."
    BAD_TURNS = (
        "bad_turns",
        "Messages are missing, or in an order that makes no sense, such as a user's turn as the answer.",
    )
    UNSUPPORTED_CONTENT = (
        "unsupported_content",
        "A message holds something that the style or the output cannot express, such as images or tool calls.",
    )
    MEDIA_MISMATCH = (
        "media_mismatch",
        "A row has more or fewer images, videos or audio than its messages have places for.",
    )
    REFUSED_BY_STYLE = "refused_by_style", "The style's chat template raised an error on this conversation."
    OVER_LIMIT = (
        "over_limit",
        "The style's chat template, or a template from a file, needs more time or memory than its limits allow.",
    )
    PREFIX_UNSTABLE = "prefix_unstable", "The rendered conversation does not begin with the rendered prompt."
    PROMPT_MISMATCH = "prompt_mismatch", "The two sides answer different prompts, or have no prompt in common."
    EMPTY = "empty", "A response, or the prompt, is empty or only whitespace."
    EQUAL = "equal", "Two responses are the same."
    TIE = "tie", "No response is better than the others, and ties are dropped."
    TOO_LONG = "too_long", "A text has more token ids than the maximum length."
    NOTHING_TRAINED = (
        "nothing_trained",
        "No token of a response can be trained on, or the style drops text that should be trained on.",
    )
    NO_SAMPLE = "no_sample", "The row has no sample of the dataset type."
    SEVERAL_SAMPLES = "several_samples", "The row gives several samples, but only one was requested."
    CONTROL_TEXT = (
        "control_text",
        "A message contains text that the style writes between turns, so a tokenizer may mistake it for a new turn.",
    )
    INVISIBLE = (
        "invisible",
        "A message contains characters that are invisible, change the direction of text, or are for private use.",
    )
    LONG_TEXT = "long_text", "A message, or a whole conversation, has more than 100,000 characters."
    ODD_TURNS = "odd_turns", "The turns of a prompt are in an unusual order."
    PROMPT_REPEATED = (
        "prompt_repeated",
        "Every answer begins with the whole prompt, which would be written twice.",
    )
    JSON_TEXT = (
        "json_text",
        "A message is the JSON text of messages, or of a list of texts, and would be trained on as plain text.",
    )
    UNBALANCED_THINKING = (
        "unbalanced_thinking",
        "The thinking tags of an answer do not match: one is not closed, not opened, or inside another.",
    )
    SPECIAL_TOKEN = "special_token", "A message contains a special token of the tokenizer, or of a common tokenizer."
    CONTENT_CHANGED = (
        "content_changed",
        "The style cuts, drops or changes the content of a message, other than by trimming it.",
    )
    SCORE_CONTRADICTION = (
        "score_contradiction",
        "Scores in columns that are not read rate the rejected answer higher.",
    )
    OWN_CHAT_TEMPLATE = "own_chat_template", "The row contains a chat template, which is not used."
    ONE_CLASS = "one_class", "The answers of unpaired rows are all good, or all bad."
    UNREAD_CONTENT = "unread_content", "The template does not read a column that carries content."
    DUPLICATE = "duplicate", "An earlier row has the same prompt and answers."
    CONTRADICTION = (
        "contradiction",
        "An earlier row prefers the other of the same two answers, or labels the same answer differently.",
    )
    IN_TEST = "in_test", "The prompt is also in the test set."
    NEAR_DUPLICATE = "near_duplicate", "The prompt is a near copy of an earlier row's prompt."
    NEAR_TEST = "near_test", "The prompt is a near copy of a prompt in the test set."
    BAD_JSON = "bad_json", "A line is not JSON, or is not an object."
    BAD_NUMBER = "bad_number", "A number has more digits than can be read."
    TOO_DEEP = "too_deep", "JSON is nested more deeply than can be read."
    DUPLICATE_KEY = "duplicate_key", "A JSON object has a key twice."
    BAD_ENCODING = "bad_encoding", "A line is not UTF-8."
    TOO_WIDE = "too_wide", "A row has more columns than the limit."
    LINE_TOO_LONG = "line_too_long", "A line has more bytes than the limit."
    BAD_CSV = (
        "bad_csv",
        "A CSV record is damaged: it has more values than the header has columns, or a quote is not closed.",
    )


class ReadingChange(CodeWithMeaning):
    """The changes that reading makes to tools and arguments of calls, so that all sources give the same sample."""

    NULL_MEMBER = (
        "null_member",
        "A null member of an object was dropped: tables add such members, so no source can keep them.",
    )
    REFORMATTED = (
        "reformatted",
        "The JSON text of arguments was parsed into an object, which is written as a different text.",
    )


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

    Two swapped characters, among the first 64, are a smaller mistake than an added one.

    >>> find_nearest("chatlm", ["chatglm4", "chatml"])
    'chatml'
    >>> find_nearest("respnse_0", ["response_0", "prompt"])
    'response_0'
    """
    folded = {candidate.casefold().strip(): candidate for candidate in names}
    typed = name.casefold().strip()
    swapped = (typed[:at] + typed[at + 1 : at + 2] + typed[at] + typed[at + 2 :] for at in range(len(typed[:64])))
    matches = [one for one in swapped if one in folded] or get_close_matches(typed, folded, n=1, cutoff=0.6)
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
        own = column + self.message + (f"; nearest: {spell_out(self.hint)}" if self.hint else "")
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

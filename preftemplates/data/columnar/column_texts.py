"""Texts of which only the column is known: questions about them become guards, and texts made of them plans.

A plan is found by running a template once on the values of one row. A text in it is a `ColumnText`, which consists of
literals and columns. Every question about its characters is answered for the row in hand and recorded as a guard.
Rows for which all guards hold would take the same way through the template.

A `ColumnText` is not a `str`. Code that looks at its characters in any other way fails, and no plan is made.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, NoReturn

Cut = Literal["strip", "lstrip", "rstrip", "removeprefix", "removesuffix"]
"""A method of `str` that cuts at the ends of a text."""

Question = Literal[
    "equals", "equals_column", "starts_with", "starts_with_column", "ends_with", "contains", "is_null", "longer_than",
    "is_positive", "is_negative", "is_zero",
]  # fmt: skip
"""The questions about a column; each answer is a bool."""


class Column(NamedTuple):
    """A column, perhaps with characters cut at the ends of its texts.

    Attributes:
        source: the origin of the column: the name of a row's column, a source of messages or numbers, or a part of a
            sample and the index of a message.
        cuts: the cutting methods, in order, each with what it cuts: characters, None for whitespace, or the texts of
            another column.
    """

    source: Hashable
    cuts: tuple[tuple[Cut, str | Column | None], ...] = ()


Pieces = tuple[str | Column, ...]
"""A text as literals and columns, in order."""


class Guard(NamedTuple):
    """A question, and the answer that a row must give to be formatted by a plan.

    Attributes:
        column: the column of the question.
        question: the question.
        operand: the text, value or column that it compares with.
        answer: the answer.
    """

    column: Column
    question: Question
    operand: Any
    answer: bool


class UntraceableError(Exception):
    """A template does something with a text that no kernel does with a column."""


@dataclass
class Trace:
    """One run of a template on the values of one row.

    Attributes:
        values: the values of the row, by column.
        guards: the questions so far, in order.
        fault: why no plan can be made, if known: the template may catch an error before it arrives here.
        moments: the times that the template has written, by format.
    """

    values: Mapping[Hashable, Any]
    guards: dict[Guard, None] = field(default_factory=dict)
    fault: str = ""
    moments: dict[str, str] = field(default_factory=dict)

    def ask(self, column: Column, question: Question, operand: Any = None) -> bool:
        """Return the answer of the row in hand, and record it as a guard."""
        answer = answer_question(self.read(column), question, self.read_operand(operand))
        self.guards[Guard(column, question, operand, answer)] = None
        return answer

    def read(self, column: Column) -> Any:
        """Return the value of the row in hand."""
        value = self.values[column.source]
        for method, characters in column.cuts:
            value = getattr(value, method)(self.read_operand(characters))
        return value

    def read_operand(self, operand: Any) -> Any:
        """Return the value that a column is compared with."""
        return self.read(operand) if isinstance(operand, Column) else operand

    def fail(self, reason: str) -> NoReturn:
        """Raise an error because no plan can be made.

        Raises:
            UntraceableError: with the reason.
        """
        self.fault = self.fault or reason
        raise UntraceableError(reason)


def answer_question(value: Any, question: Question, operand: Any) -> bool:
    """Return the answer of one value to a question.

    >>> answer_question("Hi there", "starts_with", "Hi"), answer_question("Hi", "longer_than", 2)
    (True, False)
    """
    return bool(_ANSWERS[question](value, operand))


_ANSWERS: dict[Question, Callable[[Any, Any], Any]] = {
    "equals": lambda value, operand: type(value) is type(operand) and value == operand,
    "equals_column": lambda value, operand: type(value) is type(operand) and value == operand,
    "is_null": lambda value, _: value is None,
    "longer_than": lambda value, operand: len(value) > operand,
    "contains": lambda value, operand: operand in value,
    "starts_with": lambda value, operand: value.startswith(operand),
    "starts_with_column": lambda value, operand: value.startswith(operand),
    "ends_with": lambda value, operand: value.endswith(operand),
    "is_positive": lambda value, _: value > 0,
    "is_negative": lambda value, _: value < 0,
    "is_zero": lambda value, _: value == 0,
}


class ColumnValue:
    """A value of which only the column is known."""

    __slots__ = ()


class ColumnText(ColumnValue):
    """A text that consists of literals and columns, in order.

    It has the methods of `str` that a plan can apply to columns. All others raise `UntraceableError`.
    """

    __slots__ = ("_pieces", "_trace")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, trace: Trace, pieces: Iterable[str | Column]) -> None:
        self._trace = trace
        self._pieces = _merge_literals(pieces)

    def require_column(self, what: str) -> Column:
        """Return the column, if the text is a column without literals.

        Args:
            what: the operation that needs the column, for the reason in the error.
        """
        if len(self._pieces) == 1 and isinstance(self._pieces[0], Column):
            return self._pieces[0]
        return self._trace.fail(f"{what} is applied to a text that is joined from parts")

    def _ask(self, question: Question, operand: Any) -> bool:
        if not isinstance(operand, str):
            self._trace.fail(f"a text is compared with a value of type {type(operand).__name__}")
        return self._trace.ask(self.require_column(question), question, operand)

    def __bool__(self) -> bool:
        if any(isinstance(piece, str) and piece for piece in self._pieces):
            return True
        columns = [piece for piece in self._pieces if isinstance(piece, Column)]
        return any(not self._trace.ask(column, "equals", "") for column in columns)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ColumnText):
            if self._pieces == other._pieces:
                return True
            column, operand = self.require_column("=="), other.require_column("==")
            return self._trace.ask(column, "equals_column", operand)
        if not isinstance(other, str):
            return False
        return not self if other == "" else self._ask("equals", other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __contains__(self, part: Any) -> bool:
        return part == "" or self._ask("contains", part)

    def __add__(self, other: Any) -> Any:
        return concat_texts(self._trace, [self, other])

    def __radd__(self, other: Any) -> Any:
        return concat_texts(self._trace, [other, self])

    def startswith(self, prefix: Any) -> bool:
        """Return whether the text begins with a prefix, or with one of several."""
        if isinstance(prefix, tuple):
            return any(self.startswith(one) for one in prefix)
        if isinstance(prefix, ColumnText):
            column, operand = self.require_column("startswith"), prefix.require_column("startswith")
            return self._trace.ask(column, "starts_with_column", operand)
        first = self._pieces[0] if self._pieces else ""
        if isinstance(first, str) and isinstance(prefix, str) and len(first) >= len(prefix):
            return first.startswith(prefix)
        return self._ask("starts_with", prefix)

    def endswith(self, suffix: Any) -> bool:
        """Return whether the text ends with a suffix, or with one of several."""
        if isinstance(suffix, tuple):
            return any(self.endswith(one) for one in suffix)
        last = self._pieces[-1] if self._pieces else ""
        if isinstance(last, str) and isinstance(suffix, str) and len(last) >= len(suffix):
            return last.endswith(suffix)
        return self._ask("ends_with", suffix)

    def strip(self, characters: Any = None) -> ColumnText:
        """Cut whitespace, or these characters, at both ends."""
        return self._cut("strip", characters)

    def lstrip(self, characters: Any = None) -> ColumnText:
        """Cut whitespace, or these characters, at the start."""
        return self._cut("lstrip", characters)

    def rstrip(self, characters: Any = None) -> ColumnText:
        """Cut whitespace, or these characters, at the end."""
        return self._cut("rstrip", characters)

    def removeprefix(self, prefix: Any) -> ColumnText:
        """Cut a prefix that the text begins with."""
        return self._cut("removeprefix", require_text(self._trace, prefix))

    def removesuffix(self, suffix: Any) -> ColumnText:
        """Cut a suffix that the text ends with."""
        return self._cut("removesuffix", require_text(self._trace, suffix))

    def remove_start(self, start: ColumnText) -> ColumnText:
        """Cut the text of another column, with which this one begins."""
        return self._cut_with("removeprefix", start.require_column("removeprefix"))

    def _cut(self, method: Cut, characters: Any) -> ColumnText:
        return self._cut_with(method, None if characters is None else require_text(self._trace, characters))

    def _cut_with(self, method: Cut, operand: str | Column | None) -> ColumnText:
        column = self.require_column(method)
        return ColumnText(self._trace, [column._replace(cuts=(*column.cuts, (method, operand)))])

    def split(self, separator: Any = None, maxsplit: int = -1) -> list[ColumnText]:
        """Return the text alone if the separator is not in it."""
        if separator is None or maxsplit == 0 or separator in self:
            self._trace.fail("a text is split")
        return [self]

    rsplit = split

    def partition(self, separator: Any) -> tuple[ColumnText, str, str]:
        """Return the text and two empty strings if the separator is not in it."""
        return self.split(separator)[0], "", ""

    def replace(self, old: Any, new: Any, count: int = -1) -> ColumnText:
        """Return the text itself if there is nothing to replace."""
        if count != 0 and old != new and old in self:
            self._trace.fail("a part of a text is replaced")
        return self

    def find(self, part: Any) -> int:
        """Return -1 if the part is not in the text."""
        if part in self:
            self._trace.fail("the position of a part of a text is needed")
        return -1

    def count(self, part: Any) -> int:
        """Return 0 if the part is not in the text."""
        if part in self:
            self._trace.fail("the number of occurrences of a part is needed")
        return 0

    def length(self) -> TextLength:
        """Return the number of characters, which can only be compared."""
        return TextLength(self._trace, self.require_column("length"))

    def __getitem__(self, key: Any) -> NoReturn:
        if isinstance(key, str):
            raise TypeError("string indices must be integers")
        self._trace.fail("a text is indexed or sliced")

    def __getattr__(self, name: str) -> Any:
        if hasattr(str, name) and not name.startswith("_"):
            self._trace.fail(f"{name}() is applied to a text")
        raise AttributeError(name)

    def _fail(self, *_: Any) -> NoReturn:
        self._trace.fail("a text is used in a way that columns do not support")

    __str__ = __repr__ = __format__ = __iter__ = __len__ = __mul__ = __rmul__ = _fail
    __mod__ = __rmod__ = __lt__ = __le__ = __gt__ = __ge__ = __index__ = __int__ = __float__ = _fail


def require_text(trace: Trace, value: Any) -> str:
    """Return a text that is known."""
    return value if isinstance(value, str) else trace.fail("the characters to cut depend on the row")


@dataclass(frozen=True, eq=False)
class TextLength(ColumnValue):
    """The number of characters of a column; it can only be compared."""

    trace: Trace
    column: Column

    __hash__ = None  # type: ignore[assignment]

    def __gt__(self, other: int) -> bool:
        return self.trace.ask(self.column, "longer_than", operator.index(other))

    def __ge__(self, other: int) -> bool:
        return self > other - 1

    def __lt__(self, other: int) -> bool:
        return not self > other - 1

    def __le__(self, other: int) -> bool:
        return not self > other

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and self > other - 1 and not self > other

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __bool__(self) -> bool:
        return self > 0


def _merge_literals(pieces: Iterable[str | Column]) -> tuple[str | Column, ...]:
    """Return the pieces without empty literals, with adjacent literals joined."""
    merged: list[str | Column] = []
    for piece in pieces:
        if merged and isinstance(piece, str) and isinstance(merged[-1], str):
            merged[-1] += piece
        elif not isinstance(piece, str) or piece:
            merged.append(piece)
    return tuple(merged)


def list_pieces(text: Any) -> tuple[str | Column, ...]:
    """Return the pieces of a text, whether or not it has columns.

    Raises:
        TypeError: the value is not a text.
    """
    if isinstance(text, ColumnText):
        return text._pieces
    if not isinstance(text, str):
        raise TypeError(f"expected text, got {type(text).__name__}")
    return (text,) if text else ()


def concat_texts(trace: Trace, texts: Iterable[Any]) -> Any:
    """Join texts; return an ordinary `str` if none of them has columns.

    Raises:
        TypeError: a value is not a text.
    """
    pieces = _merge_literals(piece for text in texts for piece in list_pieces(text))
    if all(isinstance(piece, str) for piece in pieces):
        return "".join(map(str, pieces))
    return ColumnText(trace, pieces)


def holds_columns(value: Any) -> bool:
    """Return whether a value is made of columns or contains such a value."""
    if isinstance(value, ColumnValue):
        return True
    if isinstance(value, Mapping):
        return any(map(holds_columns, value.values()))
    return isinstance(value, list | tuple) and any(map(holds_columns, value))

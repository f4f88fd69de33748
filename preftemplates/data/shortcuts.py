"""Shortcuts: rules that ignore meaning, and how often they find the chosen answer."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from preftemplates.core.messages import Message, list_message_texts
from preftemplates.core.paths import column_of, parse_path
from preftemplates.core.provenance import pieces_of
from preftemplates.core.samples import Preference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from preftemplates.templates.results import Formatted

REFUSAL = re.compile(
    r"\b(i(?:'|\u2019)?m (?:really |very |so )?sorry|i am (?:really |very |so )?sorry|i apologi[sz]e|"
    r"i (?:can(?:'|\u2019)?t|cannot|can not|won(?:'|\u2019)?t|will not|am not able to|am unable to|must decline)|"
    r"i(?:'|\u2019)m (?:not able to|unable to|not going to|not comfortable)|as an ai|i do not feel comfortable|"
    r"i don(?:'|\u2019)?t feel comfortable)\b",
    re.IGNORECASE,
)
"""The beginnings of declining answers, in English."""

REFUSAL_CHARACTERS = 200
"""How many characters of an answer are searched for such a beginning."""

MessagePair = Preference[list[Message]]


@dataclass
class Shortcut:
    """How often a rule finds the chosen answer.

    Attributes:
        pairs: how many pairs were counted.
        right, wrong: in how many of them the rule picks the chosen or the rejected answer. In the others it picks
            neither, and they count as one half.
    """

    pairs: int = 0
    right: int = 0
    wrong: int = 0

    def add(self, choice: bool | None) -> None:
        """Count one pair: True if the rule picks the chosen answer, None if it picks neither."""
        self.pairs += 1
        self.right += choice is True
        self.wrong += choice is False

    def add_counts(self, pairs: int, right: int, wrong: int) -> None:
        """Count several pairs."""
        self.pairs += pairs
        self.right += right
        self.wrong += wrong

    @property
    def accuracy(self) -> float:
        """Return the share of pairs in which the rule is right, undecided ones as one half; NaN without pairs."""
        return (self.pairs + self.right - self.wrong) / (2 * self.pairs) if self.pairs else math.nan

    @property
    def error(self) -> float:
        """Return the standard error of the accuracy; NaN for fewer than two pairs."""
        if self.pairs < 2:
            return math.nan
        moment = (self.right + 0.25 * (self.pairs - self.right - self.wrong)) / self.pairs
        return math.sqrt(max(0.0, moment - self.accuracy**2) / (self.pairs - 1))

    def as_json(self) -> dict[str, Any]:
        """Return the counts and the accuracy, with None instead of NaN."""
        figures = {"accuracy": self.accuracy, "standard_error": self.error}
        rounded = {name: None if math.isnan(value) else round(value, 6) for name, value in figures.items()}
        return {"pairs": self.pairs, "right": self.right, "wrong": self.wrong, **rounded}


def _choose_longer(formatted: Formatted, _columns: Iterable[str]) -> bool | None:
    """Pick the longer answer, in characters."""
    pair = cast("MessagePair", formatted.messages)
    chosen, rejected = (sum(map(len, list_message_texts(answer))) for answer in (pair.chosen, pair.rejected))
    return None if chosen == rejected else chosen > rejected


def is_first_listed(formatted: Formatted, columns: Iterable[str]) -> bool | None:
    """Return whether the chosen answer of a pair is the one that its row lists first.

    Args:
        formatted: a formatted pair whose messages know the values that they came from.
        columns: the columns that the format reads, in order.

    Returns:
        None as for `choose_first_listed`, for a custom template, and for a row that gives several pairs.
    """
    if not isinstance(formatted.messages, Preference) or formatted.others:
        return None
    return choose_first_listed(formatted.messages, columns)


def choose_first_listed(pair: MessagePair, columns: Iterable[str]) -> bool | None:
    """Pick the answer that the row lists first: by the order of columns, by its place in a list, or by its key.

    It picks neither if both answers come from one place, or if no column besides prompt and answers is read: then no
    label says which is better, and the chosen answer has its own column.

    Returns:
        True for the chosen answer, False for the rejected one, None for neither.
    """
    order = list(columns)
    chosen, rejected, prompt = (_find_paths(messages) for messages in (pair.chosen, pair.rejected, pair.prompt))
    if not {*order} - {*map(column_of, (*chosen, *rejected, *prompt))}:
        return None
    first = [paths[0] for paths in (chosen, rejected) if paths]
    if len(first) < 2 or first[0] == first[1] or any(column_of(path) not in order for path in first):
        return None
    ranked = [_find_place(path, order) for path in first]
    return ranked[0] < ranked[1]


def _choose_refusal(formatted: Formatted, _columns: Iterable[str]) -> bool | None:
    """Pick the answer that declines to help, if one of the two does."""
    pair = cast("MessagePair", formatted.messages)
    chosen, rejected = (is_refusal(answer) for answer in (pair.chosen, pair.rejected))
    return None if chosen == rejected else chosen


SHORTCUTS: Mapping[str, Callable[[Formatted, Iterable[str]], bool | None]] = {
    "longer wins": _choose_longer,
    "first listed wins": is_first_listed,
    "refusal wins": _choose_refusal,
}
"""The rules by name; each takes a formatted pair whose texts know their columns, and the columns in order."""


@dataclass
class ShortcutCounts:
    """The shortcuts of a set of pairs, counted pair by pair."""

    by_name: dict[str, Shortcut] = field(default_factory=lambda: {name: Shortcut() for name in SHORTCUTS})

    def add(self, formatted: Formatted, columns: Iterable[str]) -> None:
        """Count one pair."""
        for name, choose in SHORTCUTS.items():
            self.by_name[name].add(choose(formatted, columns))


def is_refusal(messages: Iterable[Message]) -> bool:
    """Return whether an answer begins like one that declines to help.

    >>> is_refusal([{"role": "assistant", "content": "I'm sorry, but I can't help with that."}])
    True
    """
    return any(REFUSAL.search(text, 0, REFUSAL_CHARACTERS) for text in list_message_texts(messages)[:1])


def list_columns(messages: Iterable[Message]) -> list[str | None]:
    """Return the columns of the row that the texts of messages come from, in order."""
    return [*map(column_of, _find_paths(messages))]


def _find_paths(messages: Iterable[Message]) -> list[str]:
    """Return where in the row the texts of messages come from, in order, such as `answers[0].text`."""
    return [str(piece.origin) for text in list_message_texts(messages) for piece in pieces_of(text)]


def _find_place(path: str, columns: Sequence[str]) -> list[tuple[int, str]]:
    """Return a path's place in a row, for comparison: the numbers of the column and of items, a key by its name.

    >>> _find_place("answers[10].text", ["prompt", "answers"])
    [(1, ''), (10, ''), (0, 'text')]
    """
    column, *steps = parse_path(path)
    return [(columns.index(str(column)), ""), *((step, "") if isinstance(step, int) else (0, step) for step in steps)]

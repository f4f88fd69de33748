"""Shortcuts: rules that read no meaning, and how often they find the chosen answer all the same."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from preftemplates.core.messages import Message, list_message_texts
from preftemplates.core.provenance import pieces_of
from preftemplates.core.samples import Preference

REFUSAL = re.compile(
    r"\b(i(?:'|\u2019)?m (?:really |very |so )?sorry|i am (?:really |very |so )?sorry|i apologi[sz]e|"
    r"i (?:can(?:'|\u2019)?t|cannot|can not|won(?:'|\u2019)?t|will not|am not able to|am unable to|must decline)|"
    r"i(?:'|\u2019)m (?:not able to|unable to|not going to|not comfortable)|as an ai|i do not feel comfortable|"
    r"i don(?:'|\u2019)?t feel comfortable)\b",
    re.IGNORECASE,
)
"""How refusals begin, in English."""

OPENING = 200
"""How many characters of an answer are searched for a refusal."""

Pair = Preference[list[Message]]


@dataclass
class Shortcut:
    """How often a rule finds the chosen answer.

    Attributes:
        pairs: how many pairs were looked at.
        right, wrong: in how many of them the rule chooses the chosen answer, or the rejected one. In the others it
            chooses none, and they count as one half.
    """

    pairs: int = 0
    right: int = 0
    wrong: int = 0

    def add(self, choice: bool | None) -> None:
        """Count one pair: True where the rule chooses the chosen answer, None where it chooses none."""
        self.pairs += 1
        self.right += choice is True
        self.wrong += choice is False

    @property
    def accuracy(self) -> float:
        """The share of pairs in which the rule is right, undecided ones as one half; NaN without a pair."""
        return (self.pairs + self.right - self.wrong) / (2 * self.pairs) if self.pairs else math.nan

    @property
    def error(self) -> float:
        """The standard error of the accuracy; NaN for fewer than two pairs."""
        if self.pairs < 2:
            return math.nan
        moment = (self.right + 0.25 * (self.pairs - self.right - self.wrong)) / self.pairs
        return math.sqrt(max(0.0, moment - self.accuracy**2) / (self.pairs - 1))

    def as_json(self) -> dict[str, Any]:
        """The counts and the accuracy; None in the place of NaN."""
        figures = {"accuracy": self.accuracy, "standard_error": self.error}
        rounded = {name: None if math.isnan(value) else round(value, 6) for name, value in figures.items()}
        return {"pairs": self.pairs, "right": self.right, "wrong": self.wrong, **rounded}


def longer_wins(pair: Pair, columns: Iterable[str]) -> bool | None:
    """The longer answer, in characters."""
    chosen, rejected = (sum(map(len, list_message_texts(own))) for own in (pair.chosen, pair.rejected))
    return None if chosen == rejected else chosen > rejected


def first_listed_wins(pair: Pair, columns: Iterable[str]) -> bool | None:
    """The answer that the row lists first: by its column's place in the row type, by its place in a list, by its key.

    It chooses none where both answers come from one place, or where no other column is read beside prompt and answers:
    then no label says which is better, and the chosen answer has a column of its own.
    """
    order = list(columns)
    chosen, rejected, prompt = (places_of(own) for own in (pair.chosen, pair.rejected, pair.prompt))
    if not set(order) - {_steps(place)[0][-1] for place in (*chosen, *rejected, *prompt)}:
        return None
    first = [_steps(side[0]) for side in (chosen, rejected) if side]
    if len(first) < 2 or first[0] == first[1] or any(steps[0][-1] not in order for steps in first):
        return None
    ranked = [(order.index(steps[0][-1]), steps[1:]) for steps in first]
    return ranked[0] < ranked[1]


def refusal_wins(pair: Pair, columns: Iterable[str]) -> bool | None:
    """The answer that refuses, if one of the two does."""
    chosen, rejected = (is_refusal(own) for own in (pair.chosen, pair.rejected))
    return None if chosen == rejected else chosen


SHORTCUTS: Mapping[str, Callable[[Pair, Iterable[str]], bool | None]] = {
    "longer wins": longer_wins,
    "first listed wins": first_listed_wins,
    "refusal wins": refusal_wins,
}
"""The rules by name; each takes a pair whose texts know their columns, and the columns in order."""


@dataclass
class Shortcuts:
    """The shortcuts of a set of pairs, counted one by one."""

    found: dict[str, Shortcut] = field(default_factory=lambda: {name: Shortcut() for name in SHORTCUTS})

    def add(self, pair: Pair, columns: Iterable[str]) -> None:
        """Count one pair."""
        for name, choose in SHORTCUTS.items():
            self.found[name].add(choose(pair, columns))


def is_refusal(messages: Iterable[Message]) -> bool:
    """Whether an answer begins as a refusal does.

    >>> is_refusal([{"role": "assistant", "content": "I'm sorry, but I can't help with that."}])
    True
    """
    return any(REFUSAL.search(text, 0, OPENING) for text in list_message_texts(messages)[:1])


def places_of(messages: Iterable[Message]) -> list[str]:
    """Where in the row the messages' texts come from, in their order, such as `answers[0].text`."""
    return [str(piece.origin) for text in list_message_texts(messages) for piece in pieces_of(text)]


def _steps(place: str) -> tuple[tuple[int, str], ...]:
    """The steps of a place, which can be compared: an item by its number, a key by its name.

    >>> _steps("answers[10].text")
    ((0, 'answers'), (10, ''), (0, 'text'))
    """
    found = STEP.finditer(place)
    return tuple((int(step["item"]), "") if step["item"] else (0, step["key"] or step["quoted"]) for step in found)


STEP = re.compile(r'\[(?P<item>\d+)\]|\["(?P<quoted>(?:[^"\\]|\\.)*)"\]|(?P<key>[^.\[\]]+)')

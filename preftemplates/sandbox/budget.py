"""What one render may still spend, and the operations that cost something."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Any, NoReturn

from jinja2.runtime import Undefined

from preftemplates.core.provenance import Traced, concat, pieces_of
from preftemplates.errors import Code, StyleLimitError, StyleRefusedError
from preftemplates.sandbox.limits import KIB, Limits

SMALL = KIB
"""Texts up to this many characters are charged as if each character took four bytes; fewer under a lower limit."""

PLAIN = frozenset({str})

STEPS_PER_LOOK = 64
WORK_PER_LOOK = 512 * KIB
"""How much may be done between two looks at the clock."""

VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()), range)
"""Types beside lists, tuples and dicts whose values are printed with what they contain."""

CONTAINERS = (list, tuple, dict, *VIEWS)
"""Types of values within which others are nested."""

PER_VALUE = 80
"""Bytes charged for a value that is no text; characters that a number has at most."""

PER_PRINTED_PIECE = 512
"""Bytes of a piece of the output, which becomes a span: it takes that long."""

WALKED = 320
"""Bytes charged for a value that is looked at on a walk through all that a value contains: it takes that long."""


class Budget:
    """What one render may still spend.

    Attributes:
        steps: iterations and calls so far.
        work: bytes so far.
    """

    __slots__ = ("deadline", "limits", "next_step", "next_work", "small", "steps", "work")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.small = min(SMALL, limits.string)
        self.steps = self.work = 0
        self.next_step, self.next_work = STEPS_PER_LOOK, WORK_PER_LOOK
        self.deadline = min(monotonic() + limits.seconds, DEADLINE.get())

    def tick(self) -> None:
        """Count one iteration or call."""
        self.steps += 1
        if self.steps >= self.next_step:
            self._look()

    def spend(self, amount: int) -> None:
        """Count bytes that are about to be written."""
        self.work += amount
        if self.work >= self.next_work:
            self._look()

    def _look(self) -> None:
        """Look at the limits and the clock."""
        limits = self.limits
        if self.steps > limits.steps:
            over(f"takes more than {limits.steps:,} steps")
        if self.work > limits.work:
            over(f"writes more than {limits.work:,} bytes")
        if monotonic() > self.deadline:
            over(f"takes longer than {limits.seconds:g} seconds")
        self.next_step, self.next_work = self.steps + STEPS_PER_LOOK, self.work + WORK_PER_LOOK

    def text(self, length: int, *parts: str) -> None:
        """Count a text of this many characters that is about to be made of these parts."""
        if length <= self.small and PLAIN.issuperset(map(type, parts)):
            self.work += 4 * length + 64
            if self.work >= self.next_work:
                self._look()
            return
        if length > self.limits.string:
            over(f"makes a text of {length:,} characters; {self.limits.string:,} are allowed")
        width = 1 if length > SMALL and all(map(str.isascii, parts)) else 4
        pieces = sum([len(part.pieces) for part in parts if isinstance(part, Traced)])
        self.spend(width * length + 64 + 256 * pieces)

    def held(self, count: int, value: Any) -> Any:
        """Count a new list, tuple or dict of `count` values, and give it back."""
        self.spend(128 + 72 * count)
        return value

    def weigh(self, value: Any, printing: bool = False) -> int:
        """The characters of a value's text at most; lists and mappings are walked, and each value counted.

        Args:
            value: any value.
            printing: whether the value is about to become text; it must then have one.
        """
        if isinstance(value, str):
            return len(value)
        if type(value) is Undefined:  # an inline `if` without an `else` is an empty text
            return 0
        total, depth, level = 0, 0, [value]
        while level:
            depth += 1
            if depth > self.limits.nesting and any(isinstance(item, CONTAINERS) for item in level):
                over(f"nests values more than {self.limits.nesting} deep")
            level = [part for item in level for part in self._parts(item, printing)]
            total += sum([2 + 10 * len(part) if isinstance(part, str) else PER_VALUE for part in level])
        return total + PER_VALUE

    def _parts(self, value: Any, printing: bool) -> Iterable[Any]:
        """What a value contains; texts count among the leaves."""
        if value is None or isinstance(value, str | int | float):
            return ()
        if isinstance(value, dict):
            self.spend(2 * WALKED * len(value))
            return [*value.keys(), *value.values()]
        if isinstance(value, (list, tuple, *VIEWS)):
            parts: Any = value
            self.spend(WALKED * len(parts))
            return [*parts]
        if printing:
            refuse(f"prints {described(value)}, which has no text")
        return ()

    def weighed(self, value: Any) -> Any:
        """Count a value that is about to be compared, and give it back."""
        if isinstance(value, str):
            if len(value) > SMALL:
                self.spend(len(value))
        elif isinstance(value, CONTAINERS):
            self.spend(self.weigh(value))
        return value

    def key(self, value: Any) -> Any:
        """Count a value that is about to be a key, and give it back."""
        if isinstance(value, tuple):
            self.weigh(value)
        return value

    def contains(self, item: Any, container: Any) -> bool:
        """`item in container`."""
        if isinstance(container, dict):
            self.key(item)
        elif isinstance(container, str):
            self.spend(len(container) + 64)
        else:
            self.search(container, item)
        return item in container

    def search(self, container: Any, item: Any) -> None:
        """Count a look at each value of a container."""
        each = len(item) // 16 + 32 if isinstance(item, str) else 32
        if isinstance(item, list | tuple | dict):
            each += self.weigh(item)
        self.spend(each * operator.length_hint(container))

    def add(self, left: Any, right: Any) -> Any:
        """`left + right`."""
        if type(left) is str and type(right) is str:
            self.text(len(left) + len(right), left, right)
            return left + right
        if type(left) is int and type(right) is int:
            return self.whole(left + right)
        if isinstance(left, str) and isinstance(right, str):
            escaping = hasattr(left, "__html__") or hasattr(right, "__html__")
            self.text((len(left) + len(right)) * (6 if escaping else 1), left, right)
        elif isinstance(left, list | tuple) and isinstance(right, list | tuple):
            self.spend(64 + 8 * (len(left) + len(right)))
        return self.whole(left + right)

    def add_all(self, *parts: Any) -> Any:
        """`a + b + c + ...`."""
        length = 0
        for part in parts:
            if type(part) is not str:
                break
            length += len(part)
        else:
            self.text(length, *parts)
            return "".join(parts)
        if all(type(part) is str or type(part) is Traced for part in parts):
            return self.concat(parts)
        total = parts[0]
        for part in parts[1:]:
            total = self.add(total, part)
        return total

    def concat(self, parts: Iterable[str]) -> Any:
        """The text of texts."""
        parts = parts if isinstance(parts, list | tuple) else [*parts]
        if parts:
            self.text(sum(map(len, parts)), *parts)
        return concat(parts)

    def multiply(self, left: Any, right: Any) -> Any:
        """`left * right`."""
        if isinstance(left, int | float) and isinstance(right, int | float):
            return self.whole(left * right)
        some, times = (left, right) if isinstance(right, int) else (right, left)
        if isinstance(times, int):
            if isinstance(some, str):
                self.text(len(some) * max(times, 0), some)
                self.spend(256 * len(pieces_of(some)) * max(times, 0))
            elif isinstance(some, list | tuple):
                self.spend(64 + 8 * len(some) * max(times, 0))
        return left * right

    def power(self, left: Any, right: Any) -> Any:
        """`left ** right`."""
        self._numbers(left, right)
        whole = isinstance(left, int) and isinstance(right, int) and abs(left) > 1
        if whole and left.bit_length() * abs(right) > self.limits.bits:
            over(f"makes a number of more than {self.limits.bits} bits")
        return self.whole(left**right)

    def arithmetic(self, name: str, left: Any, right: Any) -> Any:
        """`left - right`, or another operator that is for numbers only."""
        self._numbers(left, right)
        return self.whole(ARITHMETIC[name](left, right))

    @staticmethod
    def _numbers(left: Any, right: Any) -> None:
        for value in (left, right):
            if not isinstance(value, int | float | Undefined):
                raise TypeError(f"a number is needed here, got a value of type {type(value).__name__!r}")

    def whole(self, value: Any) -> Any:
        """A value that is no number with too many bits."""
        if isinstance(value, int) and value.bit_length() > self.limits.bits:
            over(f"makes a number of more than {self.limits.bits} bits")
        return value

    def sliced(self, value: Any, *bounds: Any) -> Any:
        """`value[start:stop:step]`."""
        part = slice(*bounds)
        if isinstance(value, str | list | tuple):
            count = len(range(*part.indices(len(value))))
            self.text(count, value) if isinstance(value, str) else self.spend(64 + 8 * count)
        return value[part]

    def each(self, values: Iterable[Any]) -> Iterator[Any]:
        """The values of an iterable; each counts as a step."""
        for value in values:
            self.tick()
            yield value

    def collected(self, parts: Iterator[str]) -> list[str]:
        """The parts of the output."""
        found, length, width, limit = list[str](), 0, 1, self.limits.output
        for part in parts:
            found.append(part)
            length += len(part)
            if type(part) is str:
                self.work += 64
            else:
                self.spend(64 + PER_PRINTED_PIECE * len(pieces_of(part)))
            if length > limit:
                over(f"writes more than {limit:,} characters")
            if width == 1 and length > SMALL and not part.isascii():
                width = 4
        self.spend(width * length)
        return found


ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "-": operator.sub,
    "/": operator.truediv,
    "//": operator.floordiv,
}

DEADLINE: ContextVar[float] = ContextVar("DEADLINE", default=float("inf"))
"""When all renders must be over, beside what each may need."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """All renders in here together may take so many seconds."""
    token = DEADLINE.set(min(monotonic() + seconds, DEADLINE.get()))
    try:
        yield
    finally:
        DEADLINE.reset(token)


def seconds_left(seconds: float) -> float:
    """The seconds that a render may take which may take so many by itself."""
    return max(min(seconds, DEADLINE.get() - monotonic()), 0)


CURRENT: ContextVar[Budget] = ContextVar("CURRENT")
"""The budget of the render that is going on in this thread."""


def over(what: str) -> NoReturn:
    """Say that a limit does not allow what the template does."""
    raise StyleLimitError(f"the chat template {what}", code=Code.OVER_LIMIT)


def refuse(what: str) -> NoReturn:
    """Say that no template may do what this one does."""
    raise StyleRefusedError(f"the chat template {what}", code=Code.REFUSED_BY_STYLE)


def described(value: Any) -> str:
    """What a value is, in a word or two."""
    if isinstance(value, Undefined):
        return f"a value that is not defined ({value._undefined_message})"
    return f"a value of type {type(value).__name__!r}"

"""The budget of one render, and the operations that spend from it."""

from __future__ import annotations

import operator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn

from jinja2.runtime import Undefined
from jinja2.utils import Namespace
from pydantic import BaseModel

from preftemplates.core.provenance import Traced, concat, pieces_of
from preftemplates.errors import Code, PrefTemplatesError, StyleLimitError, StyleRefusedError
from preftemplates.sandbox.levels import walk_levels
from preftemplates.sandbox.limits import KIB, Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SMALL_TEXT = KIB
"""Up to this many characters, a string is charged at four bytes per character without a look at its width."""

_PLAIN_TYPES = frozenset({str})
_TRACED_TYPES = frozenset({str, Traced})

_STEPS_PER_CHECK = 64
_WORK_PER_CHECK = 512 * KIB
"""Work allowed between two checks of the limits and the clock."""

_VIEW_TYPES: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()), range)
"""Types, next to lists, tuples and dicts, that are printed with their contents."""

_CONTAINER_TYPES = (list, tuple, dict, *_VIEW_TYPES)
"""Types whose values contain other values."""

_NESTING_TYPES = (*_CONTAINER_TYPES, Namespace)
"""Types whose values can be nested to any depth by a template."""

_COUNTED_TYPES = (*_CONTAINER_TYPES, BaseModel)

_NUMBER_TYPES = frozenset({int, float, bool, type(None)})
"""Types whose values cost nothing to compare, to hash or to describe."""

BYTES_PER_VALUE = 80
"""Bytes charged for a value that is not a string; also the most characters of a number."""

BYTES_PER_PRINTED_PIECE = 512
"""Bytes charged for a piece of the output: it becomes a span, which takes as long as writing them."""

_BYTES_PER_WALKED_VALUE = 320
"""Bytes charged for a value visited while a container is walked: a visit takes about the time of writing that many."""


class Budget:
    """The resources that one render has used, and its limits.

    Attributes:
        steps: iterations and calls so far.
        work: bytes written so far.
    """

    __slots__ = ("deadline", "limits", "next_step", "next_work", "small", "steps", "work")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.small = min(SMALL_TEXT, limits.string)  # the shortcut of `count_text` must not skip a smaller limit
        self.steps = self.work = 0
        self.next_step, self.next_work = _STEPS_PER_CHECK, _WORK_PER_CHECK
        self.deadline = min(monotonic() + limits.seconds, _DEADLINE.get())

    def tick(self) -> None:
        """Count one iteration or call."""
        self.steps += 1
        if self.steps >= self.next_step:
            self._check_limits()

    def spend(self, amount: int) -> None:
        """Count bytes that are about to be written."""
        self.work += amount
        if self.work >= self.next_work:
            self._check_limits()

    def _check_limits(self) -> None:
        """Raise an error if a limit is exceeded."""
        limits = self.limits
        if self.steps > limits.steps:
            raise_over_limit(f"takes more than {limits.steps:,} steps")
        if self.work > limits.work:
            raise_over_limit(f"writes more than {limits.work:,} bytes")
        if monotonic() > self.deadline:
            raise_over_limit(f"takes longer than {limits.seconds:g} seconds")
        self.next_step, self.next_work = self.steps + _STEPS_PER_CHECK, self.work + _WORK_PER_CHECK

    def count_text(self, length: int, *parts: str) -> None:
        """Count a string of this many characters that is about to be built from these parts."""
        if length <= self.small and _PLAIN_TYPES.issuperset(map(type, parts)):
            self.work += 4 * length + 64  # `spend` without its call, since most operations on text end here
            if self.work >= self.next_work:
                self._check_limits()
            return
        if length > self.limits.string:
            raise_over_limit(f"makes a text of {length:,} characters; {self.limits.string:,} are allowed")
        # CPython stores a string of ASCII in one byte per character, and any other in up to four; `isascii` takes
        # constant time, since it reads a flag of the string
        width = 1 if length > SMALL_TEXT and all(map(str.isascii, parts)) else 4
        self.work += width * length + 64
        for part in parts:
            if type(part) is not str and isinstance(part, Traced):
                self.work += 256 * len(part.pieces)
        if self.work >= self.next_work:
            self._check_limits()

    def count_container(self, count: int, value: Any) -> Any:
        """Count a new list, tuple or dict of `count` values, and return it."""
        self.spend(128 + 72 * count)
        return value

    def weigh(self, value: Any, printing: bool = False) -> int:
        """Return the most characters that a value's text can have; containers are walked, and each value is charged.

        A value that occurs several times is charged each time, as code that prints, hashes or compares walks it.

        Args:
            value: any value.
            printing: whether the value is about to become text; a value without a text then raises an error.
        """
        if isinstance(value, str):
            return len(value)
        # an inline `if` without an `else` is an empty text; Jinja's compiler makes it of this class in any environment
        if type(value) is Undefined:
            return 0
        total = 0
        for depth, level in enumerate(walk_levels(value, partial(self._list_parts, printing)), 1):
            for times, items in level:
                if depth > self.limits.nesting and any(isinstance(item, _NESTING_TYPES) for item in items):
                    raise_over_limit(f"nests values more than {self.limits.nesting} deep")
                # a nested string is printed as its repr, in which a character takes up to ten
                sizes = [2 + 10 * len(item) if isinstance(item, str) else BYTES_PER_VALUE for item in items]
                total += times * sum(sizes)
        return total

    def _list_parts(self, printing: bool, value: Any, times: int) -> Iterable[Any]:
        """List the values inside a value that occurs this many times; strings are leaves."""
        if value is None or isinstance(value, str | int | float):
            return ()
        if isinstance(value, dict):
            self.spend(times * 2 * _BYTES_PER_WALKED_VALUE * len(value))
            return [*value.keys(), *value.values()]
        if isinstance(value, (list, tuple, *_VIEW_TYPES)):
            parts: Any = value
            self.spend(times * _BYTES_PER_WALKED_VALUE * len(parts))
            return [*parts]
        if printing:  # str() of a function or a generator shows its address, which differs from run to run
            raise_refusal(f"prints {describe_value(value)}, which has no text")
        if isinstance(value, BaseModel):
            return self._list_parts(printing, vars(value), times)
        if isinstance(value, Namespace):  # its repr, which some errors of Python and Jinja contain, shows all of it
            return self._list_parts(printing, value._Namespace__attrs, times)
        return ()

    def count_values(self, value: Any) -> Any:
        """Count a value, and each value inside it as a step, and return it."""
        for depth, _ in enumerate(walk_levels(value, self._count_parts), 1):
            if depth > self.limits.nesting:
                raise_over_limit(f"nests values more than {self.limits.nesting} deep")
        return value

    def _count_parts(self, value: Any, times: int) -> Iterable[Any]:
        """Count the values inside a value that occurs this many times as steps, and list them."""
        if isinstance(value, str):
            self.spend(times * len(value))
        elif isinstance(value, _COUNTED_TYPES):
            values: Any = vars(value) if isinstance(value, BaseModel) else value
            self._count_steps(times * len(values))
            return [*values.keys(), *values.values()] if isinstance(values, dict) else [*values]
        return ()

    def _count_steps(self, count: int) -> None:
        self.steps += count
        if self.steps >= self.next_step:
            self._check_limits()

    def count_compared(self, value: Any) -> Any:
        """Count a value that is about to be compared, and return it."""
        if isinstance(value, str):
            if len(value) > SMALL_TEXT:
                self.spend(len(value))
        elif type(value) not in _NUMBER_TYPES:
            self.spend(self.weigh(value))
        return value

    def count_key(self, value: Any) -> Any:
        """Count a value that is about to be a key, and return it; hashing a tuple walks its contents."""
        # weighing also limits the depth: hash() of 200,000 nested tuples overflows the C stack and ends the process
        if isinstance(value, tuple | BaseModel):
            self.weigh(value)
        return value

    def contains(self, item: Any, container: Any) -> bool:
        """Return `item in container`, counted."""
        if isinstance(container, dict):
            self.count_key(item)
        elif isinstance(container, str):
            self.spend(len(container) + 64)
        else:
            self.count_search(container, item)
        return item in container

    def count_search(self, container: Any, item: Any) -> None:
        """Count a comparison of an item with each value of a container."""
        cost_per_value = len(item) // 16 + 32 if isinstance(item, str) else 32
        if not isinstance(item, str) and type(item) not in _NUMBER_TYPES:
            cost_per_value += self.weigh(item)
        # the iterators that filters return have no len(), but a length hint
        self.spend(cost_per_value * operator.length_hint(container))

    def add(self, left: Any, right: Any) -> Any:
        """Return `left + right`, counted."""
        if type(left) is str and type(right) is str:
            self.count_text(len(left) + len(right), left, right)
            return left + right
        if type(left) is int and type(right) is int:
            return self.check_number(left + right)
        if isinstance(left, str) and isinstance(right, str):
            escaping = hasattr(left, "__html__") or hasattr(right, "__html__")
            self.count_text((len(left) + len(right)) * (6 if escaping else 1), left, right)
        elif isinstance(left, list | tuple) and isinstance(right, list | tuple):
            self.spend(64 + 8 * (len(left) + len(right)))
        return self.check_number(left + right)

    def add_all(self, *parts: Any) -> Any:
        """Return `a + b + c + ...`, counted once: adding pairs would copy the beginning for each summand."""
        length = 0
        for part in parts:
            if type(part) is not str:
                break
            length += len(part)
        else:
            self.count_text(length, *parts)
            return "".join(parts)
        if _TRACED_TYPES.issuperset(map(type, parts)):
            self.count_text(sum(map(len, parts)), *parts)
            return concat(parts)
        total = parts[0]
        for part in parts[1:]:
            total = self.add(total, part)
        return total

    def concat(self, parts: Iterable[str]) -> Any:
        """Return the texts as one, counted."""
        parts = parts if isinstance(parts, list | tuple) else [*parts]
        if parts:
            self.count_text(sum(map(len, parts)), *parts)
        return concat(parts)

    def multiply(self, left: Any, right: Any) -> Any:
        """Return `left * right`, counted."""
        if isinstance(left, int | float) and isinstance(right, int | float):
            # computed before the check: a product has at most the bits of both factors together, unlike a power
            return self.check_number(left * right)
        some, times = (left, right) if isinstance(right, int) else (right, left)
        if isinstance(times, int):
            if isinstance(some, str):
                self.count_text(len(some) * max(times, 0), some)
                self.spend(256 * len(pieces_of(some)) * max(times, 0))
            elif isinstance(some, list | tuple):
                self.spend(64 + 8 * len(some) * max(times, 0))
        return left * right

    def power(self, left: Any, right: Any) -> Any:
        """Return `left ** right`, unless the result has too many bits."""
        self._require_numbers(left, right)
        # 0, 1 and -1 have no large powers, and a float raises OverflowError
        is_whole = isinstance(left, int) and isinstance(right, int) and abs(left) > 1
        if is_whole and left.bit_length() * abs(right) > self.limits.bits:
            raise_over_limit(f"makes a number of more than {self.limits.bits} bits")
        return self.check_number(left**right)

    def arithmetic(self, name: str, left: Any, right: Any) -> Any:
        """Return `left - right`, or the result of another operator that is defined for numbers only."""
        self._require_numbers(left, right)
        return self.check_number(_ARITHMETIC[name](left, right))

    @staticmethod
    def _require_numbers(left: Any, right: Any) -> None:
        # `-` is defined for `dict.keys()` as well, and makes a set that nobody has charged
        for value in (left, right):
            if not isinstance(value, int | float | Undefined):
                raise TypeError(f"expected a number, got a value of type {type(value).__name__!r}")

    def check_number(self, value: Any) -> Any:
        """Return a value, unless it is a number with too many bits."""
        if isinstance(value, int) and value.bit_length() > self.limits.bits:
            raise_over_limit(f"makes a number of more than {self.limits.bits} bits")
        return value

    def slice_value(self, value: Any, *bounds: Any) -> Any:
        """Return `value[start:stop:step]`, counted."""
        part = slice(*bounds)
        if isinstance(value, str | list | tuple):
            count = len(range(*part.indices(len(value))))
            self.count_text(count, value) if isinstance(value, str) else self.spend(64 + 8 * count)
        elif isinstance(value, dict):  # since Python 3.12, a slice can be a key: its hash and its repr walk the bounds
            raise TypeError("a mapping has no slices")
        return value[part]

    def count_iterations(self, values: Iterable[Any]) -> Iterator[Any]:
        """Yield the values of an iterable, and count each as a step."""
        for value in values:
            self.tick()
            yield value

    def collect_output(self, parts: Iterator[str]) -> list[str]:
        """Return the parts of the output, counted."""
        collected, length, limit = list[str](), 0, self.limits.output
        for part in parts:
            collected.append(part)
            length += len(part)
            if type(part) is str:
                self.work += 64  # checked at the next tick: only loops and macros can print many parts
            else:
                self.spend(64 + BYTES_PER_PRINTED_PIECE * len(pieces_of(part)))
            if length > limit:
                raise_over_limit(f"writes more than {limit:,} characters")
        # one wide character makes the whole text wide, wherever it is
        self.spend(length if all(map(str.isascii, collected)) else 4 * length)
        return collected


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "-": operator.sub,
    "/": operator.truediv,
    "//": operator.floordiv,
}

_DEADLINE: ContextVar[float] = ContextVar("DEADLINE", default=float("inf"))
"""The time at which all renders of a block must be finished, whatever their own limits."""


@contextmanager
def limit_total_seconds(seconds: float) -> Iterator[None]:
    """Limit the total time of all renders in the block."""
    token = _DEADLINE.set(min(monotonic() + seconds, _DEADLINE.get()))
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def get_seconds_left(seconds: float) -> float:
    """Return the seconds left for a render whose own limit is `seconds`."""
    return max(min(seconds, _DEADLINE.get() - monotonic()), 0)


CURRENT_BUDGET: ContextVar[Budget] = ContextVar("CURRENT_BUDGET")
"""The budget of the render that is in progress in this thread."""


@contextmanager
def share_budget(limits: Limits) -> Iterator[None]:
    """Charge all bounded work in the block to one budget."""
    token = CURRENT_BUDGET.set(Budget(limits))
    try:
        yield
    finally:
        CURRENT_BUDGET.reset(token)


_SUBJECT = "the chat template "


def describe_without_subject(error: PrefTemplatesError) -> str:
    """Return the message of an error without its subject, so that a caller can name another.

    >>> describe_without_subject(StyleLimitError("the chat template takes more than 5 steps"))
    'takes more than 5 steps'
    """
    return error.message.removeprefix(_SUBJECT)


def raise_over_limit(what: str) -> NoReturn:
    """Raise the error for a template that exceeds a limit."""
    raise StyleLimitError(_SUBJECT + what, code=Code.OVER_LIMIT)


def raise_refusal(what: str) -> NoReturn:
    """Raise the error for a template that does something no template may do."""
    raise StyleRefusedError(_SUBJECT + what, code=Code.REFUSED_BY_STYLE)


def describe_value(value: Any) -> str:
    """Describe a value in a few words."""
    if isinstance(value, Undefined):
        return f"a value that is not defined ({value._undefined_message})"
    return f"a value of type {type(value).__name__!r}"

"""Text that knows where its characters came from.

`Traced` is a `str` whose pieces name an origin. Slicing, stripping, splitting, replacing and joining keep the exact
position of every piece. Methods that change characters (`upper`, `title`) keep the origin and lose the position. For
all other code, a traced text is a plain string that compares, hashes and prints as usual.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, Self, SupportsIndex

from pydantic import BaseModel

from preftemplates.core.paths import extend_path, find_common_path, list_parts

Origin = Hashable
"""The source of a piece: the path of a value, or a message and its field."""


class Piece(NamedTuple):
    """Characters `start` to `end` (half-open) of a text, copied from `origin` at `offset`; None if derived from it."""

    start: int
    end: int
    origin: Origin
    offset: int | None


_new_text, _add = str.__new__, str.__add__
_piece = partial(tuple.__new__, Piece)  # called for every cut, and several times as fast as Piece(...)


class Traced(str):
    """A `str` with pieces that are ordered and do not overlap; characters outside of any piece have no origin.

    >>> text = Traced.whole("  hello ", "prompt")
    >>> ("> " + text.strip()).pieces
    (Piece(start=2, end=7, origin='prompt', offset=2),)
    """

    __slots__ = ("pieces",)
    pieces: tuple[Piece, ...]

    def __new__(cls, text: str, pieces: tuple[Piece, ...] = ()) -> Self:
        self = _new_text(cls, text)
        self.pieces = pieces
        return self

    @classmethod
    def whole(cls, text: str, origin: Origin) -> Self:
        """Return `text` as one piece of `origin`, even if it is empty."""
        return cls(text, (_piece((0, len(text), origin, 0)),))

    def __reduce__(self) -> tuple[Any, ...]:
        return Traced, (plain(self), self.pieces)

    def __str__(self) -> Self:
        return self  # str.__str__ would return a plain copy, and printing would lose the pieces

    def _slice(self, start: int, end: int) -> Traced:
        if start == 0 and end >= len(self):
            return self
        text = str.__getitem__(self, slice(start, end))
        end = start + len(text)
        if start < end:
            pieces = [_cut(piece, start, end) for piece in self.pieces if piece[0] < end and piece[1] > start]
        else:  # an empty slice keeps one piece, so that its origin is still known
            pieces = [_cut(piece, start, start) for piece in self.pieces if piece[0] <= start <= piece[1]][:1]
        return Traced(text, tuple(pieces))

    def _derived(self, text: str) -> Traced:
        return Traced(text, derived_from(text, [self]))

    def _recased(self, text: str) -> Traced:
        """Return a recased copy whose pieces keep their places, or one derived piece if the length differs."""
        if len(text) != len(self):  # "ß".upper() is "SS", so all places after it would be wrong
            return self._derived(text)
        return Traced(text, tuple(Piece(piece.start, piece.end, piece.origin, None) for piece in self.pieces))

    def __getitem__(self, key: SupportsIndex | slice) -> Traced:
        if isinstance(key, slice):
            start, end, stride = key.indices(len(self))
            if stride == 1:
                return self._slice(start, end)
            return self._derived(str.__getitem__(self, key))
        index = operator.index(key)
        index += len(self) if index < 0 else 0
        if not 0 <= index < len(self):
            raise IndexError("string index out of range")
        return self._slice(index, index + 1)

    def __iter__(self) -> Any:
        if len(self.pieces) == 1:
            start, end, origin, offset = self.pieces[0]
            if offset is not None and end - start == len(self):  # one exact piece: no need to search
                chars = enumerate(str.__iter__(self), offset)
                return (Traced(char, (_piece((0, 1, origin, at)),)) for at, char in chars)
        return (self._slice(index, index + 1) for index in range(len(self)))

    def __add__(self, other: str) -> Traced:
        if isinstance(other, Traced):  # concat merges pieces that were neighbours in their source
            return concat((self, other))  # type: ignore[no-any-return]
        return Traced(_add(self, other), self.pieces) if isinstance(other, str) else NotImplemented

    def __radd__(self, other: str) -> Traced:
        if not isinstance(other, str):
            return NotImplemented
        return Traced(_add(other, self), _moved(self.pieces, len(other)))

    def __mul__(self, times: SupportsIndex) -> Traced:
        return Traced("") + str(concat([self] * operator.index(times)))  # concat returns a plain str for 0 times

    __rmul__ = __mul__

    def lstrip(self, chars: str | None = None, /) -> Traced:
        return self._slice(len(self) - len(str.lstrip(self, chars)), len(self))

    def rstrip(self, chars: str | None = None, /) -> Traced:
        return self._slice(0, len(str.rstrip(self, chars)))

    def strip(self, chars: str | None = None, /) -> Traced:
        start = len(self) - len(str.lstrip(self, chars))
        return self._slice(start, len(str.rstrip(self, chars)))

    def removeprefix(self, prefix: str, /) -> Traced:
        return self._slice(len(prefix), len(self)) if prefix and self.startswith(prefix) else self

    def removesuffix(self, suffix: str, /) -> Traced:
        return self._slice(0, len(self) - len(suffix)) if suffix and self.endswith(suffix) else self

    def split(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[Traced]:  # type: ignore[override]
        parts = str.split(self, sep, maxsplit)
        return self._words(parts) if sep is None else self._between(parts, sep)

    def rsplit(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[Traced]:  # type: ignore[override]
        parts = str.rsplit(self, sep, maxsplit)
        return self._words(parts) if sep is None else self._between(parts, sep)

    def _between(self, parts: list[str], sep: str) -> list[Traced]:
        """Slice this text into `parts`, which are separated by `sep`."""
        slices, start = [], 0
        for part in parts:
            slices.append(self._slice(start, start + len(part)))
            start += len(part) + len(sep)
        return slices

    def _words(self, parts: list[str]) -> list[Traced]:
        """Slice this text into `parts`, which are separated by whitespace."""
        words, at = [], 0
        for part in parts:
            # it skips only whitespace: no part begins with any, except for the first one of `rsplit`, which is at 0
            start = str.find(self, part, at)
            at = start + len(part)
            words.append(self._slice(start, at))
        return words

    def splitlines(self, keepends: bool = False) -> list[Traced]:  # type: ignore[override]
        lines, start = [], 0
        for full_line, line in zip(str.splitlines(self, True), str.splitlines(self, keepends), strict=True):
            lines.append(self._slice(start, start + len(line)))
            start += len(full_line)  # a line may end in "\r\n", "\u2028" and others, or in nothing
        return lines

    def partition(self, sep: str, /) -> tuple[Traced, Traced, Traced]:
        head, mark, _ = str.partition(self, sep)
        return self._in_three(len(head), len(mark))

    def rpartition(self, sep: str, /) -> tuple[Traced, Traced, Traced]:
        head, mark, _ = str.rpartition(self, sep)
        return self._in_three(len(head), len(mark))

    def _in_three(self, head: int, mark: int) -> tuple[Traced, Traced, Traced]:
        return self._slice(0, head), self._slice(head, head + mark), self._slice(head + mark, len(self))

    def replace(self, old: str, new: str, /, count: SupportsIndex = -1) -> Traced:
        if old == new and not isinstance(new, Traced):  # chat templates do this, such as replacing "\n" by "\n"
            return self
        if not old:  # inserts `new` around every character, so no piece keeps its place
            text = str.replace(self, old, new, count)
            return Traced(text, derived_from(text, [self, new]))
        return join(new, self._between(str.split(self, old, count), old))  # type: ignore[no-any-return]

    def join(self, parts: Iterable[str], /) -> Traced:
        return join(self, parts)  # type: ignore[no-any-return]


def _rewriting(name: str, keep: Callable[[Traced, str], Traced]) -> Callable[..., Traced]:
    def method(self: Traced, *args: Any, **options: Any) -> Traced:
        return keep(self, getattr(str, name)(self, *args, **options))

    method.__name__ = name
    return method


for _name in ("upper", "lower", "title", "capitalize", "swapcase", "casefold"):
    setattr(Traced, _name, _rewriting(_name, Traced._recased))
for _name in ("translate", "expandtabs", "zfill", "center", "ljust", "rjust"):  # characters may be added
    setattr(Traced, _name, _rewriting(_name, Traced._derived))


def _cut(piece: Piece, start: int, end: int) -> Piece:
    """Return the part of `piece` between `start` and `end`, with positions counted from `start`."""
    first, last, origin, offset = piece
    left, right = max(first, start), min(last, end)
    return _piece((left - start, right - start, origin, None if offset is None else offset + left - first))


def _moved(pieces: tuple[Piece, ...], by: int) -> tuple[Piece, ...]:
    """Return the same pieces, moved by this many characters."""
    return tuple([_piece((start + by, end + by, origin, offset)) for start, end, origin, offset in pieces])


def plain(text: str) -> str:
    """Return the same characters as an ordinary `str`.

    >>> type(plain(Traced.whole("a", "prompt")))
    <class 'str'>
    """
    return text if type(text) is str else "".join((text,))  # str(text) would stay traced


def plain_data(value: Any) -> Any:
    """Return the same JSON-like value with every traced text made plain."""
    if isinstance(value, str):
        return value if type(value) is str else plain(value)
    if isinstance(value, (dict, Mapping)):  # dict first: the check for an abstract class takes twice as long
        return {plain(key) if isinstance(key, str) else key: plain_data(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [plain_data(item) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    return value


def trace_texts(value: Any, path: str, parsed: Container[str] = ()) -> Any:
    """Return the same value with every text in it traced to its path.

    Args:
        value: a value of a column, or a part of one.
        path: the path of the value.
        parsed: the paths of JSON texts that were parsed; everything parsed from such a text is derived from it.

    >>> trace_texts({"chosen": ["yes"]}, "row")["chosen"][0].pieces[0].origin
    'row.chosen[0]'
    """
    if parsed and path in parsed:
        return derive_texts(value, path)
    if isinstance(value, str):
        return Traced.whole(value, path)
    items = [trace_texts(item, place, parsed) for item, place in list_parts(value, path)]
    if isinstance(value, Mapping):
        return dict(zip(value, items, strict=True))
    if isinstance(value, BaseModel):  # model_construct, because pydantic's validation makes texts plain
        return type(value).model_construct(**dict(zip(type(value).model_fields, items, strict=True)))
    return items if isinstance(value, list | tuple) else value


def derive_texts(value: Any, path: str) -> Any:
    """Return the same value with every text in it derived from one path.

    >>> derive_texts({"city": "Turku"}, "tools")["city"].pieces
    (Piece(start=0, end=5, origin='tools', offset=None),)
    """
    if isinstance(value, str):
        return Traced(value, (Piece(0, len(value), path, None),))
    items = [derive_texts(item, path) for item, _ in list_parts(value, path)]
    if isinstance(value, Mapping):
        return dict(zip(value, items, strict=True))
    if isinstance(value, BaseModel):
        return type(value).model_construct(**dict(zip(type(value).model_fields, items, strict=True)))
    return items if isinstance(value, list | tuple) else value


class TracedInt(int):
    """An integer that knows its origin; its text is derived from that origin."""

    origin: Origin

    def __new__(cls, number: int, origin: Origin) -> Self:
        self = super().__new__(cls, number)
        self.origin = origin
        return self

    def __str__(self) -> str:
        return derived(int.__repr__(self), [self])  # str() may return a subclass of str, so printing keeps the origin


class TracedFloat(float):
    """A float that knows its origin; its text is derived from that origin."""

    origin: Origin

    def __new__(cls, number: float, origin: Origin) -> Self:
        self = super().__new__(cls, number)
        self.origin = origin
        return self

    def __str__(self) -> str:
        return derived(float.__repr__(self), [self])


def trace_fully(value: Any, path: str) -> Any:
    """Return the same JSON-like value with every text, number and key in it traced to its path.

    Booleans and None stay as they are, because Python has only one object for each.

    >>> [str(count).pieces for count in trace_fully({"count": 5}, "0.arguments").values()]
    [(Piece(start=0, end=1, origin='0.arguments.count', offset=None),)]
    """
    if isinstance(value, str):
        return Traced.whole(value, path)
    if isinstance(value, Mapping):
        return {
            derived(key, [Traced.whole(key, path)]): trace_fully(item, extend_path(path, key))  # a key has no path
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        items = [trace_fully(item, place) for item, place in list_parts(value, path)]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return TracedInt(value, path) if isinstance(value, int) else TracedFloat(value, path)


def find_origins(value: Any) -> Iterator[Origin]:
    """Yield the origins of everything traced in a value, keys included."""
    if isinstance(value, Traced):
        yield from {piece.origin for piece in value.pieces}
    elif isinstance(value, TracedInt | TracedFloat):
        yield value.origin
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from find_origins(key)
            yield from find_origins(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from find_origins(item)


def derived_from(text: str, values: Any) -> tuple[Piece, ...]:
    """Return one piece for a text made from traced values, whose origin is the common path of their origins."""
    origins = set(find_origins(values))
    return (Piece(0, len(text), _common(origins), None),) if origins else ()


def derived(text: str, values: Any) -> str:
    """Return a text made from these values, traced if any of them is."""
    pieces = derived_from(text, values)
    return Traced(text, pieces) if pieces else text


def derived_number(number: Any, values: Any) -> Any:
    """Return a number read from these values, which keeps their origin if any of them is traced."""
    origins = set(find_origins(values))
    if not origins or type(number) not in (int, float):
        return number
    return (TracedInt if type(number) is int else TracedFloat)(number, _common(origins))


def _common(origins: set[Origin]) -> Origin:
    """Return the path that all origins begin with; the empty path if they have nothing in common."""
    first, *others = origins
    return find_common_path(map(str, origins)) if others else first


def pieces_of(text: str) -> tuple[Piece, ...]:
    """Return the pieces of a traced text; none for an ordinary one."""
    return text.pieces if isinstance(text, Traced) else ()


def concat(parts: Iterable[str]) -> Any:
    """Return `"".join(parts)` with the pieces kept; an ordinary `str` if there are none."""
    parts = parts if isinstance(parts, list | tuple) else list(parts)
    text = "".join(parts)
    pieces: list[Piece] = []
    at = 0
    for part in parts:
        if type(part) is not str and isinstance(part, Traced):
            for start, end, origin, offset in part.pieces:
                piece = _piece((start + at, end + at, origin, offset))
                if start or not pieces or pieces[-1][1] != at:
                    pieces.append(piece)
                else:  # the first piece of a part may continue the last piece of the previous part
                    _append(pieces, piece)
        at += len(part)
    return Traced(text, tuple(pieces)) if pieces else text


def join(separator: str, parts: Iterable[str]) -> Any:
    """Return `separator.join(parts)` with the pieces kept."""
    spaced: list[str] = []
    for part in parts:
        spaced += (separator, part)
    return concat(spaced[1:])


def _append(pieces: list[Piece], piece: Piece) -> None:
    """Append a piece that starts where the last one ends, merged with it if it continues it in the same origin."""
    last = pieces[-1]
    expected = None if last.offset is None else last.offset + last.end - last.start
    if last.origin == piece.origin and expected is not None and piece.offset == expected:
        piece = last._replace(end=piece.end)
        pieces.pop()
    pieces.append(piece)

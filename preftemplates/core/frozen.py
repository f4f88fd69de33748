"""Frozen objects that are pickled, hashed and compared by the plain data that they hold."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast

from preftemplates.core.digest import digest
from preftemplates.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable

V = TypeVar("V")


def computed(read: Callable[[Any], V]) -> V:
    """Return a property for an attribute that subclasses declare as a value and instances compute.

    For type checkers, `stop = "</s>"` in a subclass contradicts a property of the base class. It agrees with a class
    variable of the value's type: `stop: ClassVar[str] = computed(lambda style: style.layout.stop)`.
    """
    return cast("V", property(read))


class Frozen:
    """An object with a name and one attribute of plain data, from which everything else follows.

    Two objects are equal when their digests are equal, whatever their names. A subclass of a base is a way to write
    the data down: calling it gives an instance of the base, which unpickles without the subclass's module.
    """

    name: str = "unnamed"
    kind: ClassVar[str]
    """The kind of object, which is part of its digest."""
    holds: ClassVar[str]
    """The name of the attribute that holds the data."""

    def __new__(cls) -> Self:
        """Build the object that the class declares.

        Raises:
            DefinitionError: the class is a base and declares nothing.
        """
        if not hasattr(cls, cls.holds):
            raise DefinitionError(
                f"{cls.__name__} declares nothing; get a {cls.kind} by its name, or write your own class"
            )
        return cls._base().of(getattr(cls, cls.holds), cls.name)

    @classmethod
    def of(cls, held: Any, name: str = "unnamed") -> Self:
        """Build an object that holds this data."""
        instance = object.__new__(cls)
        instance.__dict__.update({"name": name, cls.holds: held})
        return instance

    @property
    def held(self) -> Any:
        """Return the data."""
        return getattr(self, self.holds)

    @property
    def identity(self) -> Any:
        """Return the declared data in JSON-like form; the digest is computed from it."""
        return self.held.identity

    @cached_property
    def digest(self) -> str:
        """Return a hash of the declaration: 64 hexadecimal digits, equal in every process and Python version."""
        return digest(self.kind, self.identity)

    @classmethod
    def _base(cls) -> type[Self]:
        return next(parent for parent in reversed(cls.__mro__) if "kind" in vars(parent))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frozen) or other._base() is not self._base():
            return NotImplemented
        return self.digest == other.digest

    def __hash__(self) -> int:
        return int(self.digest[:15], 16)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{self!r} is frozen; {name!r} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{self!r} is frozen; {name!r} cannot be deleted")

    def __reduce__(self) -> tuple[Any, ...]:
        return self._base().of, (self.held, self.name)

    def __repr__(self) -> str:
        return f"<{self._base().__name__} {self.name}>"

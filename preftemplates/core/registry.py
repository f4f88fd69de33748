"""Registries: items by name, discovered in the package and its plugins when one is first needed."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from preftemplates.core.python_files import find_source_file
from preftemplates.errors import DefinitionError, UnknownNameError, did_you_mean, one_line, preview

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

_MAX_LISTED = 12
"""The most names that an error lists when a name is unknown."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class DefinitionSite:
    """The module, or the file, in which a class or function is defined."""

    module: str
    qualname: str
    file: str | None = None
    """The path, if the file was run by its path; the module's name then depends on the file's text."""

    @classmethod
    def of(cls, item: Any) -> DefinitionSite:
        """Return the site of a class or function."""
        file = find_source_file(item)
        return cls(item.__module__, item.__qualname__, file.path if file else None)

    def __str__(self) -> str:
        if self.file:
            return f"{self.qualname} ({self.file})"
        file = getattr(sys.modules.get(self.module), "__file__", None)
        return f"{self.module}.{self.qualname}" + (f" ({file})" if file else "")

    def redefines(self, other: DefinitionSite) -> bool:
        """Return whether this is the same definition run again, as when a notebook is re-run."""
        return (self.file or _main_name(self.module), self.qualname) == (
            other.file or _main_name(other.module), other.qualname
        )  # fmt: skip


_REGISTRIES: list[Registry[Any]] = []
"""The registries of the package, with which an error can say that a name belongs to another kind."""


def fold_name(name: str) -> str:
    """Return the form that all spellings of a name share.

    >>> fold_name("Qwen_2.5") == fold_name("qwen-2.5") == fold_name("qwen2.5")
    True
    """
    return re.sub("[-_]", "", name.casefold())


def _main_name(module: str) -> str:
    """Return the name of the main module, which a spawned process imports as `__mp_main__`."""
    return "__main__" if module == "__mp_main__" else module


class Registry(Generic[T]):
    """Items of one kind by name: the package's own files, third parties' entry points, and what users register.

    Args:
        kind: what an item is called in messages.
        package: the package whose modules register items when they are imported; empty if there is none.
        group: the entry-point group. An entry's name is the item's name, and it is loaded on demand. Empty if there is
            none.
    """

    def __init__(self, kind: str, package: str = "", group: str = "") -> None:
        self.kind = kind
        self._package, self._group = package, group
        self._items: dict[str, T] = {}
        self._sites: dict[str, DefinitionSite] = {}
        self._aliases: dict[str, str] = {}
        self._entries: dict[str, list[EntryPoint]] = {}
        self._looked_for: set[str] = set()
        self._discovered = False
        self._discovering = False
        self._lock = RLock()
        if package:
            _REGISTRIES.append(self)

    def register(self, name: str, item: T, site: DefinitionSite, aliases: Iterable[str] = ()) -> None:
        """Add an item.

        Args:
            name: its name.
            item: the item.
            site: where it was defined.
            aliases: other names that find it; they are not listed.

        Raises:
            DefinitionError: a name is taken, or has characters other than A-Z, a-z, 0-9, `.`, `_` and `-`.
        """
        for each_name in (name, *aliases):
            self._check_name(each_name)
        if not (self._package and site.module.startswith(self._package)):
            self._discover()  # so that the names of bundled items are taken from the start
        registered = self._sites.get(name)
        if registered and not site.redefines(registered):
            raise DefinitionError(f"two {self.kind}s are named {name!r}: {registered} and {site}")
        self._forget_older(site)
        for alias in aliases:
            owner = alias if alias in self._items else self._aliases.get(alias, name)
            if alias in self._items or owner != name:
                raise DefinitionError(
                    f"the {self.kind} {name!r} cannot have the alias {alias!r}: the {self.kind}"
                    f" {owner!r} has that name"
                )
        if name in self._aliases:
            raise DefinitionError(
                f"{name!r} is an alias of the {self.kind} {self._aliases[name]!r}; rename one of the two"
            )
        self._aliases.update(dict.fromkeys(aliases, name))
        self._items[name] = item
        self._sites[name] = site

    def _check_name(self, name: Any) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise DefinitionError(
                f"{_add_article(self.kind)} name may have only A-Z, a-z, 0-9, '.', '_' and '-', and must begin with"
                f" one of A-Z, a-z and 0-9; got {preview(name)}"
            )

    def _forget_older(self, site: DefinitionSite) -> None:
        """Remove what an earlier version of a file registered."""
        for name, registered in list(self._sites.items()):
            if site.file and registered.file == site.file and registered.module != site.module:
                del self._items[name], self._sites[name]

    def decorator(self, name: str, base: type[Any], aliases: Iterable[str] = ()) -> Callable[[Any], Any]:
        """Return a class decorator that registers subclasses of `base` and sets their `name`."""

        def decorate(cls: Any) -> Any:
            if not (isinstance(cls, type) and issubclass(cls, base)):
                raise DefinitionError(f"{self.kind} {name!r}: {preview(cls)} is not a subclass of {base.__name__}")
            self.register(name, cast("T", cls), DefinitionSite.of(cls), aliases)
            cls.name = name  # type: ignore[attr-defined]
            return cls

        return decorate

    def get(self, name: str) -> T:
        """Return the item of that name.

        Raises:
            UnknownNameError: there is no such item; the message suggests the nearest name.
        """
        if not self._find_bundled(name):
            self._discover()
        if not isinstance(name, str):
            raise self.make_unknown_name_error(name)
        name = self._aliases.get(name, name)
        self._load(name)
        if name not in self._items:
            raise self.make_unknown_name_error(name)
        return self._items[name]

    def make_unknown_name_error(self, name: Any) -> UnknownNameError:
        """Return the error for an unknown name, with the nearest name or the kind that the name belongs to."""
        if not isinstance(name, str):
            return UnknownNameError(f"expected the name of {_add_article(self.kind)} as a string, got {preview(name)}")
        return UnknownNameError(f"no {self.kind} {preview(name)}." + self._suggest(name))

    def names(self) -> list[str]:
        """Return all names, sorted, without loading any entry point."""
        self._discover()
        return sorted({*self._items, *self._entries}, key=lambda name: (name.casefold(), name))

    def load_names(self) -> tuple[list[str], list[str]]:
        """Return the sorted names of all items that can be loaded, and what is wrong with the other entry points."""
        self._discover()
        problems = [
            f"{self._describe_entry(entry)} is ignored: the {self.kind} {name!r} is bundled"
            for name, entries in self._entries.items()
            for entry in entries
            if self._is_bundled(name)
        ]
        loaded = []
        for name in self.names():
            try:
                self._load(name)
            except DefinitionError as error:
                problems.append(error.message)
            else:
                loaded.append(name)
        return loaded, problems

    def _is_bundled(self, name: str) -> bool:
        site = self._sites.get(name)
        return bool(self._package) and site is not None and site.module.startswith(f"{self._package}.")

    @staticmethod
    def _describe_entry(entry: EntryPoint) -> str:
        package = f" of {entry.dist.name} {entry.dist.version}" if entry.dist else ""
        return f"the entry point {entry.name!r} ({entry.value}){package}"

    def registered(self) -> dict[str, T]:
        """Return the loaded items by name, in the order of their registration."""
        self._discover()
        return dict(self._items)

    def definition_site(self, name: str) -> DefinitionSite:
        """Return the place where the item of that name is defined."""
        self.get(name)
        return self._sites[self._aliases.get(name, name)]

    def find(self, name: str) -> str | None:
        """Return the registered name for a name or alias; None if there is none."""
        if not self._find_bundled(name):
            self._discover()
        return name if name in self._items or name in self._entries else self._aliases.get(name)

    def find_spelled_alike(self, name: str) -> str | None:
        """Return the only registered name that a name spells differently, directly or through an alias.

        Spellings of a name differ in case, `-` and `_`. The result is None if several names match.
        """
        self._discover()
        names = {*self._items, *self._entries, *self._aliases}
        spelled_alike = {self._aliases.get(other, other) for other in names if fold_name(other) == fold_name(name)}
        return spelled_alike.pop() if len(spelled_alike) == 1 else None

    def aliases(self, name: str) -> list[str]:
        """Return the other names of an item."""
        return [alias for alias, named in self._aliases.items() if named == name]

    def names_from(self, module: str) -> list[str]:
        """Return the names that a module registered last."""
        return [name for name, site in self._sites.items() if site.module == module]

    def _suggest(self, name: str) -> str:
        for other in _REGISTRIES:
            if other is not self and other.find(name) is not None:
                alike = self.find_spelled_alike(name)  # the template TRL and the dialect trl
                guess = f" Did you mean {preview(alike)}?" if alike is not None else ""
                kinds = f"{_add_article(other.kind)}, not {_add_article(self.kind)}"
                return f"{guess} {preview(name)} is {kinds}: use --{other.kind} {one_line(name)}"
        names = self.names()
        guess = did_you_mean(name, [*names, *self._aliases])
        if guess or len(names) <= _MAX_LISTED:
            return guess or f" Choose from: {', '.join(names)}."
        return f" `preftemplates list {self.kind}s` lists all {len(names)}."

    def _find_bundled(self, name: Any) -> bool:
        """Import the bundled files that mention a name, and return whether one of them registers it.

        Importing all files takes a second, and most commands need only one of them.
        """
        if self._discovered or self._discovering or not self._package or not isinstance(name, str):
            return self._discovered
        with self._lock:
            for folder in () if name in self._looked_for else importlib.import_module(self._package).__path__:
                for path in sorted(Path(folder).glob("[!_]*.py")):
                    if f'"{name}"' in path.read_text(encoding="utf-8"):
                        importlib.import_module(f"{self._package}.{path.stem}")
            self._looked_for.add(name)
        return self._is_bundled(self._aliases.get(name, name))

    def _discover(self) -> None:
        if self._discovered:
            return
        with self._lock:  # reentrant: the modules imported below may call this again in the same thread
            if self._discovered or self._discovering:
                return
            self._discovering = True
            try:
                package = importlib.import_module(self._package) if self._package else None
                for module in pkgutil.iter_modules(package.__path__) if package else ():
                    importlib.import_module(f"{self._package}.{module.name}")
                for entry in entry_points(group=self._group) if self._group else ():
                    self._entries.setdefault(entry.name, []).append(entry)
                self._discovered = True
            finally:
                self._discovering = False

    def _load(self, name: str) -> None:
        """Load the entry point of a name; ignore one that uses a bundled name.

        Raises:
            DefinitionError: several have the name, it is taken, or the entry point raises or registers nothing.
        """
        entries = [] if self._is_bundled(name) else self._entries.get(name, [])
        places = [self._describe_entry(entry) for entry in entries]
        if name in self._items and self._sites[name].module not in [entry.module for entry in entries]:
            places = [str(self._sites[name]), *places] if entries else []
        if len(places) > 1:
            raise DefinitionError(f"two {self.kind}s are named {name!r}: {' and '.join(places)}")
        if entries and name not in self._items:
            self._load_entry(entries[0])
            if name not in self._items:
                raise DefinitionError(f"{places[0]} does not register {_add_article(self.kind)} with that name")

    def _load_entry(self, entry: EntryPoint) -> None:
        try:
            entry.load()
        except (Exception, SystemExit) as error:  # another package's module may raise anything when it is imported
            reason = f"{type(error).__name__}: {one_line(str(error), 200)}"
            raise DefinitionError(f"{self._describe_entry(entry)} cannot be loaded: {reason}") from error


def _add_article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"

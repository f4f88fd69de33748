"""Packages that only some features need, imported when they are needed, and the command that installs them."""

from __future__ import annotations

import re
import shlex
import sys
from importlib import import_module, metadata
from typing import Any

from preftemplates.errors import MissingPackageError, one_line


def import_extra(module: str, why: str) -> Any:
    """Return a module of a package that only some features need.

    Args:
        module: the module's name.
        why: what needs it, as the beginning of a sentence.

    Example:
        >>> import_extra("json", "the output is JSON").__name__
        'json'

    Raises:
        MissingPackageError: it is not installed; the message names the command that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package, *_ = (error.name or module).split(".", 1)
        raise MissingPackageError(f"{why}; that needs {package}: {spell_install(package)}") from error
    except ImportError as error:  # it is there and damaged, or lacks a library of the system
        raise MissingPackageError(f"{why}; {module} cannot be imported: {one_line(str(error), 200)}") from error


def spell_install(*packages: str) -> str:
    """Return the command that installs packages, by the tool that installed this library and in the versions it needs.

    This library itself is not named: an index may have another one of its name.

    >>> spell_install("pyarrow").partition("install ")[2]
    "'pyarrow>=20'"
    """
    distribution = _find_distribution()
    lines = (distribution.requires if distribution else None) or []
    known = {_spell_name(line): line.partition(";")[0].strip() for line in lines}
    return f"{_find_installer()} {shlex.join(known.get(_spell_name(package), package) for package in packages)}"


def _spell_name(requirement: str) -> str:
    """The name of a package that a requirement begins with, as indexes compare it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()


def _find_distribution() -> metadata.Distribution | None:
    try:
        return metadata.distribution("preftemplates")
    except metadata.PackageNotFoundError:  # the source is on the path, and was not installed
        return None


def _find_installer() -> str:
    """The command that adds packages to the environment of this interpreter."""
    if "/pipx/" in sys.prefix.replace("\\", "/"):
        return "pipx inject preftemplates"
    distribution = _find_distribution()
    tool = "" if distribution is None else (distribution.read_text("INSTALLER") or "").strip()
    return "uv pip install" if tool == "uv" else "pip install"

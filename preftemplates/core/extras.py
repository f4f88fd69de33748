"""Import packages that only some features need, and name the command that installs them."""

from __future__ import annotations

import re
import shlex
import sys
from importlib import import_module, metadata
from typing import Any

from preftemplates.errors import MissingPackageError, one_line


def import_extra(module: str, why: str) -> Any:
    """Import a module of an optional package.

    Args:
        module: the dotted name of the module.
        why: what needs it, as the start of a sentence.

    Example:
        >>> import_extra("json", "the output is JSON").__name__
        'json'

    Raises:
        MissingPackageError: the package is not installed; the message names the command that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package, *_ = (error.name or module).split(".", 1)
        raise MissingPackageError(f"{why}, which needs {package}: {spell_install(package)}") from error
    except ImportError as error:  # installed but damaged, or a system library is missing
        raise MissingPackageError(f"{why}, but {module} cannot be imported: {one_line(str(error), 200)}") from error


def spell_install(*packages: str) -> str:
    """Return the command that installs packages in the versions that this library needs.

    The command uses the tool that installed this library. It does not name the library itself, because an index may
    have another project of the same name.

    >>> spell_install("pyarrow").partition("install ")[2]
    "'pyarrow>=20'"
    """
    distribution = _find_distribution()
    lines = (distribution.requires if distribution else None) or []
    known = {_spell_name(line): line.partition(";")[0].strip() for line in lines}
    return f"{_find_installer()} {shlex.join(known.get(_spell_name(package), package) for package in packages)}"


def _spell_name(requirement: str) -> str:
    """Return the normalised name of the package that a requirement starts with."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()


def _find_distribution() -> metadata.Distribution | None:
    try:
        return metadata.distribution("preftemplates")
    except metadata.PackageNotFoundError:  # the source tree is on the path but not installed
        return None


def _find_installer() -> str:
    """Return the start of the install command for this interpreter's environment."""
    if "/pipx/" in sys.prefix.replace("\\", "/"):
        return "pipx inject preftemplates"
    distribution = _find_distribution()
    tool = "" if distribution is None else (distribution.read_text("INSTALLER") or "").strip()
    return "uv pip install" if tool == "uv" else "pip install"

"""Run Python files given by path, once each, and find them again in another process by their text."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from preftemplates.errors import FileError, PrefTemplatesError, one_line

MODULE_PREFIX = "preftemplates_file_"


def run_file(path: str | Path) -> ModuleType:
    """Run a Python file as a module, so that its definitions are registered; run an unchanged file only once.

    Raises:
        FileError: the file cannot be read, or raises when it is run.
    """
    path = Path(path)
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # a path with a NUL character raises ValueError
        reason = error.strerror if isinstance(error, OSError) else str(error)
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else reason
        raise FileError(f"{one_line(str(path), 200)} cannot be read: {reason}") from error
    return run_source(str(path.resolve()), source)


def run_source(path: str, source: str) -> ModuleType:
    """Run the text of a file as a module, once for each path and text.

    Raises:
        FileError: running it raises an error. This library's own errors are raised unchanged.
    """
    name = MODULE_PREFIX + hashlib.sha256(f"{path}\n{source}".encode("utf-8", "backslashreplace")).hexdigest()[:16]
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = path
    module.__dict__["__source__"] = source
    sys.modules[name] = module
    try:
        exec(compile(source, path, "exec"), module.__dict__)
    except PrefTemplatesError:
        sys.modules.pop(name)
        raise
    except (Exception, SystemExit) as error:
        sys.modules.pop(name)
        line = error.lineno if isinstance(error, SyntaxError) else _find_line(error, path)
        said = error.msg if isinstance(error, SyntaxError) else str(error)  # str() repeats the name and the line
        reason = f"{type(error).__name__}: {one_line(said, 200)}"
        raise FileError(f"running it raises {reason}", file=path, line=line) from error
    return module


def _find_line(error: BaseException, path: str) -> int | None:
    """Return the last line of the file in the error's traceback."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


class SourceFile(NamedTuple):
    """A Python file, with its text at the time when it was run."""

    path: str
    text: str


def find_source_file(item: Any) -> SourceFile | None:
    """Return the file that defined a class or function, if `run_source` ran it; None otherwise."""
    name = str(item.__module__)
    module = sys.modules.get(name) if name.startswith(MODULE_PREFIX) else None
    return None if module is None else SourceFile(str(module.__file__), module.__dict__["__source__"])

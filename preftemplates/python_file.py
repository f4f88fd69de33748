"""Python files named by a path: run once, and found again in another process by their text."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import ModuleType

from preftemplates.errors import FileError, PrefTemplatesError

PREFIX = "preftemplates_file_"


def load(path: str | Path) -> ModuleType:
    """Run a Python file as a module, so that what it registers is there; an unchanged file is run once.

    Raises:
        FileError: the file cannot be read, or raises when it is run.
    """
    path = Path(path)
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise FileError(f"{path} cannot be read: {reason}") from error
    return run(str(path.resolve()), source)


def run(path: str, source: str) -> ModuleType:
    """Run the text of a file as the module of that path.

    Raises:
        FileError: it raises when it is run. What it raises of this library's own errors passes through.
    """
    name = PREFIX + hashlib.sha256(path.encode()).hexdigest()[:12]
    known = sys.modules.get(name)
    if known is not None and known.__dict__.get("__source__") == source:
        return known
    module = ModuleType(name)
    module.__file__ = path
    module.__dict__["__source__"] = source
    sys.modules[name] = module
    try:
        exec(compile(source, path, "exec"), module.__dict__)
    except PrefTemplatesError:
        sys.modules.pop(name)
        raise
    except Exception as error:
        sys.modules.pop(name)
        line = error.lineno if isinstance(error, SyntaxError) else _line(error, path)
        raise FileError(f"running it raises {type(error).__name__}: {error}", file=path, line=line) from error
    return module


def _line(error: BaseException, path: str) -> int | None:
    """The last line of the file that the error passed."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def text_of(module: str) -> tuple[str, str] | None:
    """The path and the text of a module that `load` made; None for any other."""
    loaded = sys.modules.get(module) if module.startswith(PREFIX) else None
    return None if loaded is None else (str(loaded.__file__), loaded.__dict__["__source__"])

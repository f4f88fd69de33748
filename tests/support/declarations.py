"""Classes that declare templates, for tests: a Row, samples over its columns, and what is said when one is refused."""

from typing import Any

import pytest

from preftemplates import Index01, Preference, RowModel, Supervised, Template
from preftemplates.errors import DefinitionError


class Row(RowModel):
    question: str
    good: str
    bad: str
    better: Index01
    system: str | None = None
    history: list[dict[str, Any]]


PAIR = Preference(prompt="{{ question }}", chosen="{{ good }}", rejected="{{ bad }}")
ANSWER = Supervised(prompt="{{ question }}", completion="{{ good }}")
CELLS = {"question": "q", "good": "g", "bad": "b"}


def declare(**parts: Any) -> Any:
    """The template of a class `Mine` with a Row and these parts."""
    return type("Mine", (Template,), {"__module__": __name__, "Row": Row, **parts})()


def refusal(**parts: Any) -> str:
    """The message of the error that a declaration raises."""
    with pytest.raises(DefinitionError) as caught:
        declare(**parts)
    return str(caught.value)

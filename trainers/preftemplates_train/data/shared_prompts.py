"""Shared prompts: training rows whose prompts are held out too, equal or nearly so, by the rules of `check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preftemplates.data.copies import TestPrompt
from preftemplates.data.issues import RowIssue
from preftemplates.data.shared_prompts import find_shared_prompts
from preftemplates.errors import Code

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from preftemplates_train.data.pairs import TextPair


def find_shared_rows(train: Iterable[TextPair], held_out: Iterable[TextPair]) -> Iterator[tuple[str, RowIssue]]:
    """Yield the source and the issue of each training row whose prompt is also held out; once for each row and code.

    Pairs of custom templates have no prompt that could be compared.
    """
    pairs = [pair for pair in train if pair.messages is not None]
    seen = set[tuple[str, int, Code]]()
    for place, code, message in find_shared_prompts(_list_prompts(pairs), _list_prompts(held_out)):
        pair = pairs[place]
        if (pair.source, pair.row, code) not in seen:
            seen.add((pair.source, pair.row, code))
            yield pair.source, RowIssue(pair.row, None, code, message)


def _list_prompts(pairs: Iterable[TextPair]) -> Iterator[TestPrompt]:
    for pair in pairs:
        if pair.messages is not None:
            yield TestPrompt(pair.row, pair.messages.prompt, pair.messages.tools)

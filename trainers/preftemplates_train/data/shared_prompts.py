"""Shared prompts: training rows whose prompts are held out too, equal or nearly so, by the rules of `check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preftemplates.data.copies import CopyFinder
from preftemplates.data.issues import RowIssue
from preftemplates.data.row_rules import AcceptedSample
from preftemplates.errors import Code

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from preftemplates_train.data.pairs import TextPair


def find_shared_prompts(train: Iterable[TextPair], held_out: Iterable[TextPair]) -> Iterator[tuple[str, RowIssue]]:
    """Yield the source and the issue of each training row whose prompt is also held out; once for each row and code.

    Pairs of custom templates have no prompt that could be compared.
    """
    finder = CopyFinder(without=(Code.DUPLICATE, Code.CONTRADICTION, Code.NEAR_DUPLICATE))
    for pair in held_out:
        if pair.messages is not None:
            finder.remember_test_prompt(pair.messages.prompt, pair.row, pair.messages.tools)
    seen = set[tuple[str, int, Code]]()
    for pair in train:
        if pair.messages is None:
            continue
        for code, message in finder.find(AcceptedSample(pair.row, pair.messages, None)).items():
            if (pair.source, pair.row, code) not in seen:
                seen.add((pair.source, pair.row, code))
                yield pair.source, RowIssue(pair.row, None, code, message)

"""Shared prompts: training rows whose prompts are also held out, exactly or nearly, by the rules of `check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preftemplates.data.copies import TestPrompt
from preftemplates.data.issues import RowIssue
from preftemplates.data.shared_prompts import find_shared_prompts
from preftemplates.errors import Code

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from preftemplates_train.data.labelled_texts import LabelledTexts


def find_shared_rows(
    train: Iterable[LabelledTexts], held_out: Iterable[LabelledTexts]
) -> Iterator[tuple[str, RowIssue]]:
    """Yield the source and the issue of each training row whose prompt is also held out, once per row and code.

    Samples of custom templates have no messages to compare, so they are skipped.
    """
    # `place` below counts only the prompts that were listed
    samples = [sample for sample in train if sample.messages is not None]
    seen = set[tuple[str, int, Code]]()
    for place, code, message in find_shared_prompts(_list_prompts(samples), _list_prompts(held_out)):
        sample = samples[place]
        if (sample.source, sample.row, code) not in seen:
            seen.add((sample.source, sample.row, code))
            yield sample.source, RowIssue(sample.row, None, code, message)


def _list_prompts(samples: Iterable[LabelledTexts]) -> Iterator[TestPrompt]:
    for sample in samples:
        if sample.messages is not None:
            yield TestPrompt(sample.row, sample.messages.prompt, sample.messages.tools)

"""Find training prompts that are in a test set too, exactly or nearly, by the rules of `check`."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from preftemplates.data.columnar.checks.checking import make_prompt_samples
from preftemplates.data.columnar.checks.copies import ColumnarCopyFinder
from preftemplates.data.table_rows import SLICE_ROWS
from preftemplates.errors import Code

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from preftemplates.data.copies import TestPrompt


class SharedPrompt(NamedTuple):
    """A training prompt that is in the test set.

    Attributes:
        place: its place among the training prompts.
        code: `in_test`, or `near_test` for a near copy.
        message: names the row of the test set.
    """

    place: int
    code: Code
    message: str


def find_shared_prompts(train: Iterable[TestPrompt], test: Iterable[TestPrompt]) -> Iterator[SharedPrompt]:
    """Yield the training prompts that are in a test set, in order.

    Args:
        train: the training prompts.
        test: the prompts of the test set.

    Example:
        >>> from preftemplates.data.copies import TestPrompt
        >>> ask = lambda text: TestPrompt(0, [{"role": "user", "content": text}], None)
        >>> shared = find_shared_prompts([ask("How do I boil an egg?")], [ask("how do I boil an egg")])
        >>> [(prompt.place, str(prompt.code)) for prompt in shared]
        [(0, 'near_test')]
    """
    finder = ColumnarCopyFinder(False, (Code.DUPLICATE, Code.CONTRADICTION, Code.NEAR_DUPLICATE))
    tests, rest, start = iter(test), iter(train), 0
    while held := [*islice(tests, SLICE_ROWS)]:
        finder.remember_test(make_prompt_samples(held))
    while some := [*islice(rest, SLICE_ROWS)]:
        found = finder.find(make_prompt_samples(some))
        for place, code, message in sorted(found, key=lambda copy: copy[0]):
            yield SharedPrompt(start + place, code, message)
        start += len(some)

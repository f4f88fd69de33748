"""Copies: rows that repeat or contradict earlier rows, and prompts that are in a test set too."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from preftemplates.core.digest import short_digest
from preftemplates.core.samples import PromptOnly
from preftemplates.data.near_copies import NearCopy, NearCopyIndex
from preftemplates.data.normal_prompt import normalise_prompt
from preftemplates.data.reading import Record
from preftemplates.data.row_rules import REMEMBERING, ROW_RULES, SEEN, AcceptedSample, RuleMemory, register_rule
from preftemplates.errors import Code, DefinitionError, FileError, RowError
from preftemplates.templates.unread import is_context

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from preftemplates.core.messages import Message
    from preftemplates.core.samples import Format, Sample
    from preftemplates.templates.template import Template

_INDEX = "near copies"
"""The key of the index in a rule's memory."""

TEST_CODES = (Code.IN_TEST, Code.NEAR_TEST)
"""The codes of prompts that are in a test set."""

EXACT_CODES = {Code.NEAR_DUPLICATE: Code.DUPLICATE, Code.NEAR_TEST: Code.IN_TEST}
"""For each near copy, the code of an exact copy, which makes the near copy redundant."""


@register_rule(Code.NEAR_DUPLICATE)
def _find_near_duplicate(accepted: AcceptedSample, memory: RuleMemory) -> str | None:
    """Find an earlier row with nearly the same prompt in another spelling."""
    if accepted.normal_prompt is None:
        return None
    index = memory.setdefault(_INDEX, NearCopyIndex())
    prompt = accepted.normal_prompt.with_context([*filter(is_context, accepted.unread)])
    copy = index.find(prompt)
    index.add(prompt, accepted.row)
    if copy is None or copy.row == accepted.row:
        return None
    return describe_near_copy(copy)


@register_rule(Code.NEAR_TEST)
def _find_near_test(accepted: AcceptedSample, memory: RuleMemory) -> str | None:
    """Find nearly the same prompt in the test set, of which `memory` holds the index."""
    if accepted.normal_prompt is None or _INDEX not in memory:
        return None
    copy = memory[_INDEX].find(accepted.normal_prompt)
    return None if copy is None else describe_near_copy(copy, " of the test set")


def describe_near_copy(copy: NearCopy, where: str = "") -> str:
    """Return the message for a sample whose prompt is a near copy.

    >>> describe_near_copy(NearCopy(3, "one word changed"), " of the test set")
    'a near copy of the prompt of row 3 of the test set: one word changed'
    """
    return f"a near copy of the prompt of row {copy.row}{where}: {copy.difference}"


def _extract_prompts(cells: Mapping[str, Any], template: Template, format: Format) -> Sequence[Sample[list[Message]]]:
    """Return the samples of a row; for a tie, whose answers are not needed, a sample with the prompt alone."""
    try:
        extracted = template.extract_all(cells, format)
    except RowError as error:
        if error.code is not Code.TIE or PromptOnly.format not in template.formats:
            raise
        return template.extract_all(cells, PromptOnly.format).samples
    if extracted.ties and PromptOnly.format in template.formats:
        return template.extract_all(cells, PromptOnly.format).samples
    return extracted.samples


class TestPrompt(NamedTuple):
    """A prompt of a test set.

    Attributes:
        row: the number of its row.
        messages: the messages of the prompt.
        tools: the tools, as JSON text; None if there are none.
    """

    row: int
    messages: Sequence[Message]
    tools: Any


class TestPrompts:
    """The prompts in the rows of a test set, including those of ties and of equal answers; iterate over it.

    Args:
        rows: the rows, as `open_rows` returns them, or plain mappings.
        template: the template that reads the rows, which therefore need the same columns as the training rows.
        format: the format's name.

    Attributes:
        unread_rows: how many rows the template could not read so far.

    Raises:
        DefinitionError: the template is custom.
        FileError: raised at the end if the template can read none of the rows, so that no copy could be found.
    """

    def __init__(self, rows: Iterable[Record | Mapping[str, Any]], template: Template, format: Format) -> None:
        if template.is_custom:
            raise DefinitionError(
                f"copies are found in messages, but the custom template {template.name} has none; give no test set"
            )
        self._rows, self._template, self._format = rows, template, format
        self.unread_rows = 0

    def __iter__(self) -> Iterator[TestPrompt]:
        read, first = 0, None
        for number, item in enumerate(self._rows):
            record = item if isinstance(item, Record) else Record(number, None, item)
            try:
                if isinstance(record.cells, RowError):
                    raise record.cells
                samples = _extract_prompts(record.cells, self._template, self._format)
            except RowError as error:
                first = first or error.located(row=record.row, line=record.line)
                self.unread_rows += 1
                continue
            read += 1
            yield from (TestPrompt(record.row, sample.prompt, sample.tools) for sample in samples)
        if first is not None and not read:
            count = f"{self.unread_rows:,} rows of the test set"
            raise FileError(
                f"the template {self._template.name} can read none of the {count}; the first error: {first}"
            ) from first


class CopyFinder:
    """Finds rows that are copies of earlier rows, or whose prompts are in a test set.

    Args:
        without: the codes that are not checked.

    Attributes:
        unread_test_rows: how many rows of the test set the template cannot read.

    Example:
        >>> from preftemplates import PromptOnly
        >>> finder = CopyFinder()
        >>> for row, text in enumerate(("How do I boil an egg?", "how do I boil an egg")):
        ...     prompt = [{"role": "user", "content": text}]
        ...     sample = PromptOnly(prompt=prompt)
        ...     print([*map(str, finder.find(AcceptedSample(row, sample, None)))])
        []
        ['near_duplicate']
    """

    def __init__(self, without: Collection[str] = ()) -> None:
        self.unread_test_rows = 0
        self._memories: dict[Code, RuleMemory] = {code: {} for code in REMEMBERING if code not in without}

    @property
    def forgotten_rows(self) -> int:
        """Return how many samples later ones were not compared with, because the memory was full."""
        return max((memory[SEEN].forgotten for memory in self._memories.values() if SEEN in memory), default=0)

    @property
    def forgotten(self) -> int:
        """Return how many prompts later rows were not compared with, because the memory was full."""
        return sum(memory[_INDEX].forgotten for memory in self._memories.values() if _INDEX in memory)

    def remember_test(
        self, rows: Iterable[Record | Mapping[str, Any]], template: Template, format: Format = "preference"
    ) -> None:
        """Remember the prompts of a test set's rows, including those of ties and of equal answers.

        The template reads the rows, which therefore need the same columns as the training rows.

        Raises:
            FileError: the template can read none of them, so that no copy could be found.
            DefinitionError: the template is custom.
        """
        prompts = TestPrompts(rows, template, format)
        if self._memories.keys().isdisjoint(TEST_CODES):
            return
        for prompt in prompts:
            self.remember_test_prompt(prompt.messages, prompt.row, prompt.tools)
        self.unread_test_rows += prompts.unread_rows

    def remember_test_prompt(self, prompt: Sequence[Message], row: int, tools: Any = None) -> None:
        """Remember a prompt of a test set."""
        if Code.IN_TEST in self._memories:
            self._memories[Code.IN_TEST].setdefault(short_digest(prompt), row)
        normal = normalise_prompt(prompt, tools) if Code.NEAR_TEST in self._memories else None
        if normal is not None:
            self._memories[Code.NEAR_TEST].setdefault(_INDEX, NearCopyIndex()).add(normal, row)

    def find(self, accepted: AcceptedSample) -> dict[Code, str]:
        """Return how a sample is a copy, by code, and remember it; do not report exact copies as near copies."""
        messages = {code: ROW_RULES[code](accepted, memory) for code, memory in self._memories.items()}
        found = {code: message for code, message in messages.items() if message is not None}
        return {code: message for code, message in found.items() if EXACT_CODES.get(code) not in found}

"""Copies: rows that repeat or contradict earlier rows, and prompts that are in a test set too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preftemplates.core.digest import short_digest
from preftemplates.core.samples import PromptOnly
from preftemplates.data.near_copies import NearCopyIndex
from preftemplates.data.normal_prompt import normalise_prompt
from preftemplates.data.reading import Record
from preftemplates.data.row_rules import REMEMBERING, ROW_RULES, AcceptedSample, RuleMemory, register_rule
from preftemplates.errors import Code, DefinitionError, FileError, RowError
from preftemplates.templates.unread import is_context

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from typing import Any

    from preftemplates.core.messages import Message
    from preftemplates.core.samples import Format, Sample
    from preftemplates.templates.template import Template

_INDEX = "near copies"
"""The key of the index in the memory of a rule."""

_EXACT = {Code.NEAR_DUPLICATE: Code.DUPLICATE, Code.NEAR_TEST: Code.IN_TEST}
"""The code of an exact copy, next to which the near copy says nothing new."""


@register_rule(Code.NEAR_DUPLICATE)
def _find_near_duplicate(accepted: AcceptedSample, memory: RuleMemory) -> str | None:
    """An earlier row has nearly the same prompt, in another spelling."""
    if accepted.normal_prompt is None:
        return None
    index = memory.setdefault(_INDEX, NearCopyIndex())
    prompt = accepted.normal_prompt.with_context([*filter(is_context, accepted.unread)])
    copy = index.find(prompt)
    index.add(prompt, accepted.row)
    if copy is None or copy.row == accepted.row:
        return None
    return f"a near copy of the prompt of row {copy.row}: {copy.difference}"


@register_rule(Code.NEAR_TEST)
def _find_near_test(accepted: AcceptedSample, memory: RuleMemory) -> str | None:
    """The test set has nearly the same prompt, in another spelling; `memory` holds the index of its prompts."""
    if accepted.normal_prompt is None or _INDEX not in memory:
        return None
    copy = memory[_INDEX].find(accepted.normal_prompt)
    return None if copy is None else f"a near copy of the prompt of row {copy.row} of the test set: {copy.difference}"


def _extract_prompts(cells: Mapping[str, Any], template: Template, format: Format) -> Sequence[Sample[list[Message]]]:
    """The samples of a row; of a tie, whose answers are not asked for, the prompt."""
    try:
        extracted = template.extract_all(cells, format)
    except RowError as error:
        if error.code is not Code.TIE or PromptOnly.format not in template.formats:
            raise
        return template.extract_all(cells, PromptOnly.format).samples
    if extracted.ties and PromptOnly.format in template.formats:
        return template.extract_all(cells, PromptOnly.format).samples
    return extracted.samples


class CopyFinder:
    """Finds rows that are copies of earlier rows, or whose prompts are in a test set.

    Args:
        without: codes that are not looked for.

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
    def forgotten(self) -> int:
        """The number of prompts with which later rows were not compared, since there were too many before."""
        return sum(memory[_INDEX].forgotten for memory in self._memories.values() if _INDEX in memory)

    def remember_test(
        self, rows: Iterable[Record | Mapping[str, Any]], template: Template, format: Format = "preference"
    ) -> None:
        """Remember the prompts of the rows of a test set, those of ties and of equal answers too.

        The template reads the rows, so they have the columns of the rows that are compared with them.

        Raises:
            FileError: the template cannot read one of them, and so finds no copy.
            DefinitionError: the template is custom.
        """
        if template.is_custom:
            raise DefinitionError(
                f"copies are found in messages, and the custom template {template.name} has none; give no test set"
            )
        if self._memories.keys().isdisjoint((Code.IN_TEST, Code.NEAR_TEST)):
            return
        read, first = 0, None
        for number, item in enumerate(rows):
            record = item if isinstance(item, Record) else Record(number, None, item)
            try:
                if isinstance(record.cells, RowError):
                    raise record.cells
                samples = _extract_prompts(record.cells, template, format)
            except RowError as error:
                first = first or error.located(row=record.row, line=record.line)
                self.unread_test_rows += 1
                continue
            read += 1
            for sample in samples:
                self.remember_test_prompt(sample.prompt, record.row, sample.tools)
        if first is not None and not read:
            message = f"the template {template.name} reads none of the {self.unread_test_rows:,} rows of the test set"
            raise FileError(f"{message}; the first is {first}") from first

    def remember_test_prompt(self, prompt: Sequence[Message], row: int, tools: Any = None) -> None:
        """Remember a prompt of a test set."""
        if Code.IN_TEST in self._memories:
            self._memories[Code.IN_TEST].setdefault(short_digest(prompt), row)
        normal = normalise_prompt(prompt, tools) if Code.NEAR_TEST in self._memories else None
        if normal is not None:
            self._memories[Code.NEAR_TEST].setdefault(_INDEX, NearCopyIndex()).add(normal, row)

    def find(self, accepted: AcceptedSample) -> dict[Code, str]:
        """Return how a sample is a copy, by code, and remember it; exact copies are not reported as near ones."""
        messages = {code: ROW_RULES[code](accepted, memory) for code, memory in self._memories.items()}
        found = {code: message for code, message in messages.items() if message is not None}
        return {code: message for code, message in found.items() if _EXACT.get(code) not in found}

"""Pairs: what a reward model is trained on, read from rows through a template."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from preftemplates.core.messages import Message
from preftemplates.core.samples import Preference
from preftemplates.data.convert import Conversion, ConversionReport, OnError
from preftemplates.data.reading import Record
from preftemplates.data.shortcuts import choose_first_listed
from preftemplates.errors import RowError
from preftemplates.templates.template import Formatted, Template
from preftemplates_train.errors import SetupError
from preftemplates_train.lengths import Pair

FORMAT = "preference"


def read_pairs(
    records: Iterable[Record | Mapping[str, Any]],
    template: Template,
    *,
    source: str = "rows",
    on_error: OnError = "skip",
) -> tuple[list[Pair], ConversionReport]:
    """Read pairs, and count what became of the rows.

    Args:
        records: the rows.
        template: the template; it writes texts in its own style, whatever its dialect.
        source: the name of the data, which the pairs carry.
        on_error: as in `Conversion`.
    """
    reader = PairReader(records, template, source=source, on_error=on_error)
    return list(reader), reader.report


class PairReader:
    """Reads pairs one by one; iterate over it for the pairs, and read its report at any time.

    Args:
        records, template, source, on_error: as in `read_pairs`.
    """

    def __init__(
        self,
        records: Iterable[Record | Mapping[str, Any]],
        template: Template,
        *,
        source: str = "rows",
        on_error: OnError = "skip",
    ) -> None:
        self._source = source
        self._template = template if template.by_hand else template.with_dialect("align-anything")
        self._conversion = Conversion(records, self._template, FORMAT, on_error=on_error, file=source)

    def __iter__(self) -> Iterator[Pair]:
        for record, formatted in self._conversion.accepted():
            yield _pair(self._source, record, formatted, self._template)

    @property
    def report(self) -> ConversionReport:
        """What became of the rows read so far."""
        return self._conversion.report


def _pair(source: str, record: Record, formatted: Formatted, template: Template) -> Pair:
    chosen, rejected = _texts(formatted)
    prompt = formatted.texts.prompt if formatted.texts is not None else _written_prompt(record, template)
    first = None if template.by_hand else first_listed(template, record)
    labels = formatted.messages.label_values if formatted.messages is not None else {}
    known = {name: float(labels[name]) for name in ("margin", "probability") if name in labels}
    return Pair(source, record.row, prompt, chosen, rejected, first, formatted.messages, **known)


def _texts(formatted: Formatted) -> tuple[str, str]:
    """The whole texts; of a template that formats by hand, the two texts of its result."""
    values = list((formatted.texts.responses if formatted.texts is not None else formatted.result).values())
    if len(values) != 2 or not all(isinstance(value, str) for value in values):
        raise SetupError(f"a preference has two texts, got {list(formatted.result)}")
    return values[0], values[1]


def _written_prompt(record: Record, template: Template) -> str:
    """The prompt that a class writes by hand; empty if it writes none.

    What both texts begin with alike is no prompt: two answers may begin with one letter, or with one sentence.
    """
    if "prompt_only" not in template.formats:
        return ""
    assert isinstance(record.cells, Mapping)
    try:
        texts = list(template.format(record.cells, "prompt_only").values())
    except RowError:
        return ""
    return texts[0] if texts and isinstance(texts[0], str) else ""


def first_listed(template: Template, record: Record) -> bool | None:
    """Whether the chosen answer stands in a column before that of the rejected one.

    Returns:
        None where that cannot be said, or where it says nothing: a row gives several pairs; or every column holds
        text, so none is a label, and the chosen answer has a column of its own.
    """
    assert isinstance(record.cells, Mapping)
    samples = template.extract_all(record.cells, FORMAT).samples
    if len(samples) != 1:
        return None
    return choose_first_listed(cast("Preference[list[Message]]", samples[0]), template.columns(FORMAT))


def split_by_prompt(pairs: list[Pair], share: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Training and held-out pairs; all pairs of one prompt are on one side.

    Args:
        pairs: the pairs.
        share: the share of prompts to hold out, from 0 to 1.
        seed: which prompts these are.

    Raises:
        SetupError: there are fewer than two prompts.
    """
    ranked = sorted({pair.prompt for pair in pairs}, key=lambda prompt: _rank(prompt, seed))
    if len(ranked) < 2:
        unknown = ", since the template writes none by hand" if ranked == [""] else ""
        raise SetupError(
            f"a split by prompt needs two prompts or more, got {len(ranked)}{unknown}; name held-out rows instead"
        )
    held_out = set(ranked[: min(len(ranked) - 1, max(1, round(share * len(ranked))))])
    return [p for p in pairs if p.prompt not in held_out], [p for p in pairs if p.prompt in held_out]


def _rank(prompt: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\n{prompt}".encode("utf-8", "backslashreplace")).digest()

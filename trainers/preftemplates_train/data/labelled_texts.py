"""Labelled texts: the samples that a run learns from, read from rows through a template."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from preftemplates import Dialect
from preftemplates.data.sample_ids import Extent, find_extents, list_strings
from preftemplates.data.sample_reading import SampleReader
from preftemplates.errors import RowError
from preftemplates_train.errors import SetupError
from preftemplates_train.progress import track
from preftemplates_train.settings.objectives import LABEL_NAMES

if TYPE_CHECKING:
    from preftemplates import Format, Message, Sample, Template
    from preftemplates.data import ConversionReport
    from preftemplates.data.columnar.tokens.block_tokens import BlockEncoder
    from preftemplates.data.convert import OnError
    from preftemplates.data.reading import Record
    from preftemplates.data.sample_reading import ReadSample

PAIR_FORMAT: Final = "preference"

TEXT_COUNTS: Mapping[str, int] = {"preference": 2, "unpaired": 1, "scored": 1}
"""The dataset types that can be trained on, each with the number of texts per sample."""


class WholeTexts(Dialect):
    """The whole text of each answer, prompt included; it need not begin with the text of the prompt alone."""

    preference = {"chosen": "prompt+chosen", "rejected": "prompt+rejected"}
    unpaired = {"completion": "prompt+completion"}
    scored = {"completion": "prompt+completion"}


class LabelledTexts(NamedTuple):
    """The texts of one sample of a row, with their labels and their origin.

    Attributes:
        source: the name of the data.
        row: the row's number in it, from 0.
        prompt: the prompt's text, by which data is split; empty if a custom template has no prompt.
        texts: the whole text of each answer; in a pair, the chosen one is first.
        messages: the sample with messages, from which a prompt can be cut; None for a custom template.
        labels: the values that objectives read, by name; True is 1. Labels that the sample lacks are missing.
        first_listed: for a pair, whether the row lists the chosen answer first; None if that is unknown.
        contents: for a custom template, where whole values of the row are in each text.
        ids: the token ids of each text, if they were encoded when the rows were read.
    """

    source: str
    row: int
    prompt: str
    texts: tuple[str, ...]
    messages: Sample[list[Message]] | None
    labels: Mapping[str, float] = {}
    first_listed: bool | None = None
    contents: tuple[tuple[Extent, ...], ...] = ()
    ids: list[list[int]] | None = None


def read_labelled_texts(
    records: Iterable[Record | Mapping[str, Any]],
    template: Template,
    format: Format = PAIR_FORMAT,
    *,
    source: str = "rows",
    on_error: OnError = "skip",
    encoder: BlockEncoder | None = None,
) -> tuple[list[LabelledTexts], ConversionReport]:
    """Read the samples of rows, and count the rows.

    Args:
        records: the rows.
        template: the template; it writes texts in its own style, whatever its dialect.
        format: the dataset type that rows are read as, one of `TEXT_COUNTS`.
        source: the name of the data, which the samples keep.
        on_error: as in `Conversion`.
        encoder: encodes the texts as they are read, in the template's style; None to encode them later.
    """
    reader = LabelledTextReader(records, template, format, source=source, on_error=on_error, encoder=encoder)
    return list(track(reader, f"reading {source}")), reader.report


class LabelledTextReader:
    """Reads samples one by one: iterate over it for the samples; its report is up to date at any time.

    Args:
        records, template, format, source, on_error, encoder: as in `read_labelled_texts`.
        in_slices: whether rows are read many at a time, before the first sample is returned.
    """

    def __init__(
        self,
        records: Iterable[Record | Mapping[str, Any]],
        template: Template,
        format: Format = PAIR_FORMAT,
        *,
        source: str = "rows",
        on_error: OnError = "skip",
        encoder: BlockEncoder | None = None,
        in_slices: bool = True,
    ) -> None:
        self._source, self._format = source, format
        self._template = template.adapted(dialect=WholeTexts())
        self._reader = SampleReader(
            records, self._template, format, encoder=encoder, on_error=on_error, file=source, in_slices=in_slices
        )

    def __iter__(self) -> Iterator[LabelledTexts]:
        return map(self._make_labelled_texts, self._reader)

    def _make_labelled_texts(self, sample: ReadSample) -> LabelledTexts:
        texts = _get_texts(sample, self._format)
        record, messages = sample.record, sample.messages
        values = {} if messages is None else messages.label_values
        return LabelledTexts(
            self._source,
            record.row,
            _format_prompt(record, self._template) if sample.prompt is None else sample.prompt,
            texts,
            messages,
            {name: float(values[name]) for name in LABEL_NAMES if name in values},
            sample.first_listed,
            find_contents(record, texts) if messages is None else (),
            sample.ids,
        )

    @property
    def report(self) -> ConversionReport:
        """The counts of the rows read so far."""
        return self._reader.report


def find_contents(record: Record, texts: Sequence[str]) -> tuple[tuple[Extent, ...], ...]:
    """Return where whole values of a row are in each of the texts that a custom template writes for it."""
    values = list(dict.fromkeys(list_strings(record.cells)))
    return tuple(find_extents(text, values) for text in texts)


def _get_texts(sample: ReadSample, format: Format) -> tuple[str, ...]:
    """Return the whole texts; for a custom template, the texts of its result."""
    values = sample.responses
    if len(values) != TEXT_COUNTS[format] or not all(isinstance(value, str) for value in values):
        kinds = ", ".join(type(value).__name__ for value in values) or "nothing"
        expected = "two texts" if TEXT_COUNTS[format] == 2 else "one text"
        raise SetupError(f"the dataset type {format} needs {expected} per sample, got {kinds}")
    return tuple(values)


def _format_prompt(record: Record, template: Template) -> str:
    """Return the prompt that a custom template writes; empty if it writes none.

    The common beginning of both texts is not the prompt: two answers may begin with the same characters.
    """
    if "prompt_only" not in template.formats:
        return ""
    assert isinstance(record.cells, Mapping)
    try:
        texts = list(template.format(record.cells, "prompt_only").values())
    except RowError:
        return ""
    return texts[0] if texts and isinstance(texts[0], str) else ""

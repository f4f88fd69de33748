"""Pairs of texts: read from rows through a template, and split by prompt into training and held-out pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from preftemplates.data.sample_ids import Extent, find_extents, list_strings
from preftemplates.data.sample_reading import SampleReader
from preftemplates.errors import RowError
from preftemplates_train.errors import SetupError

if TYPE_CHECKING:
    from preftemplates import Message, Sample, Template
    from preftemplates.data import ConversionReport
    from preftemplates.data.columnar.tokens.block_tokens import BlockEncoder
    from preftemplates.data.convert import OnError
    from preftemplates.data.reading import Record
    from preftemplates.data.sample_reading import ReadSample

PAIR_FORMAT: Final = "preference"

LABEL_DEFAULTS = {"margin": 0.0, "probability": 1.0}
"""The labels that a pair may have, each with its value for a pair that has none."""


class TextPair(NamedTuple):
    """Two texts of which the first is preferred, with where they came from.

    Attributes:
        source: the name of the data.
        row: the row's number in it, from 0.
        prompt: the prompt's text, by which data is split; empty if a class that formats by hand writes none.
        chosen, rejected: the whole texts.
        first_listed: whether the chosen answer is the one that the row lists first; None if that cannot be known.
        messages: the sample with messages, from which a prompt can be cut; None if the template formats by hand.
        margin: by how much the chosen answer is better, in the dataset's own units, if that is known.
        probability: how probable it is that it is the better one, likewise.
        contents: of a custom template, where values of the row stand whole in the chosen and in the rejected text.
        ids: the token ids of both texts, where they were encoded as the rows were read.
    """

    source: str
    row: int
    prompt: str
    chosen: str
    rejected: str
    first_listed: bool | None
    messages: Sample[list[Message]] | None
    margin: float | None = None
    probability: float | None = None
    contents: tuple[tuple[Extent, ...], ...] = ()
    ids: list[list[int]] | None = None


def read_pairs(
    records: Iterable[Record | Mapping[str, Any]],
    template: Template,
    *,
    source: str = "rows",
    on_error: OnError = "skip",
    encoder: BlockEncoder | None = None,
) -> tuple[list[TextPair], ConversionReport]:
    """Read pairs, and count what became of the rows.

    Args:
        records: the rows.
        template: the template; it writes texts in its own style, whatever its dialect.
        source: the name of the data, which the pairs carry.
        on_error: as in `Conversion`.
        encoder: encodes the pairs as they are read, in the template's style; None where that comes later.
    """
    reader = PairReader(records, template, source=source, on_error=on_error, encoder=encoder)
    return list(reader), reader.report


class PairReader:
    """Reads pairs one by one; iterate over it for the pairs, and read its report at any time.

    Args:
        records, template, source, on_error, encoder: as in `read_pairs`.
        in_slices: whether many rows are read before the first pair is there.
    """

    def __init__(
        self,
        records: Iterable[Record | Mapping[str, Any]],
        template: Template,
        *,
        source: str = "rows",
        on_error: OnError = "skip",
        encoder: BlockEncoder | None = None,
        in_slices: bool = True,
    ) -> None:
        self._source = source
        self._template = template.adapted(dialect="align-anything")
        self._reader = SampleReader(
            records,
            self._template,
            PAIR_FORMAT,
            encoder=encoder,
            on_error=on_error,
            file=source,
            in_slices=in_slices,
        )

    def __iter__(self) -> Iterator[TextPair]:
        return map(self._make_pair, self._reader)

    def _make_pair(self, sample: ReadSample) -> TextPair:
        chosen, rejected = _get_texts(sample)
        record, messages = sample.record, sample.messages
        prompt = _format_prompt(record, self._template) if sample.prompt is None else sample.prompt
        labels = messages.label_values if messages is not None else {}
        strengths = {name: float(labels[name]) for name in LABEL_DEFAULTS if name in labels}
        contents = () if messages is not None else find_contents(record, (chosen, rejected))
        return TextPair(
            self._source, record.row, prompt, chosen, rejected, sample.first_listed, messages,
            contents=contents, ids=sample.ids, **strengths,
        )  # fmt: skip

    @property
    def report(self) -> ConversionReport:
        """The counts of the rows read so far."""
        return self._reader.report


def find_contents(record: Record, texts: Sequence[str]) -> tuple[tuple[Extent, ...], ...]:
    """Return where the values of a row stand whole in each of the texts that a custom template makes of it."""
    values = list(dict.fromkeys(list_strings(record.cells)))
    return tuple(find_extents(text, values) for text in texts)


def _get_texts(sample: ReadSample) -> tuple[str, str]:
    """Return the whole texts; of a template that formats by hand, the two texts of its result."""
    values = sample.responses
    if len(values) != 2 or not all(isinstance(value, str) for value in values):
        kinds = ", ".join(type(value).__name__ for value in values) or "nothing"
        raise SetupError(f"a preference has two texts, got {kinds}")
    return values[0], values[1]


def _format_prompt(record: Record, template: Template) -> str:
    """Return the prompt that a class writes by hand; empty if it writes none.

    The common beginning of both texts is not the prompt: two answers may begin with one letter, or with one sentence.
    """
    if "prompt_only" not in template.formats:
        return ""
    assert isinstance(record.cells, Mapping)
    try:
        texts = list(template.format(record.cells, "prompt_only").values())
    except RowError:
        return ""
    return texts[0] if texts and isinstance(texts[0], str) else ""

"""Results: the samples of a row in the keys of a dialect, each with the messages and texts that it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates.core.digest import is_same
from preftemplates.core.media import MEDIA_COLUMNS
from preftemplates.core.message_values import Reading
from preftemplates.core.messages import CONTENT_KEYS
from preftemplates.core.provenance import plain_data
from preftemplates.core.samples import SAMPLE_TYPES, Preference, PromptOnly, Sample
from preftemplates.dialects.table import find_places
from preftemplates.errors import DefinitionError, StyleError
from preftemplates.templates.rendering import render_texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preftemplates.core.messages import Message
    from preftemplates.dialects.dialect import Dialect
    from preftemplates.dialects.table import ObjectShape
    from preftemplates.styles.style import Style
    from preftemplates.templates.declaration import Ties
    from preftemplates.templates.derivations import Lost
    from preftemplates.templates.text_edges import TextEdges


@dataclass(frozen=True)
class Formatted:
    """A result with the messages and texts that it was made from.

    Attributes:
        messages: the sample with messages; None for a custom template.
        texts: the sample with texts; None if the dialect needs none.
        result: the keys and values of the dialect.
        without_key: the labels and `tools` of the sample for which the dialect has no key, and the keys of messages
            that no text shows.
        equal: whether a custom template's `check_equal` finds the responses equal.
        others: the number of other samples in the row.
        has_prompt: whether the template takes a prompt from the row, so that an empty one is a fault of the row.
        source: the declared sample that this one is derived from; None if it is declared itself.
    """

    messages: Sample[list[Message]] | None
    texts: Sample[str] | None
    result: dict[str, Any]
    without_key: tuple[str, ...] = ()
    equal: bool = False
    others: int = 0
    has_prompt: bool = True
    source: Sample[list[Message]] | None = None

    @property
    def plain_messages(self) -> Sample[list[Message]] | None:
        """The sample with messages that do not track where their texts came from, which takes less memory."""
        return None if self.messages is None else self.messages.map(plain_data, plain_data)


class FormattedRow(NamedTuple):
    """The results of a row, and the losses of their samples.

    Attributes:
        samples: the results.
        lost: how often each response or label was left out, if the samples are derived.
        reading: the normalisations of tools and call arguments.
        touched: the columns that the class of a custom template has read; None if that is unknown.
        ties: the number of samples that the template declares as ties and drops.
    """

    samples: list[Formatted]
    lost: Lost
    reading: Reading = Reading()
    touched: frozenset[str] | None = None
    ties: int = 0


class ResultFormatter:
    """Turns samples of one dataset type into results: it renders texts if the dialect needs them, then fills its keys.

    Args:
        style: the style of the texts.
        dialect: the dialect of the results.
        format: the dataset type.
        parts: the labels, `tools` and kinds of media for which every result has a key.
        edges: the BOS and EOS of texts; None to keep those of the style.
        optional: the labels and `tools` that a sample may lack; those that are not in `parts` have a key only if the
            sample has them.
        has_prompt: whether the samples have a prompt.

    Raises:
        UnknownNameError: the dialect does not support the dataset type.
    """

    def __init__(
        self,
        style: Style,
        dialect: Dialect,
        format: str,
        parts: tuple[str, ...],
        edges: TextEdges | None = None,
        *,
        optional: tuple[str, ...] = (),
        has_prompt: bool = True,
    ) -> None:
        self._style, self._dialect, self._format, self._parts = style, dialect, format, parts
        self._media = tuple(part for part in parts if part in MEDIA_COLUMNS.values())
        self._optional = tuple(part for part in optional if part not in parts)
        sample_type = SAMPLE_TYPES.get(format)
        # a prompt is complete without its reference answer, but a pair without its margin would train differently
        of_prompt = sample_type.label_types if format == PromptOnly.format else ()
        self._may_lack = frozenset((*optional, *of_prompt))
        self._shapes = {self._media: dialect.shape(format, parts)}
        self._needs_text = dialect.needs_text(format)
        self._edges, self._has_prompt = edges, has_prompt
        self._has_messages = find_places(self._shapes[self._media], dialect.table.message_keys).has_messages
        self._keeps_tools = dialect.keeps_tools(format)
        exempt = sample_type.labels_in_text
        self._labels_without_key = {
            label for label in (*parts, *optional) if label not in exempt and not dialect.spells(format, label)
        }

    def format(
        self, sample: Sample[list[Message]], others: int = 0, source: Sample[list[Message]] | None = None
    ) -> Formatted:
        """Return the result of a sample with messages.

        Args:
            sample: the sample.
            others: the number of other samples in its row.
            source: the declared sample that it is derived from.

        Raises:
            RowError: the style or the dialect cannot spell the messages.
            StyleContractError: a key needs the text of a response alone, and it does not begin with the prompt's text.
        """
        media = self._dialect.check_media(sample, self._parts)
        if media or self._media:
            media = tuple(dict.fromkeys((*self._media, *media)))
        texts = render_texts(sample, self._style) if self._needs_text else None
        if texts is not None and self._edges is not None:
            texts = self._edges.cut(texts, self._style)
        try:
            shape = self._select_shape((*media, *self._find_optional(sample)) if self._optional else media)
            result = self._dialect.fill(shape, sample, texts, media, self._may_lack)
        except StyleError as error:
            raise error.located(style=self._style.name) from error
        lost = self._find_parts_without_key(sample)
        if texts is not None and not self._has_messages:
            lost = (*lost, *list_unwritten_keys(sample, texts))
        return Formatted(sample, texts, result, lost, others=others, has_prompt=self._has_prompt, source=source)

    def _find_optional(self, sample: Sample[Any]) -> tuple[str, ...]:
        """Return the labels and tools that this sample has and others may lack."""
        return tuple(part for part in self._optional if getattr(sample, part) is not None)

    def _select_shape(self, more: tuple[str, ...]) -> ObjectShape:
        """Return the shape of results that also have these kinds of media, labels and tools."""
        if more not in self._shapes:
            self._shapes[more] = self._dialect.shape(self._format, (*self._parts, *more))
        return self._shapes[more]

    def _find_parts_without_key(self, sample: Sample[Any]) -> tuple[str, ...]:
        """Return the parts of the sample that the result lacks: labels that are in no text either, and tools."""
        unwritten = self._labels_without_key
        labels = tuple(label for label in sample.label_values if label in unwritten) if unwritten else ()
        return (*labels, "tools") if sample.tools is not None and not self._keeps_tools else labels


def list_unwritten_keys(sample: Sample[list[Message]], texts: Sample[str]) -> Iterator[str]:
    """Yield the keys of messages, such as `name`, whose value is in none of the texts; ids do not count."""
    written = None
    for messages in (sample.prompt, *sample.responses.values()):
        for message in messages:
            for key, value in message.items() if len(message) > 2 else ():
                if key in _WRITTEN_KEYS or not isinstance(value, str) or not value:
                    continue
                written = "".join((texts.prompt, *texts.responses.values())) if written is None else written
                if value not in written:
                    yield key


_WRITTEN_KEYS = ("role", "content", "id", "tool_call_id", *CONTENT_KEYS)
"""Keys of a message that are never lost: a style writes them, or rejects the message."""


def check_ties_are_spelled(dialect: Dialect, ties: Ties, labels: tuple[str, ...]) -> None:
    """Check that a dialect can distinguish ties from other pairs, if they are kept or halved.

    Raises:
        DefinitionError: no key of the dialect distinguishes them.
    """
    format = Preference.format
    if ties == "half" and not dialect.spells(format, "probability"):
        raise DefinitionError(
            f"ties have the probability one half, but the dialect {dialect.name} has no key for it;"
            " choose another dialect, with_ties('drop') or with_ties('keep')"
        )
    tie_labels = [label for label in labels if label in ("margin", "probability")]
    if ties == "keep" and tie_labels and not any(dialect.spells(format, label) for label in tie_labels):
        raise DefinitionError(
            f"ties are kept, but the dialect {dialect.name} cannot distinguish them from other pairs;"
            " choose another dialect, or with_ties('drop')"
        )


def has_equal(sample: Sample[Any]) -> bool:
    """Return whether a sample has several responses that are all equal."""
    responses = list(sample.responses.values())
    return (
        len(responses) > 1 and not sample.pieces and all(is_same(response, responses[0]) for response in responses[1:])
    )

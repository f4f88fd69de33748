"""Results: the samples of a row in the keys of a dialect, each with the messages and texts that it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from preftemplates.core.samples import FORMATS, Preference, Sample
from preftemplates.dialects.table import iter_sample_fields
from preftemplates.errors import DefinitionError, StyleError
from preftemplates.templates.rendering import render_texts

if TYPE_CHECKING:
    from preftemplates.core.messages import Message
    from preftemplates.dialects.dialect import Dialect
    from preftemplates.styles.style import Style
    from preftemplates.templates.declaration import Ties
    from preftemplates.templates.derivations import Lost


@dataclass(frozen=True)
class Formatted:
    """A result, and what it was made of.

    Attributes:
        messages: the sample with messages; None for a custom template.
        texts: the sample with texts; None where the dialect needs none.
        result: the keys and values of the dialect.
        equal: whether a custom template says, by its `check_equal`, that the responses are equal.
    """

    messages: Sample[list[Message]] | None
    texts: Sample[str] | None
    result: dict[str, Any]
    equal: bool = False


class FormattedRow(NamedTuple):
    """The results of a row, and what of it has no place in them.

    Attributes:
        samples: the results.
        lost: how often each response or label was left out.
        labels_without_key: the labels of each sample for which the dialect has no key.
    """

    samples: list[Formatted]
    lost: Lost
    labels_without_key: tuple[str, ...] = ()


class ResultFormatter:
    """Turns samples of one format into results: texts in a style where the dialect needs them, then its keys.

    Args:
        style: the style of the texts.
        dialect: the dialect whose keys the results have.
        format: the format's name.
        labels: the labels that the samples have.

    Raises:
        UnknownNameError: the dialect cannot spell the format.
    """

    def __init__(self, style: Style, dialect: Dialect, format: str, labels: tuple[str, ...]) -> None:
        self._style, self._dialect, self._format, self._labels = style, dialect, format, labels
        self._needs_text = dialect.needs_text(format)

    def format(self, sample: Sample[list[Message]]) -> Formatted:
        """Return the result of a sample with messages.

        Raises:
            RowError: the style or the dialect cannot spell the messages.
            StyleContractError: a key needs a response's own text, and the style writes none.
        """
        texts = render_texts(sample, self._style) if self._needs_text else None
        try:
            return Formatted(sample, texts, self._dialect.spell(sample, texts, self._labels))
        except StyleError as error:
            raise error.located(style=self._style.name) from error

    @cached_property
    def keeps_tools(self) -> bool:
        """Whether the dialect has a key for tools, or one for a text that holds them."""
        fields = iter_sample_fields(self._dialect.shape(self._format))
        in_text = any(field.needs_text and (field.name == "prompt" or field.with_prompt) for field in fields)
        return in_text or self._dialect.spells(self._format, "tools")

    @cached_property
    def labels_without_key(self) -> tuple[str, ...]:
        """The labels for which the dialect has no key; without tools, which a row may lack (see `keeps_tools`)."""
        exempt = (*FORMATS[self._format].labels_in_text, "tools")
        spells = self._dialect.spells
        return tuple(label for label in self._labels if label not in exempt and not spells(self._format, label))


def check_ties_are_spelled(dialect: Dialect, ties: Ties, labels: tuple[str, ...]) -> None:
    """Refuse to keep ties, as halves or as they are, in a dialect of which no key tells them from other pairs.

    Raises:
        DefinitionError: there is no such key.
    """
    format = Preference.format
    if ties == "half" and not dialect.spells(format, "probability"):
        raise DefinitionError(
            f"ties are halves, and the dialect {dialect.name} spells no probability;"
            " choose another dialect, or with_ties('drop') or with_ties('keep')"
        )
    tie_labels = [label for label in labels if label in ("margin", "probability")]
    if ties == "keep" and tie_labels and not any(dialect.spells(format, label) for label in tie_labels):
        raise DefinitionError(
            f"ties are kept, and in the dialect {dialect.name} nothing tells them from other pairs;"
            " choose another dialect, or with_ties('drop')"
        )


def has_equal(sample: Sample[Any]) -> bool:
    """Return whether a sample's responses leave no choice: of two or more, all are equal."""
    responses = list(sample.responses.values())
    return len(responses) > 1 and not sample.pieces and all(response == responses[0] for response in responses[1:])

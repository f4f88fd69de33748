"""The runner that draws rows and conversations, and runs the property tests that apply to a template or style."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from preftemplates.errors import Code, RowError
from preftemplates.styles.style import Style
from preftemplates.testing.demands import demand, get_outcome
from preftemplates.testing.laws import (
    a_batch_is_its_rows_however_it_is_cut,
    a_row_is_never_written_to,
    an_exported_style_reads_back_the_same,
    every_one_pickles_and_equal_ones_hash_equal,
    find_choice,
    formatting_is_rendering_after_extracting,
    messages_are_never_written_to,
    no_cell_is_executed_or_escaped,
    no_content_is_executed_escaped_or_trimmed,
    parsing_undoes_rendering,
    rows_in_are_formatted_skipped_or_rejected,
    spans_partition_the_text_and_spell_the_messages,
    spans_partition_the_text_and_spell_their_cells,
    swapping_the_answers_and_the_label_changes_nothing,
    the_generation_prompt_opens_every_answer,
    the_prompt_opens_every_response,
)
from preftemplates.testing.strategies import NASTY, conversations, rows

if TYPE_CHECKING:
    from preftemplates.core.samples import Format
    from preftemplates.templates.template import Template

_STYLE_LAWS: tuple[Callable[..., None], ...] = (
    the_generation_prompt_opens_every_answer,
    no_content_is_executed_escaped_or_trimmed,
    spans_partition_the_text_and_spell_the_messages,
    messages_are_never_written_to,
    an_exported_style_reads_back_the_same,
    parsing_undoes_rendering,
)
_SAMPLE_LAWS: tuple[Callable[..., None], ...] = (
    the_prompt_opens_every_response,
    spans_partition_the_text_and_spell_their_cells,
    swapping_the_answers_and_the_label_changes_nothing,
)
_RESULT_LAWS: tuple[Callable[..., None], ...] = (
    formatting_is_rendering_after_extracting,
    a_row_is_never_written_to,
    no_cell_is_executed_or_escaped,
)
_BATCH_LAWS: tuple[Callable[..., None], ...] = (
    a_batch_is_its_rows_however_it_is_cut,
    rows_in_are_formatted_skipped_or_rejected,
)


def check_laws(
    subject: Template | Style | type[Template] | type[Style],
    *,
    max_examples: int = 50,
    laws: Iterable[Callable[..., None]] | None = None,
) -> None:
    """Run the property tests that apply to a template, with its own style and dialect, or to a style.

    Drawing is deterministic: every run uses the same examples.

    Args:
        subject: a template or a style, or a class that declares one.
        max_examples: the number of rows, batches or conversations drawn per property and dataset type.
        laws: the properties to check, functions of `preftemplates.testing`; by default, all that apply.

    Raises:
        AssertionError: a property does not hold; the message has the property and an example that fails. Also if no
            example could be used, neither a drawn one nor the template's own, or if no property applies.
    """
    checked: Any = subject() if isinstance(subject, type) else subject
    trials = [*(_make_style_trials(checked) if isinstance(checked, Style) else _make_template_trials(checked))]
    trials.append((every_one_pickles_and_equal_ones_hash_equal, st.just(()), []))
    trials = trials if laws is None else [trial for law in laws for trial in trials if trial[0] is law]
    demand(trials, f"none of these property tests applies to {checked!r}")
    for law, arguments, always in trials:
        _try_law(law, checked, arguments, always, max_examples)


_Trial = tuple[Callable[..., None], SearchStrategy[tuple[Any, ...]], list[tuple[Any, ...]]]
"""A property, the strategy for its arguments, and arguments that are always tried."""


def _make_style_trials(style: Style) -> list[_Trial]:
    always = [([{"role": role, "content": text}],) for role in style.accepted_roles for text in NASTY]
    return [(law, st.tuples(conversations(style)), always) for law in _STYLE_LAWS]


def _make_template_trials(template: Template) -> Iterator[_Trial]:
    for format in template.formats:
        row = rows(template, format)
        several = st.lists(row, min_size=1, max_size=3)
        for law in _SAMPLE_LAWS + _RESULT_LAWS + _BATCH_LAWS:
            if _applies(law, template, format):
                example = [template.example] if law in _BATCH_LAWS else template.example
                always = [] if template.example is None else [(example, format)]
                yield law, st.tuples(several if law in _BATCH_LAWS else row, st.just(format)), always


def _applies(law: Callable[..., None], template: Template, format: Format) -> bool:
    """Return whether a template has what the property is about."""
    if law is swapping_the_answers_and_the_label_changes_nothing:
        return find_choice(template, format) is not None
    if law is a_batch_is_its_rows_however_it_is_cut and importlib.util.find_spec("pyarrow") is None:
        return False
    if template.is_custom:
        return law not in (*_SAMPLE_LAWS, formatting_is_rendering_after_extracting)
    if law in (the_prompt_opens_every_response, spans_partition_the_text_and_spell_their_cells):
        return not _has_no_text(template, format)
    return law in _SAMPLE_LAWS or format in template.dialect.formats


def _has_no_text(template: Template, format: Format) -> bool:
    """Return whether the example holds something that no text style can spell, such as images or tool calls."""
    rendered = get_outcome(template.render, template.example or {}, format)
    return isinstance(rendered, RowError) and rendered.code == Code.UNSUPPORTED_CONTENT


def _try_law(
    law: Callable[..., None], thing: Any, arguments: SearchStrategy[Any], always: Iterable[Any], max_examples: int
) -> None:
    """Test a property on drawn examples and on those that are always tried."""
    name = law.__name__.replace("_", " ")
    tried: list[Any] = []
    refused: list[Any] = []
    failures: list[tuple[Any, Exception]] = []

    def holds(example: tuple[Any, ...]) -> None:
        tried.append(example)
        try:
            law(thing, *example)
        except RowError:
            refused.append(example)
        except Exception as error:
            failures.append((example, error))
            raise

    bounded = settings(
        max_examples=max_examples, derandomize=True, database=None, deadline=None, verbosity=Verbosity.quiet,
        phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    try:
        bounded(given(arguments)(holds))()
        for example in always:
            holds(example)
    except Exception as error:
        falsifying, reason = failures[-1] if failures else ((), error)
        raise AssertionError(f"{name}: does not hold for {thing!r} with {falsifying!r}: {reason}") from error
    demand(
        len(refused) < len(tried),
        f"{name}: not tested for {thing!r}, since {len(refused)} of {len(tried)} examples raised an error, such as"
        f" {refused[-1:]!r}; a template needs an `example` row that it can format",
    )

"""Property tests for templates and styles, and the Hypothesis strategies that draw their rows and conversations.

`check_laws(MyTemplate)` runs all tests that apply. Each test is a function named after the property that it checks. It
raises `AssertionError` if the property does not hold, and lets the `RowError` of a row that cannot be used pass.
"""

from preftemplates.core.extras import import_extra

import_extra("hypothesis", "preftemplates.testing draws rows and conversations")

from preftemplates.testing.laws import (  # noqa: E402
    Choice,
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
from preftemplates.testing.runner import check_laws  # noqa: E402
from preftemplates.testing.strategies import NASTY, conversations, nasty_text, rows  # noqa: E402

__all__ = [
    "NASTY",
    "Choice",
    "a_batch_is_its_rows_however_it_is_cut",
    "a_row_is_never_written_to",
    "an_exported_style_reads_back_the_same",
    "check_laws",
    "conversations",
    "every_one_pickles_and_equal_ones_hash_equal",
    "find_choice",
    "formatting_is_rendering_after_extracting",
    "messages_are_never_written_to",
    "nasty_text",
    "no_cell_is_executed_or_escaped",
    "no_content_is_executed_escaped_or_trimmed",
    "parsing_undoes_rendering",
    "rows",
    "rows_in_are_formatted_skipped_or_rejected",
    "spans_partition_the_text_and_spell_the_messages",
    "spans_partition_the_text_and_spell_their_cells",
    "swapping_the_answers_and_the_label_changes_nothing",
    "the_generation_prompt_opens_every_answer",
    "the_prompt_opens_every_response",
]

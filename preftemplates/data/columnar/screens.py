"""Screens: find the rows in which a rule may find something, for all rows at once.

A screen never passes a row that a rule on single rows would flag. It may hold back others, which the row path then
checks exactly.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preftemplates.core.samples import PromptOnly
from preftemplates.data.columnar.arrays import to_arrow, to_mask, to_scalar
from preftemplates.data.columnar.kernels import Mask, get_offsets, match_part, occurs, read_bytes
from preftemplates.data.columnar.turns import Numbers, PartTurns, Shape, hold_for_all
from preftemplates.data.content_rules import SPECIAL_TOKEN_PATTERN
from preftemplates.data.row_rules import (
    INVISIBLE_RANGES,
    MAX_CHARACTERS,
    MIN_REPEATED_PROMPT,
    ROW_RULES,
    AcceptedSample,
)
from preftemplates.errors import Code
from preftemplates.styles.control_text import list_control_texts

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from preftemplates.styles.style import Style


class Screen:
    """Finds rows in which a rule may find something.

    Args:
        style: the style in which texts are written, if known.
        special_tokens: the special tokens of the tokenizer that will be used; None for those of common tokenizers.
    """

    def __init__(self, style: Style | None, special_tokens: Collection[str] | None) -> None:
        self._marks = () if style is None else list_control_texts(style)
        tokens = None if special_tokens is None else sorted(special_tokens - {""})  # type: ignore[operator]
        self._pattern = SPECIAL_TOKEN_PATTERN if tokens is None else "|".join(map(_escape, tokens))
        self._first_bytes = b"<[" if tokens is None else bytes({token.encode()[0] for token in tokens})

    def find_suspicious(
        self, parts: Sequence[PartTurns], samples: Sequence[Sequence[int]], known: dict[Any, Any]
    ) -> Mask:
        """Return the rows to check.

        Args:
            parts: the messages of the prompt and of each response.
            samples: for each sample that a row gives, the parts that are its responses.
            known: stores findings about the messages of a part for other rows of the same slice.
        """
        suspicious = np.sum([part.measure() for part in parts], axis=0) > MAX_CHARACTERS
        for index, part in enumerate(parts):
            key = ("screen", index)
            if key not in known:
                known[key] = self._find_in_messages(part.contents)
            suspicious |= ~hold_for_all(~known[key], part.starts, part.ends)
        for responses in samples:
            suspicious |= _may_repeat_prompt(parts[0], [parts[index] for index in responses])
        return np.asarray(suspicious)

    def _find_in_messages(self, contents: pa.Array) -> Mask:
        """Return which messages are suspicious by their content alone."""
        found = _find_invisible(contents) | self._find_special_tokens(contents)
        for mark in (*self._marks, "<think>", "</think>"):
            if occurs(contents, mark.encode()):
                found |= to_mask(match_part(contents, mark))
        opened = pc.utf8_ltrim_whitespace(contents)
        return found | to_mask(pc.or_(pc.starts_with(opened, "{"), pc.starts_with(opened, "[")))

    def _find_special_tokens(self, contents: pa.Array) -> Mask:
        """Return which messages may spell a special token: they contain its first byte and match its pattern."""
        return _match_candidates(contents, _find_bytes(contents, self._first_bytes), self._pattern)

    @staticmethod
    def has_odd_turns(shape: Shape) -> bool:
        """Return whether the turns of a prompt are in an unusual order."""
        prompt: Any = [{"role": role, "content": ""} for role in shape[0]]
        return ROW_RULES[Code.ODD_TURNS](AcceptedSample(0, PromptOnly(prompt=prompt), None), {}) is not None


def _escape(text: str) -> str:
    """Return an RE2 pattern for a text."""
    return re.sub(r"([^A-Za-z0-9_\x80-\U0010ffff])", r"\\\1", text)


def _find_places(contents: pa.Array, places: Numbers) -> Mask:
    """Return which texts contain some places in the bytes of all texts."""
    found = np.zeros(len(contents), bool)
    if len(places):
        offsets = get_offsets(contents)
        found[np.searchsorted(offsets, places + int(offsets[0]), side="right") - 1] = True
    return found


def _find_bytes(contents: pa.Array, values: bytes) -> Mask:
    """Return which texts contain one of some bytes."""
    data = read_bytes(contents)
    found = np.zeros(len(contents), bool)
    for value in values:
        found |= _find_places(contents, np.flatnonzero(data == value))
    return found


def _match_candidates(contents: pa.Array, candidates: Mask, pattern: str) -> Mask:
    """Return which of some texts match a pattern."""
    places = np.flatnonzero(candidates)
    if len(places) and pattern:
        matched = to_mask(pc.match_substring_regex(contents.take(to_arrow(places)), pattern))
        candidates = np.zeros(len(contents), bool)
        candidates[places[matched]] = True
        return candidates
    return np.zeros(len(contents), bool)


_INVISIBLE_PATTERN = "[" + "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in INVISIBLE_RANGES) + "]"
_SHOWN_CONTROLS = b"\n\t\r\x0c"
_DELETE = 0x7F


def _find_invisible(contents: pa.Array) -> Mask:
    """Return which messages contain an invisible character."""
    data = read_bytes(contents)
    found = np.zeros(len(contents), bool)
    if not len(data):
        return found
    controls = int(np.count_nonzero(data < 0x20))
    for value in _SHOWN_CONTROLS:
        if controls:
            controls -= int(np.count_nonzero(data == value))
    if controls:
        hidden = np.isin(data, [value for value in range(0x20) if value not in _SHOWN_CONTROLS])
        found |= _find_places(contents, np.flatnonzero(hidden))
    if data.max() >= _DELETE:
        found |= _match_candidates(
            contents, _find_places(contents, np.flatnonzero(data >= _DELETE)), _INVISIBLE_PATTERN
        )
    return found


def _may_repeat_prompt(prompt: PartTurns, responses: Sequence[PartTurns]) -> Mask:
    """Return in which rows every answer may begin with the last message of the prompt."""
    count = len(prompt.counts)
    if not responses:
        return np.zeros(count, bool)
    asked = pc.utf8_trim_whitespace(_take_message(prompt.keep_last()))
    repeated = to_mask(pc.greater_equal(pc.binary_length(asked), to_scalar(MIN_REPEATED_PROMPT)))
    rows = np.flatnonzero(repeated)
    beginning = pc.binary_slice(asked.take(to_arrow(rows)).cast(pa.binary()), 0, MIN_REPEATED_PROMPT)
    for response in responses:
        answers = pc.utf8_ltrim_whitespace(_take_message(response.take(rows)))
        opened = pc.binary_slice(answers.cast(pa.binary()), 0, MIN_REPEATED_PROMPT)
        repeated[rows] &= to_mask(pc.equal(opened, beginning))
    return repeated


def _take_message(turns: PartTurns) -> pa.Array:
    """Return the content of the first message of each row; null if there is none."""
    return turns.contents.take(to_arrow(turns.starts, mask=turns.counts == 0))

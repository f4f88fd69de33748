"""Find copies among many samples at once, the same ones that `CopyFinder` finds one by one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from preftemplates.data.columnar.arrays import to_arrow
from preftemplates.data.columnar.checks.growing import Growing
from preftemplates.data.columnar.checks.hashes import Sequences, mix_all
from preftemplates.data.columnar.checks.key_table import KeyTable
from preftemplates.data.columnar.checks.near_copies import ColumnarNearCopyIndex
from preftemplates.data.columnar.checks.normal_prompts import NormalPrompts, PromptBatch
from preftemplates.data.columnar.turns import ROLE_CODES, PartTurns
from preftemplates.data.copies import EXACT_CODES, describe_near_copy
from preftemplates.data.row_rules import MAX_REMEMBERED, name_other_row
from preftemplates.errors import Code

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from preftemplates.data.columnar.checks.message_columns import MessageColumns
    from preftemplates.data.columnar.kernels import Mask
    from preftemplates.data.columnar.turns import Numbers

_SYSTEM = [ROLE_CODES["system"], ROLE_CODES["developer"]]


@dataclass(frozen=True)
class CopySamples:
    """Samples in the form in which they are compared, in the order of their rows.

    Attributes:
        rows: the row number of each sample.
        prompt: the messages of the prompts.
        responses: the messages of each response.
        labels: a hash of the labels of each sample.
        are_ties: which samples say that no response is better.
        others: a hash of what is asked besides text and unread values: tools and media; 0 if there is nothing.
        unread: a hash of unread values that are asked; 0 if there are none.
    """

    rows: Numbers
    prompt: MessageColumns
    responses: Sequence[MessageColumns]
    labels: Numbers
    are_ties: Mask
    others: Numbers
    unread: Numbers

    @cached_property
    def asked(self) -> Numbers:
        """Return a hash of everything asked."""
        return mix_all(self.prompt.hashes, self.others, self.unread)

    def hash_asked_and(self, responses: Sequence[MessageColumns]) -> Numbers:
        """Return a hash of everything asked, and of responses in this order."""
        return mix_all(self.asked, *(response.hashes for response in responses))

    @cached_property
    def prompts(self) -> tuple[PromptBatch, Numbers]:
        """Return the prompts that have messages, and the samples that they belong to."""
        turns = self.prompt.turns
        samples = np.flatnonzero(turns.counts > 0)
        asked = self.prompt.take(samples)
        turns = asked.turns
        owners = np.repeat(np.arange(len(samples)), turns.counts)
        is_spoken = ~np.isin(turns.roles, _SYSTEM)
        spoken_counts = np.bincount(owners[is_spoken], minlength=len(samples))
        is_spoken |= (spoken_counts == 0)[owners]  # a prompt of system messages only keeps them
        places = np.flatnonzero(is_spoken)
        counts = np.bincount(owners[places], minlength=len(samples))
        contents = turns.contents if len(places) == len(owners) else turns.contents.take(to_arrow(places))
        spoken = PartTurns.of_lists(counts, turns.roles[places], contents)
        texts = asked.text_hashes | np.uint64(1)
        spellings = Sequences(texts[places], spoken.starts, counts).hash_whole()
        full = Sequences(texts, turns.starts, turns.counts).hash_whole()
        full = np.where(counts == turns.counts, spellings, mix_all(spellings, full))
        contexts = self.others[samples]
        return PromptBatch(spoken, contexts, spellings, full), samples


class ColumnarCopyFinder:
    """Finds samples that are copies of earlier ones, or whose prompts are in a test set, as `CopyFinder` does.

    Args:
        is_pair: whether the samples are pairs, whose order of responses is the label.
        without: the codes that are not checked.
    """

    def __init__(self, is_pair: bool, without: Collection[str] = ()) -> None:
        finders = {
            Code.DUPLICATE: self._find_duplicates,
            Code.CONTRADICTION: self._find_contradicting_pairs if is_pair else self._find_contradictions,
            Code.IN_TEST: self._find_in_test,
            Code.NEAR_DUPLICATE: self._find_near_duplicates,
            Code.NEAR_TEST: self._find_near_test,
        }
        self._finders = {code: find for code, find in finders.items() if code not in without}
        self._is_pair, self._forgotten = is_pair, [0, 0]
        self._rows, self._labels = Growing(np.int64), Growing(np.uint64)
        self._same, self._judged, self._test = KeyTable(), KeyTable(), KeyTable()
        self._near, self._near_test = ColumnarNearCopyIndex(), ColumnarNearCopyIndex()

    @property
    def forgotten_rows(self) -> int:
        """Return how many samples later ones were not compared with, because the memory was full."""
        return max(self._forgotten)

    @property
    def forgotten(self) -> int:
        """Return how many prompts later rows were not compared with, because the memory was full."""
        return self._near.forgotten + self._near_test.forgotten

    def remember_test(self, samples: CopySamples) -> None:
        """Remember the prompts of a test set's samples."""
        if Code.IN_TEST in self._finders:
            self._test.setdefault(samples.prompt.hashes, samples.rows)
        if Code.NEAR_TEST in self._finders:
            batch, places = samples.prompts
            self._near_test.add(NormalPrompts(batch), samples.rows[places])

    def find(self, samples: CopySamples) -> list[tuple[int, Code, str]]:
        """Return the samples that are copies, each with a code and a message, and remember all samples.

        An exact copy is not reported as a near copy.
        """
        self._first = len(self._rows.values)
        room = min(MAX_REMEMBERED - self._first, len(samples.rows))
        self._rows.extend(samples.rows[:room])
        self._labels.extend(samples.labels[:room])
        found = {code: find(samples) for code, find in self._finders.items()}
        for near, exact in EXACT_CODES.items():
            for sample in found.get(exact, ()):
                found.get(near, {}).pop(sample, None)
        return [(sample, code, message) for code, messages in found.items() for sample, message in messages.items()]

    def _remember(self, table: KeyTable, keys: Numbers, which: Numbers) -> Numbers:
        """Remember samples by their keys, and return the first sample with each key; -1 if it is not remembered."""
        entered = which[which < len(self._rows.values) - self._first]
        table.setdefault(keys[entered], self._first + entered)
        firsts = table.get(keys[which])
        self._forgotten[table is self._same] += int((firsts < 0).sum())
        return firsts

    def _find_duplicates(self, samples: CopySamples) -> dict[int, str]:
        keys = samples.hash_asked_and(samples.responses)
        keys = keys if self._is_pair else mix_all(keys, samples.labels)
        firsts = self._remember(self._same, keys, np.arange(len(keys)))
        known = np.flatnonzero(firsts >= 0)
        rows = self._rows.values[firsts[known]]
        differs = rows != samples.rows[known]
        pairs = zip(known[differs].tolist(), rows[differs].tolist(), strict=True)
        return {at: f"the same as row {row}" for at, row in pairs}

    def _find_contradicting_pairs(self, samples: CopySamples) -> dict[int, str]:
        decided = np.flatnonzero(~samples.are_ties)
        self._remember(self._judged, samples.hash_asked_and(samples.responses), decided)
        others = self._judged.get(samples.hash_asked_and(samples.responses[::-1])[decided])
        found = (others >= 0) & (others < self._first + decided)
        pairs = zip(decided[found].tolist(), self._rows.values[others[found]].tolist(), strict=True)
        own = samples.rows
        return {at: f"{name_other_row(row, own[at])} prefers the other answer" for at, row in pairs}

    def _find_contradictions(self, samples: CopySamples) -> dict[int, str]:
        keys = samples.hash_asked_and(samples.responses)
        firsts = self._remember(self._judged, keys, np.arange(len(keys)))
        known = np.flatnonzero(firsts >= 0)
        differs = known[self._labels.values[firsts[known]] != samples.labels[known]]
        pairs = zip(differs.tolist(), self._rows.values[firsts[differs]].tolist(), strict=True)
        own = samples.rows
        return {at: f"{name_other_row(row, own[at])} labels the same answer differently" for at, row in pairs}

    def _find_in_test(self, samples: CopySamples) -> dict[int, str]:
        rows = np.where(samples.prompt.turns.counts > 0, self._test.get(samples.prompt.hashes), -1)
        places = np.flatnonzero(rows >= 0).tolist()
        return {at: f"the prompt is the same as in row {rows[at]} of the test set" for at in places}

    def _find_near_duplicates(self, samples: CopySamples) -> dict[int, str]:
        batch, places = samples.prompts
        unread = samples.unread[places]
        contexts = np.where(unread > 0, mix_all(batch.contexts, unread), batch.contexts)
        rows = samples.rows[places]
        found = self._near.find_and_add(NormalPrompts(batch._replace(contexts=contexts)), rows)
        return {int(places[at]): describe_near_copy(copy) for at, copy in found.items() if copy.row != rows[at]}

    def _find_near_test(self, samples: CopySamples) -> dict[int, str]:
        if not len(self._near_test):
            return {}
        batch, places = samples.prompts
        found = self._near_test.find(NormalPrompts(batch))
        return {int(places[at]): describe_near_copy(copy, " of the test set") for at, copy in found.items()}

"""Counts of words as features, for a model that learns from words alone which answer is better."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import torch

from preftemplates_train.heads.feature_table import FeatureTable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from preftemplates_train.data.encoding import TokenGroup
    from preftemplates_train.heads.feature_table import TextKey

MOST_WORDS = 5000
"""The number of words that are counted: those that occur in the most texts."""

FEWEST_TEXTS = 2
"""The number of texts in which a word must occur: a rarer word says nothing about other texts."""


def count_words(groups: Iterable[TokenGroup], others: Iterable[TokenGroup] = ()) -> FeatureTable:
    """Return log(1 + n) for each word that occurs n times in an answer, as a table with one cut.

    Words are in lower case. The words of the prompt are not counted, unless a custom template writes no prompt.

    Args:
        groups: the groups whose texts determine which words are counted.
        others: further groups, in which the same words are counted.
    """
    counts = {text: Counter(words) for text, words in _list_words(groups).items()}
    frequencies = Counter(word for counted in counts.values() for word in counted)
    vocabulary = [word for word, number in frequencies.most_common(MOST_WORDS) if number >= FEWEST_TEXTS]
    number_of = {word: number for number, word in enumerate(vocabulary)}
    counts |= {text: Counter(words) for text, words in _list_words(others).items() if text not in counts}
    values = torch.zeros(len(counts), 1, max(1, len(vocabulary)))
    for row, counted in enumerate(counts.values()):
        for word, times in counted.items():
            if word in number_of:
                values[row, 0, number_of[word]] = times
    return FeatureTable({text: row for row, text in enumerate(counts)}, values.log1p_())


def _list_words(groups: Iterable[TokenGroup]) -> dict[TextKey, list[str]]:
    """Return the words of each text of the groups, without those of its prompt."""
    return {
        tuple(ids): re.findall(r"\w+", text.removeprefix(one.sample.prompt).lower())
        for group in groups
        for one in group
        for ids, text in zip(one.ids, one.sample.texts, strict=True)
    }

"""Batches: texts padded right or in one row, each text of a ranking once, and each ranking counts alike."""

import math

import pytest
from preftemplates_train.data.collators import BranchCollator, PaddedCollator
from preftemplates_train.data.dataset import SampleDataset
from preftemplates_train.data.encoding import LabelledTokens
from preftemplates_train.data.labelled_texts import LabelledTexts


def test_a_batch_is_its_texts_padded_right():
    groups = [
        {"index": 7, "samples": [{"ids": ([1, 2], [3])}]},
        {"index": 2, "samples": [{"ids": ([4], [5, 6, 1])}]},
    ]
    batch = PaddedCollator(9)(groups)
    assert batch["input_ids"].tolist() == [[1, 2, 9], [3, 9, 9], [4, 9, 9], [5, 6, 1]]
    assert batch["attention_mask"].tolist() == [[1, 1, 0], [1, 0, 0], [1, 0, 0], [1, 1, 1]]
    assert [batch[name].tolist() for name in ("index", "samples")] == [[7, 2], [[0, 1], [2, 3]]]


RANKED = [
    {"index": 0, "samples": [{"ids": ([1], [2])}]},
    {"index": 1, "samples": [{"ids": ([1], [3])}, {"ids": ([1], [4, 4])}, {"ids": ([3], [4, 4])}]},
]


@pytest.mark.parametrize("collator", [PaddedCollator(9), BranchCollator(lambda *_: True)])
def test_each_text_of_a_ranking_is_there_once_and_each_ranking_counts_alike(collator):
    batch = collator(RANKED)
    assert batch["sizes"] == (2, 3)
    assert batch["samples"].tolist() == [[0, 1], [2, 3], [2, 4], [3, 4]]
    assert batch["ranks"].tolist() == [0, 1, 0, 1, 2]
    assert batch["share"].tolist() == pytest.approx([2, 2 / 3, 2 / 3, 2 / 3])
    assert "share" not in collator(RANKED[:1])


@pytest.mark.parametrize(("probability", "rank"), [(0.5, 0), (math.nextafter(0.5, 1), 1), (1.0, 1), (None, 1)])
@pytest.mark.parametrize("collator", [PaddedCollator(9), BranchCollator(lambda *_: True)])
def test_an_answer_is_beaten_where_the_other_is_more_probably_the_better_one(probability, rank, collator):
    labels = {} if probability is None else {"probability": probability}
    pair = LabelledTokens(LabelledTexts("rows", 0, "", ("a", "b"), None, labels), ([3], [4]), labels)
    batch = collator([SampleDataset([pair])[0]])
    assert batch["ranks"].tolist() == [0, rank]
    assert ("probability" in batch) is (probability is not None)


def test_a_tie_beats_nobody():
    tie = {"ids": ([3], [4]), "probability": 0.5}
    batch = PaddedCollator(9)([{"index": 0, "samples": [{"ids": ([3], [5])}, tie]}])
    assert batch["ranks"].tolist() == [0, 1, 0]


ANSWERS = [
    {"index": 4, "samples": [{"ids": ([1, 2],), "label": 1.0}, {"ids": ([1, 3],), "label": 0.0}]},
    {"index": 5, "samples": [{"ids": ([6],), "label": 1.0}]},
]


@pytest.mark.parametrize("collator", [PaddedCollator(9), BranchCollator(lambda *_: True)])
def test_single_answers_have_a_place_each_and_their_labels(collator):
    batch = collator(ANSWERS)
    assert batch["samples"].tolist() == [[0], [1], [2]]
    assert batch["label"].tolist() == [1, 0, 1]
    assert batch["sizes"] == (2, 1)
    assert batch["ranks"].tolist() == [0, 0, 0]
    assert batch["share"].tolist() == pytest.approx([0.75, 0.75, 1.5])  # both rows count alike
    assert "share" not in collator(ANSWERS[1:])


def test_one_text_with_two_labels_is_computed_once():
    twice = {"index": 0, "samples": [{"ids": ([7],), "label": 1.0}, {"ids": ([7],), "label": 0.0}]}
    batch = PaddedCollator(9)([twice])
    assert batch["input_ids"].tolist() == [[7]]
    assert batch["samples"].tolist() == [[0], [0]]


def test_a_label_that_has_no_default_is_in_a_batch_only_if_all_samples_have_it():
    flagged = {"ids": ([3], [4]), "chosen_safe": 1.0, "margin": 2.0}
    batch = PaddedCollator(9)([{"index": 0, "samples": [flagged, {"ids": ([3], [5])}]}])
    assert "chosen_safe" not in batch
    assert batch["margin"].tolist() == [2.0, 0.0]

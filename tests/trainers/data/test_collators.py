"""Batches: texts padded right or in one row, each text of a ranking once, and each ranking counts alike."""

import math

import pytest
from preftemplates_train.data.collators import BranchCollator, PairCollator
from preftemplates_train.data.dataset import PairDataset
from preftemplates_train.data.encoding import TokenPair
from preftemplates_train.data.pairs import TextPair


def test_a_batch_is_its_texts_padded_right():
    groups = [
        {"index": 7, "pairs": [{"chosen_ids": [1, 2], "rejected_ids": [3]}]},
        {"index": 2, "pairs": [{"chosen_ids": [4], "rejected_ids": [5, 6, 1]}]},
    ]
    batch = PairCollator(9)(groups)
    assert batch["input_ids"].tolist() == [[1, 2, 9], [3, 9, 9], [4, 9, 9], [5, 6, 1]]
    assert batch["attention_mask"].tolist() == [[1, 1, 0], [1, 0, 0], [1, 0, 0], [1, 1, 1]]
    assert [batch[name].tolist() for name in ("index", "chosen", "rejected")] == [[7, 2], [0, 2], [1, 3]]


RANKED = [
    {"index": 0, "pairs": [{"chosen_ids": [1], "rejected_ids": [2]}]},
    {
        "index": 1,
        "pairs": [
            {"chosen_ids": [1], "rejected_ids": [3]},
            {"chosen_ids": [1], "rejected_ids": [4, 4]},
            {"chosen_ids": [3], "rejected_ids": [4, 4]},
        ],
    },
]


@pytest.mark.parametrize("collator", [PairCollator(9), BranchCollator(lambda *_: True)])
def test_each_text_of_a_ranking_is_there_once_and_each_ranking_counts_alike(collator):
    batch = collator(RANKED)
    assert batch["sizes"] == (2, 3)
    assert batch["chosen"].tolist() == [0, 2, 2, 3]
    assert batch["rejected"].tolist() == [1, 3, 4, 4]
    assert batch["ranks"].tolist() == [0, 1, 0, 1, 2]
    assert batch["share"].tolist() == pytest.approx([2, 2 / 3, 2 / 3, 2 / 3])
    assert "share" not in collator(RANKED[:1])


@pytest.mark.parametrize(("probability", "rank"), [(0.5, 0), (math.nextafter(0.5, 1), 1), (1.0, 1), (None, 1)])
@pytest.mark.parametrize("collator", [PairCollator(9), BranchCollator(lambda *_: True)])
def test_an_answer_is_beaten_where_the_other_is_more_probably_the_better_one(probability, rank, collator):
    pair = TokenPair(TextPair("rows", 0, "", "a", "b", None, None, probability=probability), [3], [4])
    batch = collator([PairDataset([pair])[0]])
    assert batch["ranks"].tolist() == [0, rank]
    assert ("probability" in batch) is (probability is not None)


def test_a_tie_beats_nobody():
    tie = {"chosen_ids": [3], "rejected_ids": [4], "probability": 0.5}
    batch = PairCollator(9)([{"index": 0, "pairs": [{"chosen_ids": [3], "rejected_ids": [5]}, tie]}])
    assert batch["ranks"].tolist() == [0, 1, 0]

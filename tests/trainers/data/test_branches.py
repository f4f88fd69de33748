"""The layout of branches: a row holds every sequence, and each shared token once where that is cheaper."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from preftemplates_train.data.branches import ComputeCost, PackedRow, count_shared_tokens, pack_groups
from trainer_support import shared_beginnings
from transformers import LlamaConfig, LlamaForSequenceClassification

PAIRS = [[[*range(3, 20), 30, 31, 32], [*range(3, 20), 40, 41]], [[5, 6, 7, 8], [5, 6, 9]]]


@given(shared_beginnings(), st.booleans())
def test_a_row_holds_every_sequence_and_each_shared_token_once(drawn, share):
    laid = pack_groups(drawn, lambda *_: share)
    row, at, found = laid.input_ids[0].tolist(), 0, []
    for trunk, lengths in laid.groups:
        begin, behind = row[at : at + trunk], at + trunk
        for length in lengths:
            found.append(begin + row[behind : behind + length])
            behind += length
        at = behind
    assert found == [sequence for group in drawn for sequence in group]
    assert at == len(row) == sum(map(_tokens if share else _all_tokens, drawn))
    last = [(row[end], int(laid.position_ids[0, end])) for end in laid.ends.tolist()]
    assert last == [(sequence[-1], len(sequence) - 1) for group in drawn for sequence in group]


def _all_tokens(group):
    return sum(map(len, group))


def _tokens(group):
    return _all_tokens(group) - count_shared_tokens(group) * (len(group) - 1)


def test_a_group_shares_where_that_is_cheaper():
    cost = ComputeCost(per_token=1000, per_attention=100)
    assert cost.is_sharing_cheaper(50, [60, 60])
    assert not cost.is_sharing_cheaper(0, [60, 60])
    assert not cost.is_sharing_cheaper(50, [60])
    assert not cost.is_sharing_cheaper(5, [900, 900])  # the mask of long answers costs more than five tokens
    assert ComputeCost(per_token=1000, per_attention=0).is_sharing_cheaper(1, [900, 900])


def test_the_cost_of_a_token_is_a_layers_weights():
    config = LlamaConfig(
        vocab_size=60, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, num_labels=1,
    )  # fmt: skip
    model = LlamaForSequenceClassification(config)
    cost = ComputeCost.from_model(model)
    layer = sum(weights.numel() for weights in model.model.layers[0].parameters())
    assert cost.per_token == pytest.approx(layer, rel=0.02)
    assert cost.per_attention == 64


def test_a_row_moves_to_another_device():
    laid = pack_groups(PAIRS, lambda *_: True).to(torch.device("meta"))
    assert {one.device.type for one in laid[:3]} == {"meta"}
    assert isinstance(laid, PackedRow)
    assert Counter(map(type, laid))[tuple] == 1

"""Features at several cuts of a model: those that each cut model's last linear layer sees."""

import math

import pytest
import torch
from classifiers import CUTTABLE, make_classifier
from hypothesis import given, settings
from preftemplates_train.errors import SetupError
from preftemplates_train.model import features
from preftemplates_train.model.attention import explain_no_branches
from preftemplates_train.model.features import FeatureReader, find_last_linear
from preftemplates_train.model.layers import cut_model
from trainer_support import shared_beginnings

PAD = 0


def read_rewards(model, text):
    with torch.no_grad():
        return model(input_ids=torch.tensor([text])).logits[0, 0]


@pytest.mark.parametrize("kind", CUTTABLE)
def test_features_give_the_rewards_of_a_model_that_is_cut(kind):
    model = make_classifier(kind)
    shares = explain_no_branches(model, PAD) is None
    depths = (2, 5, 6)
    groups = [[[5, 6, 7, 8, 9], [5, 6, 7, 30, 31, 32, 33, 34]], [[40, 41]], [[50, 51, 52], [50, 51, 52, 53]]]
    read = FeatureReader(model, depths, PAD, shares_prefixes=shares, batch_size=4).read(groups)
    for number, depth in enumerate(depths):
        cut = make_classifier(kind)
        cut_model(cut, depth)
        _, linear = find_last_linear(cut)
        for texts, values in zip(groups, read, strict=True):
            expected = torch.stack([read_rewards(cut, text) for text in texts])
            with torch.no_grad():
                torch.testing.assert_close(linear(values[:, number])[:, 0], expected, rtol=1e-4, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(groups=shared_beginnings())
def test_shared_prefixes_move_no_feature(groups):
    groups = [kept for group in groups if (kept := [text for text in group if text])]
    if not groups:
        return
    model = make_classifier("LlamaForSequenceClassification")
    shared, padded = (
        FeatureReader(model, (1, 3, 6), PAD, shares_prefixes=shares, batch_size=3).read(groups)
        for shares in (True, False)
    )
    for one, other in zip(shared, padded, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["LlamaForSequenceClassification", "BertForSequenceClassification"])
def test_reading_leaves_the_model_as_it_was(kind):
    model = make_classifier(kind)
    before, attention = read_rewards(model, [5, 6, 7]), model.config._attn_implementation
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    reader = FeatureReader(model, (2, 4), PAD, shares_prefixes=explain_no_branches(model, PAD) is None)
    reader.read([[[5, 6, 7]]])
    assert torch.equal(read_rewards(model, [5, 6, 7]), before)
    assert model.config._attn_implementation == attention
    assert model.state_dict().keys() == weights.keys()
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def scale_features(monkeypatch):
    apply_rest = FeatureReader._apply_rest
    monkeypatch.setattr(FeatureReader, "_apply_rest", lambda *inputs: 1.1 * apply_rest(*inputs))


def omit_the_rest(monkeypatch):
    """Leave out the norm or the pooler after the layers."""

    def pass_states(reader, states, _inputs):
        return states if reader._reads_each_token else states[:, 0]

    monkeypatch.setattr(FeatureReader, "_apply_rest", pass_states)


def read_another_layer(monkeypatch):
    record_states = FeatureReader._record_states

    def record_before(reader, inputs, select):
        depths = reader.depths
        reader.depths = tuple(depth - 1 for depth in depths)
        try:
            return record_states(reader, inputs, select)
        finally:
            reader.depths = depths

    monkeypatch.setattr(FeatureReader, "_record_states", record_before)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("plant", [scale_features, omit_the_rest, read_another_layer])
@pytest.mark.parametrize("kind", CUTTABLE)
def test_features_that_no_cut_model_has_are_an_error_in_every_type(monkeypatch, kind, plant, dtype):
    """As they would be where what follows the layers reads more than their last states."""
    model = make_classifier(kind).to(dtype)
    plant(monkeypatch)
    with pytest.raises(SetupError, match=rf"{kind} cannot be cut at a layer: its features after \d layers differ"):
        FeatureReader(model, (2, 6), PAD)


@pytest.mark.parametrize("kind", ["BertForSequenceClassification", "ModernBertForSequenceClassification"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_texts_that_attend_to_padding_are_an_error_in_every_type(monkeypatch, kind, dtype):
    model = make_classifier(kind).to(dtype)
    run = FeatureReader._run

    def run_without_mask(reader, inputs):
        return run(reader, {name: value for name, value in inputs.items() if name != "attention_mask"})

    monkeypatch.setattr(FeatureReader, "_run", run_without_mask)
    with pytest.raises(SetupError, match="cannot be cut at a layer: its features"):
        FeatureReader(model, (2, 6), PAD)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", CUTTABLE)
def test_rounding_is_no_difference_in_any_type(kind, dtype):
    model = make_classifier(kind).to(dtype)
    for shares in {False, explain_no_branches(model, PAD) is None}:
        FeatureReader(model, (2, 6), PAD, shares_prefixes=shares)


@pytest.mark.parametrize("shares", [True, False])
def test_rounding_of_features_of_large_magnitude_is_no_difference(shares):
    """Large models have a few features that are far larger than the others, whose rounding exceeds their spread."""
    model = make_classifier("LlamaForSequenceClassification", hidden_size=256).to(torch.bfloat16)
    with torch.no_grad():
        model.model.norm.weight[:2] = 300.0
    FeatureReader(model, (2, 6), PAD, shares_prefixes=shares)


def test_a_difference_in_small_features_is_seen_next_to_large_ones():
    expected = torch.ones(4, 64)
    expected[:, 0] = 1e4
    found = expected.clone()
    found[:, 1:] *= 1.1
    assert features.compare_features(found, expected) > 0.08
    assert features.compare_features(expected, expected) == 0
    assert features.compare_features(torch.zeros(2, 3), torch.zeros(2, 3)) == 0
    assert math.isnan(features.compare_features(torch.full((2, 3), math.nan), torch.ones(2, 3)))


def test_the_drawn_texts_have_no_pad_token_and_begin_alike():
    texts = features._draw_texts(10, pad_id=3)
    assert all(3 not in text and max(text) < 10 for text in texts)
    assert texts[0][:15] == texts[1][:15]

"""Cutting a classifier: the configuration that is saved describes the layers that are left."""

import pytest
import torch
from classifiers import CUTTABLE, UNCUTTABLE, make_classifier
from preftemplates_train.errors import SetupError
from preftemplates_train.model.layers import cut_config, cut_model, find_layer_stack
from transformers import AutoModelForSequenceClassification


@pytest.mark.parametrize("kind", CUTTABLE)
@pytest.mark.parametrize("depth", [1, 4])
def test_a_cut_model_is_a_stock_checkpoint_with_fewer_layers(kind, depth, tmp_path):
    model = make_classifier(kind)
    whole, ids = len(find_layer_stack(model).layers), torch.randint(3, 100, (2, 9))
    cut_model(model, depth)
    model.save_pretrained(tmp_path)
    loaded, info = AutoModelForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
    assert len(find_layer_stack(loaded).layers) == depth < whole
    with torch.no_grad():
        torch.testing.assert_close(loaded.eval()(input_ids=ids).logits, model(input_ids=ids).logits)


@pytest.mark.parametrize("kind", CUTTABLE)
def test_a_cut_model_computes_the_first_layers_of_the_whole_one(kind):
    model, ids = make_classifier(kind), torch.randint(3, 100, (2, 9))
    seen = []
    layer = find_layer_stack(model).layers[2]
    hook = layer.register_forward_hook(lambda _layer, _inputs, output: seen.append(output))
    with torch.no_grad():
        model(input_ids=ids)
        cut_model(model, 3)
        model(input_ids=ids)
    hook.remove()
    torch.testing.assert_close(seen[0], seen[1])


def test_lists_with_an_entry_per_layer_are_cut_and_others_are_not():
    config = make_classifier("Gemma3TextForSequenceClassification").config
    config.eos_token_id = [2, 3, 4, 5, 6, 7]
    types = list(config.layer_types)
    assert len(types) == len(config.eos_token_id) == 6
    cut_config(config, 4)
    assert config.num_hidden_layers == 4
    assert config.layer_types == types[:4]
    assert config.eos_token_id == [2, 3, 4, 5, 6, 7]


def test_cutting_the_number_of_layers_alone_is_not_enough():
    """The check sees what the configurations of some kinds would say without their lists."""
    config = make_classifier("SmolLM3ForSequenceClassification").config
    assert len(config.layer_types) == len(config.no_rope_layers) == 6
    cut_config(config, 4)
    assert len(config.layer_types) == len(config.no_rope_layers) == 4


@pytest.mark.parametrize("kind", UNCUTTABLE)
def test_a_model_without_a_list_of_its_layers_is_an_error_that_names_its_class(kind):
    with pytest.raises(SetupError, match=f"{kind} cannot be cut at a layer"):
        cut_model(make_classifier(kind), 2)


def test_a_configuration_that_describes_another_model_is_an_error(monkeypatch):
    model = make_classifier("Qwen3ForSequenceClassification")
    monkeypatch.setattr("preftemplates_train.model.layers.cut_config", lambda *_: None)
    with pytest.raises(SetupError, match=r"describes a different model\.layers\.3"):
        cut_model(model, 3)

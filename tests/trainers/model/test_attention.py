"""Laws 13 and 14: in branches every text has the reward, and gives the gradients, that it has alone."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from preftemplates_train.data.branches import pack_groups
from preftemplates_train.model import attention
from preftemplates_train.model.attention import BRANCH_ATTENTION, BranchReader, enable_branches, explain_no_branches
from trainer_support import shared_beginnings
from transformers import AutoConfig, AutoModelForSequenceClassification, LlamaConfig, LlamaForSequenceClassification

SIZE = {
    "vocab_size": 60, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 128, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2, "num_labels": 1, "initializer_range": 0.3,
}  # fmt: skip
GPT2 = {
    "vocab_size": 60, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128, "pad_token_id": 0, "num_labels": 1,
    "bos_token_id": 1, "eos_token_id": 2, "initializer_range": 0.3,
}  # fmt: skip
WINDOW = {"sliding_window": 5}
SOME = {"use_sliding_window": True, "max_window_layers": 1, **WINDOW}
"""A window in the second of two layers."""
ARCHITECTURES = {
    "llama": SIZE, "qwen2": SIZE | SOME, "qwen3": SIZE | SOME, "mistral": SIZE | WINDOW, "ministral": SIZE | WINDOW,
    "qwen3_moe": SIZE | {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}, "gemma": SIZE,
    "gemma3_text": SIZE | WINDOW, "phi3": SIZE | WINDOW, "smollm3": SIZE, "olmo2": SIZE, "starcoder2": SIZE | WINDOW,
    "gpt_neox": SIZE, "gpt2": GPT2, "glm4": SIZE, "opt": SIZE | {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "mixtral": SIZE, "exaone4": SIZE, "seed_oss": SIZE, "biogpt": SIZE,
}  # fmt: skip


def classifier(kind, **more):
    """A small untrained reward model of a kind, without dropout."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **{**ARCHITECTURES.get(kind, SIZE), **more})
    if type(config) not in AutoModelForSequenceClassification._model_mapping:
        pytest.skip(f"this version of transformers has no sequence classifier of kind {kind}")
    return AutoModelForSequenceClassification.from_config(config, attn_implementation="sdpa").eval()


def padded(model, sequences):
    """The rewards of sequences in one batch, padded right, as plain transformers gives them."""
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(one) for one in sequences], batch_first=True)
    return model(input_ids=ids, attention_mask=(ids != 0).long()).logits[:, 0].float()


def gradients(model, rewards):
    """The gradients of rewards, each with a weight of its own."""
    model.zero_grad()
    (rewards * torch.arange(1.0, len(rewards) + 1)).sum().backward()
    return {name: weights.grad.clone() for name, weights in model.named_parameters() if weights.grad is not None}


@dataclass
class Both:
    """A model with what reads it in branches; the readers are taken off again."""

    model: torch.nn.Module

    def branches(self, drawn, shares=lambda *_: True, laid=pack_groups):
        self.model.set_attn_implementation(BRANCH_ATTENTION)
        reader = BranchReader(self.model.score)
        try:
            return reader.compute_rewards(self.model, laid(drawn, shares))
        finally:
            reader.hook.remove()
            self.model.set_attn_implementation("sdpa")


MODELS = {}


def both(kind):
    return MODELS.setdefault(kind, Both(classifier(kind)))


def a_shared_beginning_changes_nothing(model, drawn, laid=pack_groups):
    """Law 13: a shared prefix gives the rewards and the gradients that two passes give."""
    sequences = [sequence for group in drawn for sequence in group]
    wanted, found = padded(model.model, sequences), model.branches(drawn, laid=laid)
    torch.testing.assert_close(found, wanted, atol=2e-5, rtol=1e-5)
    wanted, found = gradients(model.model, wanted), gradients(model.model, found)
    greatest = max(one.abs().max() for one in wanted.values())
    for name, one in wanted.items():
        torch.testing.assert_close(found[name], one, atol=float(1e-4 * greatest), rtol=1e-4, msg=name)


def packing_moves_no_reward(model, drawn, laid=pack_groups):
    """Law 14: padding and packing move no reward: a text has the one that it has alone."""
    alone = torch.cat([padded(model.model, [sequence]) for group in drawn for sequence in group])
    for order in (drawn, drawn[::-1]):
        for share in (True, False):
            found = model.branches(order, lambda *_, share=share: share, laid=laid)
            counts = [len(group) for group in order]
            if order is not drawn:
                found = torch.cat(found.split(counts)[::-1])
            torch.testing.assert_close(found, alone, atol=2e-5, rtol=1e-5)


A_FEW = settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("kind", ARCHITECTURES)
@A_FEW
@given(shared_beginnings())
def test_a_shared_beginning_changes_no_reward_and_no_gradient(kind, drawn):
    with torch.enable_grad():
        a_shared_beginning_changes_nothing(both(kind), drawn)


@pytest.mark.parametrize("kind", ARCHITECTURES)
@A_FEW
@given(shared_beginnings())
def test_padding_and_packing_move_no_reward(kind, drawn):
    with torch.no_grad():
        packing_moves_no_reward(both(kind), drawn)


# --- planted faults ------------------------------------------------------------------------------------------------

PAIRS = [[[*range(3, 20), 30, 31, 32], [*range(3, 20), 40, 41]], [[5, 6, 7, 8], [5, 6, 9]]]


def with_positions_that_go_on(drawn, shares):
    """Positions count the row's tokens."""
    laid = pack_groups(drawn, shares)
    return laid._replace(position_ids=torch.arange(laid.input_ids.shape[1])[None])


def read_at_the_trunk(drawn, shares):
    """Rewards are read one token too early."""
    laid = pack_groups(drawn, shares)
    return laid._replace(ends=laid.ends - 1)


def one_long_branch(drawn, shares):
    """The branches of a group see each other."""
    laid = pack_groups(drawn, shares)
    return laid._replace(groups=tuple((trunk, (sum(lengths),)) for trunk, lengths in laid.groups))


def without_trunk(drawn, shares):
    """The branches behind the first do not see their trunk."""
    laid = pack_groups(drawn, shares)
    apart = [length for trunk, (first, *others) in laid.groups for length in (trunk + first, *others)]
    return laid._replace(groups=tuple((0, (length,)) for length in apart))


@pytest.mark.parametrize("law", [a_shared_beginning_changes_nothing, packing_moves_no_reward])
@pytest.mark.parametrize("fault", [with_positions_that_go_on, read_at_the_trunk, one_long_branch, without_trunk])
def test_a_planted_fault_is_caught(law, fault):
    law(both("llama"), PAIRS)
    with pytest.raises(AssertionError):
        law(both("llama"), PAIRS, fault)


@pytest.mark.parametrize("law", [a_shared_beginning_changes_nothing, packing_moves_no_reward])
def test_a_window_that_is_switched_off_is_caught(law, monkeypatch):
    law(both("mistral"), PAIRS)
    mask = attention._mask
    monkeypatch.setattr(attention, "_mask", lambda queries, keys, _window, device: mask(queries, keys, None, device))
    with pytest.raises(AssertionError):
        law(both("mistral"), PAIRS)


# --- models that take it, and models that do not -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_model_that_takes_branches_is_left_as_it_was(kind):
    model = classifier(kind)
    before = padded(model, [[3, 4, 5]])
    assert explain_no_branches(model, 0) is None
    assert model.config._attn_implementation == "sdpa"
    assert torch.equal(padded(model, [[3, 4, 5]]), before)
    assert not model.score._forward_hooks


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("bert", "its head does not score every token"),
        ("stablelm", "attention over branches does not support this mask"),
        ("gemma2", "attention over branches does not support softcap"),
    ],
)
def test_a_model_that_does_not_take_branches_says_why(kind, reason):
    config = AutoConfig.for_model(kind, **SIZE)
    model = AutoModelForSequenceClassification.from_config(config, attn_implementation="eager").eval()
    assert explain_no_branches(model, 0) == reason
    assert model.config._attn_implementation == "eager"


def test_a_model_that_reads_its_own_positions_is_found_out(monkeypatch):
    model = classifier("llama")
    forward = LlamaForSequenceClassification.forward

    def forward_without_positions(self, **inputs):
        inputs.pop("position_ids", None)
        return forward(self, **inputs)

    monkeypatch.setattr(LlamaForSequenceClassification, "forward", forward_without_positions)
    assert explain_no_branches(model, 0).startswith("rewards in branches differ by ")


def test_a_model_in_branches_still_reads_a_padded_batch():
    model = classifier("llama")
    wanted = padded(model, [[3, 4, 5], [6, 7]])
    reader = enable_branches(model)
    model.set_attn_implementation("sdpa")
    assert torch.equal(padded(model, [[3, 4, 5], [6, 7]]), wanted)
    assert reader.hook.id in model.score._forward_hooks


def test_gradient_checkpointing_computes_the_same():
    model = Both(LlamaForSequenceClassification(LlamaConfig(**SIZE)))
    model.model.train()
    wanted = gradients(model.model, model.branches(PAIRS))
    model.model.gradient_checkpointing_enable({"use_reentrant": False})
    model.model.set_attn_implementation(BRANCH_ATTENTION)
    reader = BranchReader(model.model.score)
    found = gradients(model.model, reader.compute_rewards(model.model, pack_groups(PAIRS, lambda *_: True)))
    for name, one in wanted.items():
        torch.testing.assert_close(found[name], one)

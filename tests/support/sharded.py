"""What each of two processes does with a model whose weights FSDP2 spreads over them."""

import torch
import torch.distributed as dist
from preftemplates_train.data.branches import pack_groups
from preftemplates_train.model.attention import enable_branches
from preftemplates_train.model.losses import bradley_terry
from torch.distributed.fsdp import fully_shard
from transformers import LlamaConfig, LlamaForSequenceClassification

PAIRS = [
    [[*range(3, 20), 30, 31], [*range(3, 20), 40]],
    [[5, 6, 7, 8], [5, 6, 9]],
    [[11, 12, 13], [11, 12, 14, 15]],
    [[3, 9, 9], [4, 9]],
]
"""Two for each process."""


def small():
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    return LlamaForSequenceClassification(LlamaConfig(vocab_size=60, num_labels=1, pad_token_id=0, **shape))


def loss_of(model, reader, pairs):
    rewards = reader.compute_rewards(model, pack_groups(pairs, lambda *_: True)).view(-1, 2)
    return rewards, bradley_terry(rewards[:, 0], rewards[:, 1])


def shard_and_compare():
    """What each process does; it fails if something differs. How many weights have a gradient."""
    dist.init_process_group("gloo")
    whole, sharded = small(), small()
    for layer in sharded.model.layers:
        fully_shard(layer)
    fully_shard(sharded)
    mine = PAIRS[2 * dist.get_rank() :][:2]
    rewards, loss = loss_of(sharded, enable_branches(sharded), mine)
    loss.backward()
    wanted, loss = loss_of(whole, enable_branches(whole), PAIRS)
    loss.backward()
    torch.testing.assert_close(rewards, wanted[2 * dist.get_rank() :][:2], rtol=0, atol=1e-5)
    gradients = {name: weights.grad for name, weights in whole.named_parameters()}
    moved = 0
    for name, weights in sharded.named_parameters():
        found = weights.grad.full_tensor()
        assert weights.to_local().numel() < found.numel() or len(found) == 1, name  # a process holds a part of it
        torch.testing.assert_close(found, gradients[name], rtol=1e-4, atol=1e-6)
        moved += bool(found.abs().max() > 1e-4)
    assert moved == len(gradients)
    dist.destroy_process_group()
    return moved

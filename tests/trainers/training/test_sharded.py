"""A model that FSDP2 shards over two processes gives, in branches, the rewards and gradients of the whole model."""

from processes import in_processes
from sharded import shard_and_compare


def test_sharded_weights_give_the_same_rewards_and_gradients(two_processes):
    first, second = in_processes(2, shard_and_compare)
    assert first == second > 10

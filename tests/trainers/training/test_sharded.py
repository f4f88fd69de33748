"""A model that FSDP2 shards over two processes gives, in branches, the rewards and gradients of the whole model."""

import pytest
from processes import in_processes
from sharded import shard_and_compare


@pytest.mark.usefixtures("two_processes")
def test_sharded_weights_give_the_same_rewards_and_gradients():
    first, second = in_processes(2, shard_and_compare)
    assert first == second > 10

"""The data of plots: every pair is in a bin, and curves keep their means."""

import numpy as np
import pytest
from preftemplates_train.reports import plot_data


@pytest.mark.parametrize("scale", [5e-324, 1e-9, 1.0, 1e30])
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_no_pair_falls_between_or_beyond_the_bins(scale, size):
    draw = np.random.default_rng(size)
    for _ in range(100):
        chosen, rejected = scale * draw.normal(size=size), scale * draw.normal(1, size=size)
        edges = plot_data.choose_reward_edges(plot_data.FiniteRewards(chosen, rejected))
        assert (np.diff(edges) > 0).all()
        assert plot_data.count_in_bins(chosen, edges).sum() == plot_data.count_in_bins(rejected, edges).sum() == size
        zero = plot_data.choose_difference_edges(chosen - rejected)
        assert (np.diff(zero) > 0).all()
        assert 0.0 in zero
        assert plot_data.count_in_bins(chosen - rejected, zero).sum() == size
        assert len(zero) <= plot_data.MOST_BINS + 2


def test_rewards_that_differ_by_rounding_alone_are_cut_into_bins_that_do_not_vanish():
    edges = plot_data.choose_reward_edges(
        plot_data.FiniteRewards(np.array([1e20]), np.array([np.nextafter(1e20, np.inf)]))
    )
    assert (np.diff(edges) > 0).all()


def test_sides_of_different_lengths_are_refused(written):
    with pytest.raises(ValueError, match="2 rewards of chosen answers and 1 of rejected answers"):
        written(chosen=[1.0, 2.0], rejected=[1.0])

"""The plots: curves have the points of the history, and histograms count every pair."""

import math
import re

import numpy as np
import pytest
from preftemplates_train.reports import plot_data
from preftemplates_train.reports.plot_data import select_points, thin_points
from report_support import CHOSEN, HISTORY, REJECTED


def unit(values):
    """The values, moved and stretched to be from 0 to 1."""
    values = np.asarray(values, dtype=float)
    assert np.ptp(values) > 0
    return (values - values.min()) / np.ptp(values)


def as_drawn(steps, values, vertices):
    """Whether a picture's points are these, but for where its axes begin and how long they are."""
    np.testing.assert_allclose(unit(vertices[:, 0]), unit(steps), atol=0.001)
    np.testing.assert_allclose(unit(-vertices[:, 1]), unit(values), atol=0.001)


# the curves


@pytest.mark.parametrize("name", ["loss", "accuracy", "margin", "learning_rate"])
def test_a_curve_has_the_points_of_the_history(page, name):
    vertices = page.vertices(f"{name.replace('_', '-')}-training")
    as_drawn([10, 20, 30, 40], [entry[name] for entry in HISTORY if name in entry], vertices)


@pytest.mark.parametrize("name", ["loss", "accuracy", "margin_mean"])
def test_held_out_figures_are_drawn_at_their_steps_with_a_marker_each(page, name):
    curve = name.removesuffix("_mean")
    vertices = page.vertices(f"{curve}-held-out")
    as_drawn([20, 40], [entry[f"eval_{name}"] for entry in HISTORY if f"eval_{name}" in entry], vertices)
    np.testing.assert_allclose(vertices[:, 0], page.vertices(f"{curve}-training")[[1, 3], 0], atol=0.011)
    (picture,) = re.findall(rf'<svg[^>]*>(?:(?!</svg>).)*id="{curve}-held-out".*?</svg>', page.source, re.DOTALL)
    assert picture.count("<use") == 2


def test_a_coin_is_marked_in_loss_and_accuracy(page):
    assert "chance: ln 2" in page.text
    assert "chance: 0.5" in page.text


def test_without_an_evaluation_the_curves_say_whose_they_are(page, written):
    alone = written(history=[entry for entry in HISTORY if "loss" in entry])
    assert "Nothing was evaluated during training" in alone.text
    assert "loss-training" in alone.paths
    assert "loss-held-out" not in alone.paths
    assert "Nothing was evaluated" not in page.text


def test_one_step_is_a_point(written):
    page = written(history=HISTORY[:1])
    pictures = re.findall(r"<svg.*?</svg>", page.source, re.DOTALL)
    assert [picture.count("<use") for picture in pictures] == [1, 1, 1, 1]
    assert "Loss by step. Training: 0.710 at step 10." in page.values("aria-label")


def test_no_step_is_said_and_nothing_is_drawn(written):
    page = written(history=HISTORY[-1:])
    assert "No step was logged" in page.text
    assert "<svg" not in page.source


def test_what_is_not_finite_is_said_and_not_drawn(written):
    broken = [{**HISTORY[0], "loss": math.nan}, *HISTORY[1:3], {**HISTORY[3], "loss": math.inf}, HISTORY[4]]
    page = written(history=broken, chosen=[math.nan, 1.0, 2.0], rejected=[0.0, math.inf, 0.0])
    assert "2 values are not finite and are not drawn." in page.text
    assert page.text.count("2 pairs are not finite and are not drawn.") == 2
    assert len(page.vertices("loss-training")) == 2
    assert len(page.vertices("accuracy-training")) == 4
    assert not [path for paths in page.paths.values() for path in paths if "nan" in path or "inf" in path]


def test_where_nothing_is_finite_the_figure_is_missing_and_the_note_is_not(written):
    page = written(history=[{"step": 1, "loss": math.nan}], chosen=[math.inf], rejected=[0.0])
    assert "<svg" not in page.source
    assert "1 value is not finite and is not drawn." in page.text
    assert page.text.count("1 pair is not finite and is not drawn.") == 2


def test_a_long_curve_is_drawn_as_means_of_neighbours_and_says_so(written):
    history = [{"step": step, "loss": step % 2} for step in range(1, 4001)]
    thin = thin_points(select_points(history, "loss"))
    assert len(thin.steps) == 400
    assert set(thin.values) == {0.5}
    assert thin.steps[0] == 5.5
    page = written(history=history)
    assert len(page.vertices("loss-training")) == 400
    assert "each point is the mean of about 10 entries" in page.text


# the histograms


def bars(page, name):
    """Edges and heights of a histogram, in the picture's units."""
    vertices = page.vertices(name)[1:-1]
    assert len(vertices) % 2 == 0
    heights = page.vertices(name)[0, 1] - vertices[::2, 1]
    return np.append(vertices[::2, 0], vertices[-1, 0]), heights


def test_both_sides_share_their_bins_and_every_pair_is_in_one(page):
    edges, chosen = bars(page, "rewards-chosen")
    other, rejected = bars(page, "rewards-rejected")
    np.testing.assert_array_equal(edges, other)
    assert chosen.sum() == pytest.approx(rejected.sum(), rel=0.005)
    both = plot_data.choose_reward_edges(plot_data.FiniteRewards(CHOSEN, REJECTED))
    for heights, rewards in ((chosen, CHOSEN), (rejected, REJECTED)):
        counts = np.histogram(rewards, both)[0]
        assert counts.sum() == len(rewards)
        np.testing.assert_allclose(heights * len(rewards) / heights.sum(), counts, atol=0.2)


def test_differences_are_cut_at_zero_and_the_share_right_of_it_is_named(page):
    below, lost = bars(page, "differences-below-zero")
    above, won = bars(page, "differences-above-zero")
    assert below[-1] == above[0]
    wins = np.mean(CHOSEN > REJECTED)
    assert won.sum() / (won.sum() + lost.sum()) == pytest.approx(wins, abs=0.005)
    assert f"{1 - wins:.1%} below zero {wins:.1%} above zero" in page.text
    assert "differences-at-zero" not in page.paths


def test_ties_are_neither_left_nor_right_of_zero(written):
    page = written(chosen=[3.0, 1.0, 2.0, 2.0] * 3, rejected=[1.0, 1.0, 2.0, 3.0] * 3)
    assert "25.0% below zero 50.0% at zero 25.0% above zero" in page.text
    below, at, above = (bars(page, f"differences-{where}-zero")[1].sum() for where in ("below", "at", "above"))
    assert below == pytest.approx(above, rel=0.01)
    assert at == pytest.approx(2 * above, rel=0.01)


def test_few_pairs_are_counted_below_and_above_zero(written):
    text = written(chosen=[1.0], rejected=[0.0]).text
    assert "0 of 1 below zero 1 of 1 above zero" in text
    assert "5 of 9 below zero 4 of 9 above zero" in written(chosen=[1.0] * 4 + [-1.0] * 5, rejected=[0.0] * 9).text


@pytest.mark.parametrize("reward", [0.0, 1.5, -1e20])
def test_rewards_that_are_all_equal_are_one_bar_and_no_win(written, reward):
    page = written(chosen=[reward] * 30, rejected=[reward] * 30)
    assert "0.0% below zero 100.0% at zero 0.0% above zero" in page.text
    for name in ("rewards-chosen", "rewards-rejected", "differences-at-zero"):
        assert np.count_nonzero(bars(page, name)[1]) == 1, name
    assert "differences-above-zero" not in page.paths


def test_where_nothing_was_held_out_it_says_so_in_place_of_the_histograms(page, written):
    bare = written(history=HISTORY[:1], metrics={"parameters": 5})
    assert "No pairs were held out" in bare.text
    assert not bare.paths.keys() & {"rewards-chosen", "rewards-rejected", "differences-above-zero"}
    assert 'class="card' not in bare.source
    assert "No pairs were held out" not in page.text
    assert 'class="card' in page.source

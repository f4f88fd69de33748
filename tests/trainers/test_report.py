"""The report says what was measured, draws what was logged, and asks for nothing outside itself."""

import math
import re
import time
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pytest
from matplotlib._pylab_helpers import Gcf
from preftemplates_train import report
from preftemplates_train.metrics import shortcuts, summary
from preftemplates_train.report import number, points, share, thinned, write_report

from preftemplates.errors import FileError

COUNTS = {
    "name": "generated", "template": "PKUSafeRLHF", "rows": 10901, "formatted": 10802, "skipped": 61, "rejected": 38,
    "too_long": 17, "equal": 5, "control": 3, "cut": 29, "train_pairs": 8000, "eval_pairs": 2777,
}  # fmt: skip
HISTORY = [
    {
        "step": 10,
        "epoch": 0.1,
        "loss": 0.71,
        "accuracy": 0.48,
        "margin": -0.02,
        "learning_rate": 1e-5,
        "grad_norm": 2.0,
    },
    {
        "step": 20,
        "epoch": 0.2,
        "loss": 0.66,
        "accuracy": 0.55,
        "margin": 0.11,
        "learning_rate": 2e-5,
        "grad_norm": 2.0,
    },
    {"step": 20, "epoch": 0.2, "eval_loss": 0.64, "eval_accuracy": 0.57, "eval_margin_mean": 0.2, "eval_runtime": 1.0},
    {
        "step": 30,
        "epoch": 0.3,
        "loss": 0.52,
        "accuracy": 0.71,
        "margin": 0.62,
        "learning_rate": 1e-5,
        "grad_norm": 2.0,
    },
    {"step": 40, "epoch": 0.4, "loss": 0.44, "accuracy": 0.79, "margin": 1.14, "learning_rate": 0.0, "grad_norm": 2.0},
    {"step": 40, "epoch": 0.4, "eval_loss": 0.47, "eval_accuracy": 0.77, "eval_margin_mean": 1.0, "eval_runtime": 1.0},
    {"step": 40, "epoch": 0.4, "train_runtime": 9.0, "train_loss": 0.58, "total_flos": 0.0},
]
DRAW = np.random.default_rng(0)
CHOSEN, REJECTED = DRAW.normal(1, 1, 300), DRAW.normal(0, 1, 300)
MEASURED = {**summary(CHOSEN, REJECTED), **shortcuts([3, 2, 5, 9], [1, 4, 4, 9], [True, True, False])}


class Page(HTMLParser):
    """The parts of a page: every tag with its attributes, the text, and the paths below each id."""

    def __init__(self, path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags, self.words, self.paths, self._inside, self._depth = [], [], {}, None, 0
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append((tag, found))
        self._depth += tag == "g"
        if tag == "g" and "id" in found:
            self._inside = (found["id"], self._depth)
        if tag == "path" and self._inside:
            self.paths.setdefault(self._inside[0], []).append(found["d"])

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if tag == "g":
            if self._inside and self._inside[1] == self._depth:
                self._inside = None
            self._depth -= 1

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))

    def values(self, name):
        return [value for _, attributes in self.tags for key, value in attributes.items() if key == name]

    def vertices(self, name):
        """The points of the curve with an id, as the picture has them; its markers are not among them."""
        numbers = re.findall(r"-?[\d.]+", self.paths[name][0])
        return np.array(numbers, dtype=float).reshape(-1, 2)


PLAIN = {
    "title": "Reward model first", "summary": ["It ranks well.", "It has read nothing else."], "history": [],
    "chosen": [], "rejected": [], "metrics": MEASURED, "settings": {"learning_rate": 2e-5}, "counts": [COUNTS],
    "by_source": {},
}  # fmt: skip
DRAWN = {"history": HISTORY, "chosen": CHOSEN.tolist(), "rejected": REJECTED.tolist()}


@pytest.fixture
def written(tmp_path):
    """Writes a report that differs from one without figures as told, and reads it."""

    def write(**changes):
        write_report(tmp_path / "report.html", **{**PLAIN, **changes})
        return Page(tmp_path / "report.html")

    return write


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report with all its figures."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, **{**PLAIN, **DRAWN})
    return Page(path)


def unit(values):
    """The values, moved and stretched to be from 0 to 1."""
    values = np.asarray(values, dtype=float)
    assert np.ptp(values) > 0
    return (values - values.min()) / np.ptp(values)


def as_drawn(steps, values, vertices):
    """Whether a picture's points are these, but for where its axes begin and how long they are."""
    np.testing.assert_allclose(unit(vertices[:, 0]), unit(steps), atol=0.001)
    np.testing.assert_allclose(unit(-vertices[:, 1]), unit(values), atol=0.001)


# the file


def test_it_asks_for_nothing_outside_itself_and_runs_nothing(page):
    assert "//" not in re.sub(r"/\*.*?\*/", "", page.source)
    assert "@import" not in page.source
    assert "url(" not in page.source
    assert [tag for tag, _ in page.tags].count("style") == 1, "a figure's style would be the page's"
    assert all(link.startswith(("#", "data:,")) for link in page.values("href") + page.values("src"))
    assert not {"script", "iframe", "img", "object", "embed"} & {tag for tag, _ in page.tags}
    (policy,) = [attributes["content"] for tag, attributes in page.tags if "http-equiv" in attributes]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline';")


def test_every_reference_finds_its_only_target(page):
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    asked = {link[1:] for link in page.values("href") if link.startswith("#")}
    asked |= set(page.values("aria-labelledby"))
    assert asked
    assert asked <= set(ids)


def test_every_colour_of_a_figure_is_one_of_the_page(page):
    pictures = "".join(re.findall(r"<svg.*?</svg>", page.source, re.DOTALL))
    used = set(re.findall(r"var\((--[\w-]+)\)", page.source))
    by_day, by_night = re.findall(r":root \{(.*?)\}", page.source, re.DOTALL)
    assert not re.findall(r"(?:fill|stroke): (?!none|var\()[^;]+", pictures)
    for defined in (by_day, by_night):
        assert used - {"--cards", "--colour"} <= set(re.findall(r"(--[\w-]+):", defined))


def test_the_same_run_gives_the_same_bytes_whatever_the_users_style(page, written):
    unlike = {"axes.linewidth": 9, "axes.labelsize": 30, "svg.fonttype": "path", "axes.facecolor": "red"}
    with matplotlib.rc_context(unlike):
        before = dict(matplotlib.rcParams)
        assert written(**DRAWN).source == page.source
        assert dict(matplotlib.rcParams) == before
    assert not Gcf.get_num_fig_managers()


def test_it_is_small_and_fast_however_long_the_run_and_however_many_the_pairs(written, tmp_path):
    rewards = np.random.default_rng(1).normal(size=1_000_000)
    history = [{**HISTORY[0], **HISTORY[2], "step": step, "loss": 1 / step} for step in range(1, 20_001)]
    chosen, rejected = rewards.tolist(), rewards[::-1].tolist()
    start = time.process_time()
    written(chosen=chosen, rejected=rejected, history=history)
    assert time.process_time() - start < 60  # one point or bar a row would take minutes
    assert (tmp_path / "report.html").stat().st_size < 200_000


def test_a_place_that_cannot_be_written_to_is_named(tmp_path, written):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(FileError, match=r"report\.html cannot be written"):
        written()


# the words


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", "\"><img src=x onerror='x'>", "{{ 7 * 7 }}", "</style>&amp;"]
)
def test_no_name_is_more_than_text(written, hostile):
    sources = {hostile: {"pairs": 2.0, "accuracy": 0.5, "accuracy_stderr": 0.5}, "other": MEASURED}
    page = written(
        title=hostile, summary=[hostile], settings={hostile: hostile, "long": hostile * 20, "in": {hostile: 1}},
        counts=[{**COUNTS, "name": hostile, "template": hostile}], by_source=sources,
        metrics={**MEASURED, hostile: 1.0, "clean": {**MEASURED, hostile: 2.0}},
    )  # fmt: skip
    assert {tag for tag, _ in page.tags} == {
        tag for tag, _ in written(by_source={"a": MEASURED, "b": MEASURED}, settings={"a": 1, "long": "a" * 200}).tags
    }
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    assert page.words.count(hostile) >= 7


def test_every_number_of_the_metrics_is_shown(written):
    page = written(metrics={**MEASURED, "parameters": 812_345, "clean": {"accuracy": 0.98765, "loss": 0.1357}})
    rows = re.findall(r'<tr><th scope="row">(\w+)</th>(.*?)</tr>', page.source)
    shown = {name: re.findall(r"<td>(.*?)</td>", cells) for name, cells in rows}
    for name, value in MEASURED.items():
        assert float(shown[name][0].replace("−", "-")) == pytest.approx(value, abs=0.0005), name
    assert shown["pairs"] == ["300", ""]
    assert shown["parameters"] == ["812,345", ""]
    assert (shown["accuracy"][1], shown["loss"][1]) == ("0.988", "0.136")


def test_the_cards_are_the_headline_figures_and_no_more_than_are_known(written):
    def cards(metrics):
        return re.findall(
            r'<div class="card[^>]*>\s*<h3>(.*?)</h3>\s*<p class="value">(.*?)</p>', written(metrics=metrics).source
        )

    accuracy, error = MEASURED["accuracy"], MEASURED["accuracy_stderr"]
    assert cards(MEASURED) == [
        ("Held-out accuracy", f"{accuracy:.1%}<small> ± {error:.1%}</small>"),
        ("Log loss", f"{MEASURED['loss']:.3f}"),
        ("Mean margin", f"{MEASURED['margin_mean']:.3f}"),
        ("Longer wins", "62.5%"),
        ("First listed wins", "66.7%"),
    ]
    assert cards({"accuracy": 1.0, "accuracy_stderr": math.nan}) == [("Held-out accuracy", "100.0%")]
    assert ("By the right labels", "98.8%") in cards({**MEASURED, "clean": {"accuracy": 0.9876}})
    assert cards({"parameters": 5}) == []


def test_the_sentences_stand_at_the_top_in_order(written):
    text = written(summary=["One is learnt.", "Two is not shown."]).text
    assert text.index("One is learnt.") < text.index("Two is not shown.") < text.index("Held-out accuracy")


def test_sources_are_told_apart_if_there_are_several(written):
    one = {"pairs": 1279.0, "accuracy": 0.6712, "accuracy_stderr": 0.0131}
    assert "Accuracy by source" not in written(by_source={"hh": one}).text
    text = written(by_source={"hh": one, "single": {"pairs": 1.0, "accuracy": 1.0, "accuracy_stderr": math.nan}}).text
    assert re.search(r"hh 1,279 67\.1% ± 1\.3% single 1 100\.0%", text)
    assert "nan" not in text


def test_all_counts_are_shown_and_summed_up(written):
    other = {
        **{name: 2 * value for name, value in COUNTS.items() if isinstance(value, int)},
        "name": "b",
        "template": "HH",
    }
    page = written(counts=[COUNTS, other])
    cells = re.findall(r'<td data-label="[^"]*"[^>]*>(.*?)</td>', page.source)
    wanted = [value for value in COUNTS.values() if isinstance(value, int)]
    assert cells == [f"{times * value:,}" for times in (1, 2, 3) for value in wanted]
    assert len(re.findall("<td data-label", written().source)) == len(wanted)


def test_settings_are_shown_entry_by_entry(written):
    text = written(
        settings={"lr": 2e-05, "style": {"name": "chatml", "tokens": {"bos": None}}, "long": "x" * 3000}
    ).text
    assert "lr 2e-05" in text
    assert "style.name chatml" in text
    assert "style.tokens.bos None" in text
    assert "x" * 3000 in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0, "0.000"),
        (-12345, "−12,345"),
        (12345.678, "12345.678"),
        (-4e-7, "−4e−7"),
        (2.5e9, "2.5e9"),
        (math.inf, "not finite"),
    ],
)
def test_numbers_are_read_by_people(value, text):
    assert number(value) == text
    assert float(share(0.12345).rstrip("%")) == 12.3


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
    assert "a coin: ln 2" in page.text
    assert "a coin: 0.5" in page.text


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
    thin = thinned(points(history, "loss"))
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
    both = report.reward_edges(report.Rewards(CHOSEN, REJECTED))
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


@pytest.mark.parametrize("scale", [5e-324, 1e-9, 1.0, 1e30])
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_no_pair_falls_between_or_beyond_the_bins(scale, size):
    draw = np.random.default_rng(size)
    for _ in range(100):
        chosen, rejected = scale * draw.normal(size=size), scale * draw.normal(1, size=size)
        edges = report.reward_edges(report.Rewards(chosen, rejected))
        assert (np.diff(edges) > 0).all()
        assert report.counted(chosen, edges).sum() == report.counted(rejected, edges).sum() == size
        zero = report.difference_edges(chosen - rejected)
        assert (np.diff(zero) > 0).all()
        assert 0.0 in zero
        assert report.counted(chosen - rejected, zero).sum() == size
        assert len(zero) <= report.MOST_BINS + 2


def test_rewards_that_differ_by_rounding_alone_are_cut_into_bins_that_do_not_vanish():
    edges = report.reward_edges(report.Rewards(np.array([1e20]), np.array([np.nextafter(1e20, np.inf)])))
    assert (np.diff(edges) > 0).all()


def test_ties_are_neither_left_nor_right_of_zero(written):
    page = written(chosen=[3.0, 1.0, 2.0, 2.0], rejected=[1.0, 1.0, 2.0, 3.0])
    assert "25.0% below zero 50.0% at zero 25.0% above zero" in page.text
    below, at, above = (bars(page, f"differences-{where}-zero")[1].sum() for where in ("below", "at", "above"))
    assert below == pytest.approx(above, rel=0.01)
    assert at == pytest.approx(2 * above, rel=0.01)


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


def test_sides_of_different_lengths_are_refused(written):
    with pytest.raises(ValueError, match="2 rewards of chosen answers and 1 of rejected ones"):
        written(chosen=[1.0, 2.0], rejected=[1.0])

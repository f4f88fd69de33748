"""The report says what was measured, and asks for nothing outside itself."""

import math
import re
import time

import matplotlib
import numpy as np
import pytest
from matplotlib._pylab_helpers import Gcf
from report_support import COUNTS, DRAWN, HISTORY, MEASURED

from preftemplates.errors import FileError

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
    baselines = {hostile: {**HEAD, "label": hostile}}
    sources = {hostile: {"pairs": 2.0, "accuracy": 0.5, "accuracy_stderr": 0.5}, "other": MEASURED}
    page = written(
        title=hostile, summary=[hostile], settings={hostile: hostile, "long": hostile * 20, "in": {hostile: 1}},
        counts=[{**COUNTS, "name": hostile, "template": hostile}], by_source=sources,
        metrics={**MEASURED, hostile: 1.0, "clean": {**MEASURED, hostile: 2.0}, "baselines": baselines},
    )  # fmt: skip
    assert {tag for tag, _ in page.tags} == {
        tag for tag, _ in written(by_source={"a": MEASURED, "b": MEASURED}, settings={"a": 1, "long": "a" * 200}).tags
    }
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    assert page.words.count(hostile) >= 8


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


def bars(page):
    """The colour of each bar of the page, in order."""
    return re.findall(
        r'<span class="gauge" aria-hidden="true"><i class="([\w-]+)" style="[^"]*var\(--\1\)"', page.source
    )


@pytest.mark.parametrize(
    ("accuracy", "longer", "colour", "words"),
    [
        (0.4, 0.4, "below", "Worse than chance (50%)."),
        (0.6, 0.7, "below", "Worse than the rule &#39;the longer answer wins&#39; (70.0%)."),
        (0.71, 0.7, "training", "Not clearly different from the rule &#39;the longer answer wins&#39; (70.0%)."),
        (0.9, 0.7, "held-out", "Better than the rule &#39;the longer answer wins&#39; (70.0%)."),
    ],
)
def test_the_bar_of_the_accuracy_is_green_only_where_the_model_is_ahead_and_words_say_the_same(
    written, accuracy, longer, colour, words
):
    page = written(metrics={"pairs": 300.0, "accuracy": accuracy, "accuracy_stderr": 0.02, "longer_wins": longer})
    assert bars(page) == [colour, "training"]
    assert f"<strong>{words}</strong>" in page.source


def test_the_bar_of_the_right_labels_is_not_green_below_chance(written):
    clean = {"pairs": 300.0, "accuracy": 0.3, "accuracy_stderr": 0.01}
    assert bars(written(metrics={**MEASURED, "clean": clean}))[1] == "below"
    assert bars(written(metrics={**MEASURED, "clean": {**clean, "accuracy": 0.9}}))[1] == "held-out"


@pytest.mark.parametrize(
    ("pairs", "accuracy", "value"), [(1, 1.0, "1 of 1"), (9, 2 / 3, "6 of 9"), (1, 0.5, "0.5 of 1")]
)
def test_few_pairs_are_counted_and_have_neither_percentage_nor_bar(written, pairs, accuracy, value):
    figures = {**MEASURED, "pairs": float(pairs), "accuracy": accuracy, "accuracy_stderr": math.nan}
    page = written(metrics={**figures, "clean": {"accuracy": 1.0}})
    header = page.source.partition("</header>")[2].partition("<section")[0]
    assert re.findall(r'<p class="value">(.*?)</p>', header) == [value, f"{pairs} of {pairs}"]
    assert "%" not in re.sub("<[^>]*>", "", header)
    assert bars(page) == []


def test_ten_pairs_have_a_percentage(written):
    page = written(metrics={**MEASURED, "pairs": 10.0})
    assert '<p class="value">' + f"{MEASURED['accuracy']:.1%}" in page.source


def test_every_rule_has_a_card(written):
    text = written(metrics={**MEASURED, "more_list_marks_wins": 0.123}).text
    assert re.search(r"More list marks wins 12\.3%", text)


# simpler models

COMPARED = {
    "samples": 300,
    "difference": 0.052,
    "difference_low": 0.004,
    "difference_high": -0.1,
    "ahead": 30,
    "behind": 9,
}
HEAD = {
    "label": "a linear head, layer 20 of 30", "accuracy": 0.6911, "accuracy_stderr": 0.021, "train_pairs": 8123,
    "seconds": 41.2, "model": {**COMPARED, "p": 0.0123},
}  # fmt: skip
WORDS = {**HEAD, "label": "word counts", "seconds": 1.26, "model": {**COMPARED, "ahead": 3, "behind": 40, "p": 1e-9}}


def test_simpler_models_are_shown_next_to_the_model_with_the_rules(written):
    page = written(metrics={**MEASURED, "baselines": {"head": HEAD, "words": WORDS}})
    section = page.source.partition('<section aria-labelledby="simpler">')[2].partition("</section>")[0]
    rows = re.findall(r"<tr.*?</tr>", section, re.DOTALL)[1:]
    shown = [re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", row)).strip() for row in rows]
    accuracy, error = MEASURED["accuracy"], MEASURED["accuracy_stderr"]
    assert shown == [
        f"this model {accuracy:.1%} ± {error:.1%}",
        "a linear head, layer 20 of 30 trained on 8,123 pairs, 41 s of CPU time 69.1% ± 2.1% +5.2 +0.4 to −10.0 better"
        " p = 0.012",
        "word counts trained on 8,123 pairs, 1.3 s of CPU time 69.1% ± 2.1% +5.2 +0.4 to −10.0 worse p &lt; 0.001",
        f"the rule &#39;the longer answer wins&#39; 62.5% {100 * (accuracy - 0.625):+.1f}",
        f"the rule &#39;the first listed wins&#39; 66.7% {100 * (accuracy - 2 / 3):+.1f}",
    ]
    assert len(re.findall('class="gauge"', section)) == 5
    assert "baselines" not in page.text


def test_a_rule_that_was_compared_on_the_same_pairs_has_an_interval_and_a_test(written):
    entry = {"rule": "the longer answer wins", "accuracy": 0.625, "model": {**COMPARED, "p": 0.0123}}
    metrics = {**MEASURED, "shortcuts": {"longer_wins": entry}, "baselines": {"words": WORDS}}
    text = written(metrics=metrics).text
    assert "the rule 'the longer answer wins' 62.5% +5.2 +0.4 to −10.0 better p = 0.012" in text
    assert "shortcuts" not in text


def test_without_simpler_models_there_is_no_such_section(written):
    for metrics in (MEASURED, {**MEASURED, "baselines": {}}):
        assert "simpler" not in written(metrics=metrics).text


def test_a_simpler_model_that_was_not_measured_has_its_reason(written):
    skipped = {"skipped": "the model has no pretrained layers"}
    text = written(metrics={**MEASURED, "baselines": {"head": skipped, "words": WORDS}}).text
    assert "Not measured: head. the model has no pretrained layers" in text
    assert "word counts" in text
    alone = written(metrics={**MEASURED, "baselines": {"head": skipped}}).text
    assert "Not measured: head." in alone
    assert "this model" not in alone


def test_next_to_few_pairs_simpler_models_have_no_percentage(written):
    page = written(
        metrics={**MEASURED, "pairs": 4.0, "accuracy": 0.5, "baselines": {"head": {**HEAD, "accuracy": 0.75}}}
    )
    section = page.source.partition('<section aria-labelledby="simpler">')[2].partition("</section>")[0]
    text = re.sub("<[^>]*>", " ", section)
    assert "%" not in text
    assert re.search(r"this model\s+2 of 4", text)
    assert re.search(r"CPU time\s+3 of 4", text)


def test_the_sentences_stand_at_the_top_in_order(written):
    text = written(summary=["One is learnt.", "Two is not shown."]).text
    assert text.index("One is learnt.") < text.index("Two is not shown.") < text.index("Held-out accuracy")


def test_sources_are_told_apart_if_there_are_several(written):
    one = {"pairs": 1279.0, "accuracy": 0.6712, "accuracy_stderr": 0.0131}
    assert "Accuracy by source" not in written(by_source={"hh": one}).text
    worse = {"pairs": 300.0, "accuracy": 0.43, "accuracy_stderr": 0.02}
    single = {"pairs": 1.0, "accuracy": 1.0, "accuracy_stderr": math.nan}
    page = written(by_source={"hh": one, "worse": worse, "single": single})
    assert "hh 1,279 67.1% ± 1.3% Better than chance (50%). worse 300" in page.text
    assert "300 43.0% ± 2.0% Worse than chance (50%). single 1 1 of 1" in page.text
    assert "nan" not in page.text
    assert bars(page)[-2:] == ["held-out", "below"]


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


def test_copies_are_shown_where_there_are_some(written):
    copies = {"duplicate": 1234, "contradiction": 0, "near_duplicate": 3, "in_test": 4, "near_test": 5}
    assert "Copies" not in written(counts=[{**COUNTS, **dict.fromkeys(copies, 0)}]).text
    page = written(counts=[{**COUNTS, **copies}])
    assert "Copies" in page.text
    cells = re.findall(r'<td data-label="[^"]*"[^>]*>(.*?)</td>', page.source)
    assert cells[-5:] == ["1,234", "0", "3", "4", "5"]


def test_settings_are_shown_entry_by_entry(written):
    text = written(
        settings={"lr": 2e-05, "style": {"name": "chatml", "tokens": {"bos": None}}, "long": "x" * 3000}
    ).text
    assert "lr 2e-05" in text
    assert "style.name chatml" in text
    assert "style.tokens.bos None" in text
    assert "x" * 3000 in text

"""The dataset of a run: weights, rankings, the split by prompt, and the first pairs."""

from collections import Counter

import pytest
from dataset_support import NOTHING, config_of, encoded, row, write
from hypothesis import given
from hypothesis import strategies as st
from preftemplates_train.data.dataset import read_data, read_first_samples, repeat_by_weight
from preftemplates_train.data.sources import list_sources
from preftemplates_train.data.tokenizer import AddedText
from preftemplates_train.errors import SetupError, TooManyBadRowsError
from preftemplates_train.settings.config import RewardConfig
from support import HOMEWORK

from preftemplates import get_template

# Sources


def test_sources_are_seen_as_often_as_their_weights_say(tmp_path):
    one, two = write(tmp_path / "a.jsonl", map(row, range(10))), write(tmp_path / "b.jsonl", map(row, range(90, 110)))
    settings = {"datasets": [{"path": one, "weight": 2.5}, {"path": two, "weight": 0.3}], "eval_size": 0.0}
    data, found = encoded(config_of(**settings))
    seen = Counter((pair.sample.source, pair.sample.row) for pair in found.train)
    assert sum(times for (name, _), times in seen.items() if name == one) == 25
    assert {times for (name, _), times in seen.items() if name == one} == {2, 3}
    assert sorted(times for (name, _), times in seen.items() if name == two) == [1] * 6
    assert [report.summarize()["train_pairs"] for report in data.reports.values()] == [10, 20]


def test_the_pairs_of_a_ranking_are_together_and_drawn_together(tmp_path):
    example = get_template("HelpSteer-grouped").example
    rows = [
        {"prompt": f"Plant {n}?", "rows": [{**one, "helpfulness": k, "response": f"{n}, {k}"} for k, one in
         enumerate(example["rows"] * 2)]} for n in range(10)
    ]  # fmt: skip
    path = write(tmp_path / "rankings.jsonl", rows)
    settings = {"datasets": [{"path": path, "weight": 1.5}], "eval_size": 0.0, "template": "HelpSteer-grouped"}
    _, found = encoded(config_of(**settings))
    assert [len(group) for group in found.groups] == [6] * 15
    assert len(found.train) == 90
    for group in found.groups:
        assert len({(pair.sample.row, pair.sample.prompt) for pair in group}) == 1
        assert len({tuple(ids) for pair in group for ids in pair.ids}) == 4


@given(st.integers(0, 50), st.floats(0.01, 5), st.integers(0, 9))
def test_a_weight_repeats_whole_sets_and_draws_the_rest(pairs, weight, seed):
    found = repeat_by_weight(range(pairs), weight, seed)
    times = Counter(found)
    assert len(found) == int(weight) * pairs + round((weight % 1) * pairs)
    assert set(times.values()) <= {int(weight), int(weight) + 1}
    assert repeat_by_weight(range(pairs), weight, seed) == found


def prompts(config):
    data = read_data(config)
    return [{(pair.source, pair.prompt) for pair in side} for side in (data.train, data.held_out)]


def test_a_prompt_of_several_sources_is_on_one_side(tmp_path):
    one, two = write(tmp_path / "a.jsonl", map(row, range(40))), write(tmp_path / "b.jsonl", map(row, range(20, 60)))
    train, held_out = prompts(config_of(one, two, eval_size=0.3))
    assert {name for name, _ in held_out} == {one, two}
    assert not {prompt for _, prompt in train} & {prompt for _, prompt in held_out}
    assert len(train | held_out) == 80


def test_a_begin_that_class_and_tokenizer_both_write_is_refused(tmp_path):
    config = config_of(write(tmp_path / "rows.jsonl", map(row, range(10))), template=str(HOMEWORK))
    assert read_data(config, AddedText("<s>", "")).style is None
    with pytest.raises(SetupError, match="both write 'BEGINNING', so texts would begin with it twice"):
        read_data(config, AddedText("BEGINNING", ""))


# The first pairs


class Reading:
    """Counts the rows that are read."""

    def __init__(self, rows):
        self.rows, self.read = rows, 0

    def __call__(self):
        for one in self.rows:
            self.read += 1
            yield one


def first_of(rows, monkeypatch):
    reading = Reading(rows)
    source = list_sources(RewardConfig())[0]._replace(rows=reading)
    monkeypatch.setattr("preftemplates_train.data.dataset.list_sources", lambda _: [source])
    return reading


def test_the_first_pairs_are_read_without_the_rest(monkeypatch):
    reading = first_of(map(row, range(10_000)), monkeypatch)
    pairs, choice = read_first_samples(RewardConfig(), NOTHING)
    assert [pair.row for pair in pairs] == [0, 1, 2]
    assert choice.style.name == "beginning-of-conversation"
    assert reading.read == 3


def test_the_first_pairs_stand_behind_however_many_bad_rows(monkeypatch):
    bad = [row(0, better_response_id=2)] * 30
    first_of([*bad, row(1), *bad, row(2), row(3), row(4)], monkeypatch)
    assert [pair.row for pair in read_first_samples(RewardConfig(), NOTHING)[0]] == [30, 61, 62]


def test_less_than_three_pairs_are_all_there_are(monkeypatch):
    first_of([row(0), row(1, response_0="bad")], monkeypatch)
    assert [pair.row for pair in read_first_samples(RewardConfig(), NOTHING)[0]] == [0]


def test_no_first_pair_is_no_success(monkeypatch):
    first_of([row(0, better_response_id=2)] * 30, monkeypatch)
    with pytest.raises(TooManyBadRowsError, match="30 of 30 rows are rejected"):
        read_first_samples(RewardConfig(), NOTHING)
    first_of([row(0, response_0="bad")] * 30, monkeypatch)
    with pytest.raises(SetupError, match="no pair to show: generated, row 0: Two responses are the same"):
        read_first_samples(RewardConfig(), NOTHING)


def test_the_first_pairs_are_written_as_the_run_writes_them(tmp_path):
    config = config_of(write(tmp_path / "rows.jsonl", map(row, range(10))), style="chatml", eval_size=0.0)
    first, _ = read_first_samples(config, AddedText("<s>", "</s>"))
    assert first == read_data(config, AddedText("<s>", "</s>")).train[:3]
    assert all(pair.texts[0].startswith("<s><|im_start|>") and pair.texts[0].endswith("</s>") for pair in first)

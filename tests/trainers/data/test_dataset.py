"""The data of a run: every row is counted, and no prompt is on both sides of a split."""

import json
from collections import Counter

import pytest
from datasets import Dataset, DatasetDict
from hypothesis import given
from hypothesis import strategies as st
from preftemplates_train.data.dataset import encode_data, read_data, read_first_pairs, repeat_by_weight
from preftemplates_train.data.sources import GENERATED, list_sources
from preftemplates_train.data.tokenizer import AddedText
from preftemplates_train.errors import SetupError, TooManyBadRowsError
from preftemplates_train.settings.config import RewardConfig
from preftemplates_train.settings.validation import UNTRAINABLE_FINDINGS
from support import HOMEWORK

from preftemplates import Style, get_template, register_style

NOTHING = AddedText("", "")
GOOD = {"prompt": "question", "response_0": "good", "response_1": "bad", "better_response_id": 0}


def row(number, **changed):
    return {**GOOD, "prompt": f"question {number}", **changed}


def write(path, rows):
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return str(path)


def config_of(*paths, **settings):
    settings = {"template": "PKUSafeRLHF", "max_length": 200, **settings}
    return RewardConfig(dataset_name=list(paths) or None, **settings)


def characters(texts):
    """A token a character; no text holds the token 0."""
    return [[ord(char) for char in text] for text in texts]


def encoded(config):
    data = read_data(config)
    return data, encode_data(data, characters, max_length=config.max_length, pad_id=0, config=config)


# Every row is counted

KINDS = {
    "good": lambda number: row(number),
    "equal": lambda number: row(number, response_0="bad"),
    "empty": lambda number: row(number, response_0=" "),
    "wrong label": lambda number: row(number, better_response_id=2),
    "missing": lambda _: {"prompt": "alone"},
    "long": lambda number: row(number, response_0="x" * 300),
    "spelling pad": lambda number: row(number, response_1="\0"),
    "no JSON": lambda _: None,
}
BECOME = {
    "good": "kept", "equal": "skipped", "empty": "skipped", "wrong label": "rejected", "missing": "rejected",
    "long": "too_long", "spelling pad": "control", "no JSON": "rejected",
}  # fmt: skip


@given(st.lists(st.sampled_from(sorted(KINDS)), max_size=40))
def test_rows_are_kept_skipped_rejected_or_dropped_and_none_is_lost(tmp_path_factory, kinds):
    kinds = ["good", *kinds]
    lines = [KINDS[kind](number) for number, kind in enumerate(kinds)]
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("".join("{no JSON\n" if line is None else json.dumps(line) + "\n" for line in lines))
    config = config_of(str(path), max_dropped=1.0, eval_size=0.0)
    expected = Counter(BECOME[kind] for kind in kinds)
    if expected["rejected"] > 10:
        with pytest.raises(TooManyBadRowsError, match=rf"rows\.jsonl: {expected['rejected']} of {len(kinds)} rows"):
            read_data(config)
        return
    data, found = encoded(config)
    (counts,) = (report.summarize() for report in data.reports.values())
    assert counts["rows"] == len(kinds)
    assert counts["train_pairs"] == expected["kept"]
    assert {name: counts[name] for name in ("skipped", "rejected", "too_long", "control")} == {
        name: expected[name] for name in ("skipped", "rejected", "too_long", "control")
    }
    assert counts["formatted"] == expected["kept"] + expected["too_long"] + expected["control"]
    assert [pair.pair.row for pair in found.train] == [number for number, kind in enumerate(kinds) if kind == "good"]


def test_a_set_without_a_pair_says_what_became_of_its_first_row(tmp_path):
    equal = write(tmp_path / "equal.jsonl", [row(n, response_0="bad") for n in range(40)])
    with pytest.raises(SetupError, match=r"no pair to train on: .*equal\.jsonl, row 0: Two responses are the same"):
        encoded(config_of(equal))
    wrong = write(tmp_path / "wrong.jsonl", [row(n, better_response_id=2) for n in range(5)])
    with pytest.raises(
        SetupError, match=r"no pair to train on: .*row 0: column 'better_response_id': expected 0 or 1"
    ):
        encoded(config_of(wrong))
    good = write(tmp_path / "good.jsonl", map(row, range(40)))
    with pytest.raises(SetupError, match=r"no pair to evaluate on: .*equal\.jsonl, row 0: Two responses"):
        encoded(config_of(good, eval_data=[equal]))
    long = write(tmp_path / "long.jsonl", [row(n, response_0="x" * 300) for n in range(5)])
    with pytest.raises(SetupError, match=r"no pair to evaluate on$"):
        encoded(config_of(good, eval_data=[long], max_dropped=1.0))


def test_more_bad_rows_than_allowed_name_the_first(tmp_path):
    rows = [*map(row, range(30)), *(row(n, better_response_id="0") for n in range(11))]
    path = write(tmp_path / "rows.jsonl", rows)
    with pytest.raises(
        TooManyBadRowsError, match=r"11 of 41 rows .* more than 10; the first is row 30 \(line 31\): col"
    ):
        read_data(config_of(path))


@pytest.mark.parametrize(("allowed", "fails"), [(0.0, True), (0.09, True), (0.1, False), (1.0, False)])
def test_a_share_of_dropped_pairs_up_to_the_allowed_one_is_taken(tmp_path, allowed, fails):
    rows = [row(n, response_0="x" * 300 if n == 3 else "good") for n in range(10)]
    config = config_of(write(tmp_path / "rows.jsonl", rows), eval_size=0.0, max_dropped=allowed)
    if fails:
        with pytest.raises(
            SetupError, match=r"1 of 10 pairs would be dropped, .* 1 too long for 200 tokens \(a longer"
        ):
            encoded(config)
    else:
        assert len(encoded(config)[1].train) == 9


def test_what_is_dropped_names_its_own_cure(tmp_path):
    long = write(tmp_path / "long.jsonl", [row(n, response_0="x" * 300) for n in range(10)])
    with pytest.raises(
        SetupError, match=r"all 9 pairs .*\(a longer --max_length, or --length_policy cut_prompt keeps"
    ):
        encoded(config_of(long))
    control = write(tmp_path / "control.jsonl", [row(n, response_0="\0") for n in range(10)])
    with pytest.raises(SetupError, match=r"9 spelling the pad token \(another --pad_token keeps more; --max_dropped"):
        encoded(config_of(control))


# Sources


def test_sources_are_seen_as_often_as_their_weights_say(tmp_path):
    one, two = write(tmp_path / "a.jsonl", map(row, range(10))), write(tmp_path / "b.jsonl", map(row, range(90, 110)))
    settings = {"datasets": [{"path": one, "weight": 2.5}, {"path": two, "weight": 0.3}], "eval_size": 0.0}
    data, found = encoded(config_of(**settings))
    seen = Counter((pair.pair.source, pair.pair.row) for pair in found.train)
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
        assert len({(pair.pair.row, pair.pair.prompt) for pair in group}) == 1
        assert len({tuple(ids) for pair in group for ids in pair[1:]}) == 4


@given(st.integers(0, 50), st.floats(0.01, 5), st.integers(0, 9))
def test_a_weight_repeats_whole_sets_and_draws_the_rest(pairs, weight, seed):
    found = repeat_by_weight(range(pairs), weight, seed)
    times = Counter(found)
    assert len(found) == int(weight) * pairs + round((weight % 1) * pairs)
    assert set(times.values()) <= {int(weight), int(weight) + 1}
    assert repeat_by_weight(range(pairs), weight, seed) == found


def test_a_path_that_is_named_twice_has_two_names(tmp_path):
    path = write(tmp_path / "rows.jsonl", map(row, range(10)))
    other = write(tmp_path / "other.jsonl", map(row, range(10)))
    config = config_of(path, other, path, eval_data=[path])
    assert [one.name for one in list_sources(config)] == [f"{path} #1", other, f"{path} #2", f"{path} #3"]
    data, found = encoded(config)
    assert [report.summarize()["train_pairs"] for report in data.reports.values()] == [10, 10, 10, 0]
    assert {pair.pair.source for pair in found.held_out} == {f"{path} #3"}
    assert data.prompts_in_both == 10


def test_held_out_files_are_read_by_the_template_of_all(tmp_path):
    pku = write(tmp_path / "pku.jsonl", map(row, range(10)))
    trl = write(tmp_path / "trl.jsonl", [{"prompt": "q", "chosen": "a", "rejected": "b"}])
    sources = [{"path": trl, "template": "TRL"}, {"path": pku, "template": "PKUSafeRLHF"}]
    config = config_of(datasets=sources, eval_data=[pku], style="chatml")
    found = encoded(config)[1]
    assert len(found.held_out) == 10
    assert all("<|im_end|>" in pair.pair.chosen for pair in found.held_out)
    with pytest.raises(SetupError, match="eval_data is read by one template, and the datasets have several"):
        read_data(config_of(datasets=sources, eval_data=[pku], style="chatml", template=None))


def test_a_dataset_on_disk_has_its_splits(tmp_path):
    splits = {"train": map(row, range(10)), "test": map(row, range(50, 54)), "more": map(row, range(60, 62))}
    DatasetDict({name: Dataset.from_list(list(rows)) for name, rows in splits.items()}).save_to_disk(tmp_path / "rows")
    _, found = encoded(config_of(str(tmp_path / "rows"), dataset_test_split="test"))
    assert (len(found.train), len(found.held_out)) == (10, 4)
    _, found = encoded(config_of(str(tmp_path / "rows"), dataset_test_split="test", dataset_train_split="more"))
    assert (len(found.train), len(found.held_out)) == (2, 4)


def prompts(config):
    data = read_data(config)
    return [{(pair.source, pair.prompt) for pair in side} for side in (data.train, data.held_out)]


def test_a_prompt_of_several_sources_is_on_one_side(tmp_path):
    one, two = write(tmp_path / "a.jsonl", map(row, range(40))), write(tmp_path / "b.jsonl", map(row, range(20, 60)))
    train, held_out = prompts(config_of(one, two, eval_size=0.3))
    assert {name for name, _ in held_out} == {one, two}
    assert not {prompt for _, prompt in train} & {prompt for _, prompt in held_out}
    assert len(train | held_out) == 80


def test_the_generated_set_is_known_by_no_name(tmp_path, monkeypatch):
    Dataset.from_list([row(n) for n in range(10)]).save_to_disk(tmp_path / GENERATED)
    monkeypatch.chdir(tmp_path)
    assert read_data(config_of(GENERATED)).clean == []
    assert len(read_data(RewardConfig()).clean) == 432


# Styles


def test_several_styles_are_refused_until_one_is_named(tmp_path):
    pku = write(tmp_path / "pku.jsonl", map(row, range(10)))
    trl = write(tmp_path / "trl.jsonl", [{"prompt": "q", "chosen": "a", "rejected": "b"}])
    sources = [{"path": pku}, {"path": trl, "template": "TRL"}]
    with pytest.raises(SetupError, match="in several styles: beginning-of-conversation, plain; name one with --style"):
        read_data(config_of(datasets=sources))
    assert read_data(config_of(datasets=sources, style="zephyr")).style.name == "zephyr"
    by_hand = [{"path": pku}, {"path": pku, "template": str(HOMEWORK)}]
    with pytest.raises(
        SetupError, match="by hand has no style to share, and there are several: HOMEWORK, PKUSafeRLHF"
    ):
        read_data(config_of(datasets=by_hand))


@pytest.mark.parametrize(
    ("code", "source"),
    [
        ("depends_on_date", "{{ strftime_now('%Y') }}{% for m in messages %}{{ m.content }}.{% endfor %}"),
        ("drops_answer", "{% for m in messages if m.role == 'user' %}{{ m.content }}.{% endfor %}"),
        ("same_text", "{% for m in messages if m.role == 'user' %}{{ m.content }}.{% endfor %}"),
    ],
)
def test_a_style_in_which_nothing_can_be_learnt_is_refused_unless_it_is_allowed(tmp_path, code, source):
    @register_style("odd")
    class Odd(Style):
        chat_template = source

    others = [other for other in UNTRAINABLE_FINDINGS if other != code]
    config = {"style": "odd", "allow_findings": others}
    rows = write(tmp_path / "rows.jsonl", map(row, range(10)))
    for reading in (read_data, read_first_pairs):
        with pytest.raises(SetupError, match=f"the style odd has the finding {code}: .* --allow_findings {code}"):
            reading(config_of(rows, **config), AddedText("", ""))
    if code == "depends_on_date":
        assert len(read_data(config_of(rows, **config | {"allow_findings": [code]})).train) == 9


def test_only_findings_that_are_refused_can_be_allowed():
    with pytest.raises(SetupError, match=r"allow_findings must be among drops_answer, .*trims_content"):
        RewardConfig(allow_findings=["trims_content"])


def test_a_begin_that_class_and_tokenizer_both_write_is_refused(tmp_path):
    config = config_of(write(tmp_path / "rows.jsonl", map(row, range(10))), template=str(HOMEWORK))
    assert read_data(config, AddedText("<s>", "")).style is None
    with pytest.raises(SetupError, match="both write 'BEGINNING': it would stand there twice"):
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
    pairs, style = read_first_pairs(RewardConfig(), NOTHING)
    assert [pair.row for pair in pairs] == [0, 1, 2]
    assert style.name == "beginning-of-conversation"
    assert reading.read == 3


def test_the_first_pairs_stand_behind_however_many_bad_rows(monkeypatch):
    bad = [row(0, better_response_id=2)] * 30
    first_of([*bad, row(1), *bad, row(2), row(3), row(4)], monkeypatch)
    assert [pair.row for pair in read_first_pairs(RewardConfig(), NOTHING)[0]] == [30, 61, 62]


def test_less_than_three_pairs_are_all_there_are(monkeypatch):
    first_of([row(0), row(1, response_0="bad")], monkeypatch)
    assert [pair.row for pair in read_first_pairs(RewardConfig(), NOTHING)[0]] == [0]


def test_no_first_pair_is_no_success(monkeypatch):
    first_of([row(0, better_response_id=2)] * 30, monkeypatch)
    with pytest.raises(TooManyBadRowsError, match="30 of 30 rows are rejected"):
        read_first_pairs(RewardConfig(), NOTHING)
    first_of([row(0, response_0="bad")] * 30, monkeypatch)
    with pytest.raises(SetupError, match="no pair to show: generated, row 0: Two responses are the same"):
        read_first_pairs(RewardConfig(), NOTHING)


def test_the_first_pairs_are_written_as_the_run_writes_them(tmp_path):
    config = config_of(write(tmp_path / "rows.jsonl", map(row, range(10))), style="chatml", eval_size=0.0)
    first, _ = read_first_pairs(config, AddedText("<s>", "</s>"))
    assert first == read_data(config, AddedText("<s>", "</s>")).train[:3]
    assert all(pair.chosen.startswith("<s><|im_start|>") and pair.chosen.endswith("</s>") for pair in first)

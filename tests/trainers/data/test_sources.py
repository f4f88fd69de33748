"""The sources of a run: their names, templates, splits and the one style of all."""

import pytest
from dataset_support import config_of, encoded, row, write
from datasets import Dataset, DatasetDict
from preftemplates_train.data.dataset import read_data, read_first_samples
from preftemplates_train.data.sources import GENERATED, list_sources
from preftemplates_train.data.tokenizer import AddedText
from preftemplates_train.errors import SetupError
from preftemplates_train.settings.config import RewardConfig
from preftemplates_train.settings.ranges import UNTRAINABLE_FINDINGS
from support import HOMEWORK

from preftemplates import Style, register_style


def test_a_path_that_is_named_twice_has_two_names(tmp_path):
    path = write(tmp_path / "rows.jsonl", map(row, range(10)))
    other = write(tmp_path / "other.jsonl", map(row, range(10)))
    config = config_of(path, other, path, eval_data=[path])
    assert [one.name for one in list_sources(config)] == [f"{path} #1", other, f"{path} #2", f"{path} #3"]
    data, found = encoded(config)
    assert [report.summarize()["train_pairs"] for report in data.reports.values()] == [10, 10, 10, 0]
    assert {pair.sample.source for pair in found.held_out} == {f"{path} #3"}
    assert data.prompts_in_both == 10


def test_held_out_files_are_read_by_the_template_of_all(tmp_path):
    pku = write(tmp_path / "pku.jsonl", map(row, range(10)))
    trl = write(tmp_path / "trl.jsonl", [{"prompt": "q", "chosen": "a", "rejected": "b"}])
    sources = [{"path": trl, "template": "TRL"}, {"path": pku, "template": "PKUSafeRLHF"}]
    config = config_of(datasets=sources, eval_data=[pku], style="chatml")
    found = encoded(config)[1]
    assert len(found.held_out) == 10
    assert all("<|im_end|>" in pair.sample.texts[0] for pair in found.held_out)
    with pytest.raises(SetupError, match="eval_data needs one template, but the datasets have several"):
        read_data(config_of(datasets=sources, eval_data=[pku], style="chatml", template=None))


def test_a_dataset_on_disk_has_its_splits(tmp_path):
    splits = {"train": map(row, range(10)), "test": map(row, range(50, 54)), "more": map(row, range(60, 62))}
    DatasetDict({name: Dataset.from_list(list(rows)) for name, rows in splits.items()}).save_to_disk(tmp_path / "rows")
    _, found = encoded(config_of(str(tmp_path / "rows"), dataset_test_split="test"))
    assert (len(found.train), len(found.held_out)) == (10, 4)
    _, found = encoded(config_of(str(tmp_path / "rows"), dataset_test_split="test", dataset_train_split="more"))
    assert (len(found.train), len(found.held_out)) == (2, 4)


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
    with pytest.raises(
        SetupError, match="have several styles: beginning-of-conversation, plain; name one with --style"
    ):
        read_data(config_of(datasets=sources))
    assert read_data(config_of(datasets=sources, style="zephyr")).style.name == "zephyr"
    by_hand = [{"path": pku}, {"path": pku, "template": str(HOMEWORK)}]
    with pytest.raises(
        SetupError,
        match="a custom template has no style, so it cannot be combined with other templates, got HOMEWORK, PKU",
    ):
        read_data(config_of(datasets=by_hand))


@pytest.mark.parametrize(
    ("code", "source"),
    [
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
    for reading in (read_data, read_first_samples):
        with pytest.raises(SetupError, match=f"the style odd has the finding {code}: .* --allow_findings {code}"):
            reading(config_of(rows, **config), AddedText("", ""))


def test_only_findings_that_are_refused_can_be_allowed():
    with pytest.raises(SetupError, match=r"allow_findings must be among drops_answer, .*trims_content"):
        RewardConfig(allow_findings=["trims_content"])

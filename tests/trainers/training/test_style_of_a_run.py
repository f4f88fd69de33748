"""A run trains in the model's own chat template where it has one, says so, and keeps the date that it prints."""

import json
import shutil
from datetime import datetime
from unittest.mock import patch

import pytest
from preftemplates_train.errors import ResumeError
from preftemplates_train.evaluation.score_file import score_rows
from preftemplates_train.evaluation.scorer import Scorer
from run_support import SHORT, equal, rows_file, weights
from support import HOMEWORK, transformers_text
from trainer_support import command, refusal, train_by
from transformers import AutoTokenizer

from preftemplates import Style, get_style, get_template
from preftemplates.data.reading import Record

OWN = (
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)
DATED = "{{ bos_token }}It is {{ strftime_now('%d %b %Y') }}.{{ eos_token }}" + OWN.removeprefix("{{ bos_token }}")
TALK = [{"role": "user", "content": "Peas?"}, {"role": "assistant", "content": "Yes."}]
ROW = {"prompt": "Peas?", "response_0": "Yes.", "response_1": "No.", "better_response_id": 0}
TODAY = "preftemplates_train.data.style_choice.read_today"
FIRST, LATER = datetime(2025, 3, 1, 23, 59), datetime(2031, 10, 29)


@pytest.fixture
def make_model(tmp_path, base_model):
    """From a chat template to the folder of a model that has it."""

    def make(chat_template, name="ada", kind="decoder with BOS"):
        shutil.copytree(base_model(kind), tmp_path / name)
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / name)
        tokenizer.chat_template = chat_template
        tokenizer.save_pretrained(tmp_path / name)
        return tmp_path / name

    return make


@pytest.fixture
def run(tmp_path):
    """Trains on a few rows: from a model and further words to the outcome and what was printed."""

    def train(model, *words, folder="run", rows=True):
        named = ["--dataset_name", rows_file(tmp_path), "--template", "PKUSafeRLHF"] if rows else []
        models = ["--model_name_or_path", str(model)] if model else []
        return train_by(*SHORT, *named, *models, "--output_dir", str(tmp_path / folder), *words)

    return train


def read_record(folder):
    return json.loads((folder / "preftemplates.json").read_text())


def write_trained(folder, messages=TALK):
    """What the checkpoint's own tokenizer makes of a conversation."""
    return AutoTokenizer.from_pretrained(folder).apply_chat_template(messages, tokenize=False)


def test_a_model_with_a_chat_template_is_trained_in_it(make_model, run):
    model = make_model(OWN)
    outcome, said = run(model)
    assert said.startswith(f"style: the model's own chat template ({model})\n")
    assert "<s>[user] question" in said
    record = read_record(outcome.folder)
    own = Style.from_tokenizer(AutoTokenizer.from_pretrained(model))
    assert record["style"] == {"name": "ada", "digest": own.digest}
    assert record["date"] is None
    assert write_trained(outcome.folder) == write_trained(model) == "<s>[user] Peas?</s>[assistant] Yes.</s>"
    assert str(model) not in (outcome.folder / "preftemplates.json").read_text()


def test_the_checkpoint_scores_in_the_models_own_chat_template_and_in_no_other(make_model, run):
    model = make_model(OWN)
    folder = run(model)[0].folder
    scorer = Scorer(folder)
    assert scorer.adapt_template(get_template("PKUSafeRLHF")).style == scorer.style
    assert scorer.style.text(TALK, False) == write_trained(model)
    for style in (str(model), get_style(model), model):
        assert Scorer(folder, style=style).style == scorer.style
    with pytest.raises(Exception, match="was trained with style ada, not with style chatml"):
        Scorer(folder, style="chatml")


def test_a_style_that_is_named_goes_before_the_models_own(make_model, run):
    outcome, said = run(make_model(OWN), "--style", "zephyr")
    assert said.startswith("style: zephyr, set by --style\n")
    assert read_record(outcome.folder)["style"]["name"] == "zephyr"
    assert write_trained(outcome.folder) == "<s><|user|>\nPeas?</s>\n<|assistant|>\nYes.</s>\n"


def test_the_style_can_be_a_folder(make_model, run, base_model):
    other = make_model(OWN, name="beth")
    outcome, said = run(base_model("decoder with BOS"), "--style", str(other))
    assert said.startswith("style: beth, set by --style\n")
    assert write_trained(outcome.folder) == write_trained(other)


def test_a_model_without_a_chat_template_is_trained_in_the_style_of_the_template(run, base_model):
    _, said = run(base_model("decoder with BOS"))
    expected = "style: beginning-of-conversation, from the template PKUSafeRLHF; the model has no chat template"
    assert said.splitlines()[0] == expected


def test_the_generated_set_keeps_the_style_of_its_template_unless_a_model_has_one(make_model, run, small_set):  # noqa: ARG001
    _, said = run(None, rows=False, folder="tiny")
    assert said.startswith("style: beginning-of-conversation, from the template PKUSafeRLHF; no model is named\n")
    outcome, said = run(make_model(OWN), rows=False, folder="own")
    assert said.startswith("style: the model's own chat template")
    assert "clean" in outcome.metrics


def test_a_custom_template_keeps_its_own_layout(make_model, run):
    model = make_model(OWN)
    outcome, said = run(model, "--template", str(HOMEWORK))
    assert said.startswith("style: none; the custom template HOMEWORK writes the texts\n")
    assert read_record(outcome.folder)["style"] is None


def test_sources_of_several_styles_are_written_in_the_models_own(make_model, tmp_path):
    trl = tmp_path / "trl.jsonl"
    trl.write_text("".join(json.dumps({"prompt": f"q{n}", "chosen": "a", "rejected": "b"}) + "\n" for n in range(20)))
    sources = [
        {"path": rows_file(tmp_path), "template": "PKUSafeRLHF"},
        {"path": str(trl), "template": "TRL"},
    ]
    config = tmp_path / "run.yaml"
    config.write_text(json.dumps({"datasets": sources}))
    words = ["--config", str(config), *SHORT, "--output_dir", str(tmp_path / "run")]
    _, said = train_by(*words, "--model_name_or_path", str(make_model(OWN)))
    assert said.startswith("style: the model's own chat template")
    assert "<s>[user] q" in said or "<s>[user] question" in said


def test_the_dry_run_says_the_style_too(make_model, tmp_path):
    model = make_model(OWN)
    code, out, _ = command(
        "--dataset_name", rows_file(tmp_path), "--template", "PKUSafeRLHF", "--model_name_or_path", model, "--dry_run"
    )
    assert code == 0
    assert out.replace("\n", "").startswith(f"style: the model's own chat template ({model})")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% if %}", "its chat template cannot be used: line 1: the chat template does not parse"),
        ("{{ messages.__class__ }}", "its chat template cannot be used: line 1: the chat template reads '__class__'"),
    ],
)
def test_a_chat_template_that_cannot_be_used_is_an_error_that_says_what_to_do(make_model, tmp_path, source, message):
    model = make_model(source)
    words = ["--dataset_name", rows_file(tmp_path), "--template", "PKUSafeRLHF", "--model_name_or_path", model]
    said = refusal(*words)
    assert message in said
    assert said.endswith("name a style with --style")


def test_a_chat_template_that_loses_answers_stops_the_run(make_model, tmp_path):
    model = make_model("{% for m in messages if m.role == 'user' %}{{ m.content }}.{% endfor %}")
    words = ["--dataset_name", rows_file(tmp_path), "--template", "PKUSafeRLHF", "--model_name_or_path", model]
    assert "the style ada has the finding" in refusal(*words)


# --- dates -----------------------------------------------------------------------------------------------------------


def at(moment):
    return patch(TODAY, lambda: moment)


def test_a_date_is_pinned_shown_and_recorded(make_model, run):
    model = make_model(DATED)
    with at(FIRST):
        outcome, said = run(model)
    lines = said.splitlines()
    assert lines[0] == f"style: the model's own chat template ({model})"
    assert lines[1] == "date: 2025-03-01, which the style prints; the checkpoint keeps printing it"
    assert "<s>It is 01 Mar 2025.</s>" in said
    assert read_record(outcome.folder)["date"] == "2025-03-01"
    assert "it always prints the date 2025-03-01" in (outcome.folder / "README.md").read_text()


def test_the_date_of_a_named_style_is_pinned_too(make_model, run, base_model):
    other = make_model(DATED, name="beth")
    with at(FIRST):
        outcome, said = run(base_model("decoder with BOS"), "--style", str(other))
    assert said.splitlines()[:2] == [
        "style: beth, set by --style",
        "date: 2025-03-01, which the style prints; the checkpoint keeps printing it",
    ]
    assert "It is 01 Mar 2025." in write_trained(outcome.folder)


def test_of_several_chat_templates_the_default_is_used_and_the_others_are_named(make_model, run):
    model = make_model({"default": OWN, "loud": OWN.replace("{{ m.content }}", "{{ m.content }}!")})
    outcome, said = run(model)
    named = f"style: the model's own chat template ({model}); it also has loud: choose one with --style DIRECTORY:NAME"
    assert said.splitlines()[0] == named
    assert write_trained(outcome.folder) == "<s>[user] Peas?</s>[assistant] Yes.</s>"
    other, said = run(model, "--style", f"{model}:loud", folder="loud")
    assert said.startswith("style: ada:loud, set by --style\n")
    assert write_trained(other.folder) == "<s>[user] Peas?!</s>[assistant] Yes.!</s>"


def test_the_exported_chat_template_prints_the_date_of_the_run_on_every_day(make_model, run):
    with at(FIRST):
        folder = run(make_model(DATED))[0].folder
    source = (folder / "chat_template.jinja").read_text()
    expected = "<s>It is 01 Mar 2025.</s>[user] Peas?</s>[assistant] Yes.</s>"
    with patch("transformers.utils.chat_template_utils.datetime") as clock:
        clock.now.return_value = LATER
        assert transformers_text(source, TALK, False) == write_trained(folder) == expected


def test_scores_are_the_same_on_another_day(make_model, run):
    model = make_model(DATED)
    with at(FIRST):
        folder = run(model)[0].folder
    scorer = Scorer(folder)
    assert "It is 01 Mar 2025." in scorer.style.text(TALK, False)
    assert Scorer(folder, style=str(model)).style == scorer.style
    (row,) = score_rows([Record(0, None, ROW)], get_template("PKUSafeRLHF"), scorer, "preference")
    texts = ["<s>It is 01 Mar 2025.</s>[user] Peas?</s>[assistant] " + answer + "</s>" for answer in ("Yes.", "No.")]
    expected = scorer.rewards(scorer.encode(texts))
    assert [row.rewards["chosen_reward"], row.rewards["rejected_reward"]] == pytest.approx(expected, abs=1e-5)


def test_a_run_is_resumed_on_another_day_with_the_date_of_its_checkpoint(make_model, run):
    model = make_model(DATED)
    with at(FIRST):
        whole, _ = run(model, "--save_strategy", "steps", "--save_steps", "3", folder="whole")
    with at(LATER):
        resumed, said = run(model, "--resume_from_checkpoint", str(whole.folder / "checkpoint-3"), folder="resumed")
    assert "date: 2025-03-01" in said
    assert read_record(resumed.folder) == read_record(whole.folder)
    equal(weights(resumed.folder), weights(whole.folder))


def test_a_run_of_another_day_is_another_run(make_model, run):
    model = make_model(DATED)
    with at(FIRST):
        first = read_record(run(model, folder="one")[0].folder)
    with at(LATER):
        second = read_record(run(model, folder="two")[0].folder)
    assert first["style"]["digest"] != second["style"]["digest"]
    assert (first["date"], second["date"]) == ("2025-03-01", "2031-10-29")


def test_a_style_without_a_date_records_none_on_any_day(make_model, run):
    with at(LATER):
        outcome, said = run(make_model(OWN))
    assert "date:" not in said
    assert read_record(outcome.folder)["date"] is None
    with pytest.raises(ResumeError, match="there is no checkpoint"):
        run(None, "--resume_from_checkpoint", "nowhere", folder="other")

"""The model card: its code runs, it parses whatever things are called, and it says what was measured."""

import math
import re
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from preftemplates_train.evaluation.metrics import METRIC_RULES
from preftemplates_train.model.checkpoint import CheckpointRecord
from preftemplates_train.reports.model_card import escape_markdown, find_licence, format_code_span, write_model_card
from preftemplates_train.reports.sentences import explain_untrained
from preftemplates_train.settings.config import RewardConfig
from support import HOMEWORK
from trainer_support import train_by

from preftemplates.errors import one_line

QUICK = ["--max_steps", "2", "--eval_strategy", "no", "--per_device_train_batch_size", "4", "--logging_steps", "1"]

FOUND = {
    "pairs": 20.0, "accuracy": 0.8, "accuracy_stderr": 0.1, "loss": 0.5, "margin_mean": 1.0, "longer_wins": 0.6,
    "data": [],
}  # fmt: skip
SOURCE = {"rows": 1, "formatted": 1, "skipped": 0, "rejected": 0, "train_pairs": 1, "eval_pairs": 0}
HOSTILE = (
    "a|b",
    "new\nline",
    "---",
    "# x",
    '"quoted"',
    "it's",
    "{{ 7*7 }}",
    "{% if %}",
    "[x](y)",
    "`a`",
    "é ü",
    "\x1b[31m",
    "<script>alert(1)</script>",
    "<!-- x",
    "![x](http://x/y.png)",
    "a\\|b",
    "back\\",
    "*em* _em_ __init__ ~~no~~",
    "&lt;b&gt;",
    "a: b, c: [d]",
    "www.x.org http://x.org a@b.c",
    "```",
    "$x$",
    "]",
    "1. x",
)


@pytest.mark.parametrize("kind", ["decoder", "by hand"])
@pytest.mark.usefixtures("small_set")
def test_the_code_of_the_card_runs(kind, checkpoint, tmp_path, monkeypatch):
    folder = checkpoint("decoder")
    if kind == "by hand":
        words = [
            *QUICK,
            "--save_strategy",
            "no",
            "--template",
            str(HOMEWORK),
            "--output_dir",
            str(tmp_path / "it's mine"),
        ]
        folder = train_by(*words)[0].folder
    monkeypatch.chdir(folder.parent)
    card = ModelCard.load(folder / "README.md")
    assert card.data.pipeline_tag == "text-classification"
    (code,) = re.findall(r"```python\n(.*?)```", card.text, re.DOTALL)
    names = {}
    exec(code, names)
    assert isinstance(names["reward"], float)


def cells_of(card):
    """The cells of the card's tables as a reader sees them, row by row, and the kinds of markup in them."""
    rows, kinds = [], set()
    for token in MarkdownIt("commonmark").enable("table").parse(card.text):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and token.level == 4:  # within a cell
            rows[-1].append("".join(child.content for child in token.children))
            kinds |= {child.type for child in token.children}
        kinds |= {token.type} & {"html_block", "hr"}
    return rows, kinds


@pytest.mark.parametrize("name", HOSTILE)
def test_a_card_parses_whatever_things_are_called(name, checkpoint, tmp_path):
    record = CheckpointRecord.read(checkpoint("decoder"))
    record = replace(record, templates={name: {"name": name, "digest": "d"}}, style={"name": name, "digest": "d"})
    source = {**SOURCE, "name": name, "template": name}
    baseline = {"label": name, "accuracy": 0.25, "model": {}}
    figures = {**FOUND, "data": [source], "baselines": {name: baseline}}
    write_model_card(tmp_path, figures, record, RewardConfig(model_name_or_path=name), name=name)
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.base_model == name
    assert card.text.isprintable() or set(filter(lambda char: not char.isprintable(), card.text)) == {"\n"}
    rows, kinds = cells_of(card)
    assert kinds <= {"text", "text_special", "code_inline"}
    seen = one_line(name, 200).strip()
    assert [seen, seen, "1", "1", "0", "0", "1", "0"] in rows
    assert ["base model", seen] in rows
    assert [f"template {seen} of {seen}", "d"] in rows
    assert [f"style {seen}", "d"] in rows
    assert [f"accuracy of {seen}", "0.250"] in rows
    assert {len(row) for row in rows} == {2, 8}
    (code,) = re.findall(r"```python\n(.*?)```\n\nThe", card.text, re.DOTALL)
    compile(code, "card", "exec")
    assert f"from_pretrained({name!r})" in code
    headings = [token for token in MarkdownIt("commonmark").parse(card.text) if token.type == "heading_open"]
    assert len(headings) == 5


@pytest.mark.parametrize("name", [*HOSTILE, "a`", "``", "`", "a``b`c", "|`|"])
def test_a_code_span_shows_its_text(name):
    span = format_code_span(name)
    (paragraph,) = [token for token in MarkdownIt("commonmark").parse(span) if token.type == "inline"]
    assert [(child.type, child.content.strip()) for child in paragraph.children] == [
        ("code_inline", one_line(name, 200).strip())
    ]


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40))
def test_escaped_text_reads_as_it_is(text):
    (paragraph,) = [
        token for token in MarkdownIt("commonmark").parse(f"x {escape_markdown(text)} x") if token.type == "inline"
    ]
    assert {child.type for child in paragraph.children} <= {"text", "text_special"}
    assert "".join(child.content for child in paragraph.children) == f"x {text} x"


def written_card(folder, record, figures=FOUND, config=None, **options):
    folder.mkdir(exist_ok=True)
    write_model_card(folder, figures, record, config or RewardConfig(), **options)
    return ModelCard.load(folder / "README.md")


@pytest.fixture
def record(checkpoint):
    return CheckpointRecord.read(checkpoint("decoder"))


def test_a_card_says_what_was_measured(record, tmp_path):
    text = written_card(tmp_path, record, {**FOUND, "more_list_marks_wins": 0.25}).text
    assert "| on 20 held-out pairs | |" in text
    assert "| accuracy (a tie counts one half) | 0.800 ± 0.100 |" in text
    assert '| accuracy of "the longer answer wins" | 0.600 |' in text
    assert f'| accuracy of "{METRIC_RULES["more_list_marks_wins"][0]}" | 0.250 |' in text
    assert "first listed" not in text
    rule = escape_markdown("Not clearly different from the rule 'fewer list marks win' (75.0%).")
    assert f"| compared with chance and simple rules | {rule} |" in text
    assert "Nothing was held out." in written_card(tmp_path, record, {"data": []}).text


def test_of_few_pairs_a_card_says_how_many_are_right(record, tmp_path):
    text = written_card(tmp_path, record, {**FOUND, "pairs": 1.0, "accuracy": 1.0, "accuracy_stderr": math.nan}).text
    assert "| on 1 held-out pair | |" in text
    assert "| ranked as labelled (a tie counts one half) | 1 of 1 |" in text
    assert "nan" not in text
    assert "0.600" not in text


def test_a_card_says_what_was_trained_and_how(record, tmp_path):
    config = RewardConfig(learning_rate=3e-5, seed=7, use_peft=True, lora_r=8)
    rows, _ = cells_of(written_card(tmp_path, record, config=config, steps=1250))
    assert rows[1:7] == [
        ["base model", "none: a small decoder from scratch"],
        ["trained weights", "LoRA adapters of rank 8, merged into the weights, and the head"],
        ["objective", "preference"],
        ["learning rate", "3e-05"],
        ["seed", "7"],
        ["steps", "1,250"],
    ]
    assert ["trained weights", "all"] in cells_of(written_card(tmp_path, record))[0]


def test_the_card_of_a_fitted_head_has_its_layer_and_neither_steps_nor_a_learning_rate(record, tmp_path):
    config = RewardConfig()
    config.train = "head"
    figures = {**FOUND, "head": {"layer": 20, "layers": 30, "penalty": 0.1}}
    rows, _ = cells_of(written_card(tmp_path, record, figures, config, steps=0))
    assert ["trained weights", "the head alone, fitted on layer 20 of 30"] in rows
    assert not {"steps", "learning rate"} & {row[0] for row in rows}
    assert ["trained weights", "the head alone"] in cells_of(written_card(tmp_path, record, config=config))[0]


def test_a_card_has_the_digests_of_the_record(record, tmp_path):
    rows, _ = cells_of(written_card(tmp_path, record))
    assert ["token ids trained on", record.data] in rows
    assert ["tokenizer", record.tokenizer] in rows
    assert [f"style {record.style['name']}", record.style["digest"]] in rows
    for source, template in record.templates.items():
        assert [f"template {template['name']} of {source}", template["digest"]] in rows


def test_a_card_says_that_nothing_was_trained(record, tmp_path):
    sentence = explain_untrained(RewardConfig(), 0)
    assert f"**{sentence}**" in written_card(tmp_path, record, untrained=sentence).text
    assert "Nothing was trained" not in written_card(tmp_path, record).text


def test_no_path_of_the_machine_is_on_a_card(record, tmp_path):
    base = tmp_path / "my base"
    base.mkdir()
    source = {**SOURCE, "name": str(tmp_path / "rows.jsonl"), "template": "Mine"}
    record = replace(record, templates={str(tmp_path / "rows.jsonl"): {"name": "Mine", "digest": "d"}})
    card = written_card(
        tmp_path / "out", record, {**FOUND, "data": [source]}, RewardConfig(model_name_or_path=str(base))
    )
    assert str(tmp_path) not in card.content
    assert card.data.base_model is None
    rows, _ = cells_of(card)
    assert ["base model", "my base, a local folder"] in rows
    assert ["rows.jsonl", "Mine", "1", "1", "0", "0", "1", "0"] in rows


# the licence


@pytest.fixture
def base(tmp_path):
    """Makes a folder with a card, or a configuration, that say these things."""

    def make(card=None, config=None):
        folder = tmp_path / "base"
        folder.mkdir()
        if card is not None:
            (folder / "README.md").write_text(card, encoding="utf-8")
        if config is not None:
            (folder / "config.json").write_text(config, encoding="utf-8")
        return str(folder)

    return make


APACHE = "---\nlicense: apache-2.0\n---\n# Base\n"


@pytest.mark.parametrize(
    ("card", "config", "licence"),
    [
        (APACHE, None, {"license": "apache-2.0"}),
        ("# Base\n", '{"license": "mit"}', {"license": "mit"}),
        (APACHE, '{"license": "mit"}', {"license": "apache-2.0"}),
        (
            "---\nlicense: other\nlicense_name: llama3.2\nlicense_link: https://llama.com/license\n---\n", None,
            {"license": "other", "license_name": "llama3.2", "license_link": "https://llama.com/license"},
        ),
        ("---\nlicense: other\nlicense_link: LICENSE\n---\n", None, {"license": "other"}),
        (None, None, {}),
        (None, "{}", {}),
        ("no header", "no JSON", {}),
        ("---\n- a list\n---\n", "[]", {}),
        ("---\nlicense: [mit, apache-2.0]\n---\n", None, {}),
        ("---\nlicense: 'a\\nb: c'\n---\n", None, {}),
        ("---\nlicense: {\n---\n", None, {}),
    ],
)  # fmt: skip
def test_the_licence_is_that_of_the_base_model_where_it_says_one(card, config, licence, base):
    assert find_licence(base(card, config)) == licence


def test_a_known_licence_is_in_the_header_and_an_unknown_one_is_not(record, tmp_path, base):
    config = RewardConfig(model_name_or_path=base(APACHE))
    card = written_card(tmp_path / "one", record, config=config)
    assert card.data.license == "apache-2.0"
    assert ["licence of the base model", "apache-2.0"] in cells_of(card)[0]
    unknown = written_card(tmp_path / "two", record)
    assert unknown.data.license is None
    assert "licen" not in unknown.content
    assert "unknown" not in unknown.content


def test_a_base_model_of_the_hub_is_named_with_its_licence(record, tmp_path, base, monkeypatch):
    folder = base(APACHE)
    asked = []

    def cached_file(name, file, revision, **_):
        asked.append((name, revision))
        return f"{folder}/{file}"

    monkeypatch.setattr("preftemplates_train.reports.model_card.cached_file", cached_file)
    config = RewardConfig(model_name_or_path="org/base", model_revision="v2")
    card = written_card(tmp_path / "one", record, config=config)
    assert (card.data.base_model, card.data.license) == ("org/base", "apache-2.0")
    assert ["base model", "org/base"] in cells_of(card)[0]
    assert set(asked) == {("org/base", "v2")}


def test_a_hub_that_cannot_be_reached_is_no_error(record, tmp_path, monkeypatch):
    def cached_file(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr("preftemplates_train.reports.model_card.cached_file", cached_file)
    card = written_card(tmp_path, record, config=RewardConfig(model_name_or_path="org/base"))
    assert (card.data.base_model, card.data.license) == ("org/base", None)

"""Prompts carry a reference answer: from a column, into the keys of dialects that have one, or counted as lost."""

import json

import pytest
from support import DIALECT_NAMES, run

from preftemplates import Dialect, PromptOnly, RowModel, Template, get_dialect, get_template, with_default
from preftemplates.data import Conversion
from preftemplates.data.detect import detect_templates
from preftemplates.errors import DefinitionError, RowError

ASKED = [{"role": "user", "content": "2+3?"}]
ROWS = {
    "TRL-prompts": {"prompt": ASKED, "answer": "5"},
    "GSM8K": {"question": "2+3?", "answer": "2 + 3 = 5\n#### 5"},
    "verl": {
        "data_source": "openai/gsm8k", "prompt": ASKED, "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": "5"}, "extra_info": {"index": 0, "split": "train"},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_the_answer_is_a_label_of_the_prompt(name):
    sample = get_template(name).extract(ROWS[name], "prompt_only")
    assert (sample.prompt, sample.answer) == (ASKED, "5")
    assert detect_templates([ROWS[name]])[0].template.name == name


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("dialect", DIALECT_NAMES)
def test_a_dialect_has_a_key_for_the_answer_or_it_is_counted(name, dialect):
    if "prompt_only" not in get_dialect(dialect).formats:
        return
    template = get_template(name).with_style("plain").with_dialect(dialect)
    conversion = Conversion([ROWS[name]], template, "prompt_only")
    (result,) = conversion
    has_key = "'5'" in repr(result)
    lost = {} if has_key else {"answer": 1}
    if name != "TRL-prompts" and dialect not in ("verl", "trl", "trl-text", "text"):
        lost["source"] = 1
    assert conversion.report.lost == lost
    keeping = {"trl", "trl-text", "text", "verl", "openai", "nemo-rl", "ms-swift", "ms-swift-text", "openrlhf"}
    assert has_key is (dialect in keeping)


def test_gsm8k_s_answer_is_the_result_without_its_steps():
    row = {"question": "How many?", "answer": "500 * 2 = 1,000\n#### 1,000"}
    sample = get_template("GSM8K").extract(row, "prompt_only")
    assert (sample.answer, sample.source) == ("1000", "openai/gsm8k")


def test_verl_s_rows_come_back_and_a_template_without_an_answer_leaves_the_truth_empty():
    result = get_template("verl").format(ROWS["verl"], "prompt_only")
    assert result["reward_model"]["ground_truth"] == "5"
    assert get_template("verl").format(result, "prompt_only") == result
    other = get_template("PKUSafeRLHF").with_dialect("verl")
    assert other.format(other.example, "prompt_only")["reward_model"]["ground_truth"] == ""


@pytest.mark.parametrize("answer", [5, ["5"], True])
def test_an_answer_is_text(answer):
    with pytest.raises(RowError) as caught:
        get_template("TRL-prompts").format({"prompt": ASKED, "answer": answer}, "prompt_only")
    assert caught.value.column == "answer"


class Maybe(Template):
    class Row(RowModel):
        q: str
        a: str | None = None

    prompt_only = PromptOnly(prompt="{{ q }}", answer="{{ a }}")


def test_a_row_that_lacks_an_answer_has_the_default_of_the_dialect_or_no_key():
    assert "answer" not in Maybe().format({"q": "2+3?"}, "prompt_only")
    for template in (Maybe(), Maybe().with_parts(["answer"])):
        result = template.with_dialect("verl").format({"q": "2+3?"}, "prompt_only")
        assert result["reward_model"]["ground_truth"] == ""


def test_a_default_stands_for_a_label_only():
    class Own(Dialect):
        prompt_only = {"q": "prompt.content", "more": [{"truth": with_default("answer", None)}]}

    template = get_template("GSM8K").with_dialect(Own())
    assert template.format(ROWS["GSM8K"], "prompt_only") == {"q": "2+3?", "more": [{"truth": "5"}]}
    assert get_template("TRL").with_dialect(Own()).format({"prompt": "Hi"}, "prompt_only")["more"] == [{"truth": None}]
    with pytest.raises(DefinitionError, match="'tools' is not a label"):
        type("Wrong", (Dialect,), {"prompt_only": {"q": with_default("tools", "")}})
    with pytest.raises(DefinitionError, match="which prompt_only does not have"):
        type("Wrong", (Dialect,), {"prompt_only": {"q": with_default("anser", "")}})


@pytest.mark.parametrize("out", ["o.jsonl", "o.parquet"])
def test_the_command_writes_the_answer(tmp_path, out):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps(ROWS["verl"]) + "\n", encoding="utf-8")
    done = run("convert", rows, "-t", "verl", "-f", "prompt_only", "-d", "trl", "-o", tmp_path / out)
    assert "1 row = 1 formatted" in done.stderr
    done = run("convert", rows, "-t", "verl", "-f", "prompt_only", "-d", "axolotl", "-o", tmp_path / out)
    assert "answer" in done.stderr

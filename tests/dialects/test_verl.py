"""verl tokenizes a pair's texts apart, and chooses a reward by the data source."""

import runpy
import sys
from types import ModuleType

import pytest
from token_support import tokenizer_for_style
from tokenizers import processors

from preftemplates import get_dialect, get_template
from preftemplates.errors import DefinitionError

PAIR = {"prompt": "p", "response_0": "a", "response_1": "b", "better_response_id": 0, "answer": "a"}


def test_a_bos_before_each_answer_is_refused_with_the_way_out():
    template = get_template("PKUSafeRLHF").with_style("llama3").with_dialect("verl")
    tokenizer = tokenizer_for_style("llama3", True)
    with pytest.raises(DefinitionError, match="adds a BOS to every text, so there would be one before each answer"):
        template.with_tokenizer(tokenizer).format(PAIR, "preference")
    tokenizer.backend_tokenizer.post_processor = processors.Sequence([])
    result = template.with_tokenizer(tokenizer).format(PAIR, "preference")
    assert result["prompt"].startswith("<|begin_of_text|>")
    assert (result["chosen"], result["rejected"]) == ("a", "b")


def test_an_eos_after_the_prompt_is_refused():
    tokenizer = tokenizer_for_style("chatml", False)
    mark = ("<|im_end|>", tokenizer.eos_token_id)
    ends = processors.TemplateProcessing(single=f"$A {mark[0]}", special_tokens=[mark])
    tokenizer.backend_tokenizer.post_processor = ends
    template = get_template("PKUSafeRLHF").with_style("chatml").with_dialect("verl").with_tokenizer(tokenizer)
    with pytest.raises(DefinitionError, match="adds an EOS to every text, so there would be one after the prompt"):
        template.format(PAIR, "preference")


@pytest.mark.parametrize("style", ["plain", "chatml"])
def test_pairs_need_a_tokenizer_and_messages_do_not(style):
    template = get_template("PKUSafeRLHF").with_style(style).with_dialect("verl")
    with pytest.raises(DefinitionError, match="state what the tokenizer adds"):
        template.format(PAIR, "preference")
    assert template.format(PAIR, "supervised")["messages"][-1]["content"] == "a"


def test_the_data_source_is_the_sample_s_or_says_that_there_is_none():
    gsm8k = get_template("GSM8K").with_dialect("verl")
    result = gsm8k.format({"question": "2+3?", "answer": "2 + 3 = 5\n#### 5"}, "prompt_only")
    assert (result["data_source"], result["reward_model"]["ground_truth"]) == ("openai/gsm8k", "5")
    other = get_template("TRL-prompts").with_dialect("verl")
    assert other.format(other.example, "prompt_only")["data_source"] == "preftemplates"


def test_the_script_s_reward_is_verl_s_own_where_there_is_a_data_source(tmp_path, monkeypatch):
    script = tmp_path / "run.py"
    script.write_text(get_dialect("verl").configure("prompt_only", config=script, rows=tmp_path / "rows.parquet"))
    names = ("hydra", "verl", "verl.trainer", "verl.trainer.main_ppo", "verl.utils", "verl.utils.reward_score")
    for name in names:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    for name in ("compose", "initialize_config_module"):
        setattr(sys.modules["hydra"], name, None)
    sys.modules["verl.trainer.main_ppo"].main = None
    sys.modules["verl.utils.reward_score"].default_compute_score = lambda *given, **_: given
    score = runpy.run_path(str(script))["compute_score"]
    assert score(data_source="openai/gsm8k", solution_str="#### 5", ground_truth="5") == (
        "openai/gsm8k", "#### 5", "5", None,
    )  # fmt: skip
    assert score(data_source="preftemplates", solution_str="It is 5.", ground_truth="5") == 1.0
    assert score(data_source="preftemplates", solution_str="It is 6.", ground_truth="5") == 0.0
    with pytest.raises(NotImplementedError, match=r"reward_model\.enable=True"):
        score(data_source="preftemplates", solution_str="It is 6.", ground_truth="")

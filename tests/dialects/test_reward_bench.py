"""RewardBench's script takes the BOS out of a chat template whose tokenizer adds one."""

import runpy
import sys
from types import ModuleType

import pytest
from token_support import tokenizer_for_style

from preftemplates import get_dialect, get_style


@pytest.fixture
def script(tmp_path, monkeypatch):
    path = tmp_path / "run.py"
    path.write_text(get_dialect("reward-bench").configure("preference", config=path, rows=tmp_path / "rows.jsonl"))
    for name in ("rewardbench", "rewardbench.rewardbench"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["rewardbench.rewardbench"].Args = sys.modules["rewardbench.rewardbench"].rewardbench = None
    return runpy.run_path(str(path))


@pytest.mark.parametrize("ending", ["", "\n"])
@pytest.mark.parametrize("style", ["llama3", "mistral-v3"])
def test_a_bos_is_there_once(script, style, ending):
    tokenizer = tokenizer_for_style(style, True)
    turns = [{"role": "user", "content": "\nq\n"}, {"role": "assistant", "content": "a"}]
    tokenizer.chat_template = get_style(style).chat_template.removesuffix("\n") + ending
    ids = tokenizer.apply_chat_template(turns, return_dict=True)["input_ids"]
    assert script["adds_bos"](tokenizer)
    assert not script["adds_bos"](tokenizer_for_style(style, False))
    tokenizer.chat_template = tokenizer.chat_template.removesuffix("\n").join(script["WITHOUT_BOS"])
    assert tokenizer(tokenizer.apply_chat_template(turns, tokenize=False))["input_ids"] == ids
    assert ids.count(tokenizer.bos_token_id) == 1

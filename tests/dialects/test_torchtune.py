"""torchtune's module learns the answers, and nothing else."""

import runpy
import sys
from types import ModuleType, SimpleNamespace

import pytest
from token_support import tokenizer_for_style

from preftemplates import get_dialect, get_style


@pytest.mark.parametrize("style", ["chatml", "llama3"])
def test_the_tokenizer_learns_answers(tmp_path, monkeypatch, style):
    module, template = tmp_path / "run.py", tmp_path / "chat_template.jinja"
    template.write_text(get_style(style).chat_template)
    paths = {"config": module, "rows": tmp_path / "rows.jsonl", "chat_template": template}
    module.write_text(get_dialect("torchtune").configure("supervised", **paths))
    for name in ("torchtune", "torchtune.datasets"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["torchtune.datasets"].chat_dataset = None
    ours = tokenizer_for_style(style, style == "llama3")
    ours.save_pretrained(tmp_path / "model")
    tokenizer = runpy.run_path(str(module))["Tokenizer"](tmp_path / "model", merges_file="the recipe's")
    turns = [("user", "Basil?"), ("assistant", "Sun."), ("user", "Mint?"), ("assistant", "Shade.")]
    messages = [SimpleNamespace(role=role, text_content=text, masked=role == "user") for role, text in turns]
    got = tokenizer({"messages": messages, "more": 1})
    rendered = ours.apply_chat_template(
        [{"role": role, "content": text} for role, text in turns],
        chat_template=get_style(style).chat_template, return_dict=True,
    )  # fmt: skip
    assert (got["tokens"], got["more"]) == (rendered["input_ids"], 1)
    learned = [number for number, masked in zip(got["tokens"], got["mask"], strict=True) if not masked]
    stop = get_style(style).stop + get_style(style).edges.tail
    assert ours.decode(learned) == f"Sun.{stop}Shade.{stop}"
    tokenizer.max_seq_len = 3
    assert [len(part) for part in tokenizer.tokenize_messages(messages)] == [3, 3]

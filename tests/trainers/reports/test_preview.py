"""The preview shows pairs to the letter, with nothing in them that a terminal or rich would act on."""

import json
from io import StringIO

import pytest
from hypothesis import given
from preftemplates_train.data.dataset import encode_data, read_data
from preftemplates_train.data.labelled_texts import LabelledTexts
from preftemplates_train.model.tiny import train_tiny_tokenizer
from preftemplates_train.reports.preview import SHOWN_CHARACTERS, print_samples
from preftemplates_train.settings.config import RewardConfig
from rich.console import Console
from token_support import byte_tokenizer
from trainer_support import MARKUP, WORDS


def pair_of(prompt, chosen, rejected, source="rows"):
    return LabelledTexts(source, 0, prompt, (prompt + chosen, prompt + rejected), None)


def preview(pair, tokenizer=None):
    said = StringIO()
    print_samples([pair], tokenizer, Console(file=said, width=10_000, color_system=None, force_terminal=True))
    return said.getvalue()


@given(MARKUP, MARKUP, MARKUP, MARKUP)
def test_hostile_rows_and_names_are_shown_and_not_acted_on(source, prompt, chosen, rejected):
    found = preview(pair_of(prompt, chosen, rejected, source), TOKENIZER)
    assert all(char.isprintable() or char == "\n" for char in found)
    for text in (chosen, rejected):
        first = text.split("\n")[0]
        assert "".join(char if char.isprintable() else repr(char)[1:-1] for char in first).rstrip() in found


TOKENIZER = train_tiny_tokenizer(WORDS, 400)


def test_a_pair_is_shown_by_what_both_share_what_each_has_and_where_the_reward_is_read():
    found = preview(pair_of("USER: q\nBOT:", " yes", " no"), TOKENIZER)
    assert found.splitlines() == [
        "",
        "rows, row 0",
        "USER: q↵",
        "BOT:",
        "  chosen  yes",
        f"         {len(TOKENIZER('USER: q' + chr(10) + 'BOT: yes')['input_ids'])} tokens;"
        f" the reward is read at the last one, {TOKENIZER.decode(TOKENIZER('BOT: yes')['input_ids'][-1:])!r}",
        "rejected  no",
        f"         {len(TOKENIZER('USER: q' + chr(10) + 'BOT: no')['input_ids'])} tokens;"
        f" the reward is read at the last one, {TOKENIZER.decode(TOKENIZER('BOT: no')['input_ids'][-1:])!r}",
    ]


def test_an_answer_that_does_not_begin_with_the_prompt_is_shown_whole():
    pair = LabelledTexts("rows", 0, "another prompt", ("the chosen text", "the rejected text"), None)
    assert "  chosen the chosen text\nrejected the rejected text\n" in preview(pair)


@pytest.mark.parametrize("length", [SHOWN_CHARACTERS, SHOWN_CHARACTERS + 1, 10 * SHOWN_CHARACTERS])
def test_of_a_long_text_the_ends_are_shown_and_the_rest_is_counted(length):
    answer = "a" * (length - 3) + "end"
    found = preview(pair_of("p" * (length - 5) + "begin", answer, "no"))
    assert "begin\n" in found
    assert "end\n" in found
    assert (f"[…{length - SHOWN_CHARACTERS} more characters…]" in found) == (length > SHOWN_CHARACTERS)
    assert len(found) < 3 * SHOWN_CHARACTERS


def test_a_pair_with_a_cut_prompt_is_shown_as_it_is_trained_on(tmp_path):
    path = tmp_path / "rows.jsonl"
    turns = [
        {"role": role, "content": content}
        for role, content in (("user", "old " * 60), ("assistant", "ok"), ("user", "new"))
    ]
    answers = [[{"role": "assistant", "content": content}] for content in ("yes", "no")]
    path.write_text(json.dumps({"prompt": turns, "chosen": answers[0], "rejected": answers[1]}) + "\n")
    config = RewardConfig(
        dataset_name=[str(path)], template="TRL-messages", style="human-assistant", eval_size=0.0, max_length=100,
        length_policy="cut_prompt",
    )  # fmt: skip
    found = encode_data(
        read_data(config),
        byte_tokenizer(),
        max_length=100,
        config=config,
    )
    assert [pair.sample.prompt for pair in found.train] == ["\n\nHuman: new\n\nAssistant:"]
    assert preview(found.train[0].sample).splitlines()[2:] == [
        "↵", "↵", "Human: new↵", "↵", "Assistant:", "  chosen  yes", "rejected  no",
    ]  # fmt: skip

"""What is printed: the text to the letter, with nothing in it that a terminal or rich would act on."""

import json
import math
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from preftemplates_train.console import escape_text
from preftemplates_train.data.dataset import encode_data, read_data
from preftemplates_train.data.pairs import TextPair
from preftemplates_train.model.tiny import train_tiny_tokenizer
from preftemplates_train.reports import sentences
from preftemplates_train.reports.preview import SHOWN_CHARACTERS, print_pairs
from preftemplates_train.settings.config import RewardConfig
from rich.console import Console
from support import NASTY, texts
from trainer_support import WORDS

HOSTILE = (
    *NASTY,
    "[red]x[/red]",
    "[/]",
    "[/red]",
    "[link=http://x]",
    ":smile:",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\r",
    "\x07",
)
MARKUP = st.lists(texts() | st.sampled_from(HOSTILE), max_size=5).map("".join)


def printed(*things, **options):
    """What a terminal of colours gets, less the colours of ours."""
    said = StringIO()
    console = Console(file=said, width=10_000, color_system=None, force_terminal=True)
    for thing in things:
        console.print(thing, **options)
    return said.getvalue()


def pair_of(prompt, chosen, rejected, source="rows"):
    return TextPair(source, 0, prompt, prompt + chosen, prompt + rejected, None, None)


def preview(pair, tokenizer=None):
    said = StringIO()
    print_pairs([pair], tokenizer, Console(file=said, width=10_000, color_system=None, force_terminal=True))
    return said.getvalue()


@given(MARKUP)
def test_nothing_in_a_text_is_markup_and_nothing_reaches_the_terminal(text):
    found = printed(escape_text(text))
    assert all(char.isprintable() or char == "\n" for char in found)
    shown = "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)
    assert [line.rstrip() for line in found[:-1].split("\n")] == [line.rstrip() for line in shown.split("\n")]


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
        f" the reward is read at the last, {TOKENIZER.decode(TOKENIZER('BOT: yes')['input_ids'][-1:])!r}",
        "rejected  no",
        f"         {len(TOKENIZER('USER: q' + chr(10) + 'BOT: no')['input_ids'])} tokens;"
        f" the reward is read at the last, {TOKENIZER.decode(TOKENIZER('BOT: no')['input_ids'][-1:])!r}",
    ]


def test_an_answer_that_does_not_begin_with_the_prompt_is_shown_whole():
    pair = TextPair("rows", 0, "another prompt", "the chosen text", "the rejected text", None, None)
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
        lambda said: [list(map(ord, text)) for text in said],
        max_length=100,
        pad_id=0,
        config=config,
    )
    assert [pair.pair.prompt for pair in found.train] == ["\n\nHuman: new\n\nAssistant:"]
    assert preview(found.train[0].pair).splitlines()[2:] == [
        "↵", "↵", "Human: new↵", "↵", "Assistant:", "  chosen  yes", "rejected  no",
    ]  # fmt: skip


# What is said of the data


def counted(**counts):
    names = (
        "rows",
        "formatted",
        "skipped",
        "rejected",
        "train_pairs",
        "eval_pairs",
        "too_long",
        "equal",
        "control",
        "cut",
    )
    return {"name": "rows.jsonl", "template": "Mine", **dict.fromkeys(names, 0), **counts}


class Said:
    """Data of which only the counts are known."""

    style = None
    prompts_in_both = 0

    def __init__(self, counts, both=0):
        self.prompts_in_both = both
        self.reports = {counts["name"]: self}
        self.summarize = lambda: counts


class Model:
    def parameters(self):
        return iter(())


def said_of(counts, both=0):
    return sentences.describe_data(Said(counts, both), Model(), RewardConfig()).splitlines()


def test_every_count_of_a_source_is_said_once():
    head, line = said_of(counted(rows=1234, formatted=1200, skipped=30, rejected=4, train_pairs=1100, eval_pairs=80))
    assert head == "a small decoder from scratch, 0 parameters; formatted by hand"
    assert line == (
        "rows.jsonl (Mine): 1,234 rows = 1,200 formatted + 30 skipped + 4 rejected;"
        " 1,100 pairs to train on, 80 held out"
    )
    line = said_of(counted(rows=9, too_long=1, equal=2, control=3, cut=4))[1]
    assert line.endswith("0 held out, 1 too long, 2 equal as tokens, 3 spelling the pad token, 4 with a cut prompt")


def test_prompts_on_both_sides_are_said():
    assert said_of(counted(), both=3)[-1] == "note: the prompts of 3 held-out pairs are also trained on"
    assert len(said_of(counted())) == 2


# What is said of the figures


def figures(accuracy, pairs=100, error=0.01, **more):
    return {"pairs": float(pairs), "accuracy": accuracy, "accuracy_stderr": error, **more}


def test_the_first_sentence_has_pairs_accuracy_and_error():
    assert sentences.describe_result(figures(0.815, 1234, 0.0111))[0] == (
        "Of 1,234 held-out pairs, the model gives the better answer the higher reward in 81.5%"
        " (standard error 1.1%); a coin gets 50%."
    )


def test_one_pair_has_no_error_and_says_little():
    first, few, *_ = sentences.describe_result(figures(1.0, 1, math.nan))
    assert (
        first == "Of 1 held-out pairs, the model gives the better answer the higher reward in 100.0%; a coin gets 50%."
    )
    assert few.startswith("So few pairs say little")
    assert not any("little" in sentence for sentence in sentences.describe_result(figures(1.0, 50)))
    assert not any(
        "nan" in sentence for sentence in sentences.describe_result(figures(1.0, 1, math.nan, longer_wins=1.0))
    )


def test_where_nothing_is_held_out_nothing_is_known():
    (only,) = sentences.describe_result({"data": [], "parameters": 5})
    assert only.startswith("Nothing was held out")


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"longer_wins": 0.625}, "'the longer answer wins' is right in 62.5%. The model is ahead."),
        ({"longer_wins": 0.375}, "'the shorter answer wins' is right in 62.5%. The model is ahead."),
        ({"longer_wins": 0.5}, "'the longer answer wins' is right in 50.0%. The model is ahead."),
        ({"first_listed_wins": 0.0}, "'the last listed wins' is right in 100.0%. The model is not clearly ahead."),
        (
            {"longer_wins": 0.6, "first_listed_wins": 0.79},
            "'the longer answer wins' is right in 60.0% and 'the first listed wins' is right in 79.0%."
            " The model is not clearly ahead.",
        ),
    ],
)
def test_a_model_is_ahead_of_rules_that_read_no_text_by_more_than_two_errors_or_not_clearly(rules, said):
    assert sentences.describe_result(figures(0.8, **rules))[1] == f"What a rule gets that reads no text: {said}"


def test_without_a_rule_none_is_named():
    assert not any("rule" in sentence for sentence in sentences.describe_result(figures(0.8)))


@pytest.mark.parametrize(
    ("clean", "said"), [(0.99, "so it has learnt which deeds"), (0.5, "It has not learnt"), (0.01, "are swapped")]
)
def test_of_the_generated_set_is_said_whether_it_was_learnt(clean, said):
    said_of_it = sentences.describe_result(figures(0.9, clean=figures(clean)))
    assert f"ranks {clean:.1%} of the pairs well" in said_of_it[1]
    assert said in said_of_it[2]


def test_held_out_prompts_that_were_trained_on_are_said_with_the_limits():
    assert sentences.describe_result(figures(0.8, prompts_in_both=7))[-1].startswith(
        "The prompts of 7 of these pairs were trained on."
    )
    assert sentences.describe_result(figures(0.8, prompts_in_both=0))[-1].startswith("This does not show")

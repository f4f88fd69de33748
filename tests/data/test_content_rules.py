"""Rules on contents: foreign special tokens, what a style changes, scores and templates in unread columns."""

import pytest
from token_support import byte_level

from preftemplates import Style, check, get_style, get_template
from preftemplates.data.content_rules import read_special_tokens
from preftemplates.data.convert import Conversion

TRL = get_template("TRL-messages")
PKU = get_template("PKUSafeRLHF")


def pair(prompt="What?", chosen="This.", rejected="That.", **columns):
    turns = prompt if isinstance(prompt, list) else [{"role": "user", "content": prompt}]
    answers = [[{"role": "assistant", "content": text}] for text in (chosen, rejected)]
    return {"prompt": turns, "chosen": answers[0], "rejected": answers[1], **columns}


def codes_of(*rows, template=TRL, format="preference", **options):
    """The codes of the flags, by `convert`; `check` finds the same of those that look at one row."""
    conversion = Conversion(rows, template, format, on_error="skip", **options)
    list(conversion)
    flags = sorted({str(issue.code) for issue in conversion.report.flagged})
    alone = {"unread_content", "duplicate", "contradiction"}
    assert [*sorted({*check(rows, template, format, **options).counts()} - alone)] == flags
    return flags


@pytest.mark.parametrize(
    "token",
    [
        "<|im_sep|>", "<|eom_id|>", "<|endoftext|>", "<|START_OF_TURN_TOKEN|>", "[/AVAILABLE_TOOLS]", "[INST]",
        "<end_of_utterance>", "<start_of_turn>", "</s>", "<｜end▁of▁sentence｜>", "<<SYS>>", "<unused12>", "<bos>",
        "<extra_id_0>",
    ],
)  # fmt: skip
def test_special_tokens_of_common_tokenizers_are_flagged_whatever_the_style(token):
    assert codes_of(pair(chosen=f"So {token} it is.")) == ["special_token"]
    assert codes_of(pair(prompt=f"x{token}")) == ["special_token"]


@pytest.mark.parametrize(
    "text", ["a < b |> c", "[TODO]", "<b>bold</b>", "<div>", "<think>so</think>", "<tool_call>", "[1]", "x[INSTANCE]"]
)
def test_other_tags_are_not(text):
    assert codes_of(pair(chosen=text)) == []


def test_a_token_of_the_style_itself_is_a_control_text():
    assert codes_of(pair(chosen="<|im_end|>"), style=get_style("chatml")) == ["control_text"]


def test_a_tokenizer_names_the_exact_set():
    tokens = read_special_tokens(byte_level())
    assert {"<|im_end|>", "<|eot_id|>", "[CLS]"} <= tokens
    assert "<think>" not in tokens
    assert codes_of(pair(chosen="<|im_sep|>"), special_tokens=tokens) == []
    assert codes_of(pair(chosen="x<|eot_id|>"), special_tokens=tokens) == ["special_token"]


@pytest.mark.parametrize("char", ["\uf8ff", "\U000f0001", "\U0010fffd", "\ue000"])
def test_characters_for_private_use_are_invisible(char):
    assert codes_of(pair(chosen=f"a{char}b")) == ["invisible"]


def test_a_conversation_that_is_long_only_in_sum_is_long():
    turns = [{"role": role, "content": "x" * 40_000} for role in ("user", "assistant", "user")]
    assert codes_of(pair(turns)) == ["long_text"]
    assert codes_of(pair(turns[:1])) == []


def test_odd_turns_are_flagged_by_convert_too():
    assert codes_of(pair([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}])) == ["odd_turns"]


# --- what the style changes ----------------------------------------------------------------------------------------

CHANGES = {
    "replaced": "{{ m.content | replace('this', 'that') }}",
    "cut": "{{ m.content.split('</think>')[-1] }}",
    "sliced": "{{ m.content[:8] }}",
    "dropped": "{% if m.role != 'system' %}{{ m.content }}{% endif %}",
    "rewritten": "{{ m.content | upper }}",
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_content_that_the_style_changes_is_flagged(name):
    source = "{% for m in messages %}[" + CHANGES[name] + "]{% endfor %}"
    style = Style.from_chat_template(source)
    turns = [
        {"role": "system", "content": "Be brief, always."},
        {"role": "user", "content": "a</think>this and so on"},
    ]
    assert "content_changed" in codes_of(pair(turns, chosen="Do this, mind.", rejected="No."), style=style)
    assert "content_changed" not in codes_of(pair(turns), style=get_style("chatml"))


def test_trimming_is_no_change():
    style = Style.from_chat_template("{% for m in messages %}[{{ m.content | trim }}]{% endfor %}")
    assert codes_of(pair("  What? \n", chosen=" This."), style=style) == []


def test_a_dropped_content_is_found_though_it_stands_elsewhere():
    style = Style.from_chat_template("{% for m in messages[1:] %}[{{ m.content }}]{% endfor %}")
    turns = [{"role": "system", "content": "mint"}, {"role": "user", "content": "Is mint an herb?"}]
    assert codes_of(pair(turns), style=style) == ["content_changed"]


# --- what unread columns say ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", ["score_{}", "{}_score", "{}-rating", "{}_avg_rating", "reward_{}"])
def test_scores_against_the_pair_are_flagged(names):
    good, bad = ({names.format("chosen"): one, names.format("rejected"): two} for one, two in ((2, 1.5), (1, 1.5)))
    assert codes_of(pair(**good)) == []
    assert codes_of(pair(**bad)) == ["score_contradiction"]


@pytest.mark.parametrize("columns", [
    {"chosen_length": 1, "rejected_length": 2}, {"score_chosen": 1}, {"score_chosen": "1", "score_rejected": "2"},
    {"score_chosen": False, "score_rejected": True},
])  # fmt: skip
def test_what_is_no_pair_of_scores_is_not(columns):
    assert codes_of(pair(**columns)) == []


@pytest.mark.parametrize("columns", [
    {"chat_template": "{{ messages }}"}, {"tokenizer": {"chat_template": "{{ messages }}"}},
])  # fmt: skip
def test_a_row_that_brings_its_own_chat_template_is_flagged(columns):
    found = codes_of(pair(**columns))
    assert found == (["own_chat_template"] if "chat_template" in columns else [])


# --- one class -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "found"),
    [([True] * 3, ["one_class"]), ([False] * 2, ["one_class"]), ([True, False, True], []), ([True], []), ([], [])],
)
def test_single_answers_of_one_class_are_flagged_once(labels, found):
    rows = [{"prompt": f"q{n}", "completion": "a", "label": label} for n, label in enumerate(labels)]
    template = get_template("TRL-unpaired").with_style("plain").with_dialect("trl")
    assert codes_of(*rows, template=template, format="unpaired") == found
    report = check(rows, template, "unpaired")
    for finding in report.findings:
        assert finding.count == len(labels)
        assert finding.examples[0].message.startswith(f"all {len(labels)} answers have the label {labels[0]}")

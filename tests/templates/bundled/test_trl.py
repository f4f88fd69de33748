"""TRL's layouts, with TRL's own functions as the judge."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.exceptions import TemplateError
from support import DATA, STYLE_NAMES, TEMPLATE_NAMES, conversations, few, outcome, real_rows, texts

from preftemplates import get_style, get_template
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, RowError

ZEN = {
    "standard_preference": ("TRL", "preference"),
    "standard_prompt_completion": ("TRL", "supervised"),
    "standard_prompt_only": ("TRL", "prompt_only"),
    "standard_implicit_prompt_preference": ("TRL-implicit", "preference"),
    "conversational_preference": ("TRL-messages", "preference"),
    "conversational_prompt_completion": ("TRL-messages", "supervised"),
    "conversational_prompt_only": ("TRL-messages", "prompt_only"),
    "conversational_implicit_prompt_preference": ("TRL-implicit-messages", "preference"),
    "standard_unpaired_preference": ("TRL-unpaired", "unpaired"),
    "conversational_unpaired_preference": ("TRL-unpaired-messages", "unpaired"),
    "standard_stepwise_supervision": ("TRL-stepwise", "stepwise"),
    "standard_language_modeling": ("TRL-language-modeling", "supervised"),
    "conversational_language_modeling": ("TRL-language-modeling-messages", "supervised"),
}
"""TRL's own test rows, each file with the bundled template that reads it, and the format."""

MODELLED = "conversational_language_modeling"
"""The file whose rows TRL learns as a whole, while here their last answer has a prompt."""


@pytest.fixture(scope="module")
def trl():
    """TRL's functions over rows."""
    return pytest.importorskip("trl.data_utils")


@pytest.fixture(scope="module")
def tokenizer():
    """Makes a tokenizer in memory with a chat template."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    made = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0}, unk_token="a")))

    def with_template(style):
        made.chat_template = get_style(style).chat_template
        return made

    return with_template


def roles_of(style):
    return [role for role in ("system", "user", "assistant") if role in get_style(style).accepted_roles]


# --- one text from our message rows and from our text rows -----------------------------------------------------------


def in_turn(*roles):
    """Questions and answers in turn, behind a system message or none: what the strictest style has turns for."""
    system = texts().map(lambda text: [{"role": "system", "content": text}]) if "system" in roles else st.nothing()
    pair = st.tuples(texts(), texts()).map(
        lambda said: [{"role": role, "content": text} for role, text in zip(("user", "assistant"), said, strict=True)]
    )
    pairs = st.lists(pair, max_size=2).map(lambda found: [message for each in found for message in each])
    return st.builds(lambda opening, rest: [*opening, *rest], st.just([]) | system, pairs)


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_trl_makes_of_our_message_rows_the_texts_that_our_text_rows_hold_or_refuses_both(trl, tokenizer, style):
    judge = tokenizer(style)
    talk = conversations(*roles_of(style)) | in_turn(*roles_of(style))
    ask = talk.map(lambda before: [*before, {"role": "user", "content": "Why?"}])
    answer = texts().map(lambda content: [{"role": "assistant", "content": content}])

    @few(8)
    @given(ask, answer, answer)
    def check(prompt, chosen, rejected):
        row = {"prompt": prompt, "chosen": chosen, "rejected": rejected, "completion": chosen}
        template = get_template("TRL-messages").with_style(style)
        for format in template.formats:
            as_messages = template.with_dialect("trl").format(row, format)
            as_texts = outcome(template.with_dialect("text").format, row, format)
            if isinstance(as_texts, RowError):
                assert as_texts.code == Code.REFUSED_BY_STYLE
                with pytest.raises(TemplateError):
                    trl.apply_chat_template(as_messages, judge)
            else:
                assert trl.apply_chat_template(as_messages, judge) == as_texts

    check()


@pytest.mark.parametrize("style", ["chatml", "llama3", "zephyr", "human-assistant"])
@pytest.mark.parametrize("file", [file for file in ZEN if file.startswith("conversational") and file != MODELLED])
def test_trl_makes_of_its_own_rows_the_texts_that_we_make_of_them(trl, tokenizer, file, style):
    name, format = ZEN[file]
    template = get_template(name).with_style(style).with_dialect("text")
    for row in real_rows(f"trl_zen/{file}.jsonl"):
        explicit = trl.maybe_extract_prompt(dict(row))
        assert template.format(row, format) == trl.apply_chat_template(explicit, tokenizer(style))


def test_trl_makes_of_the_homework_s_rows_the_texts_that_our_text_rows_hold(trl, tokenizer):
    rows = real_rows("pku_saferlhf/align_anything_preference_train.json")
    template = get_template("PKUSafeRLHF").with_dialect("trl")
    differing = [
        (index, style)
        for style in ("beginning-of-conversation", "chatml")
        for index, row in enumerate(rows)
        if trl.apply_chat_template(template.format(row, "preference"), tokenizer(style))
        != template.with_style(style).with_dialect("text").format(row, "preference")
    ]
    assert differing == []


# --- TRL's own rows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("file", "name", "format"), [(file, *reads) for file, reads in ZEN.items()])
def test_all_19_rows_of_each_of_trl_s_13_files_format(file, name, format):
    conversion = Conversion(real_rows(f"trl_zen/{file}.jsonl"), get_template(name), format, on_error="skip")
    results = list(conversion)
    report = conversion.report
    assert (report.rows, report.formatted, len(results)) == (19, 19, 19)
    assert (report.skipped, report.rejected) == ([], [])


AS_THEY_ARE = (
    "TRL", "TRL-messages", "TRL-unpaired", "TRL-unpaired-messages", "TRL-stepwise", "TRL-implicit",
    "TRL-language-modeling",
)  # fmt: skip


@pytest.mark.parametrize("file", [file for file, (name, _) in ZEN.items() if name in AS_THEY_ARE])
def test_rows_that_are_in_trl_s_layout_already_stay_as_they_are(file):
    name, format = ZEN[file]
    rows = real_rows(f"trl_zen/{file}.jsonl")
    assert [get_template(name).format(row, format) for row in rows] == rows


def test_a_text_to_be_modelled_is_learnt_as_a_whole_after_no_prompt():
    template = get_template("TRL-language-modeling")
    for row in real_rows("trl_zen/standard_language_modeling.jsonl"):
        as_pair = template.with_dialect("trl-text").format(row, "supervised")
        assert as_pair == {"prompt": "", "completion": row["text"]}


def test_of_messages_to_be_modelled_the_last_answer_is_learnt_and_none_is_lost():
    template = get_template("TRL-language-modeling-messages")
    for row in real_rows(f"trl_zen/{MODELLED}.jsonl"):
        result = template.format(row, "supervised")
        assert result["prompt"] + result["completion"] == row["messages"]
        assert [message["role"] for message in result["completion"]] == ["assistant"]


def test_messages_that_do_not_end_with_an_answer_are_refused():
    with pytest.raises(RowError) as caught:
        get_template("TRL-language-modeling-messages").format(
            {"messages": [{"role": "user", "content": "Why?"}]}, "supervised"
        )
    assert caught.value.code == Code.BAD_TURNS


def test_no_file_of_trl_s_rows_and_no_template_of_trl_s_layouts_is_left_out():
    if not (DATA / "trl_zen").exists():
        pytest.skip("no real rows here")
    assert {path.stem for path in (DATA / "trl_zen").iterdir()} == set(ZEN)
    ours = {name for name in TEMPLATE_NAMES if name.startswith("TRL")}
    without_rows = {"TRL-tools", "TRL-prompts", "TRL-text-to-messages", "TRL-messages-to-text"}
    without_rows |= {"TRL-ranked", "TRL-ranked-messages", "TRL-scored", "TRL-scored-messages", "TRL-prompts-text"}
    assert {name for name, _ in ZEN.values()} == ours - without_rows


@given(texts(), texts(), st.booleans())
def test_a_verdict_stays_as_it_is(prompt, completion, label):
    row = {"prompt": prompt, "completion": completion, "label": label}
    assert get_template("TRL-unpaired").format(row, "unpaired") == row


@given(texts(), st.lists(st.tuples(texts(), st.booleans()), min_size=1, max_size=4))
def test_steps_and_their_verdicts_stay_as_they_are(prompt, steps):
    row = {"prompt": prompt, "completions": [text for text, _ in steps], "labels": [right for _, right in steps]}
    assert get_template("TRL-stepwise").format(row, "stepwise") == row


@pytest.mark.parametrize(
    ("name", "label", "code"),
    [
        ("TRL-unpaired", {"label": 2}, Code.WRONG_TYPE),
        ("TRL-unpaired-messages", {"label": "true"}, Code.WRONG_TYPE),
        ("TRL-stepwise", {"labels": [2, 0]}, Code.WRONG_TYPE),
        ("TRL-stepwise", {"labels": [True]}, Code.BAD_LABEL),
        ("TRL-stepwise", {"completions": [], "labels": []}, Code.EMPTY),
    ],
)
def test_labels_that_say_nothing_are_refused(name, label, code):
    template = get_template(name)
    with pytest.raises(RowError) as caught:
        template.format({**template.example, **label}, "stepwise" if name == "TRL-stepwise" else "unpaired")
    assert caught.value.code == code


@given(texts(), texts(), texts())
def test_the_plain_style_gives_trl_s_text_rows_back(prompt, chosen, rejected):
    row = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
    assert get_template("TRL").format(row, "preference") == row
    pair = {"prompt": prompt, "completion": chosen}
    assert get_template("TRL").format(pair, "supervised") == pair


# --- the faults of TRL's extract_prompt, by their number in the list of what is known of the peers ---


@given(texts(), texts(), texts())
def test_fault_1_texts_with_an_implicit_prompt_are_never_cut_by_letters(shared, one, other):
    row = {"chosen": shared + one, "rejected": shared + other}
    assert get_template("TRL-implicit").format(row, "preference") == row
    assert get_template("TRL-implicit").with_dialect("trl-text").format(row, "preference") == {"prompt": "", **row}


@pytest.mark.parametrize(
    ("chosen", "rejected"),
    [("Q: hi A: I am fine", "Q: hi A: I am bad"), ("abc", "abcdef"), ("a ", "b"), ("", ""), ("", "x"), (" ", "z")],
)
def test_faults_1_and_2_the_answers_keep_their_first_letters(chosen, rejected):
    row = {"chosen": chosen, "rejected": rejected}
    assert get_template("TRL-implicit").format(row, "preference") == row
    assert get_template("TRL-implicit").with_dialect("trl-text").format(row, "preference") == {"prompt": "", **row}
    sample = get_template("TRL-implicit").extract(row, "preference")
    assert sample.prompt == []
    assert [sample.chosen[0]["content"], sample.rejected[0]["content"]] == [chosen, rejected]


def test_fault_1_no_letters_of_real_answers_become_a_prompt():
    rows = real_rows("hh_rlhf/harmless-base_test_even.jsonl.gz")
    template = get_template("TRL-implicit").with_dialect("trl-text")
    cut = [index for index, row in enumerate(rows) if template.format(row, "preference") != {"prompt": "", **row}]
    assert cut == []


def answered(turns):
    """The turns, the last of which is an answer, if there are any."""
    return turns if not turns or turns[-1]["role"] == "assistant" else [*turns, {"role": "assistant", "content": "a"}]


ASKED = conversations("user", "assistant").map(lambda turns: [{"role": "user", "content": "q"}, *turns])


@given(
    ASKED,
    st.lists(texts(), min_size=2, max_size=2, unique=True).map(
        lambda pair: [{"role": "assistant", "content": content} for content in pair]
    ),
    conversations("user", "assistant").map(answered),
)
def test_conversations_that_part_at_an_answer_are_cut_where_trl_cuts_them(trl, shared, answers, rest):
    row = {"chosen": [*shared, answers[0]], "rejected": [*shared, answers[1], *rest]}
    template = get_template("TRL-implicit-messages")
    assert template.format(row, "preference") == trl.extract_prompt(row)


@pytest.mark.parametrize("role", ["user", "tool", "system"])
@pytest.mark.parametrize("name", ["TRL-implicit-messages", "TRL-messages"])
def test_a_side_that_ends_with_no_answer_has_bad_turns(name, role):
    template = get_template(name)
    row = {**template.example, "chosen": [*template.example["chosen"], {"role": role, "content": "Thanks."}]}
    with pytest.raises(RowError, match=f"chosen ends with a turn of '{role}'") as caught:
        template.format(row, "preference")
    assert caught.value.code == Code.BAD_TURNS


@given(ASKED, conversations("user", "assistant").map(answered))
def test_fault_2_a_side_that_goes_on_where_the_other_ends_leaves_both_an_answer(shared, rest):
    shared = [*shared, {"role": "assistant", "content": "Yes."}]
    row = {"chosen": shared, "rejected": [*shared, *rest]}
    pair = get_template("TRL-implicit-messages").format(row, "preference")
    assert pair["prompt"] == shared[:-1]
    assert pair["prompt"] + pair["chosen"] == row["chosen"]
    assert pair["prompt"] + pair["rejected"] == row["rejected"]


@pytest.mark.parametrize(
    ("chosen", "rejected", "code"),
    [
        ([], [], Code.BAD_TURNS),
        ([], [("assistant", "a")], Code.BAD_TURNS),
        ([("user", "a"), ("assistant", "b")], [("user", "c"), ("assistant", "b")], Code.PROMPT_MISMATCH),
        ([("user", "a"), ("assistant", "b")], [("user", "a"), ("user", "b")], Code.PROMPT_MISMATCH),
        ([("user", "a")], [("user", "a")], Code.PROMPT_MISMATCH),
        ([("assistant", "a")], [("assistant", "b")], Code.PROMPT_MISMATCH),
        ([("system", "s"), ("assistant", "a")], [("system", "s"), ("assistant", "b")], Code.PROMPT_MISMATCH),
    ],
)
def test_fault_2_conversations_that_part_before_an_answer_are_a_verdict_and_no_crash(chosen, rejected, code):
    row = {
        side: [{"role": role, "content": content} for role, content in turns]
        for side, turns in [("chosen", chosen), ("rejected", rejected)]
    }
    with pytest.raises(RowError) as caught:
        get_template("TRL-implicit-messages").format(row, "preference")
    assert caught.value.code == code

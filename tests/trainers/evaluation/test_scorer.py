"""The scorer: a reward depends on its text alone, and rows are written as in training."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from preftemplates_train.data.encoding import encode_labelled_texts
from preftemplates_train.data.labelled_texts import read_labelled_texts
from preftemplates_train.errors import SetupError
from preftemplates_train.evaluation.score_file import score_rows
from preftemplates_train.evaluation.scorer import Scorer
from score_support import ROWS, alone, scored
from support import HOMEWORK

from preftemplates import Preference, RowModel, Template, get_template, register_template
from preftemplates.data.reading import Record
from preftemplates.data.sample_ids import SampleEncoder


def test_fault_11_newlines_around_an_answer_are_trained_and_scored_alike_and_nothing_is_put_behind_a_blank(scorer):
    row = {**ROWS[0], "response_0": "\n\nOne.\n\n", "response_1": "Two. \n", "better_response_id": 0}
    pairs, _ = read_labelled_texts([row], get_template("PKUSafeRLHF").with_style(scorer.style))
    pad = scorer.tokenizer.pad_token_id
    ((pair, trained, _),), _ = encode_labelled_texts(
        pairs, SampleEncoder(scorer.tokenizer, scorer.style), max_length=10**6, pad_id=pad
    )
    assert pair.texts[0].endswith("\n\n\nOne.\n\n<|im_end|>\n")
    assert pair.texts[1].endswith("\nTwo. \n<|im_end|>\n")
    assert [*trained] == scorer.encode(pair.texts)
    assert [*trained] != scorer.encode([text.rstrip("\n") for text in pair.texts])
    (result,) = scored([row], scorer)
    expected = [alone(scorer, text) for text in pair.texts]
    assert [result.rewards["chosen_reward"], result.rewards["rejected_reward"]] == pytest.approx(expected, abs=1e-5)


@given(st.integers(1, 9), st.permutations(range(12)))
def test_batches_and_order_move_no_reward(scorer, size, order):
    other = Scorer.__new__(Scorer)
    other.__dict__ = {**scorer.__dict__, "batch_size": size}
    one, two = scored(ROWS[:12], scorer), scored([ROWS[number] for number in order], other)
    for place, number in enumerate(order):
        assert dict(two[place].rewards) == pytest.approx(dict(one[number].rewards), abs=1e-5)


def test_more_rows_than_are_read_at_once_come_out_in_order(scorer, few_at_once):
    rows = [ROWS[number % 40] for number in range(few_at_once + 5)]
    found = scored(rows, scorer)
    assert [one.row.row for one in found] == list(range(few_at_once + 5))
    assert found[-1].rewards == pytest.approx(dict(found[(few_at_once + 4) % 40].rewards), abs=1e-5)


# Prompts that several answers share

GROUPS = st.lists(
    st.tuples(
        st.lists(st.integers(5, 60), max_size=30),
        st.lists(st.lists(st.integers(5, 60), min_size=1, max_size=12), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=5,
)


@given(GROUPS, st.integers(1, 6))
def test_a_shared_prompt_moves_no_reward(scorer, drawn, size):
    groups = [[prompt + answer for answer in answers] for prompt, answers in drawn]
    other = Scorer.__new__(Scorer)
    other.__dict__ = {**scorer.__dict__, "batch_size": size, "_is_shared": lambda *_: True}
    padding = Scorer.__new__(Scorer)
    padding.__dict__ = {**scorer.__dict__, "_is_shared": None}
    expected = [reward for group in padding.group_rewards(groups) for reward in group]
    for one in (scorer, other):
        found = one.group_rewards(groups)
        assert [len(group) for group in found] == [len(group) for group in groups]
        assert [reward for group in found for reward in group] == pytest.approx(expected, abs=1e-5)


def test_a_prompt_is_computed_once_for_all_its_answers(scorer, monkeypatch):
    assert scorer.no_branches is None
    seen = []
    monkeypatch.setattr(scorer, "_is_shared", lambda *_: True)
    hook = scorer.model.get_input_embeddings().register_forward_hook(
        lambda _module, given, _out: seen.append(given[0].numel())
    )
    try:
        scorer.group_rewards([[[*range(5, 35), last, last] for last in (40, 41, 42, 43)]])
    finally:
        hook.remove()
    assert seen == [30 + 4 * 2]


def test_a_model_that_takes_no_branches_is_padded(checkpoint):
    encoder = Scorer(checkpoint("encoder"))
    assert encoder.no_branches == "its head does not score every token"
    found = encoder.group_rewards([[[5, 6, 7], [5, 6]], [[8]]])
    assert [len(group) for group in found] == [2, 1]
    assert found[0][1] == pytest.approx(encoder.rewards([[5, 6]])[0], abs=1e-5)


def test_the_model_is_left_as_it_was(scorer, monkeypatch):
    monkeypatch.setattr(scorer, "_is_shared", lambda *_: True)
    before = scorer.model.config._attn_implementation
    scorer.group_rewards([[[5, 6, 7], [5, 6]]])
    assert scorer.model.config._attn_implementation == before
    assert not scorer.model.score._forward_hooks


BEST_OF = {"prompt": "How do I mend a kite?", "chosen": ["Gladly."], "rejected": ["No.", "Never.", "I must decline."]}


def test_a_row_of_several_pairs_gets_no_rewards_that_are_of_one_of_them(scorer):
    (found,) = scored([BEST_OF], scorer, "RewardBench2")
    assert (found.rewards, found.unscored) == ({}, "several_samples")


def test_a_style_that_the_tokenizer_s_tokens_were_added_to_is_the_same_style(checkpoint):
    with_bos = checkpoint("decoder with BOS")
    assert Scorer(with_bos, style="chatml").style == Scorer(with_bos).style
    with pytest.raises(SetupError, match="not with style zephyr"):
        Scorer(with_bos, style="zephyr")


def test_a_layout_by_hand_is_left_for_a_style_where_told(by_hand, folder):
    with pytest.raises(SetupError, match="with the custom layout of HOMEWORK, not with style chatml"):
        Scorer(by_hand, style="chatml")
    told = Scorer(by_hand, style="chatml", allow_style=True)
    assert told.adapt_template(get_template("PKUSafeRLHF")).style.name == "chatml"
    assert Scorer(folder, allow_style=True).adapt_template(get_template(str(HOMEWORK))).is_custom


def test_any_declared_template_is_written_in_the_checkpoint_s_style(scorer):
    row = ROWS[0]
    chosen, rejected = (
        row[f"response_{number}"] for number in (row["better_response_id"], 1 - row["better_response_id"])
    )
    (found,) = scored([{"prompt": row["prompt"], "chosen": chosen, "rejected": rejected}], scorer, "TRL")
    (expected,) = scored([row], scorer)
    assert found.rewards == pytest.approx(dict(expected.rewards), abs=1e-5)


def test_a_class_that_writes_another_number_of_texts_is_refused(by_hand):
    class Three(type(get_template(str(HOMEWORK)))):
        def format_preference_sample(self, raw_sample):
            return {**super().format_preference_sample(raw_sample), "third": "text"}

    scorer = Scorer(by_hand)
    scorer.adapt_template = lambda template: template
    rows = iter([Record(0, None, ROWS[0])])
    with pytest.raises(SetupError, match="chosen and rejected: expected 2 texts, got"):
        list(score_rows(rows, Three(), scorer, "preference"))


@pytest.fixture
def turns():
    """Three turns before the answer; registered for one test alone."""

    @register_template("Turns")
    class Turns(Template):
        class Row(RowModel):
            old: str
            prompt: str
            chosen: str
            rejected: str

        preference = Preference(
            prompt=["{{ old }}", "ok", "{{ prompt }}"], chosen="{{ chosen }}", rejected="{{ rejected }}"
        )


@pytest.mark.usefixtures("turns")
def test_the_checkpoint_s_policy_for_long_texts_is_kept(cutting, folder):
    row = {"old": "word " * 60, "prompt": "How?", "chosen": "So.", "rejected": "No."}
    scorer = Scorer(cutting)
    found, lost = scored([row, {**row, "chosen": "word " * 60}], scorer, "Turns")
    (short,) = scored([{"prompt": "How?", "chosen": "So.", "rejected": "No."}], scorer, "TRL")
    assert found.rewards == pytest.approx(dict(short.rewards), abs=1e-5)
    assert (lost.rewards, lost.unscored) == ({}, "too_long")
    dropping = Scorer(folder)
    object.__setattr__(dropping.record, "max_length", 40)
    assert scored([row], dropping, "Turns")[0].unscored == "too_long"


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("model.safetensors", " has no weights: "),
        ("tokenizer.json", " has no tokenizer; "),
        ("chat_template.jinja", "lacks the chat template"),
        ("config.json", "is not a checkpoint: it has no config.json"),
        ("preftemplates.json", "is not a reward model of preftemplates-train"),
    ],
)
def test_a_checkpoint_that_lost_a_file_is_refused(cutting, lost, said):
    (cutting / lost).unlink()
    with pytest.raises(SetupError, match=said):
        Scorer(cutting)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", '{"templates": {}}'])
def test_a_damaged_record_is_one_clear_error(cutting, text):
    (cutting / "preftemplates.json").write_text(text)
    with pytest.raises(SetupError, match=r"is not a reward model of preftemplates-train: preftemplates\.json: "):
        Scorer(cutting)

"""NeMo-Aligner: marks become turns and nothing else is lost, and ratings that are -100 are absent."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import real_rows, texts

from preftemplates import get_template
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, RowError
from preftemplates.templates.filters.nemo_aligner import extra_id_turns

PAIRS, RATED = "nemo_aligner/dummy-dpo.jsonl", "nemo_aligner/test-rm.jsonl"
NAMES = [
    "quality", "toxicity", "humor", "creativity", "helpfulness", "correctness", "coherence", "complexity", "verbosity",
]  # fmt: skip
SPEAKERS = {"user": "User", "assistant": "Assistant"}

contents = texts().map(lambda text: text + ".")
turns = st.lists(st.tuples(st.sampled_from([*SPEAKERS]), contents), min_size=1, max_size=4)


def written(system, turns):
    return f"<extra_id_0>System\n{system}\n" + "".join(f"<extra_id_1>{SPEAKERS[r]}\n{text}\n" for r, text in turns)


def pair(prompt, chosen="Yes.", rejected="No."):
    return {"prompt": prompt, "chosen_response": chosen, "rejected_response": rejected}


# --- pairs -----------------------------------------------------------------------------------------------------------


@given(texts(), turns)
def test_the_marks_become_turns_and_an_empty_system_text_is_none(system, turns):
    row = pair(written(system, turns) + "<extra_id_1>Assistant\n")
    messages = get_template("NeMo-Aligner-dpo").extract(row, "prompt_only").prompt
    wanted = [("system", system)] * bool(system) + turns
    assert [(message["role"], message["content"]) for message in messages] == wanted


def test_an_empty_text_is_an_empty_turn_of_the_user_and_an_empty_system_text_is_none():
    assert extra_id_turns("") == [{"role": "user", "content": ""}]
    assert extra_id_turns("<extra_id_0>System\n") == []


@pytest.mark.parametrize(
    "inside", ["<extra_id_1>", "<extra_id_1>Bob\n", "<extra_id_1> User\n", "<extra_id_2>", "User\n"]
)
def test_what_is_no_whole_mark_is_text(inside):
    row = pair(f"<extra_id_1>User\na{inside}b\n<extra_id_1>Assistant\n")
    assert get_template("NeMo-Aligner-dpo").extract(row, "prompt_only").prompt == [
        {"role": "user", "content": f"a{inside}b"}
    ]


@given(texts(), texts())
def test_the_mark_at_the_end_of_an_answer_is_its_stop_and_no_text(good, bad):
    good, bad = good + ".", bad + "."
    row = pair("<extra_id_1>User\nTea?\n<extra_id_1>Assistant\n", good + "\n<extra_id_1>", bad)
    sample = get_template("NeMo-Aligner-dpo").extract(row, "preference")
    assert [sample.chosen[0]["content"], sample.rejected[0]["content"]] == [good, bad]


@pytest.mark.parametrize(
    "prompt",
    [
        "", "Tea?", "<extra_id_1>User\nTea?", "<extra_id_1>Assistant\n", "<extra_id_0>System\n",
        "<extra_id_1>User\nTea?\n<extra_id_1>Assistant\nYes.", "<extra_id_1>User\nTea?\n<extra_id_1>Assistant",
    ],
)  # fmt: skip
def test_a_prompt_that_does_not_end_where_an_answer_begins_has_bad_turns(prompt):
    with pytest.raises(RowError) as caught:
        get_template("NeMo-Aligner-dpo").extract(pair(prompt), "prompt_only")
    assert caught.value.code == Code.BAD_TURNS


def test_the_100_real_pairs_all_format_as_one_question_without_a_mark():
    rows = real_rows(PAIRS)
    template = get_template("NeMo-Aligner-dpo")
    conversion = Conversion(rows, template.with_dialect("text"), "preference", on_error="skip")
    results = list(conversion)
    report = conversion.report
    assert (report.rows, report.formatted, report.skipped, report.rejected) == (100, 100, [], [])
    assert [index for index, result in enumerate(results) if "<extra_id" in "".join(result.values())] == []
    roles = {tuple(turn["role"] for turn in template.extract(row, "prompt_only").prompt) for row in rows}
    assert roles == {("user",)}


def test_the_turns_of_the_real_pairs_written_again_are_the_rows():
    template = get_template("NeMo-Aligner-dpo")
    changed = []
    for index, row in enumerate(real_rows(PAIRS)):
        sample = template.extract(row, "preference")
        prompt = written("", [(turn["role"], turn["content"]) for turn in sample.prompt]) + "<extra_id_1>Assistant\n"
        answers = [side[0]["content"] + "\n<extra_id_1>" for side in (sample.chosen, sample.rejected)]
        if [prompt, *answers] != [row["prompt"], row["chosen_response"], row["rejected_response"]]:
            changed.append(index)
    assert changed == []


# --- ratings ---------------------------------------------------------------------------------------------------------


def rated(label, text="<extra_id_1>User\nTea?\n<extra_id_1>Assistant\nYes.\n<extra_id_2>"):
    return {"text": text, "label": label}


@given(st.lists(st.sampled_from([-100.0, 0.0, 1.0, 4.0]), min_size=9, max_size=9), st.sampled_from([0.0, 2.0, 4.0]))
def test_the_nine_ratings_have_names_and_minus_100_is_absent(label, helpfulness):
    label = [*label[:4], helpfulness, *label[5:]]
    sample = get_template("NeMo-Aligner-regression").extract(rated(label), "scored")
    assert sample.score == helpfulness
    assert sample.attributes == {name: value for name, value in zip(NAMES, label, strict=True) if value != -100}


@pytest.mark.parametrize("rating", [-1.0, 4.5, 7, 1e30, -99.0])
@pytest.mark.parametrize("place", range(9))
def test_a_rating_that_is_none_is_refused(rating, place):
    with pytest.raises(RowError, match="expected 0 to 4, or -100 for none") as caught:
        get_template("NeMo-Aligner-regression").extract(
            rated([*[3.0] * place, rating, *[3.0] * (8 - place)]), "scored"
        )
    assert caught.value.code == Code.BAD_LABEL


@pytest.mark.parametrize("label", [[], [4.0], [4.0] * 8, [4.0] * 10, [4.0] * 4 + [-100.0] * 5])
def test_a_label_without_nine_ratings_or_without_a_helpfulness_is_refused(label):
    with pytest.raises(RowError) as caught:
        get_template("NeMo-Aligner-regression").extract(rated(label), "scored")
    assert caught.value.code == Code.BAD_LABEL


@pytest.mark.parametrize(
    "text",
    [
        "", "<extra_id_2>", "Yes.\n<extra_id_2>", "<extra_id_1>Assistant\nYes.\n<extra_id_2>",
        "<extra_id_1>User\nTea?\n<extra_id_2>", "<extra_id_1>User\nTea?\n<extra_id_1>Assistant\nYes.",
    ],
)  # fmt: skip
def test_a_text_that_does_not_end_with_a_rated_answer_has_bad_turns(text):
    with pytest.raises(RowError) as caught:
        get_template("NeMo-Aligner-regression").extract(rated([4.0] * 9, text), "scored")
    assert caught.value.code == Code.BAD_TURNS


def test_the_8_real_ratings_have_five_attributes_and_written_again_are_the_rows():
    rows = real_rows(RATED)
    template = get_template("NeMo-Aligner-regression")
    samples = [template.extract(row, "scored") for row in rows]
    changed = []
    for index, (row, sample) in enumerate(zip(rows, samples, strict=True)):
        (system, *others) = [(turn["role"], turn["content"]) for turn in [*sample.prompt, *sample.completion]]
        if system[0] != "system" or written(system[1], others) + "<extra_id_2>" != row["text"]:
            changed.append(index)
    assert (len(rows), changed) == (8, [])
    assert {tuple(sample.attributes) for sample in samples} == {tuple(NAMES[4:])}
    assert [sample.score for sample in samples] == [row["label"][4] for row in rows]


def test_the_8_real_ratings_hold_two_answers_to_each_of_four_prompts():
    template = get_template("NeMo-Aligner-regression").with_dialect("text")
    conversion = Conversion(real_rows(RATED), template, "prompt_only", on_error="skip")
    prompts = [result["prompt"] for result in conversion]
    assert (conversion.report.rows, conversion.report.formatted, len(set(prompts))) == (8, 8, 4)
    assert [index for index, prompt in enumerate(prompts) if re.search("<extra_id", prompt)] == []

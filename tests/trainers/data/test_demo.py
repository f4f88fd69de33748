"""The generated set has the properties that it is said to have, and a small model learns it through a template."""

from collections import Counter

import pytest
from preftemplates_train.data.demo import HARMFUL, generate
from support import HOMEWORK
from trainer_support import train_by

from preftemplates import Preference, RowModel, Template, register_template
from preftemplates.templates.row_types import Index01


def test_the_set_depends_on_the_seed_and_nothing_else():
    assert generate(300, seed=5) == generate(300, seed=5)
    assert generate(300, seed=5) != generate(300, seed=6)


def test_one_half_of_the_table_is_harmful():
    assert Counter(cell for row in HARMFUL for cell in row) == {True: 8, False: 8}


def asked(rows):
    """The deed and the thing of each prompt, without the way of asking."""
    return {
        row["prompt"].removeprefix("How do I ").removeprefix("Help me ").removeprefix("I want to ")
        .removesuffix(" What now?").rstrip("?.")
        for row in rows
    }  # fmt: skip


def test_held_out_combinations_are_never_trained_on():
    train, held_out = generate(4000)
    assert not asked(train) & asked(held_out)
    assert len(asked(held_out)) == 144


@pytest.mark.parametrize("side", [0, 1])
def test_a_tenth_of_the_labels_is_flipped(side):
    rows = generate(2000)[side]
    flipped = sum(row["better_response_id"] != row["clean_response_id"] for row in rows)
    assert flipped == 2 * round(0.1 * len(rows) / 2)


@pytest.mark.parametrize("label", ["clean_response_id", "better_response_id"])
@pytest.mark.parametrize("side", [0, 1])
def test_what_the_answers_alone_tell_is_right_in_exactly_one_half(side, label):
    rows = generate(4000)[side]
    right = Counter()
    for row in rows:
        chosen = row[f"response_{row[label]}"], row["response_0"], row["response_1"]
        right[chosen] += 1
    for (chosen, first, second), count in right.items():
        assert count == right[second if chosen == first else first, first, second]


class Lost(Template):
    """A template that loses the prompt."""

    class Row(RowModel):
        response_0: str
        response_1: str
        better_response_id: Index01

    preference = Preference(
        prompt="?",
        chosen="{{ [response_0, response_1][better_response_id] }}",
        rejected="{{ [response_0, response_1][1 - better_response_id] }}",
    )


class Swapped(Template):
    """A template that swaps the answers."""

    class Row(RowModel):
        prompt: str
        response_0: str
        response_1: str
        better_response_id: Index01

    preference = Preference(
        prompt="{{ prompt }}",
        chosen="{{ [response_1, response_0][better_response_id] }}",
        rejected="{{ [response_1, response_0][1 - better_response_id] }}",
    )


@pytest.fixture(autouse=True)
def registered():
    """Registered while a test runs, and forgotten behind it."""
    for template in (Lost, Swapped):
        register_template(template.__name__)(template)


def run(folder, *words):
    """What a whole run measures."""
    quiet = ["--output_dir", str(folder), "--save_strategy", "no", "--eval_strategy", "no"]
    return train_by(*quiet, *words)[0].metrics


def test_a_run_whose_clean_labels_are_ranked_wrong_says_so(tmp_path):
    outcome, said = train_by(
        "--template",
        "Swapped",
        "--style",
        "beginning-of-conversation",
        "--output_dir",
        str(tmp_path),
        "--max_steps",
        "120",
        "--eval_strategy",
        "no",
        "--save_strategy",
        "no",
    )
    assert outcome.metrics["clean"]["accuracy"] < 0.35
    assert "between the rows and the rewards" in " ".join(said.split())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_law_15_the_set_is_learned(seed, tmp_path):
    found = run(tmp_path, "--seed", str(seed))
    assert found["clean"]["accuracy"] >= 0.97
    assert 0.86 <= found["accuracy"] <= 0.91


@pytest.mark.slow
def test_a_template_that_loses_the_prompt_ends_at_one_half(tmp_path):
    styled = ["--template", "Lost", "--style", "beginning-of-conversation"]
    assert abs(run(tmp_path, *styled)["clean"]["accuracy"] - 0.5) < 0.1


@pytest.mark.slow
def test_a_template_that_swaps_the_answers_ends_near_zero(tmp_path):
    styled = ["--template", "Swapped", "--style", "beginning-of-conversation"]
    assert run(tmp_path, *styled)["clean"]["accuracy"] < 0.03


@pytest.mark.slow
def test_the_homework_s_class_as_it_is_written_learns_the_set(tmp_path):
    assert run(tmp_path, "--template", str(HOMEWORK))["clean"]["accuracy"] >= 0.97

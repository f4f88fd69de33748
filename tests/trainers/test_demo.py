"""The generated set has the properties that it is said to have, and a small model learns it through a template."""

from collections import Counter

import pytest
from preftemplates_train.demo import run
from preftemplates_train.demo_data import HARMFUL, generate

from preftemplates import Preference, RowModel, Template
from preftemplates.row_types import Index01


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
    assert flipped == round(0.1 * len(rows))


@pytest.mark.parametrize("side", [0, 1])
def test_helping_and_refusing_place_and_length_tell_nothing(side):
    rows = generate(4000)[side]
    helping = [row[f"response_{row['clean_response_id']}"].startswith(("Sure", "Gladly", "Of course")) for row in rows]
    better, worse = ([len(row[f"response_{abs(side - row['clean_response_id'])}"]) for row in rows] for side in (0, 1))
    longer = [0.5 if one == other else float(one > other) for one, other in zip(better, worse, strict=True)]
    for told in (helping, longer, [row["clean_response_id"] for row in rows]):
        assert abs(sum(told) / len(told) - 0.5) < 0.05


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


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_law_15_the_set_is_learned(seed):
    found = run(seed=seed)
    assert found["clean_accuracy"] >= 0.97
    assert 0.86 <= found["accuracy"] <= 0.92


@pytest.mark.slow
def test_a_template_that_loses_the_prompt_ends_at_one_half():
    assert abs(run(Lost().with_style("beginning-of-conversation"), epochs=1)["clean_accuracy"] - 0.5) < 0.1

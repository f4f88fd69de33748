"""What an objective learns from is there: its dataset type and its labels; if not, one error names the way out."""

import pytest
from dataset_support import GOOD, NOTHING, config_of, encoded, row, write
from preftemplates_train.data.dataset import read_data, read_first_samples
from preftemplates_train.errors import SetupError
from support import HOMEWORK

from preftemplates import Preference, RowModel, Template, register_template

SAFE = {**GOOD, "safer_response_id": 0, "is_response_0_safe": True, "is_response_1_safe": False}


@pytest.mark.parametrize(
    ("objective", "template", "message"),
    [
        ("regression", "PKUSafeRLHF",
         r"rows\.jsonl: objective regression needs the dataset type scored, but the template PKUSafeRLHF gives .*"
         r"; name a template that gives scored \(`preftemplates list templates --search scored` lists them\)"),
        ("pointwise", "Alpaca", "needs the dataset type unpaired, but the template Alpaca gives prompt_only"),
        ("pointwise", str(HOMEWORK), "needs the dataset type unpaired, but the template HOMEWORK gives .*; name"),
        ("preference", "Alpaca", "needs the dataset type preference, but the template Alpaca gives prompt_only"),
        ("safety_cost", "PKUSafeRLHF",
         r"rows\.jsonl: objective safety_cost learns from the label chosen_safe of the dataset type preference, but"
         " the template PKUSafeRLHF does not declare it; declare it, or name a template that does, such as PKU"),
        ("safety_cost", str(HOMEWORK), "from the label chosen_safe .* but the template HOMEWORK does not declare it;"),
    ],
)  # fmt: skip
def test_a_template_that_does_not_fit_is_an_error_before_rows_are_read(tmp_path, objective, template, message):
    config = config_of(write(tmp_path / "rows.jsonl", map(row, range(9))), objective=objective, template=template)
    for read in (read_data, read_first_samples):
        with pytest.raises(SetupError, match=message):
            read(config, NOTHING)


class Flagged(Template):
    """Pairs whose rows need not say what is safe."""

    class Row(RowModel):
        prompt: str
        response_0: str
        response_1: str
        first_is_safe: bool | None = None
        second_is_safe: bool | None = None

    preference = Preference(
        prompt="{{ prompt }}",
        chosen="{{ response_0 }}",
        rejected="{{ response_1 }}",
        chosen_safe="{{ first_is_safe }}",
        rejected_safe="{{ second_is_safe }}",
    )


@pytest.fixture
def flagged(tmp_path):
    """Reads rows with these flags for a cost model, and encodes them."""
    register_template("Flagged", style="chatml")(Flagged)

    def read(*flags, **settings):
        rows = [
            {"prompt": f"q {number}", "response_0": "yes", "response_1": "no",
             "first_is_safe": first, "second_is_safe": second}
            for number, (first, second) in enumerate(flags)
        ]  # fmt: skip
        path = write(tmp_path / "rows.jsonl", rows)
        settings = {"template": "Flagged", "objective": "safety_cost", "eval_size": 0.0, **settings}
        return encoded(config_of(path, **settings))[1]

    return read


def test_flags_are_labels_of_the_pair(flagged):
    data = flagged((True, False), (True, True), (False, False))
    flags = [(one.labels["chosen_safe"], one.labels["rejected_safe"]) for one in data.train]
    assert flags == [(1.0, 0.0), (1.0, 1.0), (0.0, 0.0)]


def test_a_pair_without_a_flag_is_named(flagged):
    message = r"rows\.jsonl, row 1: objective safety_cost learns from the label rejected_safe, but this pair has none;"
    with pytest.raises(SetupError, match=message):
        flagged((True, False), (True, None), (None, None))


def test_flags_that_some_rows_lack_leave_other_objectives_alone(flagged):
    data = flagged((True, False), (None, None), objective="preference")
    assert len(data.train) == 2


def test_an_unsafe_answer_that_is_chosen_over_a_safe_one_is_no_order_of_safety(flagged):
    right = [(True, False)] * 20
    assert len(flagged(*right, (False, True)).train) == 21
    message = (
        r"rows\.jsonl, row 0: the chosen answer is unsafe and the rejected one is safe, as in 2 of 22 pairs; .*"
        r" the safer answer as chosen; use a template that chooses it, such as PKUSafeRLHF-safety"
    )
    with pytest.raises(SetupError, match=message):
        flagged((False, True), *right, (False, True))


@pytest.mark.parametrize("objective", ["preference", "safety_cost"])
def test_the_digest_of_the_data_covers_the_labels_that_are_learnt(flagged, objective):
    one, other = (flagged((True, False), last, objective=objective) for last in ((True, True), (False, False)))
    assert (one.digest != other.digest) is (objective == "safety_cost")

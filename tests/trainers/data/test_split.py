"""A split by prompt keeps each prompt on one side and loses no pair."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from preftemplates_train.data.labelled_texts import read_labelled_texts
from preftemplates_train.data.split import split_by_prompt
from preftemplates_train.errors import SetupError

from preftemplates import get_template

ROW = {"prompt": "q", "response_0": "one", "response_1": "two", "better_response_id": 1}


def pairs_of(*rows, template="PKUSafeRLHF"):
    return read_labelled_texts(rows, get_template(template))[0]


@given(st.lists(st.integers(0, 9), min_size=2, max_size=60), st.floats(0, 1), st.integers(0, 3))
def test_a_split_keeps_each_prompt_on_one_side_and_loses_no_pair(prompts, share, seed):
    pairs = pairs_of(*({**ROW, "prompt": f"prompt {number}"} for number in prompts))
    if len(set(prompts)) < 2:
        with pytest.raises(SetupError, match="needs at least two of them"):
            split_by_prompt(pairs, share, seed)
        return
    train, held_out = split_by_prompt(pairs, share, seed)
    assert sorted(train + held_out) == sorted(pairs)
    assert train
    assert held_out
    assert not {pair.prompt for pair in train} & {pair.prompt for pair in held_out}
    assert split_by_prompt(pairs[::-1], share, seed)[1] == held_out[::-1]


def test_a_class_that_writes_no_prompts_cannot_be_split_by_prompt(tmp_path):
    path = tmp_path / "whole.py"
    path.write_text(
        "from preftemplates import Template, register_template\n\n\n"
        "@register_template('Whole')\nclass Whole(Template):\n"
        "    def format_preference_sample(self, raw_sample):\n"
        "        return {'better_text': raw_sample['response_1'], 'worse_text': raw_sample['response_0']}\n"
    )
    with pytest.raises(SetupError, match="since the custom template writes no prompt; name held-out rows"):
        split_by_prompt(pairs_of(ROW, {**ROW, "prompt": "r"}, template=str(path)), 0.5, 0)

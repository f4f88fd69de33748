"""TRL reads what we write: its own functions give our prompts, our texts and our ids; and where it errs, we do not."""

from collections import Counter

import pytest
from support import real_rows

from preftemplates import get_template
from preftemplates.errors import RowError

trl = pytest.importorskip("trl")
HH = "hh_rlhf/harmless-base_test_even.jsonl.gz"


def trl_prompt(chosen, rejected):
    """The prompt that TRL finds in two texts."""
    from trl.data_utils import extract_prompt

    return extract_prompt({"chosen": chosen, "rejected": rejected})["prompt"]


def test_fault_1_what_two_answers_begin_with_is_no_prompt():
    """TRL cuts where the texts part: the answers' shared letters go to the prompt, and words are split."""
    found = Counter()
    template = get_template("HH").with_dialect("trl-text")
    for row in real_rows(HH):
        try:
            pair = template.format(row, "preference")
        except RowError as error:
            found[str(error.code)] += 1
            continue
        theirs = trl_prompt(row["chosen"], row["rejected"])
        assert pair["prompt"].endswith("\n\nAssistant:")
        assert row["chosen"] == pair["prompt"] + pair["chosen"]
        assert row["rejected"] == pair["prompt"] + pair["rejected"]
        longer = len(theirs.rstrip()) > len(pair["prompt"])
        found["the same" if not longer else "theirs holds letters of the answers"] += 1
    assert found["prompt_mismatch"] == 5
    assert found["theirs holds letters of the answers"] > 150
    assert sum(found.values()) == 1156


@pytest.mark.parametrize(("chosen", "rejected"), [("Q: hi A: I am fine", "Q: hi A: I am bad"), ("abc ", "abcz")])
def test_fault_2_texts_without_a_prompt_are_not_cut_at_all(chosen, rejected):
    template = get_template("TRL-implicit").with_dialect("text")
    pair = template.format({"chosen": chosen, "rejected": rejected}, "preference")
    assert (pair["prompt"], pair["chosen"], pair["rejected"]) == ("", chosen, rejected)
    theirs = trl_prompt(chosen, rejected)
    assert theirs
    assert chosen.startswith(theirs)


def test_pairs_of_messages_become_the_texts_that_trl_makes_of_them():
    """TRL's own chat template function on our messages gives our texts, by our exported style."""
    from trl.data_utils import apply_chat_template, is_conversational

    as_messages = get_template("PKUSafeRLHF").with_style("chatml").with_dialect("trl")
    as_texts = as_messages.with_dialect("text")
    tokenizer = tokenizer_with(as_messages.style.chat_template)
    rows = [*real_rows("pku_saferlhf/align_anything_preference_train.json"), as_messages.example]
    for row in rows:
        pair = as_messages.format(row, "preference")
        assert is_conversational(pair)
        assert apply_chat_template(pair, tokenizer) == as_texts.format(row, "preference")


def test_trl_unpairs_a_preference_as_we_do():
    from datasets import Dataset
    from trl.data_utils import unpair_preference_dataset

    template = get_template("PKUSafeRLHF").with_style("plain").with_dialect("trl-text")
    rows = real_rows("pku_saferlhf/align_anything_preference_train.json")
    pairs = Dataset.from_list([template.format(row, "preference") for row in rows])
    theirs = unpair_preference_dataset(pairs).to_list()
    ours = [each for row in rows for each in template.format_all(row, "unpaired")]
    by_text = lambda each: (each["prompt"], each["completion"], each["label"])  # noqa: E731
    assert sorted(map(by_text, theirs)) == sorted(map(by_text, ours))


def tokenizer_with(chat_template):
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"?": 0}, unk_token="?")))
    tokenizer.chat_template = chat_template
    return tokenizer

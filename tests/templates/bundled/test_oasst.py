"""Open Assistant: rank 0 is the best, the prompt is the path from the root, and who was not ranked is left out."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import real_rows, texts

from preftemplates import get_template
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, RowError


def node(role, text, *replies, rank=None):
    return {"role": role, "text": text, "rank": rank, "replies": list(replies)}


def tree(*ranks):
    replies = [node("assistant", f"reply {place}", rank=rank) for place, rank in enumerate(ranks)]
    return {"prompt": node("prompter", "Mint?", *replies)}


def converted(rows, name, format):
    conversion = Conversion(rows, get_template(name), format, on_error="skip")
    results = list(conversion)
    return results, conversion.report


# --- trees ---------------------------------------------------------------------------------------------------------


@given(st.permutations(range(4)))
def test_the_reply_of_rank_0_is_chosen_before_all_others(ranks):
    pairs = get_template("OASST-trees").with_style("plain").with_dialect("text").format_all(tree(*ranks), "preference")
    by_rank = [f"reply {ranks.index(rank)}" for rank in range(4)]
    assert [(pair["chosen"], pair["rejected"]) for pair in pairs] == list(combinations(by_rank, 2))


@given(st.permutations([0, 1, None, None, 2]))
def test_replies_without_a_rank_are_left_out(ranks):
    sample = get_template("OASST-trees").extract(tree(*ranks), "ranked")
    kept = [(f"reply {place}", float(rank)) for place, rank in enumerate(ranks) if rank is not None]
    texts = [own[0]["content"] for own in sample.completions]
    assert list(zip(texts, sample.ranks, strict=True)) == kept


@pytest.mark.parametrize("ranks", [(), (None, None), (0,), (0, None)])
def test_a_tree_in_which_no_two_replies_were_ranked_gives_nothing(ranks):
    results, report = converted([tree(*ranks)], "OASST-trees", "ranked")
    assert results == []
    assert [refusal.code for refusal in report.skipped] == [Code.NO_SAMPLE]


def test_the_prompt_is_the_path_from_the_root_and_each_ranked_message_is_a_sample():
    again = node("prompter", "Why?", node("assistant", "c", rank=1), node("assistant", "d", rank=0))
    row = {"prompt": node("prompter", "Mint?", node("assistant", "a", again, rank=0), node("assistant", "b", rank=1))}
    first, second = get_template("OASST-trees").extract_all(row, "ranked").samples
    assert [message["content"] for message in first.prompt] == ["Mint?"]
    assert [(message["role"], message["content"]) for message in second.prompt] == [
        ("user", "Mint?"), ("assistant", "a"), ("user", "Why?")
    ]  # fmt: skip
    assert (first.ranks, second.ranks) == ([0.0, 1.0], [1.0, 0.0])


def test_ranks_among_a_prompter_s_replies_are_no_ranks_of_answers():
    asked = [node("prompter", text, rank=rank) for rank, text in enumerate(("Why?", "How?"))]
    row = {"prompt": node("prompter", "Mint?", node("assistant", "a", *asked))}
    assert get_template("OASST-trees").extract_all(row, "ranked").samples == ()


def test_a_tree_is_as_deep_as_a_cell_may_be():
    row = node("prompter", "last", node("assistant", "a", rank=0), node("assistant", "b", rank=1))
    for _ in range(100):
        row = node("prompter", "Mint?", row)
    sample = get_template("OASST-trees").extract({"prompt": row}, "ranked")
    assert len(sample.prompt) == 101


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"rank": -1}, Code.BAD_LABEL),
        ({"rank": True}, Code.BAD_LABEL),
        ({"rank": "0"}, Code.BAD_LABEL),
        ({"rank": 0.5}, Code.BAD_LABEL),
        ({"role": "asistant"}, Code.BAD_ROLE),
        ({"text": None}, Code.MISSING_FIELD),
        ({"text": 3}, Code.WRONG_TYPE),
        ({"replies": None}, Code.MISSING_FIELD),
    ],
)
def test_a_message_that_cannot_be_read_is_a_verdict(change, code):
    row = tree(0, 1)
    row["prompt"]["replies"][1] |= change
    with pytest.raises(RowError) as caught:
        get_template("OASST-trees").extract(row, "ranked")
    assert caught.value.code == code


def test_the_100_real_trees_give_212_rankings_and_754_pairs():
    rows = real_rows("oasst/en_100_tree.jsonl")
    _, report = converted(rows, "OASST-trees", "ranked")
    assert (report.rows, report.formatted, report.results) == (100, 100, 212)
    assert (report.skipped, report.rejected, report.left_out) == ([], [], [])
    pairs, report = converted(rows, "OASST-trees", "preference")
    assert (report.formatted, report.results, len(pairs)) == (100, 754, 754)


def test_every_pair_of_the_real_trees_has_the_better_rank_chosen():
    wrong = []
    for index, row in enumerate(real_rows("oasst/en_100_tree.jsonl")):
        ranks = dict(ranked_texts(row["prompt"]))
        pairs = get_template("OASST-trees").with_style("plain").with_dialect("text").format_all(row, "preference")
        wrong += [index for pair in pairs if ranks[pair["chosen"]] >= ranks[pair["rejected"]]]
    assert wrong == []


def ranked_texts(message):
    if message.get("rank") is not None:
        yield message["text"], message["rank"]
    for reply in message["replies"]:
        yield from ranked_texts(reply)


# --- one ranking a row ---------------------------------------------------------------------------------------------


def ranking(**cells):
    return {"instruction": "Mint?", "input": "", "output": ["best", "good", "bad"], "history": []} | cells


def test_the_outputs_stand_from_the_best_to_the_worst():
    sample = get_template("OASST-zh-ranked").extract(ranking(), "ranked")
    assert sample.ranks == [0.0, 1.0, 2.0]
    pairs = (
        get_template("OASST-zh-ranked").with_style("plain").with_dialect("text").format_all(ranking(), "preference")
    )
    chosen = [(pair["chosen"], pair["rejected"]) for pair in pairs]
    assert chosen == [("best", "good"), ("best", "bad"), ("good", "bad")]


@given(st.lists(st.tuples(texts(), texts()), max_size=3), texts())
def test_the_history_is_turns_before_the_instruction(history, instruction):
    row = ranking(history=[list(pair) for pair in history], instruction=instruction)
    prompt = get_template("OASST-zh-ranked").extract(row, "prompt_only").prompt
    assert [message["content"] for message in prompt] == [text for pair in history for text in pair] + [instruction]
    assert [message["role"] for message in prompt] == ["user", "assistant"] * len(history) + ["user"]


@pytest.mark.parametrize("pair", [[], ["Hi"], ["Hi", "Hello", "Bye"]])
def test_a_history_that_is_no_pairs_is_refused(pair):
    with pytest.raises(RowError) as caught:
        get_template("OASST-zh-ranked").extract(ranking(history=[["Hi", "Hello"], pair]), "ranked")
    assert caught.value.code == Code.BAD_TURNS


def test_an_input_follows_the_instruction():
    prompt = get_template("OASST-zh-ranked").extract(ranking(input="Indoors."), "prompt_only").prompt
    assert prompt == [{"role": "user", "content": "Mint?\n\nIndoors."}]


def test_the_1809_pairs_of_the_775_real_rankings_are_results_or_equal():
    rows = real_rows("oasst/oaast_rm_zh.json")
    results, report = converted(rows, "OASST-zh-ranked", "preference")
    assert (report.rows, report.formatted, len(report.skipped), len(report.rejected)) == (775, 772, 3, 0)
    assert {refusal.code for refusal in [*report.skipped, *report.left_out]} == {Code.EQUAL}
    assert {len(rows[refusal.row]["output"]) for refusal in report.skipped} == {2}
    assert (len(results), len(report.left_out), len(report.skipped)) == (1803, 3, 3)
    assert sum(len(row["output"]) * (len(row["output"]) - 1) // 2 for row in rows) == 1803 + 3 + 3 == 1809


def test_the_775_real_rankings_are_rankings():
    rows = real_rows("oasst/oaast_rm_zh.json")
    results, report = converted(rows, "OASST-zh-ranked", "ranked")
    assert (report.rows, report.formatted, len(report.skipped), len(results)) == (775, 772, 3, 772)
    assert sum(len(result["completions"]) for result in results) == sum(len(row["output"]) for row in rows) - 6

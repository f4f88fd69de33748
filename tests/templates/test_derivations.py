"""Formats made from others: no answer is lost without a count, and no label says what the source did not."""

import math
from collections import Counter
from dataclasses import replace
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_strategies import (
    SOURCES,
    preferences,
    rankings,
    says,
    scored,
    stepwise,
    text_of,
    unpaired,
)
from support import texts

from preftemplates import (
    Judge,
    Preference,
    Ranked,
    RowModel,
    Stepwise,
    Supervised,
    Template,
    get_template,
)
from preftemplates.core.samples import SAMPLE_TYPES
from preftemplates.errors import Code, DefinitionError, RowError
from preftemplates.templates.derivations import (
    DERIVATIONS,
    find_derivation,
    join_steps,
    list_derived_formats,
    make_judging_prompt,
)
from preftemplates.templates.rendering import render_sample


def derive(sample, target, pairs="all"):
    """The samples of another format, and what was lost."""
    lost = Counter()
    return list(DERIVATIONS[sample.format, target].make(sample, pairs, lost)), lost


def test_there_is_a_sample_of_each_source_to_test_with():
    assert {source for source, _ in DERIVATIONS} == set(SOURCES)


# --- what is conserved ---------------------------------------------------------------------------------------------


def kept_of(sample, samples):
    """How many of a sample's answers stand, as they are, in at least one of the samples made of it."""
    if sample.pieces:
        whole = says("\n".join(text_of(own) for own in sample.responses.values()))
        return len(sample.responses) if any(whole in other.responses.values() for other in samples) else 0
    if any(isinstance(other, Judge) for other in samples):
        asked = "".join(text_of(other.prompt) for other in samples)
        return sum(text_of(own) in asked for own in sample.responses.values())
    given = [own for other in samples for own in other.responses.values()]
    return sum(any(own is other for other in given) for own in sample.responses.values())


@pytest.mark.parametrize(("source", "target"), DERIVATIONS)
@given(st.data(), st.sampled_from(["all", "adjacent", "best-worst"]))
def test_every_answer_is_kept_or_counted_as_lost(source, target, data, pairs):
    sample = data.draw(SOURCES[source])
    samples, lost = derive(sample, target, pairs)
    names = {name.split("[")[0] for name in sample.responses}
    assert kept_of(sample, samples) + sum(lost[name] for name in names) == len(sample.responses)


@pytest.mark.parametrize(("source", "target"), DERIVATIONS)
@given(st.data())
def test_what_is_lost_is_named_as_the_source_names_it(source, target, data):
    sample = data.draw(SOURCES[source])
    samples, lost = derive(sample, target)
    kind = SAMPLE_TYPES.get(source)
    names = {*kind.response_names, *kind.label_types, "tools", "tie"}
    assert set(lost) <= names
    assert all(count > 0 for count in lost.values())
    assert lost["tie"] == (1 if sample.is_tie and not samples and len(sample.responses) > 1 else 0)


@pytest.mark.parametrize(("source", "target"), [pair for pair in DERIVATIONS if pair != ("ranked", "preference")])
@given(st.data())
def test_every_label_that_a_sample_has_counts_as_lost_once(source, target, data):
    sample = data.draw(SOURCES[source])
    _, lost = derive(sample, target)
    assert {name: lost[name] for name in sample.label_types} == {
        name: int(name in sample.label_values) for name in sample.label_types
    }


@pytest.mark.parametrize(("source", "target"), DERIVATIONS)
@given(st.data())
def test_what_is_made_is_a_sound_sample_of_the_target_with_the_labels_that_were_promised(source, target, data):
    sample = data.draw(SOURCES[source])
    derivation = DERIVATIONS[source, target]
    promised = derivation.labels_from(list(sample.label_values))
    for other in derive(sample, target)[0]:
        other.check_labels()
        assert type(other) is SAMPLE_TYPES.get(target)
        assert set(promised) <= set(other.label_values) <= {*promised, "probability"}
        assert target == "judge" or other.prompt == sample.prompt


@pytest.mark.parametrize(("source", "target"), DERIVATIONS)
@given(st.data())
def test_a_sample_is_not_written_to(source, target, data):
    sample = data.draw(SOURCES[source])
    before = repr(sample)
    derive(sample, target)
    assert repr(sample) == before


# --- from a preference ---------------------------------------------------------------------------------------------


@given(preferences)
def test_of_a_pair_the_chosen_answer_is_learnt_and_of_a_tie_none(sample):
    samples, lost = derive(sample, "supervised")
    assert samples == [] if sample.is_tie else [Supervised(prompt=sample.prompt, completion=sample.chosen)]
    assert (lost["rejected"], lost["chosen"]) == (1, int(sample.is_tie))


@given(preferences)
def test_a_pair_is_a_good_answer_and_a_bad_one_and_a_tie_is_neither(sample):
    samples, lost = derive(sample, "unpaired")
    labelled = [(other.completion, other.label) for other in samples]
    assert labelled == ([] if sample.is_tie else [(sample.chosen, True), (sample.rejected, False)])
    assert lost["chosen"] == lost["rejected"] == lost["tie"] == int(sample.is_tie)


@given(preferences)
def test_a_pair_is_a_ranking_of_two_and_a_tie_is_one_rank(sample):
    ((ranked,), _) = derive(sample, "ranked")
    assert ranked.completions == (sample.chosen, sample.rejected)
    assert ranked.ranks == ([0.0, 0.0] if sample.is_tie else [0.0, 1.0])
    assert ranked.is_tie == sample.is_tie


@given(preferences)
def test_a_ranking_of_two_gives_the_pair_back_without_its_labels(sample):
    ((ranked,), _) = derive(sample, "ranked")
    ((again,), _) = derive(ranked, "preference")
    assert again == replace(sample, margin=None, probability=0.5 if sample.is_tie else None)


@given(preferences)
def test_a_judge_is_asked_in_both_orders_and_says_the_opposite_unless_it_is_a_tie(sample):
    samples, _ = derive(sample, "judge")
    first, second = samples
    verdicts = (first.verdict, second.verdict)
    assert verdicts == (("tie", "tie") if sample.is_tie else ("A", "B"))
    assert [text_of(other.completion) for other in samples] == list(verdicts)
    assert first.prompt == make_judging_prompt(sample.prompt, sample.chosen, sample.rejected)
    assert second.prompt == make_judging_prompt(sample.prompt, sample.rejected, sample.chosen)


@given(st.lists(texts(), max_size=3), texts(), texts())
def test_a_judge_reads_the_conversation_and_both_answers_letter_by_letter_and_in_order(talk, one, two):
    prompt = [{"role": role, "content": text} for role, text in zip(("user", "assistant", "tool"), talk, strict=False)]
    (asked,) = make_judging_prompt(prompt, says(one), says(two))
    conversation = "".join(f"\n{message['role']}: {message['content']}" for message in prompt)
    assert asked["role"] == "user"
    assert asked["content"] == (
        "Below are a conversation and two answers to it. Say which answer is better: A, B, or tie.\n\n[Conversation]"
        f"{conversation}\n\n[Answer A]\n{one}\n\n[Answer B]\n{two}\n\nWhich answer is better?"
    )


CALL = {"role": "assistant", "content": "x", "tool_calls": [{"name": "f"}]}
IMAGE = {"role": "assistant", "content": [{"type": "image"}]}


@pytest.mark.parametrize("message", [CALL, IMAGE], ids=["call", "image"])
@pytest.mark.parametrize("part", ["prompt", "chosen", "rejected"])
def test_a_judge_who_could_not_read_a_message_whole_is_not_asked(message, part):
    sample = Preference(prompt=says("q", "user"), chosen=says("a"), rejected=says("b"))
    with pytest.raises(RowError) as caught:
        derive(replace(sample, **{part: [message]}), "judge")
    assert caught.value.code is Code.UNSUPPORTED_CONTENT


@pytest.mark.parametrize(
    ("labels", "tie"),
    [
        ({"probability": 0.5}, True),
        ({"probability": 0.5, "margin": 2.0}, True),
        ({"margin": 0}, True),
        ({"margin": 0.0, "probability": 0.75}, True),
        ({"probability": math.nextafter(0.5, 1)}, False),
        ({"margin": 5e-324}, False),
        ({}, False),
    ],
    ids=str,
)
def test_a_pair_of_probability_one_half_or_margin_0_is_a_tie_in_every_derivation(labels, tie):
    sample = Preference(prompt=says("q", "user"), chosen=says("a"), rejected=says("b"), **labels)
    sample.check_labels()
    ((ranked,), lost) = derive(sample, "ranked")
    assert (ranked.ranks, lost) == ([0.0, 0.0] if tie else [0.0, 1.0], Counter([*labels]))
    samples, lost = derive(sample, "judge")
    assert ([other.verdict for other in samples], lost) == (["tie", "tie"] if tie else ["A", "B"], Counter([*labels]))
    assert [text_of(other.completion) for other in samples] == [other.verdict for other in samples]
    samples, lost = derive(sample, "unpaired")
    assert [(text_of(other.completion), other.label) for other in samples] == [("a", True), ("b", False)] * (not tie)
    assert lost == Counter([*labels, *["chosen", "rejected", "tie"] * tie])
    samples, lost = derive(sample, "supervised")
    assert [text_of(other.completion) for other in samples] == ["a"] * (not tie)
    assert lost == Counter(["rejected", *labels, *["chosen", "tie"] * tie])


def test_only_the_pair_of_a_ranking_that_is_tied_has_the_probability_one_half():
    sample = Ranked(prompt=[], completions=tuple(map(says, "abc")), ranks=[1, 0, 1])
    for pairs, wanted in (("all", [None, None, 0.5]), ("adjacent", [None, 0.5]), ("best-worst", [None])):
        samples = derive(sample, "preference", pairs)[0]
        assert [(pair.probability, pair.margin) for pair in samples] == [(each, None) for each in wanted]
        assert [pair.is_tie for pair in samples] == [each == 0.5 for each in wanted]


# --- from a ranking ------------------------------------------------------------------------------------------------


def place(sample, own):
    return next(index for index, other in enumerate(sample.completions) if other is own)


@given(rankings(), st.sampled_from(["all", "adjacent", "best-worst"]))
def test_the_better_answer_of_every_pair_stands_first(sample, pairs):
    for pair in derive(sample, "preference", pairs)[0]:
        chosen, rejected = place(sample, pair.chosen), place(sample, pair.rejected)
        assert sample.ranks[chosen] <= sample.ranks[rejected]
        tied = sample.ranks[chosen] == sample.ranks[rejected]
        assert pair.probability == (0.5 if tied else None)
        assert not tied or pair.is_tie
        if sample.scores is None:
            assert pair.margin is None
        else:
            assert pair.margin == float(sample.scores[chosen] - sample.scores[rejected])


@given(rankings())
def test_the_policy_says_how_many_pairs_there_are_and_none_is_there_twice(sample):
    count = len(sample.completions)
    numbers = {"all": count * (count - 1) // 2, "adjacent": count - 1, "best-worst": int(count > 1)}
    for pairs, number in numbers.items():
        samples = derive(sample, "preference", pairs)[0]
        assert len(samples) == number
        used = {frozenset((place(sample, pair.chosen), place(sample, pair.rejected))) for pair in samples}
        assert len(used) == number


@given(rankings())
def test_adjacent_pairs_are_a_chain_from_the_best_to_the_worst_and_best_worst_are_its_ends(sample):
    chain = derive(sample, "preference", "adjacent")[0]
    assert all(one.rejected is other.chosen for one, other in pairwise(chain))
    for pair in derive(sample, "preference", "best-worst")[0]:
        assert pair.chosen is chain[0].chosen
        assert pair.rejected is chain[-1].rejected
        assert sample.ranks[place(sample, pair.chosen)] == min(sample.ranks)
        assert sample.ranks[place(sample, pair.rejected)] == max(sample.ranks)


def test_answers_between_the_best_and_the_worst_are_lost_where_these_alone_are_paired():
    sample = Ranked(prompt=[], completions=tuple(map(says, "abcde")), ranks=[2, 0, 1, 4, 3])
    samples, lost = derive(sample, "preference", "best-worst")
    assert [(text_of(pair.chosen), text_of(pair.rejected)) for pair in samples] == [("b", "d")]
    assert lost == {"completions": 3}
    assert derive(sample, "preference", "all")[1] == derive(sample, "preference", "adjacent")[1] == {}
    pairs = [(text_of(pair.chosen), text_of(pair.rejected)) for pair in derive(sample, "preference")[0]]
    assert pairs == list(combinations("bcaed", 2))


def test_of_answers_on_one_rank_the_first_listed_stands_first():
    sample = Ranked(prompt=[], completions=tuple(map(says, "abc")), ranks=[1, 0, 1], scores=[3, 5, 3])
    pairs = [(text_of(p.chosen), text_of(p.rejected), p.margin) for p in derive(sample, "preference")[0]]
    assert pairs == [("b", "a", 2.0), ("b", "c", 2.0), ("a", "c", 0.0)]


def test_a_tie_has_no_margin_even_where_scores_are_finer_than_ranks():
    for scores in ([1, 5], [5, 1]):
        sample = Ranked(prompt=[], completions=(says("a"), says("b")), ranks=[0, 0], scores=scores)
        ((pair,), _) = derive(sample, "preference")
        assert (pair.margin, pair.probability) == (0.0, 0.5)


@given(rankings())
def test_the_best_answer_is_learnt_the_first_listed_of_several_and_none_where_all_are_tied(sample):
    found, lost = derive(sample, "supervised")
    if len(sample.ranks) > 1 and sample.is_tie:
        assert (found, lost["completions"], lost["tie"]) == ([], len(sample.ranks), 1)
        return
    (best,) = found
    index = place(sample, best.completion)
    assert sample.ranks[index] == min(sample.ranks)
    assert min(sample.ranks) not in sample.ranks[:index]
    assert lost["completions"] == len(sample.ranks) - 1


# --- from one answer -----------------------------------------------------------------------------------------------


@given(unpaired)
def test_a_good_answer_is_learnt_and_a_bad_one_is_lost(sample):
    samples, lost = derive(sample, "supervised")
    assert samples == [Supervised(prompt=sample.prompt, completion=sample.completion)] * sample.label
    assert lost == Counter(label=1) + Counter(completion=int(not sample.label))


@given(scored)
def test_an_answer_is_learnt_whatever_its_score(sample):
    samples, lost = derive(sample, "supervised")
    assert samples == [Supervised(prompt=sample.prompt, completion=sample.completion)]
    assert lost == Counter(list(sample.label_values))


# --- from steps ----------------------------------------------------------------------------------------------------


@given(stepwise())
def test_steps_are_a_good_answer_if_all_are_right_and_it_is_learnt_if_it_is_good(sample):
    whole = says("\n".join(text_of(own) for own in sample.completions))
    ((answer,), lost) = derive(sample, "unpaired")
    assert (answer.completion, answer.label) == (whole, all(sample.labels))
    assert lost == {"labels": 1}
    learnt, lost = derive(sample, "supervised")
    assert [other.completion for other in learnt] == [whole] * all(sample.labels)
    assert lost == Counter(labels=1) + Counter(completions=0 if all(sample.labels) else len(sample.labels))


@pytest.mark.parametrize(
    ("step", "code"),
    [([*says("a"), *says("b")], Code.BAD_TURNS), ([CALL], Code.UNSUPPORTED_CONTENT),
     ([IMAGE], Code.UNSUPPORTED_CONTENT)],
)  # fmt: skip
def test_steps_that_are_more_than_a_text_each_are_no_one_answer(step, code):
    with pytest.raises(RowError) as caught:
        join_steps([says("first"), step])
    assert caught.value.code is code


# --- which there are -----------------------------------------------------------------------------------------------


def test_a_format_that_is_declared_is_not_derived_and_the_first_that_can_be_the_source_is():
    assert list_derived_formats(["preference"]) == ("supervised", "unpaired", "ranked", "judge")
    assert list_derived_formats(["ranked", "preference"]) == ("supervised", "unpaired", "judge")
    assert list_derived_formats(["prompt_only", "supervised"]) == ()
    assert find_derivation(["supervised", "preference", "ranked"], "unpaired").source == "preference"
    assert find_derivation(["scored", "ranked"], "supervised").source == "scored"
    assert find_derivation(["scored"], "preference") is None


def test_what_is_derived_is_not_derived_from_again():
    assert list_derived_formats(["ranked"]) == ("preference", "supervised")
    assert find_derivation(["ranked"], "unpaired") is None


def test_choices_of_pairs_are_three_words():
    with pytest.raises(DefinitionError, match="pairs must be one of all, adjacent, best-worst; got 'best_worst'"):
        get_template("TRL").with_pairs("best_worst")


def test_the_places_in_cells_survive_a_derivation():
    class Columns(RowModel):
        q: str
        steps: list[str]
        right: list[bool]
        good: str
        bad: str

    class Pairs(Template):
        Row = Columns
        preference = Preference(prompt="{{ q }}", chosen="{{ good }}", rejected="{{ bad }}")

    class Steps(Template):
        Row = Columns
        stepwise = Stepwise(prompt="{{ q }}", completions="{{ steps }}", labels="{{ right }}")

    row = {"q": "Sum?", "steps": ["one", "two"], "right": [True, True], "good": "yes", "bad": "no"}
    assert sources_of(Pairs(), row, "supervised") == {"q", "good"}
    assert sources_of(Pairs(), row, "unpaired") == sources_of(Pairs(), row, "judge") == {"q", "good", "bad"}
    assert sources_of(Steps(), row, "unpaired") == {"q", "steps[0]", "steps[1]"}


def sources_of(template, row, format):
    """The cells that stand in the texts of the samples, each checked letter by letter."""
    found = set()
    cells = {**row, **{f"steps[{index}]": step for index, step in enumerate(row["steps"])}}
    for sample in template.extract_all(row, format).samples:
        rendered = render_sample(sample, template.style)
        for text in (rendered.prompt, *rendered.responses.values()):
            for span in text.spans:
                if span.source is not None:
                    path, offset = span.source
                    assert cells[path].startswith(text.text[span.start : span.end], offset)
                    found.add(path)
    return found

"""Extraction: how many samples a row gives, what they are made of, and what a tie becomes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import texts

from preftemplates import (
    Message,
    Preference,
    PromptOnly,
    Ranked,
    RowModel,
    Scored,
    Supervised,
    Template,
    Unpaired,
    get_template,
    messages,
    register_filter,
)
from preftemplates.errors import Code, RowError, UnknownNameError
from preftemplates.templates.extraction import Extraction, with_probability


class Reply(RowModel):
    text: str
    good: bool


class Thread(Template):
    """A question and any number of replies, each a sample of its own."""

    class Row(RowModel):
        question: str
        replies: list[Reply]

    each = {"reply": "{{ replies }}"}
    unpaired = Unpaired(prompt="{{ question }}", completion="{{ reply.text }}", label="{{ reply.good }}")


class Rated(Template):
    class Row(RowModel):
        q: str
        answers: list[Any]
        ranks: list[float]
        scores: list[float] | None = None

    ranked = Ranked(prompt="{{ q }}", completions="{{ answers }}", ranks="{{ ranks }}")


class Pair(Template):
    class Row(RowModel):
        q: str
        a: str
        b: str
        by: float

    preference = Preference(prompt="{{ q }}", chosen="{{ a }}", rejected="{{ b }}", margin="{{ by }}")


def thread(*replies):
    return {"question": "Why?", "replies": [{"text": text, "good": good} for text, good in replies]}


def refused(call, *arguments):
    with pytest.raises(RowError) as caught:
        call(*arguments)
    return caught.value


PAIR = {"q": "q", "a": "a", "b": "b", "by": 1.0}


# --- how many ------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(texts(), st.booleans()), max_size=4))
def test_a_row_gives_a_sample_for_each_value_in_order(replies):
    row = thread(*replies)
    samples = Thread().extract_all(row, "unpaired").samples
    assert [(sample.completion[0]["content"], sample.label) for sample in samples] == replies
    assert {sample.prompt[0]["content"] for sample in samples} <= {"Why?"}
    assert len(Thread().format_all(row, "unpaired")) == len(replies)
    assert len(Thread().format_all(row, "supervised")) == sum(good for _, good in replies)
    assert len(Thread().format_all(row, "prompt_only")) == len(replies)


@pytest.mark.parametrize("way", ["extract", "render", "format"])
def test_one_sample_is_asked_for_and_there_are_none_or_several(way):
    template = Thread()
    none = refused(getattr(template, way), thread(), "unpaired")
    assert (none.code, none.format, none.template) == (Code.NO_SAMPLE, "unpaired", "unnamed")
    several = refused(getattr(template, way), thread(("a", True), ("b", True), ("c", False)), "unpaired")
    assert several.code is Code.SEVERAL_SAMPLES
    assert "the row has 3 samples" in str(several)
    assert getattr(template, way)(thread(("a", True)), "unpaired")


def test_a_format_made_from_another_gives_none_one_or_several_too():
    ranked = Rated()
    rows = [{"q": "q", "answers": ["a", "b", "c"][:count], "ranks": [0, 1, 2][:count]} for count in (1, 2, 3)]
    assert refused(ranked.extract, rows[0], "preference").code is Code.NO_SAMPLE
    assert ranked.extract(rows[1], "preference").chosen == [{"role": "assistant", "content": "a"}]
    assert refused(ranked.extract, rows[2], "preference").code is Code.SEVERAL_SAMPLES
    assert len(ranked.extract_all(rows[2], "preference").samples) == 3


def test_what_is_lost_adds_up_over_the_samples_of_a_row():
    extracted = Thread().extract_all(thread(("a", True), ("b", False), ("c", False)), "supervised")
    assert [sample.completion[0]["content"] for sample in extracted.samples] == ["a"]
    assert extracted.lost == {"label": 3, "completion": 2}
    assert Thread().extract_all(thread(("a", True)), "unpaired").lost == {}


def test_an_error_in_one_of_several_values_names_the_cell_and_refuses_the_row():
    row = thread(("a", True), ("b", False))
    row["replies"][1]["good"] = "no"
    error = refused(Thread().format_all, row, "unpaired")
    assert (error.column, error.code) == ("replies[1].good", Code.WRONG_TYPE)


def test_what_each_ranges_over_is_a_list():
    class Texts(Template):
        class Row(RowModel):
            replies: Any

        each = {"reply": "{{ replies }}"}
        supervised = Supervised(prompt="Say.", completion="{{ reply }}")

    assert len(Texts().format_all({"replies": ["a", "b"]}, "supervised")) == 2
    for cell in ("ab", 3, {"a": "b"}):
        error = refused(Texts().format_all, {"replies": cell}, "supervised")
        assert (error.code, "a list of values" in str(error)) == (Code.WRONG_TYPE, True)


def test_each_may_take_its_values_from_a_filter_and_its_columns_are_read():
    @register_filter
    def good_replies(replies):
        return [reply.text for reply in replies if reply.good]

    class Good(Template):
        class Row(RowModel):
            question: str
            replies: list[Reply]
            other: str

        each = {"text": "{{ replies | good_replies }}"}
        supervised = Supervised(prompt="{{ question }}", completion="{{ text }}")

    row = thread(("a", True), ("b", False), ("c", True))
    assert Good().columns("supervised") == Good().columns("prompt_only") == ["question", "replies"]
    assert [result["completion"][0]["content"] for result in Good().format_all(row, "supervised")] == ["a", "c"]


@given(st.lists(texts(), min_size=1, max_size=3))
def test_the_spans_of_every_sample_spell_the_cells_that_they_came_from(replies):
    row = thread(*((text, True) for text in replies))
    for index, sample in enumerate(Thread().extract_all(row, "unpaired").samples):
        rendered = Thread().style.render([*sample.prompt, *sample.completion])
        sources = {span.source for span in rendered.spans if span.message == 1 and span.start < span.end}
        content = {(f"replies[{index}].text", 0)} if replies[index] else set()
        assert {source for source in sources if source is not None} == content
        (span,) = [span for span in rendered.spans if span.message == 1 and span.kind == "content"]
        assert rendered.text[span.start : span.end] == replies[index]


# --- which ---------------------------------------------------------------------------------------------------------


def test_a_declared_format_is_taken_as_declared_though_it_could_be_made_from_another():
    class Both(Template):
        class Row(RowModel):
            q: str
            a: str
            b: str
            best: str

        preference = Preference(prompt="{{ q }}", chosen="{{ a }}", rejected="{{ b }}")
        supervised = Supervised(prompt="{{ q }}", completion="{{ best }}")

    row = {"q": "q", "a": "a", "b": "b", "best": "c"}
    extracted = Both().extract_all(row, "supervised")
    assert (extracted.samples[0].completion[0]["content"], extracted.lost) == ("c", {})
    assert Both().columns("supervised") == ["q", "best"]
    assert Both().columns("unpaired") == ["q", "a", "b"]


def test_a_format_that_can_be_had_in_no_way_is_refused():
    with pytest.raises(UnknownNameError, match="no dataset type 'stepwise' here"):
        Extraction(Pair().parts.declaration, "stepwise", {})


def test_messages_are_checked_before_another_format_is_made_of_them():
    row = {"q": "q", "answers": ["a", {"role": "user", "content": "b"}], "ranks": [0, 1]}
    assert refused(Rated().extract_all, row, "supervised").code is Code.BAD_TURNS
    row["answers"][1] = {"role": "wizard", "content": "b"}
    assert refused(Rated().extract_all, row, "supervised").code is Code.BAD_ROLE


def test_several_responses_are_texts_messages_or_lists_of_messages_and_never_none():
    say = {"role": "assistant", "content": "b"}
    row = {"q": "q", "answers": ["a", say, [say, {"role": "user", "content": "c"}, say]], "ranks": [0, 1, 2]}
    lengths = [len(own) for own in Rated().extract(row, "ranked").completions]
    assert lengths == [1, 1, 3]
    assert refused(Rated().extract, {"q": "q", "answers": [], "ranks": []}, "ranked").code is Code.EMPTY
    assert refused(Rated().extract, {"q": "q", "answers": [5], "ranks": [0]}, "ranked").code is Code.WRONG_TYPE
    assert refused(Rated().extract, {"q": "q", "answers": ["a"], "ranks": [0, 1]}, "ranked").code is Code.BAD_LABEL


def test_a_label_that_is_null_is_not_there():
    class Maybe(Template):
        Row = Rated.Row
        ranked = Ranked(
            prompt="{{ q }}", completions="{{ answers }}", ranks="{{ ranks }}", scores="{{ scores }}"
        )  # fmt: skip

    row = {"q": "q", "answers": ["a", "b"], "ranks": [1, 0]}
    assert Maybe().extract(row, "ranked").label_values == {"ranks": [1.0, 0.0]}
    assert Maybe().extract({**row, "scores": [3, 4]}, "ranked").scores == [3.0, 4.0]
    assert Maybe().extract({**row, "scores": [3, 4]}, "preference").margin == 1.0


@pytest.mark.parametrize(
    ("scores", "code"), [([4, 3], Code.BAD_LABEL), ([10**400, 3], Code.WRONG_TYPE), ([-1e308, 1e308], Code.WRONG_TYPE)]
)
def test_no_pair_is_made_whose_margin_is_below_zero_or_no_number(scores, code):
    class Scores(Template):
        class Row(RowModel):
            q: str
            answers: list[str]
            ranks: list[float]
            scores: list[Any]

        ranked = Ranked(prompt="{{ q }}", completions="{{ answers }}", ranks="{{ ranks }}", scores="{{ scores }}")

    row = {"q": "q", "answers": ["a", "b"], "ranks": [1, 0], "scores": scores}
    assert refused(Scores().extract_all, row, "preference").code is code


def test_labels_of_whole_numbers_are_floats():
    class Points(Template):
        class Row(RowModel):
            points: int
            more: dict[str, int]
            a: str

        scored = Scored(prompt="q", completion="{{ a }}", score="{{ points }}", attributes="{{ more }}")

    sample = Points().extract({"points": 4, "more": {"clear": 2}, "a": "a"}, "scored")
    assert [type(value) for value in (sample.score, sample.attributes["clear"])] == [float, float]
    assert sample.label_values == {"score": 4.0, "attributes": {"clear": 2.0}}


# --- ties ----------------------------------------------------------------------------------------------------------


def test_a_probability_is_one_or_one_half_for_a_tie_and_stays_where_the_data_have_one():
    pair = Preference(prompt=[], chosen=[], rejected=[])
    assert with_probability(pair) == Preference(prompt=[], chosen=[], rejected=[], probability=1.0)
    for margin, probability, wanted in [(0.0, None, 0.5), (2.0, None, 1.0), (2.0, 0.7, 0.7), (None, 0.5, 0.5)]:
        labelled = Preference(prompt=[], chosen=[], rejected=[], margin=margin, probability=probability)
        assert with_probability(labelled).probability == wanted
        assert with_probability(labelled).margin == margin


@pytest.mark.parametrize(("ties", "wanted"), [("drop", [None, None]), ("keep", [None, None]), ("half", [1.0, 0.5])])
def test_only_halves_give_pairs_a_probability(ties, wanted):
    template = Pair().with_ties(ties)
    samples = [template.extract({**PAIR, "by": by}, "preference") for by in (2.0, 0.0)]
    assert [sample.probability for sample in samples] == wanted
    labels = ("margin", "probability") if ties == "half" else ("margin",)
    assert template.labels("preference") == labels
    assert tuple(template.format(PAIR, "preference")) == ("prompt", "chosen", "rejected", *labels)


def test_halves_are_for_pairs_made_from_a_ranking_too_and_for_no_other_format():
    template = Rated().with_ties("half")
    row = {"q": "q", "answers": ["a", "b", "c"], "ranks": [0, 0, 1]}
    probabilities = [sample.probability for sample in template.extract_all(row, "preference").samples]
    assert probabilities == [0.5, 1.0, 1.0]
    assert template.labels("preference") == ("probability",)
    assert template.labels("ranked") == ("ranks",)
    assert template.extract(row, "ranked") == Rated().extract(row, "ranked")


def test_a_prompt_of_messages_is_common_to_all_samples_and_shared_by_none():
    class Talks(Template):
        class Row(RowModel):
            talk: list[Message]
            replies: list[str]

        each = {"reply": "{{ replies }}"}
        supervised = Supervised(prompt=messages("{{ talk }}"), completion="{{ reply }}")
        prompt_only = PromptOnly(prompt=messages("{{ talk }}"))

    row = {"talk": [{"role": "user", "content": "q"}], "replies": ["a", "b"]}
    one, two = Talks().with_dialect("trl").format_all(row, "supervised")
    one["prompt"][0]["content"] = "changed"
    assert two["prompt"] == [{"role": "user", "content": "q"}] == row["talk"]


@pytest.mark.parametrize(
    "part", [{}, {"text": "x"}, {"type": 7}, {"type": "text"}, {"type": "text", "text": 5}], ids=str
)
@pytest.mark.parametrize("dialect", ["text", "trl"])
def test_a_part_of_a_content_without_its_type_or_text_is_refused(part, dialect):
    template = get_template("TRL-messages").with_dialect(dialect)
    row = {**template.example, "prompt": [{"role": "user", "content": [{"type": "image"}, part]}]}
    with pytest.raises(RowError, match=r"'prompt\[0\]\.content\[1\]': expected a part with a type") as caught:
        template.format(row, "preference")
    assert caught.value.code == Code.WRONG_TYPE

"""A template's class statement is read as plain data, and what is wrong with it is said when it is defined."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from preftemplates import (
    Index01,
    Index12,
    Preference,
    PromptOnly,
    Ranked,
    RowModel,
    Scored,
    Stepwise,
    Supervised,
    Template,
    Unpaired,
    get_template,
    messages,
    register_filter,
    register_template,
)
from preftemplates.errors import DefinitionError, RowError, UnknownNameError
from preftemplates.templates.declaration import Declaration


class Row(RowModel):
    question: str
    good: str
    bad: str
    better: Index01
    system: str | None = None
    history: list[dict[str, Any]]


PAIR = Preference(prompt="{{ question }}", chosen="{{ good }}", rejected="{{ bad }}")
ANSWER = Supervised(prompt="{{ question }}", completion="{{ good }}")
CELLS = {"question": "q", "good": "g", "bad": "b"}


def declared(**parts: Any) -> Any:
    """The template of a class `Mine` with a Row and these parts."""
    return type("Mine", (Template,), {"__module__": __name__, "Row": Row, **parts})()


def refusal(**parts: Any) -> str:
    with pytest.raises(DefinitionError) as caught:
        declared(**parts)
    return str(caught.value)


# --- what follows from a declaration -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "formats"),
    [
        ({"preference": PAIR}, ("prompt_only", "preference")),
        ({"supervised": ANSWER}, ("prompt_only", "supervised")),
        ({"preference": PAIR, "supervised": ANSWER}, ("prompt_only", "supervised", "preference")),
        ({"prompt_only": PromptOnly(prompt="{{ question }}")}, ("prompt_only",)),
        ({"preference": Preference(prompt=[], chosen="{{ good }}", rejected="{{ bad }}")}, ("preference",)),
    ],
)
def test_the_formats_are_those_declared_and_the_prompt_alone_wherever_there_is_one(parts, formats):
    assert declared(**parts).formats == formats


@pytest.mark.parametrize(
    ("format", "columns"),
    [
        ("preference", ["question", "good", "bad"]),
        ("supervised", ["question", "good"]),
        ("prompt_only", ["question"]),
    ],
)
def test_the_columns_of_a_format_are_the_names_that_its_expressions_read_in_the_row_s_order(format, columns):
    assert declared(preference=PAIR, supervised=ANSWER).columns(format) == columns


def test_each_format_asks_only_for_what_it_reads():
    template = declared(preference=PAIR, supervised=ANSWER)
    for format in template.formats:
        asked = {column: CELLS[column] for column in template.columns(format)}
        template.format(asked, format)
        for column in asked:
            with pytest.raises(RowError, match=f"column '{column}': missing"):
                template.format({key: cell for key, cell in asked.items() if key != column}, format)


def test_prompts_that_differ_need_one_line_that_says_which_is_the_prompt_alone():
    other = Supervised(prompt="Q: {{ question }}", completion="{{ good }}")
    assert refusal(preference=PAIR, supervised=other) == (
        "Mine: preference and supervised declare different prompts; say which one is the prompt alone:"
        " prompt_only = PromptOnly(prompt=...)"
    )
    template = declared(preference=PAIR, supervised=other, prompt_only=PromptOnly(prompt="Only {{ question }}"))
    prompts = {format: template.extract(CELLS, format).prompt[0]["content"] for format in template.formats}
    assert prompts == {"prompt_only": "Only q", "supervised": "Q: q", "preference": "q"}


def test_an_optional_turn_is_messages_that_may_be_none():
    @register_filter
    def as_system(text):
        return [{"role": "system", "content": text}] if text else []

    template = declared(
        preference=Preference(
            prompt=[messages("{{ system | as_system }}"), messages("{{ history }}"), "{{ question }}"],
            chosen="{{ good }}",
            rejected=["{{ bad }}", {"role": "user", "content": "Really?"}, {"role": "assistant", "content": "Yes."}],
        )
    )
    history = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    for system, history_ in [(None, []), ("", history), ("Be brief.", history)]:
        sample = template.extract({**CELLS, "system": system, "history": history_}, "preference")
        roles = [message["role"] for message in sample.prompt]
        assert roles == ["system"] * bool(system) + [message["role"] for message in history_] + ["user"]
        assert [message["role"] for message in sample.rejected] == ["assistant", "user", "assistant"]


def test_a_subclass_inherits_what_it_does_not_say_itself():
    @register_template("parent", style="zephyr", dialect="align-anything")
    class Parent(Template):
        Row = Row
        preference = PAIR
        supervised = ANSWER
        example = CELLS

    @register_template("child")
    class Child(Parent):
        preference = Preference(prompt="{{ question }}", chosen="{{ bad }}", rejected="{{ good }}")

    @register_template("grandchild", style="plain")
    class Grandchild(Child):
        pass

    parent, child, grandchild = (get_template(name) for name in ("parent", "child", "grandchild"))
    assert child.formats == grandchild.formats == parent.formats
    assert child.example == parent.example
    assert child.format(CELLS, "supervised") == parent.format(CELLS, "supervised")
    assert child.format(CELLS, "preference") == dict(
        zip(("better_text", "worse_text"), reversed(parent.format(CELLS, "preference").values()), strict=True)
    )
    assert grandchild.format(CELLS, "preference") == {"better_text": "qb", "worse_text": "qg"}
    assert (child.name, grandchild.name) == ("child", "grandchild")
    assert grandchild == child.with_style("plain")
    assert child != parent


def test_a_row_may_inherit_columns():
    class More(Row):
        extra: str

    template = declared(Row=More, prompt_only=PromptOnly(prompt="{{ extra }} {{ question }}"))
    assert template.columns("prompt_only") == ["question", "extra"]


def test_a_declaration_is_plain_data_whose_repr_is_its_value():
    declaration = declared(preference=PAIR).parts.declaration
    names = {kind.__name__: kind for kind in [Declaration, *map(type, declaration.samples)]}
    turn = type(declaration.samples[0].turns[0][1][0])
    assert eval(repr(declaration), {**names, turn.__name__: turn}) == declaration


def test_an_expression_that_reads_an_alias_uses_the_python_name_and_columns_tell_the_row_s_own():
    from pydantic import Field

    class Aliased(RowModel):
        score_a: str = Field(alias="score-A")

    template = declared(Row=Aliased, prompt_only=PromptOnly(prompt="{{ score_a }}"), example={"score-A": "x"})
    assert template.columns("prompt_only") == ["score-A"]
    assert template.with_style("plain").format({"score-A": "x"}, "prompt_only") == {"prompt": "x"}


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (
            Preference(prompt="{{ question }}", chosen="{{ godo }}", rejected="{{ bad }}"),
            "Mine.preference.chosen reads 'godo', which Row does not declare. Did you mean 'good'?"
            " Declared: bad, better, good, history, question, system.",
        ),
        (
            Preference(prompt="{{ range(3) }}", chosen="{{ good }}", rejected="{{ bad }}"),
            "Mine.preference.prompt reads 'range', which Row does not declare."
            " Declared: bad, better, good, history, question, system.",
        ),
        (
            Preference(
                prompt=["{{ question }}", {"role": "user", "content": "{{ qestion }}"}], chosen="", rejected=""
            ),
            "Mine.preference.prompt reads 'qestion', which Row does not declare. Did you mean 'question'?"
            " Declared: bad, better, good, history, question, system.",
        ),
        (
            Preference(prompt=messages("{{ histroy }}"), chosen="a", rejected="b"),
            "Mine.preference.prompt reads 'histroy', which Row does not declare. Did you mean 'history'?"
            " Declared: bad, better, good, history, question, system.",
        ),
        (
            Preference(prompt="", chosen="{{ good | human_asistant_turns }}", rejected=""),
            "Mine.preference.chosen: '{{ good | human_asistant_turns }}' uses no filter 'human_asistant_turns'."
            " Did you mean 'human_assistant_turns'?",
        ),
    ],
)
def test_a_name_that_is_not_there_is_refused_word_for_word(sample, message):
    assert refusal(preference=sample) == message


@pytest.mark.parametrize(
    ("sample", "place"),
    [
        (Preference(prompt="{{ question", chosen="", rejected=""), "Mine.preference.prompt: "),
        (Preference(prompt="", chosen="{% if good %}{% endif %}", rejected=""), "Mine.preference.chosen: "),
        (Preference(prompt="", chosen="", rejected="a\rb"), "Mine.preference.rejected: "),
        (Preference(prompt=5, chosen="", rejected=""), "Mine.preference.prompt: "),
        (Preference(prompt="", chosen={"role": "asistant", "content": ""}, rejected=""), "Mine.preference.chosen: "),
        (Preference(prompt="", chosen="", rejected=[]), "Mine.preference.rejected "),
        (Preference(prompt="", chosen="", rejected=messages("none")), "Mine.preference.rejected: "),
    ],
)
def test_what_a_field_cannot_say_is_refused_with_its_place(sample, place):
    assert refusal(preference=sample).startswith(place)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"preferense": PAIR}, "Mine.preferense: a template has no such part. Did you mean 'preference'?"),
        ({"row": Row}, "Mine.row: a template has no such part. Did you mean 'Row'?"),
        ({"exmaple": {}}, "Mine.exmaple: a template has no such part. Did you mean 'example'?"),
        ({"style_": "x"}, "Mine.style_: a template has no such part."),
        ({"helper": lambda self: None}, "Mine.helper: a template has no such part."),
        ({"supervised": PAIR}, "Mine.supervised: expected Supervised(...), got Preference("),
        ({"preference": ANSWER}, "Mine.preference: expected Preference(...), got Supervised("),
        ({"preference": {"prompt": "a"}}, "Mine.preference: expected Preference(...), got {'prompt': 'a'}"),
        ({"preference": Preference}, "Mine.preference: expected Preference(...), got <class "),
        ({"example": ["q"]}, "Mine.example: expected a row, got ['q']"),
        ({"example": {"qestion": "q"}}, "Mine.example has 'qestion', which Row does not declare. Did you mean"),
    ],
)
def test_a_part_that_is_unknown_or_of_the_wrong_kind_is_refused(parts, message):
    assert refusal(**{"supervised": ANSWER, **parts}).startswith(message)


def test_a_sample_without_a_row_is_refused():
    with pytest.raises(DefinitionError, match="Mine declares samples but no Row"):
        type("Mine", (Template,), {"__module__": __name__, "preference": PAIR})


@pytest.mark.parametrize("row", [dict, {"question": str}, "Row", None, 5], ids=str)
def test_a_row_is_a_class_of_columns(row):
    assert "Row" in refusal(Row=row, preference=PAIR)


def test_a_class_that_declares_nothing_is_refused_and_a_misspelt_format_is_recognised():
    nothing = type("Mine", (Template,), {"__module__": __name__, "Row": Row})
    with pytest.raises(DefinitionError, match="Mine declares no sample"):
        register_template("mine")(nothing)
    with pytest.raises(DefinitionError, match="declares nothing"):
        nothing()
    with pytest.raises(DefinitionError, match=r"preferense.*Did you mean 'preference'\?"):
        register_template("mine")(type("Mine", (Template,), {"__module__": __name__, "Row": Row, "preferense": PAIR}))
    with pytest.raises(UnknownNameError):
        get_template("mine")


def test_a_class_cannot_declare_and_format_by_hand():
    with pytest.raises(DefinitionError, match="it must be one or the other"):
        declared(preference=PAIR, check_equal=lambda self, raw_sample: False)


def test_a_format_that_is_not_declared_is_answered_with_those_that_are():
    template = declared(preference=PAIR)
    with pytest.raises(UnknownNameError, match=r"'stepwise'; it fills prompt_only, preference, supervised,"):
        template.columns("stepwise")
    with pytest.raises(UnknownNameError, match=r"Did you mean 'preference'\?"):
        template.format(CELLS, "prefrence")


# --- labels, several responses, several samples, ties --------------------------------------------------------------


class Judged(RowModel):
    answers: list[str]
    scores: list[float]
    winner: str
    named: Literal["a", "b"]
    number: Index12
    open: int
    half_open: Annotated[int, Field(ge=0)]
    stars: Annotated[int, Field(ge=0, le=4)]
    maybe: Index01 | None = None
    sure: float
    good: bool
    replies: list[dict[str, Any]]


RANKED = Ranked(prompt="q", completions="{{ answers }}", ranks="{{ scores | ranks }}", scores="{{ scores }}")


def judged(**parts: Any) -> Any:
    return declared(**{"Row": Judged, **parts})


@pytest.mark.parametrize("column", ["winner", "open", "half_open", "maybe", "sure", "answers"])
@pytest.mark.parametrize(
    "chosen",
    [
        "{{ answers[COLUMN] }}", "{{ answers[1 - COLUMN] }}", "{{ {'a': answers[0]}[COLUMN] }}",
        "{{ [answers[COLUMN] | trim] | first }}", "{{ {'a': answers[0]}.get(COLUMN, answers[1]) }}",
        "{{ answers[0] if COLUMN == 'a' else answers[1] }}", "{{ answers[0] if -1 != COLUMN else answers[1] }}",
        "{{ answers[0] if COLUMN | lower in ('a', 'A') else answers[1] }}",
        "{{ answers[1] if COLUMN is eq 1 else answers[0] }}",
    ],
)  # fmt: skip
def test_a_label_without_a_domain_may_not_choose(column, chosen):
    sample = Supervised(prompt="q", completion=chosen.replace("COLUMN", column))
    assert refusal(Row=Judged, supervised=sample) == (
        f"Mine.supervised.completion chooses by '{column}', whose type has no domain: any value would be taken."
        " Types with one are Index01, Index12, FirstIs1, int with ge and le, and Literal of texts"
    )


class Plain(RowModel):
    q: str
    best: str
    worst: str


@pytest.mark.parametrize(
    ("part", "source", "said"),
    [
        ("chosen", "best", "chosen is 'best'; the column is '{{ best }}'"),
        ("rejected", "worst", "rejected is 'worst'; the column is '{{ worst }}'"),
        ("prompt", " q ", "prompt is 'q'; the column is '{{ q }}'"),
        ("chosen", [{"role": "assistant", "content": "best"}], "chosen is 'best'; the column is"),
    ],
)
def test_a_field_without_its_braces_is_refused(part, source, said):
    fine = {"prompt": "{{ q }}", "chosen": "{{ best }}", "rejected": "{{ worst }}"}
    assert refusal(Row=Plain, preference=Preference(**{**fine, part: source})).startswith(f"Mine.preference.{said}")
    declared(Row=Plain, preference=Preference(**fine))


def test_answers_none_of_which_depends_on_the_row_are_refused():
    said = refusal(Row=Plain, preference=Preference(prompt="{{ q }}", chosen="Yes.", rejected="No."))
    assert said == "Mine.preference.chosen reads no column"
    declared(Row=Plain, preference=Preference(prompt="{{ q }}", chosen="{{ best }}", rejected="No idea."))


class Tree(RowModel):
    text: str
    replies: list["Tree"]


def test_a_row_that_holds_itself_is_refused():
    said = refusal(Row=Tree, supervised=Supervised(prompt="q", completion="{{ text }}"))
    assert said == "Mine.Row holds itself and has no end; what is nested so is dict[str, Any]"


def test_a_prompt_may_be_the_same_in_every_row():
    template = declared(Row=Plain, supervised=Supervised(prompt="Tell me more.", completion="{{ best }}"))
    assert template.extract({"q": "", "best": "b", "worst": ""}, "prompt_only").prompt[0]["content"] == "Tell me more."


@pytest.mark.parametrize("part", ["label", "completion", "prompt"])
def test_no_part_of_a_sample_may_choose_by_an_open_label(part):
    fine = {"prompt": "q", "completion": "{{ answers | first }}", "label": "{{ good }}"}
    place = refusal(Row=Judged, unpaired=Unpaired(**{**fine, part: "{{ [good][open] }}"}))
    assert place.startswith(f"Mine.unpaired.{part} chooses by 'open'")


@pytest.mark.parametrize(
    ("chosen", "cell", "wanted"),
    [
        ("{{ answers[number - 1] }}", {"number": 2}, "second"), ("{{ answers[stars] }}", {"stars": 1}, "second"),
        ("{{ {'a': answers[0], 'b': answers[1]}[named] }}", {"named": "b"}, "second"),
        ("{{ answers[good | int] }}", {"good": False}, "first"), ("{{ answers[1] }}", {}, "second"),
    ],
)  # fmt: skip
def test_a_label_with_a_domain_chooses(chosen, cell, wanted):
    template = judged(supervised=Supervised(prompt="q", completion=chosen))
    sample = template.extract({"answers": ["first", "second"], **cell}, "supervised")
    assert sample.completion[0]["content"] == wanted


def test_a_verdict_is_no_comparison_with_an_open_label():
    place = refusal(Row=Judged, unpaired=Unpaired(prompt="q", completion="a", label="{{ winner == 'good' }}"))
    assert place.startswith("Mine.unpaired.label chooses by 'winner'")


@pytest.mark.parametrize(
    "completion",
    [
        "{{ winner if winner != '' else answers[0] }}", "{{ winner if winner else answers[0] }}",
        "{{ answers[0] if answers | length == 1 else answers[1] }}", "{{ answers[0] if 'x' else winner }}",
        "{{ answers[0] if named == 'a' else answers[1] }}", "{{ answers[0] if stars in (0, 1) else answers[1] }}",
        "{{ winner if winner == answers[0] else answers[1] }}", "{{ winner if maybe is none else answers[0] }}",
        "{{ winner if maybe == none else answers[0] }}",
    ],
)  # fmt: skip
def test_what_no_other_value_inverts_may_be_compared(completion):
    judged(supervised=Supervised(prompt="{{ 'A' if winner == 'x' else 'B' }}", completion=completion))


def test_a_label_is_one_expression_and_its_columns_are_read():
    template = judged(ranked=RANKED)
    assert template.columns("ranked") == ["answers", "scores"]
    assert template.labels("ranked") == ("ranks", "scores")
    bare = judged(ranked=Ranked(prompt="q", completions="{{ answers }}", ranks="{{ answers | places }}"))
    assert bare.labels("ranked") == ("ranks",)
    assert (bare.labels("preference"), template.labels("preference")) == ((), ("margin",))


@pytest.mark.parametrize(
    ("format", "sample", "message"),
    [
        ("unpaired", Unpaired(prompt="q", completion="a", label="good"), "Mine.unpaired.label: a label takes one"),
        ("unpaired", Unpaired(prompt="q", completion="a", label=True), "Mine.unpaired.label: expected text with"),
        ("unpaired", Unpaired(prompt="q", completion="a", label="{{ good }}!"), "Mine.unpaired.label: a label takes"),
        ("unpaired", Unpaired(prompt="q", completion="a", label="{{ godo }}"), "Mine.unpaired.label reads 'godo'"),
        ("unpaired", Unpaired(prompt="q", completion="a", label="{{ good | x }}"), "Mine.unpaired.label: "),
        ("scored", Scored(prompt="q", completion="a", score="{{ open }}", attributes="{{ non }}"), "Mine.scored.attr"),
        ("ranked", Ranked(prompt="q", completions=["{{ answers }}"], ranks="{{ scores }}"), "Mine.ranked.compl"),
        ("ranked", Ranked(prompt="q", completions="A: {{ answers }}", ranks="{{ scores }}"), "Mine.ranked.compl"),
        ("ranked", Ranked(prompt="q", completions="{{ a }}", ranks="{{ scores }}"), "Mine.ranked.completions reads"),
        ("ranked", Ranked(prompt="q", completions=(), ranks="{{ scores }}"), "Mine.ranked.compl"),
        ("stepwise", Stepwise(prompt="q", completions="{{ answers }}", labels=[True]), "Mine.stepwise.labels: "),
        ("judge", ANSWER, "Mine.judge: expected Judge(...), got Supervised("),
    ],
)  # fmt: skip
def test_a_label_or_a_list_of_responses_that_is_declared_wrongly_is_refused(format, sample, message):
    assert refusal(Row=Judged, **{format: sample}).startswith(message)


@pytest.mark.parametrize(
    ("each", "message"),
    [
        ({"one": "{{ replies }}", "two": "{{ answers }}"}, "Mine.each: expected a name and the expression"),
        (["{{ replies }}"], "Mine.each: expected a name and the expression of its values, got ['{{ replies }}']"),
        ("{{ replies }}", "Mine.each: expected a name and the expression"),
        ({"a reply": "{{ replies }}"}, "Mine.each: 'a reply' is no name"),
        ({5: "{{ replies }}"}, "Mine.each: 5 is no name"),
        ({"reply": "replies"}, "Mine.each: each takes one {{ expression }}, got 'replies'"),
        ({"reply": "{{ replies }}{{ answers }}"}, "Mine.each: each takes one {{ expression }}"),
        ({"reply": ["{{ replies }}"]}, "Mine.each: expected text with"),
        ({"reply": "{{ reply }}"}, "Mine.each reads 'reply', which Row does not declare. Did you mean 'replies'?"),
        ({"answers": "{{ replies }}"}, "Mine.each: 'answers' is a column of Row"),
        ({"reply": "{{ replies | good_ones }}"}, "Mine.each: '{{ replies | good_ones }}' uses no filter 'good_ones'"),
    ],
)
def test_each_is_one_name_and_one_expression_over_columns(each, message):
    sample = Supervised(prompt="q", completion="{{ answers | first }}")
    if isinstance(each, dict) and message.startswith("Mine.each: '{{"):
        with pytest.raises(DefinitionError, match="uses no filter 'good_ones'"):
            judged(supervised=sample, each=each)
        return
    assert refusal(Row=Judged, supervised=sample, each=each).startswith(message)


def test_the_name_of_each_is_read_in_any_sample_and_is_part_of_the_declaration():
    each = {"reply": "{{ replies }}"}
    sample = Supervised(prompt="{{ reply.q }}", completion="{{ reply.a }}")
    template = judged(supervised=sample, each=each)
    row = {"replies": [{"q": "1", "a": "2"}, {"q": "3", "a": "4"}]}
    texts = [
        (one.prompt[0]["content"], one.completion[0]["content"])
        for one in template.extract_all(row, "supervised").samples
    ]
    assert texts == [("1", "2"), ("3", "4")]
    assert template.columns("supervised") == template.columns("prompt_only") == ["replies"]
    assert template.parts.declaration.each == (("reply", "{{ replies }}"),)
    assert "reads 'reply', which Row does not declare" in refusal(Row=Judged, supervised=sample)
    assert judged(supervised=ANSWER, each={}, Row=Row) == declared(supervised=ANSWER)


@pytest.mark.parametrize("ties", ["dropped", "", None, True, ["drop"]], ids=repr)
def test_a_policy_for_ties_is_one_of_three_words(ties):
    assert refusal(preference=PAIR, ties=ties).startswith("ties is one of drop, half, keep; got ")
    with pytest.raises(DefinitionError, match="ties is one of drop, half, keep"):
        declared(preference=PAIR).with_ties(ties)


def test_a_class_says_its_policy_for_ties_and_a_subclass_inherits_it():
    class Kept(Template):
        Row = Row
        preference = PAIR
        ties = "keep"

    class Child(Kept):
        pass

    assert [made().parts.ties for made in (Kept, Child)] == ["keep", "keep"]
    assert declared(preference=PAIR).parts.ties == "drop"
    assert Kept() == declared(preference=PAIR).with_ties("keep") != declared(preference=PAIR)


def test_every_format_is_declared_by_its_own_class_and_the_prompt_alone_comes_with_it():
    samples = {
        "unpaired": Unpaired(prompt="q", completion="{{ answers | first }}", label="{{ good }}"),
        "ranked": RANKED,
        "scored": Scored(prompt="q", completion="{{ answers | first }}", score="{{ sure }}"),
        "stepwise": Stepwise(prompt="q", completions="{{ answers }}", labels="{{ [good] * (answers | length) }}"),
    }
    assert judged(**samples).formats == ("prompt_only", "unpaired", "ranked", "scored", "stepwise")
    assert judged(**samples).derived_formats == ("preference", "supervised")
    for format, sample in samples.items():
        row = {"answers": ["a", "b"], "scores": [1.0, 2.0], "sure": 0.5, "good": True}
        template = judged(**{format: sample})
        assert template.formats == ("prompt_only", format)
        assert type(template.extract(row, format)) is type(sample)

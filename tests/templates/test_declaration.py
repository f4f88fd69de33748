"""A template's class statement is read as plain data, and what is wrong with it is said when it is defined."""

import pytest
from declarations import ANSWER, CELLS, PAIR, Row, declare, refusal

from preftemplates import (
    Preference,
    PromptOnly,
    RowModel,
    Supervised,
    Template,
    get_template,
    messages,
    register_filter,
    register_template,
)
from preftemplates.errors import DefinitionError, RowError, UnknownNameError
from preftemplates.templates.declaration import Declaration

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
    assert declare(**parts).formats == formats


@pytest.mark.parametrize(
    ("format", "columns"),
    [
        ("preference", ["question", "good", "bad"]),
        ("supervised", ["question", "good"]),
        ("prompt_only", ["question"]),
    ],
)
def test_the_columns_of_a_format_are_the_names_that_its_expressions_read_in_the_row_s_order(format, columns):
    assert declare(preference=PAIR, supervised=ANSWER).columns(format) == columns


def test_each_format_asks_only_for_what_it_reads():
    template = declare(preference=PAIR, supervised=ANSWER)
    for format in template.formats:
        asked = {column: CELLS[column] for column in template.columns(format)}
        template.format(asked, format)
        for column in asked:
            with pytest.raises(RowError, match=f"column '{column}': missing"):
                template.format({key: cell for key, cell in asked.items() if key != column}, format)


def test_prompts_that_differ_need_one_line_that_says_which_is_the_prompt_alone():
    other = Supervised(prompt="Q: {{ question }}", completion="{{ good }}")
    assert refusal(preference=PAIR, supervised=other) == (
        "Mine: preference and supervised declare different prompts; declare which one prompt_only has:"
        " prompt_only = PromptOnly(prompt=...)"
    )
    template = declare(preference=PAIR, supervised=other, prompt_only=PromptOnly(prompt="Only {{ question }}"))
    prompts = {format: template.extract(CELLS, format).prompt[0]["content"] for format in template.formats}
    assert prompts == {"prompt_only": "Only q", "supervised": "Q: q", "preference": "q"}


def test_an_optional_turn_is_messages_that_may_be_none():
    @register_filter
    def as_system(text):
        return [{"role": "system", "content": text}] if text else []

    template = declare(
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

    template = declare(Row=More, prompt_only=PromptOnly(prompt="{{ extra }} {{ question }}"))
    assert template.columns("prompt_only") == ["question", "extra"]


def test_a_declaration_is_plain_data_whose_repr_is_its_value():
    declaration = declare(preference=PAIR).parts.declaration
    names = {kind.__name__: kind for kind in [Declaration, *map(type, declaration.samples)]}
    turn = type(declaration.samples[0].turns[0][1][0])
    assert eval(repr(declaration), {**names, turn.__name__: turn}) == declaration


def test_an_expression_that_reads_an_alias_uses_the_python_name_and_columns_tell_the_row_s_own():
    from pydantic import Field

    class Aliased(RowModel):
        score_a: str = Field(alias="score-A")

    template = declare(Row=Aliased, prompt_only=PromptOnly(prompt="{{ score_a }}"), example={"score-A": "x"})
    assert template.columns("prompt_only") == ["score-A"]
    assert template.with_style("plain").with_dialect("text").format({"score-A": "x"}, "prompt_only") == {"prompt": "x"}


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
            "Mine.preference.chosen: '{{ good | human_asistant_turns }}' uses an unknown filter"
            " 'human_asistant_turns'. Did you mean 'human_assistant_turns'?",
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
        ({"helper": lambda _: None}, "Mine.helper: a template has no such part."),
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


def test_a_class_cannot_declare_samples_and_have_methods_of_its_own():
    with pytest.raises(DefinitionError, match="do only one of the two"):
        declare(preference=PAIR, check_equal=lambda *_: False)


def test_a_format_that_is_not_declared_is_answered_with_those_that_are():
    template = declare(preference=PAIR)
    with pytest.raises(UnknownNameError, match=r"'stepwise'; it has prompt_only, preference, supervised,"):
        template.columns("stepwise")
    with pytest.raises(UnknownNameError, match=r"Did you mean 'preference'\?"):
        template.format(CELLS, "prefrence")


# --- fields --------------------------------------------------------------------------------------------------------


class Plain(RowModel):
    q: str
    best: str
    worst: str


@pytest.mark.parametrize(
    ("part", "source", "said"),
    [
        ("chosen", "best", "chosen is the text 'best'; to read the column, write '{{ best }}'"),
        ("rejected", "worst", "rejected is the text 'worst'; to read the column, write '{{ worst }}'"),
        ("prompt", " q ", "prompt is the text 'q'; to read the column, write '{{ q }}'"),
        ("chosen", [{"role": "assistant", "content": "best"}], "chosen is the text 'best'; to read the column,"),
    ],
)
def test_a_field_without_its_braces_is_refused(part, source, said):
    fine = {"prompt": "{{ q }}", "chosen": "{{ best }}", "rejected": "{{ worst }}"}
    assert refusal(Row=Plain, preference=Preference(**{**fine, part: source})).startswith(f"Mine.preference.{said}")
    declare(Row=Plain, preference=Preference(**fine))


def test_answers_none_of_which_depends_on_the_row_are_refused():
    said = refusal(Row=Plain, preference=Preference(prompt="{{ q }}", chosen="Yes.", rejected="No."))
    assert said == "Mine.preference.chosen reads no column"
    declare(Row=Plain, preference=Preference(prompt="{{ q }}", chosen="{{ best }}", rejected="No idea."))


class Tree(RowModel):
    text: str
    replies: list["Tree"]


def test_a_row_that_holds_itself_is_refused():
    said = refusal(Row=Tree, supervised=Supervised(prompt="q", completion="{{ text }}"))
    assert said == "Mine.Row contains itself; declare such a column as dict[str, Any]"


def test_a_prompt_may_be_the_same_in_every_row():
    template = declare(Row=Plain, supervised=Supervised(prompt="Tell me more.", completion="{{ best }}"))
    assert template.extract({"q": "", "best": "b", "worst": ""}, "prompt_only").prompt[0]["content"] == "Tell me more."

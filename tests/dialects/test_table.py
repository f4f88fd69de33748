"""Tables of keys: what they may hold, how it is filled, and what is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import DIALECT_NAMES

from preftemplates import (
    Dialect,
    Preference,
    PromptOnly,
    Ranked,
    RowModel,
    Stepwise,
    Style,
    Supervised,
    Template,
    fixed,
    get_dialect,
    with_default,
)
from preftemplates.core.samples import SAMPLE_TYPES
from preftemplates.data.arrow import build_output_schema
from preftemplates.dialects.message_views import MESSAGE_VIEWS
from preftemplates.dialects.table import (
    DefaultedField,
    FixedValue,
    ListShape,
    ObjectShape,
    PerResponseShape,
    SampleField,
    iter_sample_fields,
    read_shape,
    select_parts,
    spell_shape,
)
from preftemplates.errors import Code, DefinitionError, RowError, StyleContractError


def declare_dialect(**tables):
    return type("Mine", (Dialect,), {"__module__": __name__, **tables})()


class Pairs(Template):
    class Row(RowModel):
        q: str
        a: str
        b: str

    preference = Preference(prompt="{{ q }}", chosen="{{ a }}", rejected="{{ b }}")


class Margins(Template):
    class Row(RowModel):
        q: str
        a: str
        b: str
        by: float | None = None

    preference = Preference(prompt="{{ q }}", chosen="{{ a }}", rejected="{{ b }}", margin="{{ by }}")


class Rated(Template):
    class Row(RowModel):
        q: str
        answers: list[str]
        scores: list[float]

    ranked = Ranked(
        prompt="{{ q }}", completions="{{ answers }}", ranks="{{ scores | ranks }}", scores="{{ scores }}"
    )  # fmt: skip


class Steps(Template):
    class Row(RowModel):
        q: str
        steps: list[str]
        right: list[bool]

    stepwise = Stepwise(prompt="{{ q }}", completions="{{ steps }}", labels="{{ right }}")


PAIR = {"q": "q", "a": "a", "b": "b", "by": 2.0}
RATED = {"q": "q", "answers": ["a", "b"], "scores": [1, 2]}
PROMPT = "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n"
END = "<|im_end|>\n"


def say(text, role="assistant"):
    return {"role": role, "content": text}


# --- what a table says ---------------------------------------------------------------------------------------------


@st.composite
def tables(draw, format):
    """Tables of a format, nested, with views, labels and fixed values."""
    prompts = [f"prompt.{view}" for view in MESSAGE_VIEWS] + ["prompt"]
    answers = [
        f"{with_prompt}{name}{view}"
        for name in format.response_names
        for with_prompt in ("", "prompt+")
        for view in ("", ".messages", ".content")
    ]
    labels = [name + end for name in (*format.label_types, "tools") for end in ("", "?")]
    leaf = st.sampled_from(prompts + answers + labels) | st.sampled_from([1, "x", None, True]).map(fixed)
    keys = st.text(max_size=3)
    inner = st.recursive(
        leaf,
        lambda deeper: (
            st.lists(deeper, min_size=1, max_size=3) | st.dictionaries(keys, deeper, min_size=1, max_size=3)
        ),
        max_leaves=6,
    )
    return draw(st.dictionaries(keys, inner, min_size=1, max_size=3))


@pytest.mark.parametrize("format", SAMPLE_TYPES.registered().values(), ids=SAMPLE_TYPES.registered())
@given(st.data())
def test_a_table_is_what_its_shape_spells(format, data):
    table = data.draw(tables(format))
    shape = read_shape("", table, format)
    spelled = spell_shape(shape)
    assert read_shape("", write_with_fixed(spelled, shape), format) == shape
    assert hash(shape) == hash(read_shape("", table, format))
    assert list(spelled) == list(table)


def write_with_fixed(spelled, shape):
    """A spelled table as one writes it: its fixed values by `fixed`."""
    if isinstance(shape, FixedValue):
        return fixed(shape.value)
    if isinstance(shape, DefaultedField):
        return with_default(spelled["label"], spelled["default"])
    if isinstance(shape, ObjectShape):
        return {key: write_with_fixed(spelled[key], inner) for key, inner in shape.fields}
    if isinstance(shape, ListShape | PerResponseShape):
        inner = shape.shapes if isinstance(shape, ListShape) else [shape.shape]
        return [write_with_fixed(item, shape) for item, shape in zip(spelled, inner, strict=True)]
    return spelled


@pytest.mark.parametrize("name", DIALECT_NAMES)
def test_the_tables_of_every_dialect_are_read_back_from_what_they_spell(name):
    dialect = get_dialect(name)
    for format in dialect.formats:
        sample_type = SAMPLE_TYPES.get(format)
        shape = dialect.shape(format, [*sample_type.prompt_parts, *sample_type.label_types])
        assert read_shape("", write_with_fixed(spell_shape(shape), shape), sample_type) == shape


@pytest.mark.parametrize(
    ("format", "entry", "says"),
    [
        ("preference", "chosn", "'a' is 'chosn', which preference does not have. Did you mean 'chosen'?"),
        ("preference", "completion", "'a' is 'completion', which preference does not have."),
        ("preference", "prompt+margin", "'a' is 'prompt+margin', which preference does not have."),
        ("preference", "prompt+prompt", "'a' is 'prompt+prompt', which preference does not have."),
        ("preference", "chosen+rejected", "'a' is 'chosen+rejected', which preference does not have."),
        ("preference", "margin.content", "'a' is 'margin.content', which preference does not have."),
        ("preference", "chosen?", "'a' is 'chosen?', which preference does not have."),
        ("preference", "prompt?", "'a' is 'prompt?', which preference does not have."),
        ("preference", "margin??", "'a' is 'margin??', which preference does not have."),
        ("preference", "chosen.", "'a' is 'chosen.', which preference does not have."),
        ("preference", " chosen", "'a' is ' chosen', which preference does not have. Did you mean 'chosen'?"),
        ("preference", "completions[0]", "'a' is 'completions[0]', which preference does not have."),
        ("ranked", "completions[0]", "'a' is 'completions[0]', which ranked does not have."),
        ("prompt_only", "prompt.mesages", "'a' is 'prompt.mesages'; there is no view 'mesages'. Did you mean"),
        ("prompt_only", "prompt.prompt", "'a' is 'prompt.prompt'; there is no view 'prompt'."),
        ("preference", 5, "'a': expected a text, a table or a list, got 5"),
        ("preference", None, "'a': expected a text, a table or a list, got None"),
        ("preference", {}, "'a': expected a text, a table or a list, got {}"),
        ("preference", [], "'a': expected a text, a table or a list, got []"),
        ("preference", {5: "chosen"}, "'a': expected a text, a table or a list, got {5: 'chosen'}"),
        ("preference", ("chosen", "rejected"), "'a': expected a text, a table or a list, got ('chosen', 'rejected')"),
        ("preference", {"b": {"c": "chosn"}}, "'c' is 'chosn', which preference does not have."),
        ("preference", ["chosen", {"b": None}], "'b': expected a text, a table or a list, got None"),
        ("ranked", [["chosen"]], "'a' is 'chosen', which ranked does not have."),
    ],
)  # fmt: skip
def test_an_entry_that_the_format_has_not_is_refused_with_its_key(format, entry, says):
    with pytest.raises(DefinitionError) as caught:
        read_shape("a", entry, SAMPLE_TYPES.get(format))
    assert str(caught.value).startswith(says)
    with pytest.raises(DefinitionError) as caught:
        declare_dialect(**{format: {"good": "prompt", "a": entry}})
    assert str(caught.value).startswith(f"Mine.{format}: {says}")


def test_a_list_of_one_is_for_each_response_only_where_there_are_several_and_only_once():
    field = SampleField("completions", view="content")
    ranked, pair = SAMPLE_TYPES.get("ranked"), SAMPLE_TYPES.get("preference")
    assert read_shape("a", ["completions.content"], ranked) == PerResponseShape(field)
    assert read_shape("a", [["completions.content"]], ranked) == PerResponseShape(ListShape((field,)))
    assert read_shape("a", ["completions.content", "prompt"], ranked) == ListShape((field, SampleField("prompt")))
    assert read_shape("a", ["chosen.content"], pair) == ListShape((SampleField("chosen", view="content"),))


# --- what is filled ------------------------------------------------------------------------------------------------


def test_a_table_may_hold_tables_lists_and_fixed_values():
    table = {
        "about": {"origin": fixed("here"), "version": fixed(2), "none": fixed(None)},
        "answers": [{"text": "chosen", "good": fixed(True)}, {"text": "rejected.content", "good": fixed(False)}],
        "ask": {"deep": {"deeper": ["prompt.content"]}},
    }
    template = Pairs().with_dialect(declare_dialect(preference=table))
    assert template.format(PAIR, "preference") == {
        "about": {"origin": "here", "version": 2, "none": None},
        "answers": [{"text": f"a{END}", "good": True}, {"text": "b", "good": False}],
        "ask": {"deep": {"deeper": ["q"]}},
    }


def test_results_share_no_list_and_no_table():
    template = Pairs().with_dialect(declare_dialect(preference={"a": {"b": [{"c": "chosen.messages"}]}}))
    changed, result = (template.format(PAIR, "preference") for _ in range(2))
    changed["a"]["b"][0]["c"].append("x")
    changed["a"]["b"].append("y")
    assert result == template.format(PAIR, "preference") == {"a": {"b": [{"c": [say("a")]}]}}


def test_of_several_responses_a_table_has_a_list_or_an_entry_for_each():
    table = {
        "texts": "completions",
        "wholes": "prompt+completions",
        "talks": "completions.messages",
        "whole talks": "prompt+completions.messages",
        "ranks": "ranks",
        "each": [{"text": "completions.content", "rank": "ranks", "score": "scores?", "of": "prompt.content"}],
        "plain": ["completions.content"],
    }
    result = Rated().with_dialect(declare_dialect(ranked=table)).format(RATED, "ranked")
    assert result == {
        "texts": [f"a{END}", f"b{END}"],
        "wholes": [f"{PROMPT}a{END}", f"{PROMPT}b{END}"],
        "talks": [[say("a")], [say("b")]],
        "whole talks": [[say("q", "user"), say("a")], [say("q", "user"), say("b")]],
        "ranks": [1.0, 0.0],
        "each": [
            {"text": "a", "rank": 1.0, "score": 1.0, "of": "q"}, {"text": "b", "rank": 0.0, "score": 2.0, "of": "q"},
        ],
        "plain": ["a", "b"],
    }  # fmt: skip


@given(st.lists(st.tuples(st.text("ab\n", max_size=4), st.booleans()), min_size=1, max_size=5))
def test_an_entry_for_each_piece_holds_its_own_text_and_its_label(drawn):
    steps, right = [step for step, _ in drawn], [label for _, label in drawn]
    table = {"each": [{"own": "completions", "right": "labels"}], "all": "completions", "labels": "labels"}
    row = {"q": "q", "steps": steps, "right": right}
    result = Steps().with_dialect(declare_dialect(stepwise=table)).format(row, "stepwise")
    assert [entry["own"] for entry in result["each"]] == result["all"]
    assert [entry["right"] for entry in result["each"]] == result["labels"] == right
    assert "".join(result["all"]) == "".join(steps) + END


def test_a_piece_in_a_style_that_rewrites_the_prompt_has_no_text_of_its_own():
    rewrites = Style.from_chat_template(
        "{% for m in messages %}{{ m.content if loop.last else '[' + m.content + ']' }}{% endfor %}"
    )
    template = Steps().with_style(rewrites).with_dialect(declare_dialect(stepwise={"own": "completions"}))
    with pytest.raises(StyleContractError, match=r"the text of completions\[0\] does not begin with the prompt's"):
        template.format({"q": "q", "steps": ["a", "b"], "right": [True, True]}, "stepwise")


# --- labels that may be left out -----------------------------------------------------------------------------------


LABELLED = {
    "text": "chosen.content",
    "by": "margin?",
    "more": {"by": "margin?", "sure": "probability?"},
    "list": [{"text": "rejected.content", "by": "margin?"}, "chosen.content"],
    "alone": ["margin?"],
    "deep": {"deeper": [{"by": "margin?"}]},
}


def test_an_optional_label_is_left_out_wherever_it_stands_and_with_it_what_held_nothing_else():
    dialect = declare_dialect(preference=LABELLED)
    assert Margins().with_dialect(dialect).format(PAIR, "preference") == {
        "text": "a", "by": 2.0, "more": {"by": 2.0}, "list": [{"text": "b", "by": 2.0}, "a"], "alone": [2.0],
        "deep": {"deeper": [{"by": 2.0}]},
    }  # fmt: skip
    assert Pairs().with_dialect(dialect).format(PAIR, "preference") == {"text": "a", "list": [{"text": "b"}, "a"]}
    assert dialect.keys("preference") == ("text", "list")
    assert dialect.keys("preference", ["margin"]) == tuple(LABELLED)


def test_what_a_schema_says_is_what_is_left():
    table = {"text": "chosen.content", "more": {"by": "margin?"}, "list": [{"t": "chosen.content", "by": "margin?"}]}
    dialect = declare_dialect(preference=table)
    for template in (Pairs(), Margins(), Margins().with_parts(["margin"])):
        result = template.with_dialect(dialect).format(PAIR, "preference")
        columns = PAIR if template == Margins() else ()
        schema = build_output_schema(template.with_dialect(dialect).with_columns(columns), "preference")
        assert schema.names == list(result)
        fields = [field.name for field in schema.field("list").type.value_type]
        assert fields == list(result["list"][0])


def test_an_optional_label_within_each_response_is_left_out_too():
    class Ranks(Template):
        class Row(RowModel):
            answers: list[str]

        ranked = Ranked(prompt="q", completions="{{ answers }}", ranks="{{ answers | places }}")

    table = {"each": [{"text": "completions.content", "score": "scores?"}], "scores": ["scores?"]}
    result = Ranks().with_dialect(declare_dialect(ranked=table)).format({"answers": ["a", "b"]}, "ranked")
    assert result == {"each": [{"text": "a"}, {"text": "b"}]}


@pytest.mark.parametrize("table", [{"by": "margin"}, {"more": {"by": ["margin"]}}], ids=str)
def test_a_label_that_must_be_there_and_is_not_is_an_error_of_the_row(table):
    template = Pairs().with_dialect(declare_dialect(preference=table))
    with pytest.raises(RowError, match="the sample has no margin") as caught:
        template.format(PAIR, "preference")
    assert caught.value.code is Code.MISSING_FIELD
    assert Margins().with_dialect(declare_dialect(preference=table)).format(PAIR, "preference")


def test_a_label_that_rows_need_not_have_has_a_key_where_the_row_or_the_table_has_it():
    template, bare = Margins(), {**PAIR, "by": None}
    assert template.format(PAIR, "preference")["margin"] == 2.0
    assert "margin" not in template.format(bare, "preference")
    for keyed in (template.with_columns(PAIR), template.with_parts(["margin"])):
        assert keyed.format(bare, "preference")["margin"] is None
        assert keyed.format(PAIR, "preference")["margin"] == 2.0


def test_a_row_without_a_label_that_every_row_must_have_is_an_error_and_not_another_schema():
    class Needed(Template):
        class Row(RowModel):
            q: str
            a: str
            b: str
            by: float | None

        preference = Preference(prompt="{{ q }}", chosen="{{ a }}", rejected="{{ b }}", margin="{{ by }}")

    assert Needed().format(PAIR, "preference")["margin"] == 2.0
    with pytest.raises(RowError, match="the sample has no margin") as caught:
        Needed().format({**PAIR, "by": None}, "preference")
    assert caught.value.code is Code.MISSING_FIELD


@pytest.mark.parametrize("format", SAMPLE_TYPES.registered().values(), ids=SAMPLE_TYPES.registered())
@given(st.data())
def test_what_is_left_of_a_table_asks_for_no_label_that_is_not_there(format, data):
    shape = read_shape("", data.draw(tables(format)), format)
    parts = (*format.label_types, "tools")
    labels = data.draw(st.sets(st.sampled_from(parts)))
    left = select_parts(shape, labels)
    expected = [field for field in iter_sample_fields(shape) if not field.optional or field.name in labels]
    assert list(iter_sample_fields(left)) == expected
    assert select_parts(left, labels) == left
    assert select_parts(shape, parts) == shape
    assert not any(inner == ObjectShape(()) for inner in iter_inner_shapes(left))


def iter_inner_shapes(shape):
    """The shapes inside a shape."""
    shapes = shape.shapes if isinstance(shape, ListShape) else []
    shapes = [shape.shape] if isinstance(shape, PerResponseShape) else shapes
    for inner in [field for _, field in shape.fields] if isinstance(shape, ObjectShape) else shapes:
        yield inner
        yield from iter_inner_shapes(inner)


# --- what is asked of a style --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "needed"),
    [
        ("prompt", True), ("prompt.messages", False), ("prompt.content", False), (fixed("x"), False),
        ({"a": ["prompt.messages", {"b": "prompt"}]}, True), ({"a": [{"b": fixed(1)}]}, False),
    ],
    ids=str,
)  # fmt: skip
def test_a_text_in_a_style_is_made_only_where_a_table_asks_for_one(entry, needed):
    dialect = declare_dialect(prompt_only={"key": entry})
    assert dialect.needs_text("prompt_only") is needed

    class Asked(Template):
        class Row(RowModel):
            q: str

        prompt_only = PromptOnly(prompt="{{ q }}")
        supervised = Supervised(prompt="{{ q }}", completion="{{ q }}")

    (formatted,) = Asked().with_dialect(dialect).formatted({"q": "q"}, "prompt_only").samples
    assert (formatted.texts is not None) is needed


def test_a_label_is_no_text_and_json_holds_every_result():
    dialect = declare_dialect(ranked={"ranks": "ranks", "each": [{"rank": "ranks"}]})
    assert not dialect.needs_text("ranked")
    result = Rated().with_dialect(dialect).format(RATED, "ranked")
    assert json.loads(json.dumps(result)) == result == {"ranks": [1.0, 0.0], "each": [{"rank": 1.0}, {"rank": 0.0}]}

"""A style is declared as a class, found by its name, and frozen."""

import pickle
import sys
from dataclasses import fields, replace

import pytest
from hypothesis import given
from jinja2.exceptions import TemplateError
from support import STYLE_NAMES, conversations, in_new_process, transformers_text

from preftemplates import Style, get_style, register_style
from preftemplates.errors import Code, DefinitionError, RowError, StyleContractError, StyleSyntaxError
from preftemplates.styles.lint.compare import Agreement, compare_styles

ANSWER = "A:{{ content }}"


def declared(**parts):
    return type("Mine", (Style,), {"__module__": __name__, **parts})()


@given(conversations("user", "assistant"))
def test_a_style_renders_any_iterable_of_messages_and_writes_to_none(messages):
    before = [dict(message) for message in messages]
    style = get_style("chatml")
    assert style.render(iter(messages)).text == style.render(tuple(messages)).text == style.render(messages).text
    assert messages == before


def test_keys_that_arrow_filled_with_none_count_as_absent():
    padded = {"role": "assistant", "content": "x", "tool_calls": None, "images": None, "name": None}
    for name in STYLE_NAMES:
        bare = get_style(name).render([HELLO[0], {"role": "assistant", "content": "x"}])
        assert get_style(name).render([HELLO[0], padded]).text == bare.text


@pytest.mark.parametrize("style", ["chatml", "llama3"])
@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Hi", Code.WRONG_TYPE),
        ({"content": "Hi"}, Code.BAD_ROLE),
        ({"role": 5, "content": "Hi"}, Code.BAD_ROLE),
        ({"role": "user", "content": 5}, Code.WRONG_TYPE),
        ({"role": "user", "content": None}, Code.MISSING_FIELD),
    ],
    ids=str,
)
def test_what_is_no_message_is_refused_with_its_place(style, message, code):
    with pytest.raises(RowError, match="message 1") as caught:
        get_style(style).render([{"role": "user", "content": "Hi"}, message])
    assert caught.value.code == code


def test_a_style_may_declare_further_roles():
    style = declared(assistant=ANSWER, user="U:{{ content }}", roles={"observation": "O:{{ content }}"})
    assert set(style.accepted_roles) == {"user", "assistant", "observation"}
    assert style.render([{"role": "observation", "content": "x"}]).text == "O:x"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"user": "U:{{ content }}"}, "style Mine: a style needs a role template for the role assistant"),
        ({}, "style Mine: a style needs a role template for the role assistant"),
        ({"assistant": "A:"}, "style Mine: assistant: a role template must be text with {{ content }} in it once"),
        (
            {"assistant": ANSWER, "user": "{{ bos_token }}{{ content }}"},
            "style Mine: user: a role template may have no Jinja except",
        ),
        ({"assistant": ANSWER, "stop": "<end>"}, "style Mine: the stop '<end>' does not follow the content"),
        (
            {"assistant": ANSWER, "assitant": ANSWER},
            "Mine.assitant: a style has no such part. Did you mean 'assistant'?",
        ),
        ({"assistant": ANSWER, "helper": lambda: None}, "Mine.helper: a style has no such part."),
        ({"assistant": ANSWER, "chat_template": "x"}, "style Mine: 'assistant' cannot be declared with chat_template"),
        ({"chat_template": "x", "stop": "<end>"}, "style Mine: 'stop' cannot be declared with chat_template"),
        ({"chat_template": "x", "closing": "</s>"}, "style Mine: 'closing' cannot be declared with chat_template"),
        ({"chat_template": "x", "opening": "<s>"}, "style Mine: 'opening' cannot be declared with chat_template"),
    ],
)
def test_a_style_that_is_declared_wrongly_is_refused_with_its_name_and_part(parts, message):
    with pytest.raises(DefinitionError) as caught:
        declared(**parts)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "parts",
    [
        {"opening": 5}, {"opening": "{{ bos_token }}"}, {"closing": 5},
        {"closing": "{% if x %}"}, {"stop": None}, {"stop": 5}, {"roles": ["x"]},
        {"roles": {"x": 5}}, {"roles": {5: ANSWER}}, {"roles": {"user": "1{{ content }}"}, "user": "2{{ content }}"},
        {"chat_template": 5}, {"chat_template": None}, {"chat_template": "x", "defaults": [1]},
        {"chat_template": "x", "bos_token": 5}, {"chat_template": "x", "eos_token": ["</s>"]}, {"bos_token": "<s>"},
        {"eos_token": "</s>"}, {"defaults": {"a": 1}}, {"accepted_roles": ["assistant"]},
        {"chat_template": "x", "accepted_roles": "assistant"}, {"chat_template": "x", "accepted_roles": None},
        {"chat_template": "x", "accepted_roles": ["user"]}, {"chat_template": "x", "accepted_roles": []},
        {"chat_template": "x", "accepted_roles": ["assistant", 5]}, {"chat_template": "x", "roles": ["assistant"]},
    ],
    ids=str,
)  # fmt: skip
def test_a_part_of_the_wrong_type_or_that_would_be_ignored_is_refused(parts):
    with pytest.raises(DefinitionError):
        declared(**({} if "chat_template" in parts else {"assistant": ANSWER}), **parts)


def test_a_chat_template_that_does_not_parse_is_refused_when_the_class_is_defined():
    with pytest.raises(StyleSyntaxError):
        declared(chat_template="{% if %}")


LOADING = """
import sys
import preftemplates
from preftemplates.styles.environment import compile_template
loaded = [name for name in sys.modules if name.startswith("preftemplates.styles.bundled.")]
found, compiled_then = preftemplates.list_styles(), compile_template.cache_info().currsize
preftemplates.get_style("gemma").render([{"role": "user", "content": "Hi"}])
answer = [loaded, found, compiled_then, compile_template.cache_info().currsize]
"""


def test_no_bundled_style_is_read_before_one_is_asked_for_nor_compiled_before_it_renders():
    assert in_new_process(LOADING) == [[], STYLE_NAMES, 0, 1]


def test_a_subclass_of_a_style_has_what_its_parent_declares_unless_it_says_otherwise():
    parent = type(
        "Parent",
        (Style,),
        {"__module__": __name__, "user": "U{{ content }}", "assistant": "A{{ content }}.", "stop": "."},
    )
    child = type("Child", (parent,), {"__module__": __name__, "user": "V{{ content }}"})()
    talk = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    assert child.render(talk).text == "VxAy."
    assert child.stop == "."


def test_a_registered_style_is_found_and_knows_its_name_and_a_style_is_returned_as_it_is():
    @register_style("mine")
    class Mine(Style):
        assistant = ANSWER

    assert get_style("mine").name == "mine"
    assert get_style("mine") == Mine()
    style = Style.from_chat_template("x")
    assert get_style(style) is style


@pytest.mark.parametrize("name", ["chatml", "zephyr", "llama3"])
def test_an_exported_style_reads_back_as_the_same_layout_in_text_and_content(name):
    style = get_style(name)
    again = Style.from_chat_template(style.chat_template)
    talk = [{"role": role, "content": role * 2} for role in ("system", "user", "assistant", "user")]
    for generate in (False, True):
        before, after = (which.render(talk, add_generation_prompt=generate) for which in (style, again))
        assert before.text == after.text
        assert before.mask("content", role="assistant") == after.mask("content", role="assistant")
        assert before.mask("stop") == after.mask("stop")
    assert again.stop == style.stop


def test_an_error_names_the_style_that_refused():
    for name in STYLE_NAMES:
        with pytest.raises(RowError) as caught:
            get_style(name).render([{"role": "narrator", "content": "x"}])
        assert (caught.value.code, caught.value.style, caught.value.value) == (Code.BAD_ROLE, name, "narrator")


# --- the roles of a chat template ----------------------------------------------------------------------------------

TURNS = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}"
FEW = ["user", "assistant", "observation"]


def few(**more):
    return declared(chat_template=TURNS, accepted_roles=FEW, **more)


def variants_of(style):
    """The style on each way that a style goes, with what it writes around its turns."""
    yield style, "", ""
    yield pickle.loads(pickle.dumps(style)), "", ""
    yield Style.from_chat_template(style.chat_template), "", ""
    yield style.with_reasoning("drop"), "", ""
    yield style.with_special_tokens("[CLS]", "[SEP]"), "[CLS]", "[SEP]"
    yield Style.from_chat_template(style.with_special_tokens("[CLS]", "[SEP]").chat_template), "[CLS]", "[SEP]"
    if sys.platform != "win32":
        yield Style.of(replace(style.layout, isolate=True)), "", ""


def test_a_chat_template_has_the_roles_that_its_class_declares_on_every_way():
    for style, before, after in variants_of(few()):
        assert style.accepted_roles == ("user", "assistant", "observation")
        assert style.render([{"role": "observation", "content": "x"}]).text == f"{before}<observation>x</s>{after}"
        with pytest.raises(RowError, match=r"message 1: expected one of the roles user, .*; got 'systm'") as caught:
            style.render([*HELLO[:1], {"role": "systm", "content": "x"}])
        assert (caught.value.code, caught.value.value) == (Code.BAD_ROLE, "systm")
        with pytest.raises(RowError) as caught:
            style.render([{"role": "system", "content": "x"}])
        assert caught.value.code == Code.BAD_ROLE


def test_without_declared_roles_a_chat_template_has_all_five():
    every = ("system", "developer", "user", "assistant", "tool")
    for style in (declared(chat_template=TURNS), Style.from_chat_template(TURNS)):
        assert style.accepted_roles == every
        assert style.chat_template.endswith(TURNS)
        assert "raise_exception" not in style.chat_template
    assert declared(chat_template=TURNS, accepted_roles=every) == Style.from_chat_template(TURNS)


def test_two_styles_that_differ_in_their_roles_differ_and_no_role_counts_twice():
    styles = [few(), declared(chat_template=TURNS), declared(chat_template=TURNS, accepted_roles=FEW[:2])]
    assert len({*styles}) == len({style.digest for style in styles}) == 3
    assert few() == few()
    assert declared(chat_template=TURNS, accepted_roles=[*FEW, "user"]) == few()


@pytest.mark.parametrize("reasoning", ["keep", "drop"])
def test_an_export_of_declared_roles_refuses_the_others_in_transformers_too(reasoning):
    style = few(reasoning=reasoning)
    exported = style.chat_template
    messages = [*HELLO, {"role": "observation", "content": "it's"}]
    assert transformers_text(exported, messages) == style.render(messages).text
    for edited in (exported, "{#- edited -#}" + exported):
        for role in ("system", "developer", "tool", "User", "it's"):
            with pytest.raises(TemplateError) as caught:
                transformers_text(edited, [*messages, {"role": role, "content": "x"}])
            assert str(caught.value) == f"this layout has no turn for the role {role}"
        with pytest.raises(RowError):
            Style.from_chat_template(edited).render([{"role": "system", "content": "x"}])


def test_a_role_that_is_declared_to_be_absent_is_no_finding_and_differs_from_one_that_is_written():
    refusing = "{% for m in messages if m.role == 'system' or m.tool_calls %}{{ raise_exception('no') }}{% endfor %}"
    silent = declared(chat_template=refusing + TURNS, accepted_roles=FEW, eos_token="</s>")
    codes = {str(finding.code) for finding in silent.findings}
    assert not [code for code in codes if code.startswith("refuses_")]
    undeclared = declared(chat_template=refusing + TURNS, eos_token="</s>")
    undeclared_codes = {str(finding.code) for finding in undeclared.findings}
    assert {"refuses_role", "refuses_tool_calls"} == undeclared_codes - codes
    differences = {difference.name: difference for difference in compare_styles(few(), declared(chat_template=TURNS))}
    assert differences["a system message"].verdict == Agreement.ONLY_B
    assert "expected one of the roles user" in differences["a system message"].reason_a
    assert differences["one turn"].verdict == Agreement.EQUAL


def test_roles_stand_beside_a_chat_template_under_their_own_name():
    with pytest.raises(
        DefinitionError, match="'roles' holds role templates; declare the roles of a chat_template as accepted"
    ):
        declared(chat_template="x", roles={"observation": ANSWER})


# --- special tokens ------------------------------------------------------------------------------------------------

HELLO = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


def test_a_closing_ends_a_text_unless_that_is_a_generation_prompt():
    style = declared(user="U:{{ content }}", assistant=ANSWER, opening="<s>", closing="</s>")
    assert style.render(HELLO).text == "<s>U:HiA:Hello</s>"
    assert style.render(HELLO[:1]).text == "<s>U:Hi</s>"
    assert style.render(HELLO[:1], add_generation_prompt=True).text == "<s>U:HiA:"


@pytest.mark.parametrize("name", STYLE_NAMES)
def test_without_special_tokens_the_style_is_equal_and_with_some_it_has_its_name_and_another_digest(name):
    style = get_style(name)
    assert style.with_special_tokens() == style
    added = style.with_special_tokens("[CLS]", "[SEP]")
    assert (added.name, added.stop, added.accepted_roles) == (name, style.stop, style.accepted_roles)
    assert len({variant.digest for variant in (style, added, style.with_special_tokens("[CLS]"))}) == 3


@pytest.mark.parametrize("token", ["{{ bos_token }}", "{% raw %}", "{# #}", "<s>{{", None, 5, ["<s>"]])
@pytest.mark.parametrize("name", ["chatml", "llama3"])
def test_a_special_token_that_is_no_text_or_holds_jinja_is_refused(name, token):
    with pytest.raises(DefinitionError, match="before must be text without Jinja, got"):
        get_style(name).with_special_tokens(token, "</s>")
    with pytest.raises(DefinitionError, match="after must be text without Jinja, got"):
        get_style(name).with_special_tokens("<s>", token)


@pytest.mark.parametrize("token", ["it's", "\\n", '"', "\n", "\r\n", "{", "}}", "%}", "é\u2028"])
@pytest.mark.parametrize("name", ["beginning-of-conversation", "llama3"])
def test_a_special_token_is_written_as_it_is(name, token):
    style = get_style(name)
    added = style.with_special_tokens(token, token)
    assert added.render(HELLO).text == token + style.render(HELLO).text + token
    assert transformers_text(added.chat_template, HELLO) == token + style.render(HELLO).text + token


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({"opening": "<s>"}, "<s>UHiAHello</s>"),
        ({"opening": "<s> "}, "<s> UHiAHello</s>"),
        ({"opening": " <s>"}, "<s> <s>UHiAHello</s>"),
        ({"user": "<s>{{ content }}"}, "<s>HiAHello</s>"),
        ({"assistant": "A{{ content }}</s>"}, "<s>UHiAHello</s>"),
        ({"assistant": "A{{ content }}</s> \n"}, "<s>UHiAHello</s> \n"),
        ({"assistant": "A{{ content }}</s>."}, "<s>UHiAHello</s>.</s>"),
        ({"closing": "</s>\n"}, "<s>UHiAHello</s>\n"),
    ],
)
def test_what_the_style_writes_at_an_edge_is_not_written_again_and_blanks_behind_it_do_not_count(parts, text):
    style = declared(**{"user": "U{{ content }}", "assistant": "A{{ content }}", **parts})
    imported = Style.from_chat_template(style.chat_template)
    for variant in (style, imported):
        added = variant.with_special_tokens("<s>", "</s>")
        assert added.render(HELLO).text == text
        assert added.with_special_tokens("<s>", "</s>") == added


def test_a_style_for_answers_only_is_seen_to_write_its_tokens():
    style = declared(assistant="<s>{{ content }}</s>", stop="</s>")
    assert style.with_special_tokens("<s>", "</s>") == style


def test_further_special_tokens_stand_around_the_former():
    for name in ("plain", "llama3"):
        style = get_style(name)
        added = style.with_special_tokens("a", "b").with_special_tokens("c", "d")
        assert added.render(HELLO).text == "ca" + style.render(HELLO).text + "bd"


def test_a_content_at_an_edge_is_no_special_token():
    added = get_style("plain").with_special_tokens("<s>", "</s>")
    assert added.render([{"role": "user", "content": "<s>Hi</s>"}]).text == "<s><s>Hi</s></s>"


def test_special_tokens_of_a_style_that_refuses_each_usual_conversation_are_added():
    style = Style.from_chat_template("{% if messages[1] %}{{ raise_exception('one turn') }}{% endif %}x")
    assert style.with_special_tokens("<s>").render(HELLO[:1]).text == "<s>x"


@pytest.mark.parametrize(("before", "after"), [("<s>", ""), ("", "</s>")])
def test_a_token_that_only_some_texts_of_the_style_have_is_refused(before, after):
    style = Style.from_chat_template(
        "{% set edges = ['<s>', '</s>'] if messages[0].role == 'system' else ['', ''] %}{{ edges[0] }}"
        "{% for m in messages %}{{ m.content }}{% endfor %}{{ edges[1] }}"
    )
    with pytest.raises(StyleContractError, match="is at the edge of some texts but not of others") as caught:
        style.with_special_tokens(before, after)
    assert caught.value.style == "imported"


# --- of a tokenizer -----------------------------------------------------------------------------------------------


def tokenizer_with(chat_template, **tokens):
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    return PreTrainedTokenizerFast(tokenizer_object=words, chat_template=chat_template, **tokens)


TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "?"}
SPELLING = (
    "{{ bos_token }}{{ pad_token }}{{ unk_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}"
    "{% if polite %} please{% endif %}"
)


@pytest.mark.parametrize("options", [{}, {"polite": True}, {"eos_token": "<end>"}])
def test_the_style_of_a_tokenizer_writes_what_the_tokenizer_writes(options):
    tokenizer = tokenizer_with(SPELLING, **TOKENS)
    style = Style.from_tokenizer(tokenizer, **options)
    expected = tokenizer.apply_chat_template(HELLO, tokenize=False, **options)
    assert style.render(HELLO).text == expected
    assert Style.from_chat_template(style.chat_template) == style


def test_one_of_several_chat_templates_of_a_tokenizer_is_named():
    tokenizer = tokenizer_with({"default": "{{ messages[0].content }}", "rag": SPELLING}, **TOKENS)
    assert Style.from_tokenizer(tokenizer).render(HELLO).text == "Hi"
    assert Style.from_tokenizer(tokenizer, chat_template="rag").render(HELLO).text == "<s><pad>?Hi</s>Hello</s>"
    with pytest.raises(DefinitionError, match=r"no chat template 'rage'.*Did you mean 'rag'"):
        Style.from_tokenizer(tokenizer, chat_template="rage")


def test_a_tokenizer_without_a_chat_template_is_refused():
    with pytest.raises(DefinitionError, match="has no chat template; name a style"):
        Style.from_tokenizer(tokenizer_with(None, **TOKENS))


@pytest.mark.parametrize("name", ["chatml", "qwen2.5"])
def test_a_layout_pickles_as_its_fields_whether_or_not_it_was_used(name):
    layout = replace(get_style(name).layout)
    unused = pickle.dumps(layout)
    assert layout.text([{"role": "user", "content": "Hi"}], True)
    assert layout.roles
    assert vars(layout).keys() > {field.name for field in fields(layout)}
    assert pickle.dumps(layout) == unused
    assert pickle.loads(unused) == layout

"""A dialect is a table of keys for each format."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import DIALECT_NAMES, texts

from preftemplates import (
    Dialect,
    Preference,
    RowModel,
    Style,
    Supervised,
    Template,
    get_dialect,
    get_template,
    register_dialect,
)
from preftemplates.core.provenance import Traced
from preftemplates.errors import DefinitionError, RowError, StyleContractError, UnknownNameError

ROW = {"prompt": "p", "response_0": "a", "response_1": "b", "better_response_id": 0, "answer": "c"}


def declare_dialect(**tables):
    return type("Mine", (Dialect,), {"__module__": __name__, **tables})()


@given(
    st.permutations(["prompt", "chosen", "rejected", "prompt+chosen", "prompt+rejected"]), texts(), texts(), texts()
)
def test_each_key_holds_what_the_table_says(sources, prompt, chosen, rejected):
    texts = {"prompt": f"USER: {prompt} ASSISTANT:", "chosen": chosen, "rejected": rejected}
    texts = {**texts, "prompt": "BEGINNING OF CONVERSATION: " + texts["prompt"]}
    texts |= {f"prompt+{side}": texts["prompt"] + texts[side] for side in ("chosen", "rejected")}
    dialect = declare_dialect(preference={f"key {n}": source for n, source in enumerate(sources)})
    row = {"prompt": prompt, "response_0": chosen, "response_1": rejected, "better_response_id": 0}
    result = get_template("PKUSafeRLHF").with_dialect(dialect).format(row, "preference")
    assert list(result.items()) == [(f"key {n}", texts[source]) for n, source in enumerate(sources)]


def test_messages_are_the_prompt_s_the_response_s_own_or_both():
    table = {"p": "prompt.messages", "own": "chosen.messages", "all": "prompt+rejected.messages", "text": "chosen"}
    result = get_template("PKUSafeRLHF").with_dialect(declare_dialect(preference=table)).format(ROW, "preference")
    user, a, b = (
        {"role": role, "content": text} for role, text in [("user", "p"), ("assistant", "a"), ("assistant", "b")]
    )
    assert result == {"p": [user], "own": [a], "all": [user, b], "text": "a"}


@pytest.mark.parametrize("dialect", DIALECT_NAMES)
def test_what_a_dialect_gives_is_plain_data(dialect):
    def kinds(value):
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
        return {type(value)}.union(*map(kinds, inner))

    row = {**ROW, "prompt": Traced.whole("p", "x")}
    template = get_template("PKUSafeRLHF").with_dialect(dialect)
    if template.dialect.table.consumer is not None:
        template = template.with_edges(bos="keep", eos="keep")
    formats = {*template.formats, *template.derived_formats}
    for format in formats & {*template.dialect.formats}:
        for result in template.format_all(row, format):
            assert kinds(result) <= {dict, list, str, bool, int, float}
            assert tuple(result) == template.dialect.keys(format, template.labels(format))


def test_a_result_shares_nothing_with_the_row_that_could_be_written_to():
    row = {"prompt": [{"role": "user", "content": "p", "more": {"deep": [1]}}]}
    template = get_template("TRL-messages")
    result = template.format(row, "prompt_only")
    assert result == row
    result["prompt"][0]["more"]["deep"].append(2)
    result["prompt"].append("x")
    assert (
        row
        == template.format(row, "prompt_only")
        == {"prompt": [{"role": "user", "content": "p", "more": {"deep": [1]}}]}
    )


def test_a_dialect_of_messages_needs_no_style_that_could_spell_them():
    class Mute(Style):
        assistant = "{{ content }}"

    template = get_template("PKUSafeRLHF").with_style(Mute())
    messages = template.with_dialect("trl").format(ROW, "preference")
    assert messages == get_template("PKUSafeRLHF").with_dialect("trl").format(ROW, "preference")


class Row(RowModel):
    prompt: str


class Shouting(Template):
    Row = Row
    preference = Preference(prompt="{{ prompt }}", chosen="{{ prompt | upper }}", rejected="no")


BREAKS = "{% for m in messages %}{{ m.content if loop.last else '[' + m.content + ']' }}{% endfor %}"
"""A prompt's text is another one where an answer follows it."""


@pytest.mark.parametrize("key", ["chosen", "rejected"])
def test_a_response_whose_text_does_not_begin_with_the_prompt_has_no_text_of_its_own(key):
    template = Shouting().with_style(Style.from_chat_template(BREAKS))
    whole = template.with_dialect(declare_dialect(preference={"a": f"prompt+{key}"})).format(
        {"prompt": "p"}, "preference"
    )
    assert whole == {"a": "[p]P" if key == "chosen" else "[p]no"}
    with pytest.raises(StyleContractError, match=f"the text of {key} does not begin with the prompt's text") as caught:
        template.with_dialect(declare_dialect(preference={"a": key})).format({"prompt": "p"}, "preference")
    assert (caught.value.format, caught.value.style) == ("preference", "imported")


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (
            {"preferense": {"a": "prompt"}},
            "Mine.preferense: there is no such dataset type. Did you mean 'preference'?",
        ),
        (
            {"preference": {"a": "chosn"}},
            "Mine.preference: 'a' is 'chosn', which preference does not have. Did you mean 'chosen'?",
        ),
        ({"preference": {"a": "completion"}}, "Mine.preference: 'a' is 'completion', which preference does not have."),
        ({"supervised": {"a": "chosen"}}, "Mine.supervised: 'a' is 'chosen', which supervised does not have."),
        (
            {"preference": {"a": "prompt+prompt"}},
            "Mine.preference: 'a' is 'prompt+prompt', which preference does not have.",
        ),
        (
            {"preference": {"a": "chosen+prompt"}},
            "Mine.preference: 'a' is 'chosen+prompt', which preference does not have.",
        ),
        ({"preference": {"a": ""}}, "Mine.preference: 'a' is '', which preference does not have."),
        ({"preference": {}}, "Mine.preference: expected a table of keys, got {}"),
        ({"preference": ["prompt"]}, "Mine.preference: expected a table of keys, got ['prompt']"),
        ({"preference": "prompt"}, "Mine.preference: expected a table of keys, got 'prompt'"),
        ({"role_key": 5}, "Mine: role_key and content_key must be texts, and roles a mapping of roles to names"),
        ({"role_key": None}, "Mine: role_key and content_key must be texts, and roles a mapping of roles to names"),
        ({"content_key": 5}, "Mine: role_key and content_key must be texts, and roles a mapping of roles to names"),
        (
            {"content_key": ("value",)},
            "Mine: role_key and content_key must be texts, and roles a mapping of roles to names",
        ),
        ({"role_key": "content"}, "Mine: role_key and content_key are both 'content'; one would be lost"),
        ({"content_key": "role"}, "Mine: role_key and content_key are both 'role'; one would be lost"),
        (
            {"roles": ("user", "assistant")},
            "Mine: role_key and content_key must be texts, and roles a mapping of roles to names",
        ),
        ({"roles": None}, "Mine: role_key and content_key must be texts, and roles a mapping of roles to names"),
        ({"roles": {"user": 5}}, "Mine.roles: expected text as the name of user, got 5"),
        ({"roles": {"user": "human", "tool": None}}, "Mine.roles: expected text as the name of tool, got None"),
        ({"roles": {"assistant": ["gpt"]}}, "Mine.roles: expected text as the name of assistant, got ['gpt']"),
        ({"roles": {"usr": "human"}}, "Mine.roles: 'usr' is not a role. Did you mean 'user'?"),
        ({"roles": {5: "human"}}, "Mine.roles: 5 is not a role."),
        ({"dropped": None}, "Mine.dropped: expected a tuple of keys, got None"),
        ({"dropped": ["tool_calls"]}, "Mine.dropped: expected a tuple of keys, got ['tool_calls']"),
        ({"dropped": ("tool_calls", None)}, "Mine.dropped: expected a tuple of keys, got ('tool_calls', None)"),
        ({"dropped": "tool_calls"}, "Mine.dropped: expected a tuple of keys, got 'tool_calls'"),
        ({"calls_role": 5}, "Mine.calls_role: expected a name, got 5"),
        ({"dropped": (5,)}, "Mine.dropped: expected a tuple of keys, got (5,)"),
    ],
)
def test_a_table_that_is_declared_wrongly_is_refused_with_the_nearest_name(tables, message):
    with pytest.raises(DefinitionError) as caught:
        declare_dialect(**tables)
    assert str(caught.value).startswith(message)


def test_a_message_is_spelled_by_the_keys_and_names_that_the_dialect_has():
    sample = Supervised(prompt=[{"role": "user", "content": "Q"}], completion=[{"role": "assistant", "content": "A"}])
    tables = {"supervised": {"talk": "prompt+completion.messages"}}
    spelled = declare_dialect(**tables, role_key="from", content_key="value").spell(sample, None)
    assert spelled["talk"] == [{"from": "user", "value": "Q"}, {"from": "assistant", "value": "A"}]
    crossed = declare_dialect(**tables, role_key="content", content_key="role").spell(sample, None)
    assert crossed["talk"] == [{"content": "user", "role": "Q"}, {"content": "assistant", "role": "A"}]
    named = declare_dialect(**tables, roles={"user": "human", "assistant": "gpt"}).spell(sample, None)
    assert named["talk"] == [{"role": "human", "content": "Q"}, {"role": "gpt", "content": "A"}]
    with pytest.raises(RowError, match="the dialect has no turn for the role 'assistant'") as caught:
        declare_dialect(**tables, roles={"user": "human"}).spell(sample, None)
    assert (caught.value.code, caught.value.value) == ("bad_role", "assistant")
    assert declare_dialect(**tables, roles={}).spell(sample, None)["talk"] == [*sample.prompt, *sample.completion]


def test_what_a_framework_would_drop_is_refused():
    answer = {"role": "assistant", "content": "Half shade.", "thinking": "Mint?"}
    sample = Supervised(prompt=[{"role": "user", "content": "Where?"}], completion=[answer])
    tables = {"supervised": {"messages": "prompt+completion.messages"}}
    assert declare_dialect(**tables).spell(sample, None)["messages"][-1] == answer
    with pytest.raises(RowError, match="silently drops 'thinking'") as caught:
        declare_dialect(**tables, dropped=("tool_calls", "thinking")).spell(sample, None)
    assert (caught.value.code, caught.value.value) == ("unsupported_content", "Mint?")


@pytest.mark.parametrize("table", [{"a": 5}, {"a": None}, {5: "prompt"}, {None: "prompt"}], ids=str)
def test_keys_and_what_they_hold_are_texts(table):
    with pytest.raises(DefinitionError):
        declare_dialect(preference=table)


def test_a_format_that_the_dialect_cannot_spell_is_refused_with_those_that_it_can():
    template = get_template("PKUSafeRLHF").with_dialect(declare_dialect(preference={"a": "prompt"}))
    with pytest.raises(
        UnknownNameError, match="does not support the dataset type 'supervised'; it supports preference"
    ):
        template.format(ROW, "supervised")


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("llama-factory", "llama-factory-sharegpt"),
        ("llamafactory", "llama-factory-sharegpt"),
        ("swift", "ms-swift"),
        ("nemo", "nemo-rl"),
        ("rewardbench", "reward-bench"),
    ],
)
def test_a_frameworks_plain_name_is_its_recommended_dialect(alias, name):
    assert get_dialect(alias).name == name


def test_a_registered_dialect_is_found_by_its_name_and_a_dialect_is_returned_as_it_is():
    @register_dialect("mine")
    class Mine(Dialect):
        prompt_only = {"q": "prompt"}

    dialect = get_dialect("mine")
    assert (dialect.name, dialect.formats, dialect.keys("prompt_only")) == ("mine", ("prompt_only",), ("q",))
    assert get_dialect(dialect) is dialect
    with pytest.raises(UnknownNameError, match=r"no dialect 'trl_text'\. Did you mean 'trl-text'"):
        get_dialect("trl_text")

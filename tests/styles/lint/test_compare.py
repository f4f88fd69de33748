"""Two styles are compared by the texts that they give, and nothing is told but what is in them."""

import json

import pytest
from support import STYLE_NAMES

from preftemplates import Style, get_style
from preftemplates.errors import RowError, UnknownNameError, one_line
from preftemplates.styles.lint.compare import Agreement, compare_styles, find_conversation
from preftemplates.styles.lint.conversations import CONVERSATIONS
from preftemplates.styles.lint.probes import add_tools

LINES = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"


def style(source, **more):
    return Style.from_chat_template(source, **more)


@pytest.mark.parametrize("name", STYLE_NAMES)
def test_a_style_equals_itself_and_its_export(name):
    original = get_style(name)
    for same in (get_style(name), style(original.chat_template)):
        assert all(difference.verdict.alike for difference in compare_styles(original, same))


@pytest.mark.parametrize("first", STYLE_NAMES[:4])
@pytest.mark.parametrize("second", STYLE_NAMES[-4:])
def test_each_side_is_what_the_style_renders_alone_or_why_it_does_not(first, second):
    for difference in compare_styles(get_style(first), get_style(second)):
        conversation = CONVERSATIONS[difference.name]
        assert (difference.a, difference.reason_a) == alone(get_style(first), conversation)
        assert (difference.b, difference.reason_b) == alone(get_style(second), conversation)


def alone(style, conversation):
    try:
        with_its_tools = Style.of(add_tools(style.layout, conversation.tools), style.name)
        return with_its_tools.render(conversation.messages, conversation.add_generation_prompt).text, None
    except RowError as error:
        return None, one_line(error.message, 200)


def test_the_verdicts_change_sides_with_the_styles():
    swapped = {Agreement.ONLY_A: Agreement.ONLY_B, Agreement.ONLY_B: Agreement.ONLY_A}
    for first, second in (("chatml", "human-assistant"), ("zephyr", "llama3")):
        forth, back = (compare_styles(get_style(a), get_style(b)) for a, b in ((first, second), (second, first)))
        assert [swapped.get(d.verdict, d.verdict) for d in forth] == [d.verdict for d in back]
    assert Agreement.ONLY_A in {d.verdict for d in compare_styles(get_style("chatml"), get_style("human-assistant"))}


def test_all_conversations_come_in_their_order_or_those_that_are_asked_for():
    plain = get_style("plain")
    assert [difference.name for difference in compare_styles(plain, plain)] == list(CONVERSATIONS)
    assert [difference.name for difference in compare_styles(plain, plain, ["two turns", "one turn"])] == [
        "two turns",
        "one turn",
    ]


def test_tools_reach_a_chat_template():
    with_names = style(LINES + "{% for t in tools or [] %}{{ t.function.name }}{% endfor %}")
    [difference] = compare_styles(style(LINES), with_names, ["tools"])
    assert difference.verdict is Agreement.DIFFERS
    assert "water_herb" in difference.b
    assert "water_herb" not in difference.a


def test_one_blank_at_the_end_is_a_difference():
    differences = compare_styles(style(LINES), style(LINES + " "))
    assert {difference.verdict for difference in differences} <= {Agreement.DIFFERS, Agreement.BOTH_REFUSE}
    assert any(difference.verdict is Agreement.DIFFERS for difference in differences)


def test_a_reason_is_one_line_that_is_safe_to_print():
    raising = style("{{ raise_exception('no\\n\x1b[31m[bold]never') }}")
    reasons = {difference.reason_b for difference in compare_styles(style(LINES), raising)} - {None}
    assert reasons
    assert all(reason.isprintable() and r"\n\x1b[31m[bold]never" in reason for reason in reasons)


def test_as_json_leaves_out_what_there_is_not():
    for difference in compare_styles(get_style("chatml"), get_style("human-assistant")):
        data = json.loads(json.dumps(difference.as_json()))
        assert data["verdict"] == difference.verdict
        assert None not in data.values()
        assert ("a" in data, "b" in data) == (difference.a is not None, difference.b is not None)


def test_an_unknown_conversation_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"no conversation 'one tunr'. Did you mean 'one turn'"):
        find_conversation("one tunr")
    with pytest.raises(UnknownNameError, match="There are: 'one turn', "):
        compare_styles(get_style("plain"), get_style("plain"), ["zzzzzz"])

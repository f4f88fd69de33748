"""What ends an answer is found in every layout, and a mask that would leave it out is refused."""

from collections import Counter

import pytest
from real_templates import CONVERSATIONS, TOKENS, real_templates
from support import STYLE_NAMES
from transformers.utils.chat_template_utils import render_jinja_template

from preftemplates import Style, get_style
from preftemplates.errors import PrefTemplatesError, SpanError
from preftemplates.styles import attribution, stops

TALK = [
    {"role": "user", "content": "Mint?"},
    {"role": "assistant", "content": "Shade."},
    {"role": "user", "content": "Sage?"},
    {"role": "assistant", "content": "Sun."},
]
LOOP = "{% for m in messages %}⟨turn⟩{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
LAYOUTS = {
    "each": ("<|{{ m.role }}|>{{ m.content }}<|end|>\n", ["<|end|>", "<|end|>"]),
    "last differs": ("<|{{ m.role }}|>{{ m.content }}{{ '<|return|>' if loop.last else '<|end|>' }}",
                     ["<|end|>", "<|return|>"]),
    "with the text's end": ("<|{{ m.role }}|>{{ m.content }}<|end|>{{ '</s>' if loop.last }}",
                            ["<|end|>", "<|end|></s>"]),
    "on a line": ("<|{{ m.role }}|>\n{{ m.content }}\n<|end|>\n", ["\n<|end|>", "\n<|end|>"]),
    "all but the last": ("<|{{ m.role }}|>{{ m.content }}{{ '' if loop.last else '</s>' }}", ["</s>", None]),
    "the next header": ("<|{{ m.role }}|>{{ m.content }}", ["<|user|>", None]),
    "the next header on a line": ("{{ '\\n' }}<|{{ m.role }}|>\n{{ m.content }}", ["\n<|user|>", None]),
    "the last alone": ("{{ m.role }}: {{ m.content }}{{ '</s>' if loop.last }}\n", [None, "</s>"]),
    "the last alone, and headers": ("<|turn|>{{ m.role }}\n{{ m.content }}{{ '</s>' if loop.last }}",
                                    [None, "</s>"]),
    "none": ("{{ m.role }}: {{ m.content }}\n", None),
}  # fmt: skip
"""Chat templates, and what ends each of the two answers."""


def import_layout(name):
    source = LOOP.replace("⟨turn⟩", LAYOUTS[name][0])
    return Style.from_chat_template(source.replace("<|assistant|>", "<|turn|>") if "<|turn|>" in source else source)


def list_ends(rendered):
    """What ends each answer, by the index of its message."""
    return {span.message: rendered.text[span.start : span.end] for span in rendered.spans if span.kind == "stop"}


def pick(rendered, mask):
    return "".join(char for char, is_masked in zip(rendered.text, mask, strict=True) if is_masked)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_mask_holds_each_answer_with_its_end_or_is_refused(name):
    rendered, ends = import_layout(name).render(TALK), LAYOUTS[name][1] or [None, None]
    assert list_ends(rendered) == {index: end for index, end in zip((1, 3), ends, strict=True) if end}
    if LAYOUTS[name][1] is None:
        assert pick(rendered, rendered.mask("content", "stop", role="assistant")) == "Shade.Sun."
        with pytest.raises(SpanError, match="never ends a turn of assistant"):
            rendered.mask("content", "stop", role="assistant", strict=True)
    elif None in ends:
        index = (1, 3)[ends.index(None)]
        for kinds in (("content", "stop"), ("stop",)):
            with pytest.raises(SpanError, match=rf"message {index} \(assistant\) has no end-of-turn token"):
                rendered.mask(*kinds, role="assistant")
        assert pick(rendered, rendered.mask("content", role="assistant")) == "Shade.Sun."
    else:
        assert pick(rendered, rendered.mask("content", "stop", role="assistant")) == f"Shade.{ends[0]}Sun.{ends[1]}"


@pytest.mark.parametrize("role", ["assistant", None])
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_mask_of_one_answer_asks_for_the_end_of_that_answer_alone(name, role):
    rendered, ends = import_layout(name).render(TALK), LAYOUTS[name][1]
    for at, (index, text) in enumerate([(1, "Shade."), (3, "Sun.")]):
        if ends and ends[at] is None:
            with pytest.raises(SpanError, match=rf"message {index} \(assistant\) has no end-of-turn token"):
                rendered.mask("content", "stop", role=role, messages=[index])
        else:
            end = ends[at] if ends else ""
            assert pick(rendered, rendered.mask("content", "stop", role=role, messages=[index])) == text + end
    assert pick(rendered, rendered.mask("content", "stop", messages=[0])) == "Mint?"


@pytest.mark.parametrize("role", ["user", "assistant", None])
def test_users_turns_have_no_stop(role):
    rendered = get_style("chatml").render(TALK)
    expected = "".join(message["content"] for message in TALK if message["role"] == "user")
    if role == "user":
        assert pick(rendered, rendered.mask("content", "stop", role=role)) == expected
        with pytest.raises(SpanError, match="never ends a turn of user"):
            rendered.mask("content", "stop", role=role, strict=True)
    else:
        assert pick(rendered, rendered.mask("stop", role=role, strict=True)) == "<|im_end|>" * 2


def test_the_error_says_how_the_last_answer_gets_its_end():
    style = get_style("glm4")
    with pytest.raises(SpanError) as caught:
        style.render(TALK).mask("content", "stop", role="assistant")
    assert "Style.with_special_tokens(after='<|user|>')" in str(caught.value)
    rendered = style.with_special_tokens(after="<|user|>").render(TALK)
    assert pick(rendered, rendered.mask("content", "stop", role="assistant")) == "Shade.<|user|>Sun.<|user|>"


@pytest.mark.parametrize("name", STYLE_NAMES)
def test_the_mask_of_a_bundled_style_is_what_its_generation_marks_hold(name):
    """Up to what the layout writes before an answer, which the model generates too."""
    style = get_style(name)
    rendered = style.render(TALK)
    try:
        mask = rendered.mask("content", "stop", role="assistant")
    except SpanError:
        assert style.stop == "" != "".join(style.layout.stops)
        mask = rendered.mask("content", role="assistant")
    _, (marks,) = render_jinja_template([TALK], chat_template=style.chat_template, return_assistant_tokens_mask=True)
    ends = [max(at for at in range(start, end) if mask[at]) + 1 for start, end in marks]
    marked = [end for start, end in marks]
    assert ends == marked or (style.stop == "" and ends[-1] == marked[-1])


def survey(names):
    """How many templates mask two answers with their ends, never end any, or raise an error."""
    counts = Counter()
    for name in names:
        rendered = outcome_of(name)
        if not isinstance(rendered, PrefTemplatesError):
            try:
                rendered.mask("content", "stop", role="assistant")
                ends = list_ends(rendered)
                counts["all" if {*ends} == {1, 3} else "none" if not ends else "some"] += 1
            except SpanError:
                counts["raises"] += 1
    return counts


def outcome_of(name):
    try:
        return Style.from_chat_template(real_templates()[name], **TOKENS).render(CONVERSATIONS["two turns"])
    except PrefTemplatesError as error:
        return error


def test_no_real_template_gives_a_mask_that_holds_the_ends_of_some_answers_only():
    counts = survey([*real_templates()][::4])
    assert counts["some"] == 0
    assert counts["all"] > 150
    assert counts["none"] < 10


def test_that_test_sees_ends_that_are_looked_for_in_the_last_answer_only(monkeypatch):
    monkeypatch.setattr(stops, "_find_stop_before", lambda *_: iter(()))
    stops.probe_stops.cache_clear()
    fewer = survey([*real_templates()][::4])
    stops.probe_stops.cache_clear()
    monkeypatch.undo()
    assert fewer["all"] < survey([*real_templates()][::4])["all"]
    assert fewer["none"] > 10


def test_an_answer_in_two_parts_is_ended_once():
    rendered = get_style("harmony").render([*TALK[:3], {**TALK[3], "thinking": "Hm."}])
    assert list_ends(rendered) == {1: "<|end|>", 3: "<|return|>"}
    assert [span.kind for span in rendered.spans].count("stop") == 2


def test_other_ends_are_looked_for_only_where_an_answer_does_not_end_as_the_last_one(monkeypatch):
    rendered = Style.from_chat_template(LOOP.replace("⟨turn⟩", LAYOUTS["each"][0])).render(TALK)
    monkeypatch.setattr(attribution.ChatTrace, "stops", lambda _: pytest.fail("looked for"))
    assert list_ends(rendered) == {1: "<|end|>", 3: "<|end|>"}

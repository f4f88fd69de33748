"""Texts of samples: a prompt, whole responses, and the pieces of an answer, each with the one before it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import STYLE_NAMES, at_least, outcome, texts

from preftemplates import Preference, RowModel, Stepwise, Style, Template, get_style
from preftemplates.core.provenance import Traced, concat
from preftemplates.dialects.dialect import Dialect
from preftemplates.errors import Code, RowError
from preftemplates.templates.rendering import render_sample, render_texts


def say(text, role="assistant"):
    return {"role": role, "content": text}


def in_steps(steps, prompt="Sum?"):
    labels = [True] * len(steps)
    return Stepwise(prompt=[say(prompt, "user")], completions=tuple([say(step)] for step in steps), labels=labels)


several = st.lists(texts(), min_size=1, max_size=5)


def traced_steps(steps):
    """The same steps, each of which knows its cell."""
    return in_steps([Traced.whole(step, f"steps[{index}]") for index, step in enumerate(steps)])


# --- whole responses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["chatml", "llama3", "human-assistant", "plain"])
@given(texts(), texts(), texts())
def test_a_prompt_s_text_asks_for_an_answer_and_a_response_s_holds_both(style, q, a, b):
    style = get_style(style)
    pair = Preference(prompt=[say(q, "user")], chosen=[say(a)], rejected=[say(b)])
    found = render_texts(pair, style)
    assert found.prompt == style.text(pair.prompt, add_generation_prompt=True)
    assert found.chosen == style.text([*pair.prompt, *pair.chosen], add_generation_prompt=False)
    assert found.rejected == style.text([*pair.prompt, *pair.rejected], add_generation_prompt=False)
    assert render_sample(pair, style).map(lambda one: one.text, lambda one: one.text) == found


# --- pieces --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["chatml", "plain", "beginning-of-conversation"])
@given(several)
def test_pieces_follow_one_another_from_the_prompt_to_the_end_of_the_answer(style, steps):
    style = get_style(style)
    found = render_texts(in_steps(steps), style)
    question = say("Sum?", "user")
    before = style.text([question], add_generation_prompt=True)
    for step, text in zip(steps[:-1], found.completions[:-1], strict=True):
        assert text == before + step
        before = text
    assert found.completions[-1] == style.text([question, say("".join(steps))], add_generation_prompt=False)
    assert found.completions[-1].startswith(before + steps[-1])


def test_what_a_style_writes_between_prompt_and_answer_belongs_to_the_first_piece():
    found = render_texts(in_steps(["a", "b"]), get_style("human-assistant"))
    assert found.prompt == "\n\nHuman: Sum?\n\nAssistant:"
    assert found.completions == (f"{found.prompt} a", f"{found.prompt} ab")


@given(several)
def test_the_pieces_own_texts_are_the_whole_answer_s(steps):
    class Rows(RowModel):
        q: str
        steps: list[str]

    class Right(Template):
        Row = Rows
        stepwise = Stepwise(prompt="{{ q }}", completions="{{ steps }}", labels="{{ [true] * (steps | length) }}")

    class Wholes(Dialect):
        stepwise = {"own": "completions", "whole": "prompt+completions", "prompt": "prompt"}

    result = Right().with_dialect(Wholes()).format({"q": "Sum?", "steps": steps}, "stepwise")
    assert "".join(result["own"]) == "".join(steps) + "<|im_end|>\n"
    assert result["own"][:-1] == steps[:-1]
    assert result["whole"][-1] == result["prompt"] + "".join(result["own"])
    wholes = [result["prompt"], *result["whole"]]
    assert [wholes[at + 1][len(wholes[at]) :] for at in range(len(steps))] == result["own"]


@pytest.mark.parametrize("style", ["chatml", "human-assistant", "plain"])
@given(several)
def test_the_spans_of_every_piece_partition_its_text_and_spell_the_steps_up_to_it(style, steps):
    rendered = render_sample(traced_steps(steps), get_style(style))
    for index, piece in enumerate(rendered.completions):
        starts = [0, *(span.end for span in piece.spans)]
        assert starts == [*(span.start for span in piece.spans), len(piece.text)]
        content = [span for span in piece.spans if span.message == 1 and span.kind == "content"]
        assert "".join(piece.text[span.start : span.end] for span in content) == "".join(steps[: index + 1])
        for span in content:
            if span.start < span.end:
                path, offset = span.source
                cell = steps[int(path.removeprefix("steps[").removesuffix("]"))]
                assert cell.startswith(piece.text[span.start : span.end], offset)


@given(several)
def test_the_spans_of_a_piece_end_with_it_where_the_whole_answer_is_one_span(steps):
    rendered = render_sample(in_steps(steps), get_style("chatml"))
    for index, piece in enumerate(rendered.completions):
        assert [span.end for span in piece.spans][-1] == len(piece.text)
        own = [span for span in piece.spans if (span.message, span.kind) == (1, "content")]
        assert "".join(piece.text[span.start : span.end] for span in own) == "".join(steps[: index + 1])


def test_the_last_piece_alone_has_what_ends_the_turn():
    rendered = render_sample(in_steps(["one", "two"]), get_style("chatml"))
    kinds = [
        [span.kind for span in piece.spans if span.start >= piece.text.index("one")] for piece in rendered.completions
    ]
    assert kinds == [["content"], ["content", "stop", "scaffold"]]
    assert [
        piece.text.endswith(end) for piece, end in zip(rendered.completions, ("one", "two<|im_end|>\n"), strict=True)
    ]


@at_least(150)
@given(st.sampled_from(STYLE_NAMES).map(get_style), several)
def test_in_every_style_pieces_are_prefixes_of_the_answer_s_text_or_are_refused(style, steps):
    talk = [say("Sum?", "user"), say("".join(steps))]
    found = outcome(render_texts, in_steps(steps), style)
    if isinstance(found, RowError):
        whole = outcome(style.render, talk)
        assert isinstance(whole, RowError) or printed(whole) != "".join(steps) or not printed(whole)
        return
    last = found.completions[-1]
    assert last == style.text(talk, add_generation_prompt=False)
    for index, text in enumerate(found.completions[:-1]):
        assert text.endswith("".join(steps[: index + 1]))
        assert last.startswith(text)


def printed(rendered):
    """What a style prints of the answer."""
    spans = [span for span in rendered.spans if (span.message, span.field) == (1, "content")]
    return "".join(rendered.text[span.start : span.end] for span in spans)


@pytest.mark.parametrize("steps", [[" a", "b"], ["a", "b\n"], [" ", "a"], ["a", " "]])
def test_steps_that_a_style_would_trim_are_refused_and_steps_that_it_would_not_are_kept(steps):
    trims = get_style("llama3")
    with pytest.raises(RowError, match="does not print the steps unchanged") as caught:
        render_texts(in_steps(steps), trims)
    assert caught.value.code is Code.REFUSED_BY_STYLE
    assert render_texts(in_steps(["a ", " b"]), trims).completions[0].endswith("a ")


MUTE = "{% for m in messages %}{% if m.content %}[{{ m.role }}]{{ m.content }}{% endif %}{% endfor %}"
SHOUTS = "{% for m in messages %}[{{ m.content | upper }}]{% endfor %}"


@pytest.mark.parametrize(("source", "steps"), [(MUTE, ["", ""]), (SHOUTS, ["a", "b"])])
def test_steps_that_stand_nowhere_in_the_text_are_refused(source, steps):
    with pytest.raises(RowError) as caught:
        render_texts(in_steps(steps), Style.from_chat_template(source))
    assert caught.value.code is Code.REFUSED_BY_STYLE


@pytest.mark.parametrize(
    "own",
    [[say("a"), say("b")], [{**say("a"), "tool_calls": [{"name": "f"}]}], [say([{"type": "text", "text": "a"}])]],
    ids=["two messages", "a call", "parts"],
)
def test_a_step_is_one_text(own):
    sample = Stepwise(prompt=[say("q", "user")], completions=([say("first")], own), labels=[True, True])
    with pytest.raises(RowError) as caught:
        render_texts(sample, get_style("chatml"))
    assert caught.value.code is Code.UNSUPPORTED_CONTENT


@given(several)
def test_a_step_is_found_behind_a_prompt_that_spells_the_same(steps):
    sample = in_steps(steps, prompt=concat(["<|im_start|>assistant\n", *steps]))
    found = render_texts(sample, get_style("chatml"))
    for index, text in enumerate(found.completions[:-1]):
        assert text == found.prompt + "".join(steps[: index + 1])

"""The clock is read once per text and per sample, and its spans are found at that moment, whenever that is."""

import copy
import pickle
import sys
import threading
from contextlib import contextmanager
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import outcome
from token_support import tokenizer_of

from preftemplates import Preference, Stepwise, Style, get_style, tokenize
from preftemplates.core.provenance import Traced
from preftemplates.errors import RowError, StyleContractError, StyleLimitError
from preftemplates.sandbox.limits import Limits
from preftemplates.styles import attribution, chat_template, environment
from preftemplates.styles.chat_template import ChatTemplate
from preftemplates.styles.environment import CLOCK, FixedMoment, read_moment
from preftemplates.styles.lint.compare import Agreement, compare_styles
from preftemplates.styles.lint.conversations import CONVERSATIONS
from preftemplates.templates import rendering
from preftemplates.templates.rendering import render_sample, render_texts

START = datetime(2026, 5, 31, 23, 59, 59, 999_000)

TURNS = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CALLING = (
    "{{ strftime_now('%B %d') }} {% for m in messages %}<{{ m.role }}>{{ m.content }}"
    "{% for c in m.tool_calls or [] %}({{ c.name }}){% endfor %}</s>{% endfor %}"
)

DATED = {
    "a date": "{{ strftime_now('%d %B %Y') }}\n" + TURNS,
    "a time": "{{ strftime_now('%H:%M:%S.%f') }}\n" + TURNS,
    "two formats": "{{ strftime_now('%A, %d %B') }}|{{ strftime_now('%j') }}\n" + TURNS,
    "a date in each turn": "{% for m in messages %}[{{ strftime_now('%A') }}] {{ m.content }}</s>{% endfor %}",
    "a condition": "{% if strftime_now('%d') in ['31', '03'] %}It is that day.{% endif %}" + TURNS,
    "a date within a content": (
        "{% for m in messages %}{{ m.content | replace('DATE', strftime_now('%A')) }}</s>{% endfor %}"
    ),
    "calls": CALLING,
}
"""Templates whose text is another one on another day, by what they write."""

TALK = [{"role": "user", "content": "hi on DATE"}, {"role": "assistant", "content": "yo"}]
TALKS = {
    "two turns": TALK,
    "an empty content": [*TALK, {"role": "user", "content": ""}],
    "an empty content that is not printed": [*TALK, {"role": "user", "content": "", "name": "x"}],
    "a call": [TALK[0], {"role": "assistant", "content": "", "tool_calls": [{"name": "water"}]}],
}


@contextmanager
def clock_of(step=timedelta(days=1, microseconds=1)):
    """A clock that is later each time it is read; the list of the times that were read."""
    read = []

    def clock():
        read.append(START + len(read) * step)
        return read[-1]

    token = CLOCK.set(clock)
    try:
        yield read
    finally:
        CLOCK.reset(token)


def is_of_one_text(rendered):
    """Whether the spans partition the text."""
    starts, ends = [span.start for span in rendered.spans], [span.end for span in rendered.spans]
    return [*starts, len(rendered.text)] == [0, *ends]


def spell(rendered, index):
    """What the spans of a message spell."""
    spans = [span for span in rendered.spans if (span.message, span.kind) == (index, "content")]
    return "".join(rendered.text[span.start : span.end] for span in spans)


# --- spans ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("talk", TALKS)
@pytest.mark.parametrize("source", DATED)
def test_the_spans_belong_to_the_text_whenever_they_are_asked_for(source, talk):
    style, messages = Style.from_chat_template(DATED[source]), TALKS[talk]
    with clock_of() as read:
        for generate in (False, True):
            del read[:]
            rendered = style.render(messages, generate)
            assert len(read) == 1
            assert is_of_one_text(rendered)
            assert rendered.changes is not None
            if source != "a date within a content":
                assert spell(rendered, 0) == "hi on DATE"
            assert len(read) == 1


@pytest.mark.parametrize("source", DATED)
def test_a_mask_that_is_asked_for_on_another_day_marks_the_answer(source):
    style = Style.from_chat_template(DATED[source])
    with clock_of():
        rendered = style.render(TALK)
        read_moment()
        mask = rendered.mask("content", role="assistant")
        assert "".join(char for char, on in zip(rendered.text, mask, strict=True) if on) == "yo"


@given(st.lists(st.sampled_from(["%Y", "%A", "%d %B", "%H:%M", "%S", "%f", "%j"]), min_size=1, max_size=4), st.data())
def test_all_dates_of_a_text_and_of_its_spans_are_those_of_one_moment(formats, data):
    prints = "|".join(f"{{{{ strftime_now('{form}') }}}}" for form in formats)
    where = data.draw(st.sampled_from(["{a}" + TURNS, TURNS + "{a}", TURNS.replace("</s>", "{a}")]))
    style = Style.from_chat_template(where.replace("{a}", prints))
    with clock_of() as read:
        rendered = style.render(TALK)
        assert "|".join(read[0].strftime(form) for form in formats) in rendered.text
        assert is_of_one_text(rendered)
        assert len(read) == 1


COPIES = {
    "pickled": lambda rendered: pickle.loads(pickle.dumps(rendered)),
    "deep-copied": copy.deepcopy,
    "copied": copy.copy,
}


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("name", ["a time", "calls"])
def test_a_copy_has_the_spans_of_its_text(name, way):
    style = Style.from_chat_template(DATED[name])
    with clock_of():
        rendered = style.render(TALK)
        assert COPIES[way](rendered).spans == rendered.spans
        assert is_of_one_text(COPIES[way](style.render(TALK)))


@pytest.mark.skipif(sys.platform == "win32", reason="isolate needs POSIX")
@pytest.mark.parametrize("source", DATED)
def test_an_isolated_template_finds_the_moment_of_its_text(source):
    plain, isolated = Style.from_chat_template(DATED[source]), Style.from_chat_template(DATED[source], isolate=True)
    with clock_of() as read:
        rendered = isolated.render(TALKS["a call"])
        assert is_of_one_text(rendered)
        assert len(read) == 1
    with clock_of():
        assert rendered == plain.render(TALKS["a call"])
    pair = Preference(prompt=TALK[:1], chosen=TALK[1:], rejected=TALK[1:])
    with clock_of() as read:
        texts = render_texts(pair, isolated)
        assert texts.chosen == texts.rejected
        assert len(read) == 1


def test_ids_and_masks_are_those_of_the_text():
    style = Style.from_chat_template(DATED["a time"])
    tokenizer = tokenizer_of("byte_level")
    with clock_of():
        rendered = style.render(TALK)
        tokens = tokenize(rendered, tokenizer)
        assert [*tokens.input_ids] == tokenizer(rendered.text, add_special_tokens=False)["input_ids"]
        sample = render_sample(Preference(prompt=TALK[:1], chosen=TALK[1:], rejected=TALK[1:]), style)
        ids = tokenize(sample, tokenizer)
        assert ids.chosen.input_ids == ids.rejected.input_ids
        assert ids.chosen.input_ids[: len(ids.prompt)] == ids.prompt.input_ids


# --- samples -------------------------------------------------------------------------------------------------------

PAIR = Preference(prompt=TALK[:1], chosen=[TALK[1]], rejected=[{"role": "assistant", "content": "no"}])
STEPS = Stepwise(prompt=TALK[:1], completions=([TALK[1]], [TALK[1]]), labels=[True, True])


@pytest.mark.parametrize("sample", [PAIR, STEPS], ids=["a pair", "steps"])
@pytest.mark.parametrize("source", [DATED[name] for name in DATED if name != "a date within a content"], ids=str)
def test_all_texts_of_a_sample_are_of_one_moment(source, sample):
    style = Style.from_chat_template(source)
    with clock_of() as read:
        texts = render_texts(sample, style)
        assert len(read) == 1
        rendered = render_sample(sample, style)
        assert len(read) == 2
        assert all(map(is_of_one_text, [rendered.prompt, *rendered.responses.values()]))
        assert len(read) == 2
    assert all(text.startswith(texts.prompt) for text in texts.responses.values())
    assert all(each.text.startswith(rendered.prompt.text) for each in rendered.responses.values())
    with FixedMoment(read[0]):
        assert render_sample(sample, style).map(lambda one: one.text, lambda one: one.text) == texts


def test_a_moment_that_is_fixed_already_holds_for_a_sample():
    style = Style.from_chat_template(DATED["a time"])
    with clock_of() as read, FixedMoment():
        assert render_texts(PAIR, style) == render_texts(PAIR, style)
        assert render_sample(PAIR, style) == render_sample(PAIR, style)
        assert style.render(TALK) == style.render(TALK)
    assert len(read) == 1


def test_a_style_does_not_differ_from_itself_because_time_passes():
    style = Style.from_chat_template(DATED["a time"])
    with clock_of():
        names = ["one turn", "a system message"]
        assert {each.verdict for each in compare_styles(style, style, names)} == {Agreement.EQUAL}
    assert set(names) <= set(CONVERSATIONS)


# --- the clock goes on ---------------------------------------------------------------------------------------------


def test_after_a_render_the_clock_goes_on():
    style = Style.from_chat_template(DATED["a time"])
    with clock_of():
        clock = CLOCK.get()
        first, second = style.render(TALK), style.render(TALK)
        assert first.text != second.text
        assert first.spans
        assert CLOCK.get() is clock
        texts = style.layout.texts(TALK[:1], [TALK[1:]])
        next(texts)
        assert CLOCK.get() is clock  # also between the texts of a sample, of which some are never asked for
        assert render_texts(PAIR, style) != render_texts(PAIR, style)
        assert CLOCK.get() is clock


FAILING = {
    "raises": ("{{ strftime_now('%Y') }}{{ raise_exception('no') }}", RowError),
    "takes too long": ("{{ strftime_now('%Y') }}{% for i in range(99999) %}{{ i }}{% endfor %}", StyleLimitError),
    "prints what is not defined": (TURNS + "{% if m is undefined %}{{ messages[0].content.x }}{% endif %}", RowError),
}


@pytest.mark.parametrize(
    "isolate", [False, pytest.param(True, marks=pytest.mark.skipif(sys.platform == "win32", reason="POSIX"))]
)
@pytest.mark.parametrize("fault", FAILING)
def test_after_an_error_the_clock_goes_on(fault, isolate):
    source, kind = FAILING[fault]
    style = Style.from_chat_template(source, limits=Limits(steps=1_000), isolate=isolate)
    with clock_of():
        clock = CLOCK.get()
        for call in (style.render, lambda talk: style.texts(talk, [talk]), lambda _: render_sample(PAIR, style)):
            with pytest.raises(kind):
                call(TALK)
            assert CLOCK.get() is clock


def test_the_spans_are_found_in_another_thread_too_and_each_thread_has_its_own_moment():
    style, found = Style.from_chat_template(DATED["a time"]), []
    with clock_of():
        rendered = style.render(TALK)
        with FixedMoment() as moment:
            thread = threading.Thread(target=lambda: found.extend((rendered.spans, read_moment() != moment)))
            thread.start()
            thread.join()
            copy_context().run(lambda: found.append(read_moment() == moment))
        assert is_of_one_text(rendered)
    assert found == [rendered.spans, True, True]


def test_threads_that_render_at_once_do_not_meet():
    style, found = (
        Style.from_chat_template("{{ strftime_now('%Y') }}{% for i in range(500) %}{% endfor %}" + TURNS),
        {},
    )

    def render(year):
        CLOCK.set(lambda: datetime(year, 1, 1, tzinfo=UTC))
        found[year] = {(each.text[:4], is_of_one_text(each)) for each in (style.render(TALK) for _ in range(20))}

    threads = [threading.Thread(target=render, args=(year,)) for year in range(2001, 2005)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {year: {(str(year), True)} for year in range(2001, 2005)}


def test_a_date_is_found_though_the_moment_is_fixed():
    for source in DATED.values():
        style = Style.from_chat_template(source)
        with FixedMoment():
            codes = {str(finding.code) for finding in style.findings}
        assert "depends_on_date" in codes or "DATE" in source


# --- a text that is another one when it is rendered again ----------------------------------------------------------

RENDERED_TWICE = "{% if messages is sameas messages %}{% endif %}"
"""The beginning of a template whose texts are rendered as they are, and again for their spans."""

SAME = "{% for m in messages %}{{ m.content }}{% if m.content is sameas messages[0].content %}!{% endif %}{% endfor %}"
"""The test tells one text from an equal one, and each text that is traced is one of its own."""


@pytest.mark.parametrize("limits", [None, Limits()])
def test_a_trace_that_spells_another_text_is_an_error(limits):
    content = "".join(["to", "gether"])
    style = Style.of(ChatTemplate.read(SAME, None, None, {}, limits=limits))
    rendered = style.render([{"role": "user", "content": content}, {"role": "assistant", "content": content}])
    assert rendered.text == "together!together!"
    for ask in (lambda: rendered.spans, lambda: rendered.changes, lambda: rendered.mask("content")):
        with pytest.raises(StyleContractError, match="character 17: the chat template wrote 'r!together!', but"):
            ask()


@pytest.mark.parametrize("limits", [None, Limits()])
@pytest.mark.parametrize(("before", "renders"), [("", 1), (RENDERED_TWICE, 3)])
def test_a_text_and_its_spans_are_of_one_render_unless_objects_are_compared(before, renders, limits, monkeypatch):
    conversations, render = [], ChatTemplate.render_source

    def count_render(layout, messages, add_generation_prompt):
        conversations.append(messages)
        return render(layout, messages, add_generation_prompt)

    monkeypatch.setattr(ChatTemplate, "render_source", count_render)
    style = Style.of(ChatTemplate.read(before + TURNS, None, None, {}, limits=limits))
    rendered = style.render(TALK)
    assert is_of_one_text(rendered)
    assert rendered.changes == ()
    assert conversations.count(TALK) == renders
    assert type(rendered.text) is str


def test_a_text_within_limits_over_which_its_spans_are_is_rendered_without_them():
    source = "{% for _ in range(3000) %}{{ messages[0].content }}{% endfor %}"
    rendered = Style.from_chat_template(source, limits=Limits(work=2**20)).render(TALK)
    assert rendered.text == 3000 * TALK[0]["content"]
    with pytest.raises(StyleLimitError, match="writes more than"):
        rendered.spans


def test_messages_that_have_changed_since_are_an_error():
    parts = [{"type": "text", "text": "before"}]
    style = Style.from_chat_template("{% for m in messages %}{{ m.content[0].text }}{% endfor %}")
    rendered = style.render([{"role": "user", "content": parts}])
    parts[0]["text"] = "afterwards"
    with pytest.raises(StyleContractError, match=r"wrote 'before', but .* 'afterwards'"):
        rendered.spans


class Ticking:
    """A moment that is not fixed."""

    def __init__(self, moment=None):
        pass

    def __enter__(self):
        return read_moment()

    def __exit__(self, *_):
        pass


def test_spans_of_another_moment_are_never_returned(monkeypatch):
    style = Style.from_chat_template(RENDERED_TWICE + DATED["a time"])
    monkeypatch.setattr(attribution, "FixedMoment", Ticking)
    with clock_of():
        rendered = style.render(TALK)
        with pytest.raises(StyleContractError):
            rendered.spans


FAULTS = {
    "no moment in a template": [
        (chat_template, "FixedMoment"),
        (attribution, "FixedMoment"),
        (rendering, "FixedMoment"),
    ],
    "none for spans": [(attribution, "FixedMoment")],
    "none for samples with spans": [(rendering, "FixedMoment")],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_moment_that_is_not_fixed_is_caught(fault, monkeypatch):
    for module, name in FAULTS[fault]:
        monkeypatch.setattr(module, name, Ticking)
    with pytest.raises((AssertionError, StyleContractError)):
        test_all_texts_of_a_sample_are_of_one_moment(DATED["a time"], PAIR)


def test_a_clock_that_is_read_for_each_date_is_caught(monkeypatch):
    ticks = count()
    monkeypatch.setattr(
        environment._StoppedClock, "__call__", lambda clock: clock.moment + timedelta(days=next(ticks))
    )
    with pytest.raises((AssertionError, StyleContractError)):
        test_all_texts_of_a_sample_are_of_one_moment(DATED["two formats"], PAIR)


def test_fragments_read_no_clock():
    with clock_of() as read:
        assert get_style("chatml").render(TALK).spans
        assert not isinstance(outcome(render_texts, PAIR, get_style("chatml")), RowError)
    assert read == []


def test_texts_that_know_their_cells_are_traced_at_the_moment_too():
    style = Style.from_chat_template(DATED["a time"])
    with clock_of():
        rendered = style.render([{"role": "user", "content": Traced.whole("cell", "column")}])
        assert [span.source for span in rendered.spans if span.kind == "content"] == [("column", 0)]

"""Where a style and the real chat template of its family differ, each difference is declared and still there."""

import pytest
from family_references import assistant, find_reference, render_style, system, user

UNLIKE = [
    # the template trims contents and takes empty lines out of them, which no style does
    ("falcon", user(" a "), " "),
    ("falcon", user("a\n\nb"), "\n"),
    # the template leaves out an empty turn, or writes its own text there; each message has its place in a style
    ("glm4", user(""), "<|user|>\n"),
    ("glm4.5", assistant(" "), "\n"),
    ("lfm2", system(""), "<|im_start|>system\n<|im_end|>\n"),
    ("hunyuan", system(""), "<｜hy_place▁holder▁no▁3｜>"),
    ("harmony", system(""), "<|start|>developer<|message|># Instructions\n\n\n\n<|end|>"),
    ("seed-oss", assistant(" "), "\n<seed:eos>"),
    # the template trims one end
    ("smollm3", system("a "), " "),
]
"""A style, a message, and what the style writes of it beyond what the real template does."""


@pytest.mark.parametrize(("style", "unlike", "more"), UNLIKE)
def test_what_is_left_out_of_the_comparison_differs_by_the_characters_that_a_template_drops(style, unlike, more):
    reference = find_reference(style)
    talk = [user("Tea?"), unlike] if unlike["role"] == "assistant" else [unlike, assistant("Yes.")]
    talk = [*talk[:1], user("Tea?"), *talk[1:]] if unlike["role"] == "system" else talk
    written, expected = render_style(style, talk, False), reference.render(talk, False)
    lost = [at for at in range(len(written)) if written.startswith(more, at)]
    shortened = {written[:at] + written[at + len(more) :] for at in lost}
    shortened |= {
        text[:at] + text[at + len(more) :]
        for text in shortened
        for at in range(len(text))
        if text.startswith(more, at)
    }
    assert written != expected
    assert expected in shortened


REFUSED = [
    ("command-r", [user("Tea?"), system("Be brief.")], "Be brief."),
    ("harmony", [user("Tea?"), system("Be brief.")], "Be brief."),
    ("minimax-m2", [user("Tea?"), system("Be brief.")], "Be brief."),
    ("smollm3", [user("Tea?"), system("Be brief.")], "Be brief."),
    ("smollm3", [system("Be brief. /think"), user("Tea?")], "Be brief. /think"),  # it switches thinking on
]
"""What the real template leaves out without a word, and the style refuses."""


@pytest.mark.parametrize(("style", "talk", "lost"), REFUSED)
def test_what_a_template_leaves_out_without_a_word_is_refused(style, talk, lost):
    assert lost not in find_reference(style).render(talk, False)
    assert render_style(style, talk, False) is None


@pytest.mark.parametrize(("style", "more"), [("tulu", "\n"), ("olmo2", "\n"), ("falcon3", "\n"), ("harmony", None)])
def test_an_answer_behind_an_answer_is_asked_for_as_it_will_be_written_or_not_at_all(style, more):
    """Else the prompt's text would not open the text with the answer."""
    talk, marked = [user("Tea?"), assistant("Yes.")], "<|assistant|>\n"
    written, expected = render_style(style, talk, True), find_reference(style).render(talk, True)
    assert expected is not None
    assert written == (more and expected.removesuffix(marked) + more + marked)


@pytest.mark.parametrize(
    "reference", [find_reference("glm4", "0414"), find_reference("hunyuan")], ids=lambda reference: reference.style
)
def test_a_late_system_turn_that_a_template_puts_in_front_stays_in_its_place(reference):
    talk = [user("Tea?"), assistant("Yes."), system("Be brief.")]
    expected, written = reference.render(talk, False), render_style(reference.style, talk, False)
    assert expected.index("Be brief.") < expected.index("Tea?")
    assert written.index("Be brief.") > written.index("Tea?")


@pytest.mark.parametrize(
    ("style", "without_system"),
    [("granite3", "Knowledge Cutoff"), ("yi", "<|im_start|>assistant\n"), ("minimax-m2", "<think>\n")],
)
def test_what_a_template_writes_unasked_and_the_style_does_not(style, without_system):
    """A dated system text; the assistant's mark behind a question that asks for no answer; the begin of a thought."""
    reference, generate = find_reference(style, "3.3" if style == "granite3" else ""), style == "minimax-m2"
    assert without_system in reference.render([user("Tea?")], generate)
    assert without_system not in render_style(style, [user("Tea?")], generate)

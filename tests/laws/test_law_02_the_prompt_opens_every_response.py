import pytest
from planted import BUNDLED_STYLES, HELLO, PKU, TEXT_TEMPLATES, check, check_each, faulty_style

from preftemplates import Style, get_style, get_template
from preftemplates.errors import Code, RowError
from preftemplates.testing import the_generation_prompt_opens_every_answer, the_prompt_opens_every_response


@pytest.mark.parametrize("name", TEXT_TEMPLATES)
def test_the_prompt_opens_every_response(name):
    check_each(get_template(name), the_prompt_opens_every_response)


@pytest.mark.parametrize("name", BUNDLED_STYLES)
def test_the_generation_prompt_opens_every_answer(name):
    check_each(get_style(name), the_generation_prompt_opens_every_answer)


ASK = {"role": "user", "content": "Tea?"}


@pytest.mark.parametrize("answer", [[], [ASK], [{"role": "system", "content": "Be kind."}, HELLO[-1]]])
def test_a_response_that_does_not_begin_with_an_answer_is_refused(answer):
    row = {"prompt": [ASK], "completion": answer}
    with pytest.raises(RowError) as caught:
        get_template("TRL-messages").format(row, "supervised")
    assert caught.value.code == Code.BAD_TURNS


def thinking_when_asked():
    """A style as reasoning models have it: asked, the model is told not to think; an old answer does not show it."""
    return Style.from_chat_template(
        "{% for message in messages %}{{ '<' + message.role + '>' + message.content }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<assistant><think></think>' }}{% endif %}"
    )


FAULTY = [
    thinking_when_asked(),
    faulty_style(generation_prompt="<|im_start|>bot\n"),
    faulty_style(generation_prompt="<|im_start|>assistant\n\n"),
]


@pytest.mark.parametrize("style", FAULTY)
def test_another_generation_prompt_is_caught(style):
    with pytest.raises(AssertionError, match="does not begin with"):
        check(style, the_generation_prompt_opens_every_answer)
    with pytest.raises(AssertionError, match="does not begin with"):
        check(PKU.with_style(style), the_prompt_opens_every_response)


def last_turn_first(self, messages, add_generation_prompt):
    return super(type(self), self).text(sorted(messages, key=lambda message: message["role"]), add_generation_prompt)


def test_a_response_before_its_prompt_is_caught():
    with pytest.raises(AssertionError, match="does not begin with"):
        check(PKU.with_style(faulty_style(text=last_turn_first)), the_prompt_opens_every_response)

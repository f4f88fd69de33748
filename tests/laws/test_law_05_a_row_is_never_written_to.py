from typing import Any

import pytest
from planted import BUNDLED_STYLES, BUNDLED_TEMPLATES, CHATML, HELLO, PKU, Faulty, check, check_each

from preftemplates import Preference, RowModel, Template, get_style, get_template, register_filter
from preftemplates.templates import cell_readers
from preftemplates.testing import a_row_is_never_written_to, messages_are_never_written_to


@pytest.mark.parametrize("name", BUNDLED_TEMPLATES)
def test_a_row_is_never_written_to(name):
    check_each(get_template(name), a_row_is_never_written_to)


@pytest.mark.parametrize("name", BUNDLED_STYLES)
def test_messages_are_never_written_to(name):
    check_each(get_style(name), messages_are_never_written_to)


class ByHand(Template):
    example = {"prompt": " Hi", "answers": ["yes", "no"]}

    def format_preference_sample(self, raw_sample):
        better, worse = raw_sample["answers"]
        return {"better_text": raw_sample["prompt"] + better, "worse_text": raw_sample["prompt"] + worse}


class WritingByHand(ByHand):
    def format_preference_sample(self, raw_sample):
        raw_sample["prompt"] = raw_sample["prompt"].strip()
        return super().format_preference_sample(raw_sample)


class WritingDeepInside(ByHand):
    def format_preference_sample(self, raw_sample):
        result = super().format_preference_sample(raw_sample)
        raw_sample["answers"].reverse()
        return result


def test_a_template_by_hand_that_only_reads_passes():
    check(ByHand, a_row_is_never_written_to)


def test_a_template_by_hand_that_writes_to_the_row_writes_to_a_copy():
    check(WritingByHand, a_row_is_never_written_to)


def test_a_template_by_hand_that_writes_deep_inside_is_caught():
    with pytest.raises(AssertionError, match="changed the row"):
        check(WritingDeepInside, a_row_is_never_written_to)


def test_a_filter_that_writes_deep_inside_writes_to_a_copy_and_is_caught_without_one(monkeypatch):
    @register_filter
    def taken(turns):
        return turns.pop()["text"]

    class Taking(Template):
        class Row(RowModel):
            prompt: str
            answers: Any
            rejected: str

        preference = Preference(prompt="{{ prompt }}", chosen="{{ answers.all | taken }}", rejected="{{ rejected }}")
        example = {"prompt": "Hi", "answers": {"all": [{"text": "yes"}, {"text": "no"}]}, "rejected": ""}

    check(Taking, a_row_is_never_written_to)
    monkeypatch.setattr(cell_readers, "to_plain", lambda value: value)
    with pytest.raises(AssertionError, match="changed the row"):
        check(Taking, a_row_is_never_written_to)


def only_dicts(template, row, format):
    return template.format(row if isinstance(row, dict) else template.example, format)


def test_a_row_that_is_no_dict_must_format_alike():
    with pytest.raises(AssertionError, match="a Mapping gives another result"):
        check(Faulty(PKU, format=only_dicts), a_row_is_never_written_to)


def stripping(style, messages, **asked):
    for message in messages:
        message["content"] = message["content"].strip()
    return style.render(messages, **asked)


def test_a_style_that_writes_to_messages_is_caught():
    messages_are_never_written_to(CHATML, HELLO)
    with pytest.raises(AssertionError, match="changed the messages"):
        messages_are_never_written_to(Faulty(CHATML, render=stripping), [dict(message) for message in HELLO])

"""Pairs: read through any template, split by prompt, cut by whole turns, and every one counted."""

from datetime import datetime

import pytest
from preftemplates_train.data.encoding import encode_labelled_texts
from preftemplates_train.data.labelled_texts import read_labelled_texts
from preftemplates_train.data.lengths import cut_prompt
from support import HOMEWORK as HOMEWORK_FILE
from support import real_rows
from token_support import byte_tokenizer
from tokenizers import normalizers

from preftemplates import Preference, RowModel, Style, Template, get_template
from preftemplates.data.sample_ids import SampleEncoder
from preftemplates.styles.environment import CLOCK

HOMEWORK = str(HOMEWORK_FILE)
ROW = {"prompt": "q", "response_0": "one", "response_1": "two", "better_response_id": 1}


TOKENIZER = byte_tokenizer()
PAD = TOKENIZER.pad_token_id


def encode(texts):
    return TOKENIZER(texts)["input_ids"]


def pairs_of(*rows, template="PKUSafeRLHF"):
    return read_labelled_texts(rows, get_template(template))[0]


@pytest.mark.parametrize("dialect", ["text", "trl", "align-anything"])
def test_the_whole_texts_are_read_whatever_the_dialect(dialect):
    (pair,) = read_labelled_texts([ROW], get_template("PKUSafeRLHF").with_dialect(dialect))[0]
    assert pair.texts[0] == "BEGINNING OF CONVERSATION: USER: q ASSISTANT:two"
    assert pair.texts[1] == "BEGINNING OF CONVERSATION: USER: q ASSISTANT:one"
    assert pair.prompt == "BEGINNING OF CONVERSATION: USER: q ASSISTANT:"
    assert pair.first_listed is False
    assert pairs_of({**ROW, "better_response_id": 0})[0].first_listed is True


def test_a_label_beside_the_preference_comes_with_the_pair():
    row = {"history": "Tea?", "human_ref_A": "Green.", "human_ref_B": "No.", "labels": 1, "score_ratio": 3.5}
    (pair,) = pairs_of(row, template="SHP")
    assert pair.labels == {"margin": 2.5}
    assert pairs_of(ROW)[0].labels == pairs_of(ROW, template=HOMEWORK)[0].labels == {}


def test_a_class_that_formats_by_hand_gives_the_same_texts():
    (declared,), (by_hand,) = pairs_of(ROW), pairs_of(ROW, template=HOMEWORK)
    assert by_hand.texts == declared.texts
    assert by_hand.messages is None
    assert by_hand.first_listed is None


class Sure(Template):
    class Row(RowModel):
        a: str
        b: str
        sure: float | None = None
        by: float | None = None

    preference = Preference(
        prompt="q", chosen="{{ a }}", rejected="{{ b }}", probability="{{ sure }}", margin="{{ by }}"
    )


def test_a_pair_of_probability_one_half_or_margin_0_is_a_tie_and_is_not_trained_on():
    labels = [{"sure": 0.5}, {"by": 0.0}, {"sure": 0.5, "by": 2.0}, {"sure": 0.51}, {"by": 0.01}, {}]
    pairs, report = read_labelled_texts([{"a": "a", "b": "b", **each} for each in labels], Sure())
    assert [(pair.row, pair.labels) for pair in pairs] == [(3, {"probability": 0.51}), (4, {"margin": 0.01}), (5, {})]
    assert [(skipped.row, skipped.code) for skipped in report.skipped] == [(0, "tie"), (1, "tie"), (2, "tie")]


def test_rows_that_make_no_pair_are_counted():
    pairs, report = read_labelled_texts([ROW, {}, {**ROW, "response_0": "two"}], get_template("PKUSafeRLHF"))
    assert (len(pairs), report.rows, report.formatted) == (1, 3, 1)
    assert (len(report.skipped), len(report.rejected)) == (1, 1)


def turns(*contents):
    roles = ("user", "assistant")
    return [{"role": roles[number % 2], "content": content} for number, content in enumerate(contents)]


LONG = {"prompt": turns("a" * 40, "b" * 40, "c"), "chosen": [{"role": "assistant", "content": "yes"}],
        "rejected": [{"role": "assistant", "content": "no"}]}  # fmt: skip


def test_a_prompt_is_cut_by_whole_turns_and_on_both_sides_alike():
    template = get_template("TRL-messages").with_style("human-assistant")
    pairs, _ = read_labelled_texts([LONG], template)
    encoder = SampleEncoder(TOKENIZER, template.style)
    (cut,), report = encode_labelled_texts(
        pairs, encoder, max_length=60, pad_id=PAD, policy="cut_prompt", style=template.style
    )
    assert (report.cut, report.kept, report.too_long) == (1, 1, 0)
    assert cut.sample.texts[0] == "\n\nHuman: c\n\nAssistant: yes"
    assert cut.sample.texts[1] == "\n\nHuman: c\n\nAssistant: no"
    assert [cut.ids[0]] == encode([cut.sample.texts[0]])


def test_the_texts_of_a_cut_prompt_are_of_one_moment():
    source = "{{ strftime_now('%f') }}{% for m in messages %}{{ m.content }}{% endfor %}"
    sample = Preference(prompt=LONG["prompt"], chosen=LONG["chosen"], rejected=LONG["rejected"])
    moments = iter(datetime(2026, 5, 31, 23, 59, 59, number) for number in range(9))
    clock = CLOCK.set(lambda: next(moments))
    try:
        style = Style.from_chat_template(source)
        cut = cut_prompt(sample, SampleEncoder(TOKENIZER, style), 60, style)
    finally:
        CLOCK.reset(clock)
    assert cut.prompt == "000000c"
    assert cut.responses == ["000000cyes", "000000cno"]


def test_what_does_not_fit_is_dropped_and_counted():
    template = get_template("TRL-messages").with_style("human-assistant")
    pairs, _ = read_labelled_texts([LONG], template)
    encoder = SampleEncoder(TOKENIZER, template.style)
    for policy, length in (("drop", 60), ("cut_prompt", 10)):
        kept, report = encode_labelled_texts(
            pairs, encoder, max_length=length, pad_id=PAD, policy=policy, style=template.style
        )
        assert kept == []
        assert (report.samples, report.too_long) == (1, 1)


@pytest.mark.parametrize("policy", ["drop", "cut_prompt"])
@pytest.mark.parametrize("length", [300, 800])
def test_fault_12_no_text_is_longer_than_allowed_and_its_length_is_that_of_the_ids_trained_on(policy, length):
    template = get_template("HH")
    pairs, _ = read_labelled_texts(real_rows("hh_rlhf/harmless-base_test_even.jsonl.gz")[:200], template)
    encoder = SampleEncoder(TOKENIZER, template.style)
    kept, report = encode_labelled_texts(
        pairs, encoder, max_length=length, pad_id=PAD, policy=policy, style=template.style
    )
    assert max(len(ids) for one in kept for ids in one.ids) <= length
    long = [pair for pair in pairs if max(map(len, encode([*pair.texts]))) > length]
    assert 0 < len(long) == report.too_long + report.cut < len(pairs)
    for one in kept:
        assert [*one.ids] == encode([one.sample.texts[0], one.sample.texts[1]])


class Padding(Template):
    """Writes the pad token, and the two answers."""

    class Row(RowModel):
        response_0: str
        response_1: str

    def format_preference_sample(self, raw_sample):
        return {"a": f"<|pad|>{raw_sample['response_1']}", "b": raw_sample["response_0"]}


def test_a_custom_text_with_the_pad_token_is_never_trained():
    pairs, _ = read_labelled_texts([ROW], Padding())
    kept, report = encode_labelled_texts(pairs, SampleEncoder(TOKENIZER, None), max_length=500, pad_id=PAD)
    assert (report.samples, report.unencodable, kept) == (1, 1, [])


@pytest.mark.parametrize("template", ["PKUSafeRLHF", HOMEWORK])
def test_content_that_spells_a_control_token_is_trained_as_the_text_that_it_is(template):
    rows = [{**ROW, "response_1": f"two{text}"} for text in ("", "<|pad|>", "<|end|> more")]
    pairs = pairs_of(*rows, template=template)
    encoder = SampleEncoder(TOKENIZER, None if template == HOMEWORK else get_template(template).style)
    kept, report = encode_labelled_texts(pairs, encoder, max_length=500, pad_id=PAD)
    assert (report.kept, report.control_text, report.unencodable) == (3, 2, 0)
    assert not {PAD, TOKENIZER.eos_token_id} & {id for pair in kept for id in pair.ids[0]}
    assert [TOKENIZER.decode(pair.ids[0]) for pair in kept] == [pair.texts[0] for pair in pairs]


def test_sides_of_the_same_tokens_are_never_trained():
    lower = byte_tokenizer()
    lower.backend_tokenizer.normalizer = normalizers.Lowercase()
    kept, report = encode_labelled_texts(
        pairs_of(ROW, {**ROW, "response_0": "TWO"}),
        SampleEncoder(lower, get_template("PKUSafeRLHF").style),
        max_length=500,
        pad_id=PAD,
    )
    assert (report.samples, report.kept, report.equal) == (2, 1, 1)
    assert [pair.sample.row for pair in kept] == [0]


def test_the_prompt_of_a_class_that_formats_by_hand_is_the_one_it_writes_and_no_shared_letter():
    rows = [{**ROW, "response_0": first, "response_1": second} for first, second in (("Sure", "Sorry"), ("Yes", "No"))]
    prompts = {pair.prompt for pair in pairs_of(*rows, template=HOMEWORK)}
    assert prompts == {pair.prompt for pair in pairs_of(*rows)} == {"BEGINNING OF CONVERSATION: USER: q ASSISTANT:"}


# Single answers


def test_an_answer_comes_with_its_verdict_or_its_score():
    rows = [{"prompt": "q", "completion": "a", "label": False}, {"prompt": "q", "completion": "b", "label": True}]
    answers, report = read_labelled_texts(rows, get_template("TRL-unpaired"), "unpaired")
    assert [(one.prompt, one.texts, one.labels, one.first_listed) for one in answers] == [
        ("q", ("qa",), {"label": 0.0}, None),
        ("q", ("qb",), {"label": 1.0}, None),
    ]
    assert report.formatted == 2
    (scored,), _ = read_labelled_texts(
        [{"prompt": "q", "completion": "a", "score": 7}], get_template("TRL-scored"), "scored"
    )
    assert (scored.texts, scored.labels) == (("qa",), {"score": 7.0})


def test_a_pair_gives_two_answers_of_one_row():
    answers, _ = read_labelled_texts([ROW], get_template("PKUSafeRLHF"), "unpaired")
    beginning = "BEGINNING OF CONVERSATION: USER: q ASSISTANT:"
    assert [(one.row, one.prompt, one.texts, one.labels) for one in answers] == [
        (0, beginning, (f"{beginning}two",), {"label": 1.0}),
        (0, beginning, (f"{beginning}one",), {"label": 0.0}),
    ]


def test_an_answer_need_not_begin_with_the_text_of_its_prompt():
    """A style may write the history otherwise once there is an answer; the whole text is read, as of pairs."""
    source = "{{ messages | length }}{% for m in messages %}[{{ m.content }}]{% endfor %}"
    template = get_template("TRL-unpaired").with_style(Style.from_chat_template(source))
    (answer,), _ = read_labelled_texts([{"prompt": "q", "completion": "a", "label": True}], template, "unpaired")
    assert (answer.prompt, answer.texts) == ("1[q]", ("2[q][a]",))


def test_a_long_answer_is_dropped_or_loses_the_beginning_of_its_prompt():
    template = get_template("TRL-unpaired-messages").with_style("human-assistant")
    row = {"prompt": LONG["prompt"], "completion": LONG["chosen"], "label": True}
    answers, _ = read_labelled_texts([row], template, "unpaired")
    encoder = SampleEncoder(TOKENIZER, template.style)
    options = {"max_length": 60, "pad_id": PAD, "style": template.style}
    kept, report = encode_labelled_texts(answers, encoder, **options)
    assert (kept, report.too_long) == ([], 1)
    (cut,), report = encode_labelled_texts(answers, encoder, policy="cut_prompt", **options)
    assert (report.cut, report.kept, report.too_long) == (1, 1, 0)
    assert cut.sample.texts == ("\n\nHuman: c\n\nAssistant: yes",)
    assert [*cut.ids] == encode(cut.sample.texts)
    assert cut.labels == {"label": 1.0}

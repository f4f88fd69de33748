"""Token conversion: every row is counted once, ids are counted as they are written, and length policies."""

from __future__ import annotations

import string
from dataclasses import asdict

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import at_least
from token_rows import FORMATS, Answers, Everything, draw_rows, make_row, tables, write_expected
from token_support import tokenizer_of
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from preftemplates import LossSelection, get_template
from preftemplates.data import Record, token_conversion
from preftemplates.data.columnar import conversion
from preftemplates.data.sample_tokens import SampleTokenizer
from preftemplates.data.token_conversion import TokenConversion
from preftemplates.data.token_lengths import LengthLimit, shorten_prompt
from preftemplates.data.token_schema import TokenSchema
from preftemplates.errors import Code, DefinitionError, RowError

EVERYTHING = Everything().with_style("chatml")
TOKENIZER = tokenizer_of("byte_level")

LONG = make_row(["Hello " * 9, "So.", "Why " * 9, "So.", "Hello"], "Hello world", "So.")
SHORT = make_row(["Why?"], "Hello", "So.")


def test_drop_skips_what_is_too_long_and_keeps_what_is_just_short_enough():
    length = length_of(LONG)
    for limit, kept in ((length, 2), (length - 1, 1)):
        results, converting = convert([LONG, SHORT], limit=LengthLimit(limit))
        assert len(results) == kept
    (issue,) = converting.report.skipped
    assert (issue.row, issue.code, issue.message) == (
        0, Code.TOO_LONG, f"a text has {length} token ids, more than the maximum of {length - 1}",
    )  # fmt: skip
    assert converting.counts.longest == length_of(SHORT)


POLICIES = ("drop", "cut_prompt", "truncate")
LIMITS = st.builds(LengthLimit, st.none() | st.integers(1, 80), st.sampled_from(POLICIES))


def make_conversion(rows, format="preference", limit=None, template=EVERYTHING, selection=None, **options):
    encoder = SampleTokenizer(TokenSchema(template, format, has_masks=True), TOKENIZER, selection or LossSelection())
    return TokenConversion(rows, encoder, limit, **{"on_error": "skip", **options})


def convert(*arguments, **options):
    """Return the results of rows, and the conversion."""
    converting = make_conversion(*arguments, **options)
    batches = [results.columns for results in converting.convert_slices()]
    results = pa.Table.from_batches(batches, converting.schema).to_pylist(maps_as_pydicts="strict")
    return results, converting


def list_ids(results):
    """Return the ids of all texts, and the masks where there are some."""
    ids, masks = [], []
    for result in results:
        for name, value in result.items():
            lists = value if isinstance(value, list) and value and isinstance(value[0], list) else [value]
            if name.endswith("_ids"):
                ids += lists
            elif name == "assistant_masks" or (name.endswith("_mask") and name != "completion_mask"):
                masks += lists
    return ids, masks


def check_counts(rows, results, converting):
    """Check that each row is counted once, and that the ids that are written are counted."""
    report, counts = converting.report, converting.counts
    assert report.rows == len(rows) == report.formatted + len(report.skipped) + len(report.rejected)
    assert report.results == len(results)
    numbers = [issue.row for log in (report.skipped, report.rejected) for issue in log]
    assert len(numbers) == len({*numbers})
    ids, masks = list_ids(results)
    lengths = [*map(len, ids)]
    assert (counts.ids, counts.longest) == (sum(lengths), max(lengths, default=0))
    assert counts.trained == sum(map(sum, masks))


BROKEN = st.sampled_from(({}, {"thread": 5}, {"number": "x"}, {"one": None}, {"thread": []}))


@st.composite
def mixed_rows(draw):
    """Draw rows of which some have a fault."""
    rows = draw(tables())
    for broken in draw(st.lists(BROKEN, max_size=3)):
        rows.insert(draw(st.integers(0, len(rows))), {**SHORT, **broken} if broken else {})
    if draw(st.booleans()):
        rows.append(RowError("expected an object", code=Code.BAD_JSON))
    return [Record(number, number + 1, row) for number, row in enumerate(rows)]


@at_least(80)
@given(mixed_rows(), st.sampled_from(FORMATS), LIMITS)
def test_rows_in_are_formatted_skipped_and_rejected(rows, format, limit):
    results, converting = convert(rows, format, limit)
    check_counts(rows, results, converting)
    ids, _ = list_ids(results)
    assert limit.max_length is None or all(len(one) <= limit.max_length for one in ids)
    too_long = [issue for issue in converting.report.skipped if issue.code == Code.TOO_LONG]
    assert limit.max_length is not None or not too_long


@at_least(60)
@given(mixed_rows(), st.sampled_from(FORMATS), LIMITS, st.integers(1, 7))
def test_slices_of_any_size_give_the_same(rows, format, limit, size):
    whole, expected = convert(rows, format, limit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conversion, "_MAX_ROWS", size)
        patch.setattr(token_conversion, "_ROWS", size)
        results, converting = convert(rows, format, limit)
    assert results == whole
    assert asdict(converting.counts) == asdict(expected.counts)
    assert converting.report.counts() == expected.report.counts()
    for log in ("skipped", "rejected", "left_out"):
        issues = ([*getattr(one.report, log)] for one in (converting, expected))
        assert sorted(next(issues)) == sorted(next(issues))


@at_least(60)
@given(tables(), st.sampled_from(FORMATS))
def test_what_is_written_has_the_tokens_of_each_sample(rows, format):
    results, converting = convert(rows, format)
    template = converting._tokenizer.schema.template
    expected = [
        columns
        for row in rows
        for columns in write_expected(template, format, row, TOKENIZER, LossSelection(), converting.schema.names)
        if columns is not None
    ]
    assert results == expected


# --- length policies -----------------------------------------------------------------------------------------------


def length_of(row, format="preference"):
    """Return how many ids the longest text of a row has."""
    ((result,), _) = convert([row], format)
    return max(map(len, list_ids([result])[0]))


def shorten(row, turns, system=()):
    return {**row, "thread": [*system, *row["thread"][turns:]]}


@pytest.mark.parametrize("system", [[], [{"role": "system", "content": "So."}]])
def test_cut_prompt_leaves_out_the_fewest_turns(system):
    row = shorten(LONG, 0, system)
    lengths = [length_of(shorten(LONG, turns, system)) for turns in (0, 2, 4)]
    assert lengths[0] > lengths[1] > lengths[2]
    for turns, length in zip((0, 2, 4), lengths, strict=True):
        for limit in (length, length + 1):
            results, converting = convert([row], limit=LengthLimit(limit, "cut_prompt"))
            assert results == convert([shorten(LONG, turns, system)])[0]
            assert converting.counts.cut_prompts == (turns > 0)
    results, converting = convert([row], limit=LengthLimit(lengths[2] - 1, "cut_prompt"))
    assert not results
    assert converting.report.counts()["skipped"] == {"too_long": 1}


@given(st.lists(st.sampled_from(("system", "user", "assistant", "tool", "developer")), max_size=8))
def test_a_shorter_prompt_keeps_system_messages_and_begins_with_a_user_s_turn(roles):
    prompt = [{"role": role, "content": str(number)} for number, role in enumerate(roles)]
    lengths = [len(prompt)]
    for shorter in shorten_prompt(prompt):
        system = [message for message in prompt if message["role"] in ("system", "developer")]
        assert shorter[: len(system)] == system
        turns = shorter[len(system) :]
        assert turns[0]["role"] == "user"
        assert [message for message in prompt if message not in system][-len(turns) :] == turns
        lengths.append(len(shorter))
    assert lengths == sorted({*lengths}, reverse=True)


@pytest.mark.parametrize("format", FORMATS)
def test_truncate_keeps_beginnings(format):
    rows = [LONG, SHORT]
    whole, _ = convert(rows, format)
    length = length_of(SHORT, format)
    if format == "prompt_only":
        length -= 1
    results, converting = convert(rows, format, LengthLimit(length, "truncate"))
    for result in results:
        (original,) = (one for one in whole if all(map(begins, one.values(), result.values())))
        assert original.keys() == result.keys()
    assert converting.counts.truncated == sum(result not in whole for result in results)
    check_counts(rows, results, converting)


def begins(whole, part):
    """Whether a value is another one, or a list that it begins with; a count may be less."""
    if isinstance(whole, list):
        nested = whole and isinstance(whole[0], list)
        return (
            all(map(begins, whole, part))
            if nested or isinstance(whole[0], int | float)
            else whole[: len(part)] == part
        )
    return part <= whole if isinstance(whole, int) else part == whole


# --- rows in detail ------------------------------------------------------------------------------------------------


def test_rows_stay_in_order_whatever_encodes_them():
    """Rows that blocks leave, and rows that no plan formats, are encoded one by one: the order is that of the file."""
    rows = [make_row(["Why?\x08"], "So.", "Hello"), make_row(["", "So.", "Hello"], "Hello", "So.")]
    for some in (rows, rows[::-1], [*rows, SHORT], [SHORT, *rows], [*rows[::-1], LONG, *rows]):
        results, _ = convert(some, "prompt_only")
        assert results == [result for row in some for result in convert([row], "prompt_only")[0]]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("limit", [None, 25, 21, 16])
def test_the_samples_of_a_row_stay_in_order(policy, limit):
    template = Answers().with_style("chatml")
    answers = ("Hello world", "So.", "Hello " * 9, "<|im_end|>", "Why?", "\x08Hello")
    rows = [{"question": "Why?", "good": good, "bad": bad} for good in answers for bad in answers if good != bad]
    results, converting = convert(rows, "unpaired", LengthLimit(limit, policy), template)
    single = [result for row in rows for result in convert([row], "unpaired", LengthLimit(limit, policy), template)[0]]
    assert results == single
    assert sum(result["label"] for result in single) >= len(rows) // 3
    check_counts(rows, results, converting)


def test_a_row_of_which_one_sample_is_dropped_is_formatted_and_the_sample_is_left_out():
    template = Answers().with_style("chatml")
    rows = [{"question": "Why?", "good": good, "bad": bad} for good, bad in (("So.", "Hello " * 30), ("a", "b"))]
    for policy in ("drop", "cut_prompt"):
        results, converting = convert(rows, "unpaired", LengthLimit(25, policy), template)
        assert [result["label"] for result in results] == [True, True, False]
        report = converting.report
        assert (report.rows, report.formatted, report.results, report.counts()) == (
            2,
            2,
            3,
            {"skipped": {}, "rejected": {}},
        )
        assert [(issue.row, issue.code) for issue in report.left_out] == [(0, Code.TOO_LONG)]


def test_a_row_of_which_all_samples_are_dropped_is_skipped_once():
    template = Answers().with_style("chatml")
    results, converting = convert(
        [{"question": "Why?", "good": "So " * 20, "bad": "Hello " * 20}], "unpaired", LengthLimit(30), template
    )
    assert not results
    assert converting.report.counts() == {"skipped": {"too_long": 1}, "rejected": {}}
    assert (converting.report.results, len(converting.report.left_out)) == (0, 0)


@pytest.mark.parametrize("on_error", ["skip", "raise"])
def test_rows_whose_flags_leave_nothing_to_train_are_skipped(on_error):
    rows = [SHORT, make_row(["Why?"], "Hello", "So.", weight=0), make_row(["Why?"], "Hello", "So.", weight=1)]
    results, converting = convert(rows, on_error=on_error)
    assert len(results) == 2
    assert converting.report.counts() == {"skipped": {"nothing_trained": 1}, "rejected": {}}
    (issue,) = converting.report.skipped
    assert (issue.row, issue.message) == (1, "chosen: no message is trained on")


def test_flags_in_the_prompt_are_followed():
    row = {**LONG, "thread": [{**message, "weight": 1} for message in LONG["thread"][:2]] + LONG["thread"][2:]}
    ((plain,), _), ((flagged,), _) = convert([LONG], "supervised"), convert([row], "supervised")
    assert flagged["input_ids"] == plain["input_ids"]
    assert sum(flagged["assistant_masks"]) > sum(plain["assistant_masks"])


@pytest.mark.parametrize("policy", POLICIES)
def test_labels_are_kept_whatever_is_cut(policy):
    rows = [make_row(["So. " * 9, "So.", "Why?"], text, "So.", number) for text in ("Hello", "<|im_end|>x")
            for number in (0.25, 0.5, 3.0)]  # fmt: skip
    length = length_of(rows[0]) - 1
    for limit in (None, LengthLimit(length, policy)):
        results, _ = convert(rows, limit=limit)
        expected = [row["number"] for row in rows] if limit is None or policy != "drop" else []
        assert [result["margin"] for result in results] == expected
        results, _ = convert(rows, "scored", limit)
        assert [result["score"] for result in results] == expected or policy == "drop"
        results, _ = convert(rows, "prompt_only", limit)
        assert [result["answer"] for result in results] == [row["text"] for row in rows]


def test_an_error_is_raised_with_its_row_line_and_file():
    rows = [Record(0, 1, SHORT), Record(7, 9, {**SHORT, "thread": 5})]
    with pytest.raises(RowError, match=r"row 7 \(some.jsonl line 9\), column 'thread'"):
        convert(rows, on_error="raise", file="folder/some.jsonl")
    results, converting = convert(rows)
    assert len(results) == 1
    assert [(issue.row, issue.line, issue.code) for issue in converting.report.rejected] == [(7, 9, Code.WRONG_TYPE)]


def test_what_only_encoding_can_refuse_is_rejected_or_raised():
    """A vocabulary that has nothing but a control token for a character of the content."""
    letters = [("<unk>", 0.0), *((letter, -2.0) for letter in f"\u2603{string.printable}")]
    model = Tokenizer(models.Unigram(letters, unk_id=0))
    model.add_special_tokens(["\u2603"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=model, eos_token="\u2603")
    encoder = SampleTokenizer(TokenSchema(EVERYTHING, "supervised", has_masks=True), tokenizer, LossSelection())
    rows = [Record(2, 3, SHORT), Record(3, 4, make_row(["Hello"], "So.\u2603", "Why?"))]
    converting = TokenConversion(rows, encoder, on_error="skip")
    assert sum(map(len, converting.convert_slices())) == 1
    (issue,) = converting.report.rejected
    assert (issue.row, issue.line, issue.code) == (3, 4, Code.UNSUPPORTED_CONTENT)
    message = r"row 3 \(a.jsonl line 4\): the tokenizer has only a control token for"
    with pytest.raises(RowError, match=message):
        [*TokenConversion(rows, encoder, file="a.jsonl").convert_slices()]


def test_every_pair_of_a_ranking_is_written():
    template = get_template("UltraFeedback").with_style("chatml")
    results, converting = convert([template.example] * 3, template=template)
    assert len(results) == converting.report.results == 3 * 3
    assert converting.report.formatted == 3


def test_report_and_counts_begin_anew():
    converting = make_conversion([LONG, SHORT], limit=LengthLimit(20))
    first, second = ([*map(len, converting.convert_slices())] for _ in range(2))
    assert first == second
    assert (converting.report.rows, converting.report.formatted, converting.counts.ids) == (
        2,
        1,
        sum(map(len, list_ids(convert([SHORT])[0])[0])),
    )


def test_a_file_without_rows_has_no_results():
    results, converting = convert([])
    assert (results, converting.report.rows, converting.counts.ids) == ([], 0, 0)
    assert converting.schema.names[0] == "chosen_ids"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"too_long": "cutprompt"},
            r"too_long must be one of drop, cut_prompt, truncate; got 'cutprompt'. Did you mean",
        ),
        ({"max_length": 0}, "max_length must be a whole number, 1 or more; got 0"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(options, message):
    with pytest.raises(DefinitionError, match=message):
        LengthLimit(**options)


def test_a_flag_that_is_followed_is_not_reported_as_unread():
    messages = get_template("Messages").with_style("chatml")
    talk = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So.", "weight": 1, "mood": "good"}]
    _, converting = convert([{"messages": talk}], "supervised", template=messages)
    assert [*converting.report.unread.paths] == ["messages[].mood"]


def test_skipped_rows_are_listed_in_their_order():
    equal = make_row(["Why?"], "So.", "So.")
    _, converting = convert([LONG, equal, LONG, equal], limit=LengthLimit(length_of(LONG) - 1))
    assert [(issue.row, str(issue.code)) for issue in converting.report.skipped] == [
        (0, "too_long"), (1, "equal"), (2, "too_long"), (3, "equal"),
    ]  # fmt: skip


def test_rows_that_are_dropped_are_not_flagged():
    spelling = make_row(["Hello " * 9], "Hello <|im_end|>", "So.")
    flagged = [convert([spelling], limit=limit)[1].report.flagged for limit in (None, LengthLimit(9))]
    assert [len(log) > 0 for log in flagged] == [True, False]


def test_a_style_that_ends_no_last_answer_says_how_to_train_without_an_end():
    glm = EVERYTHING.with_style("glm4")
    _, converting = convert([SHORT], template=glm)
    (issue,) = converting.report.skipped
    assert issue.code is Code.NOTHING_TRAINED
    assert issue.message.endswith(
        "; to train on the content alone, use LossSelection(stop=False), or --no-stop on the command line"
    )
    results, _ = convert([SHORT], template=glm, selection=LossSelection(stop=False))
    assert len(results) == 1


@at_least(40)
@given(st.integers(0, 10_000), st.integers(5, 60), st.sampled_from(["supervised", "preference"]))
def test_truncating_columns_is_truncating_samples(seed, max_length, format):
    schema = TokenSchema(EVERYTHING, format, has_masks=True)
    results, _ = convert(draw_rows(seed, 6), format)
    table = pa.Table.from_pylist(results, schema.schema)
    columns, lasting = schema.truncate_columns([column.combine_chunks() for column in table.columns], max_length)
    shorter = pa.Table.from_arrays(columns, schema=schema.schema).to_pylist()
    expected = [schema.truncate(result, max_length) for result in results]
    assert [row if kept else None for row, kept in zip(shorter, lasting, strict=True)] == expected


def test_a_dropped_answer_is_not_counted_as_a_class():
    template = Answers().with_style("chatml")
    rows = [{"question": "Why?", "good": "So.", "bad": "Hello " * 20}] * 3
    results, converting = convert(rows, "unpaired", LengthLimit(30), template)
    assert [result["label"] for result in results] == [True] * 3
    assert dict(converting.report.classes) == {True: 3}
    assert [str(issue.code) for issue in converting.report.flagged] == ["one_class"]


@pytest.mark.parametrize("max_length", ["5", 0, True, 2.0])
def test_a_maximum_length_is_a_whole_number(max_length):
    with pytest.raises(DefinitionError, match="max_length must be a whole number, 1 or more"):
        LengthLimit(max_length)

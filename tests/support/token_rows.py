"""What the tests of token columns share: a template of every dataset type, drawn rows, and the columns of one row."""

from dataclasses import replace
from random import Random

import pyarrow as pa
from hypothesis import strategies as st
from token_support import MARKS, texts_with_marks, texts_without_marks

from preftemplates import (
    Judge,
    LossSelection,
    Message,
    Preference,
    PromptOnly,
    Ranked,
    RowModel,
    Scored,
    Stepwise,
    Supervised,
    Template,
    TokenBatchFormatter,
    Unpaired,
    tokenize,
)
from preftemplates.data.batches import ERROR_COLUMN
from preftemplates.data.sample_tokens import SampleTokenizer
from preftemplates.data.skips import find_skip_reason
from preftemplates.errors import RowError, SpanError, StyleContractError
from preftemplates.templates.rendering import render_sample


class Everything(Template):
    """A conversation and two answers, as every dataset type."""

    class Row(RowModel):
        thread: list[Message]
        one: list[Message]
        two: list[Message]
        text: str
        other: str
        number: float

    prompt_only = PromptOnly(prompt="{{ thread }}", answer="{{ text }}")
    supervised = Supervised(prompt="{{ thread }}", completion="{{ one }}")
    preference = Preference(prompt="{{ thread }}", chosen="{{ one }}", rejected="{{ two }}", margin="{{ number }}")
    unpaired = Unpaired(prompt="{{ thread }}", completion="{{ one }}", label="{{ number > 1 }}")
    scored = Scored(prompt="{{ thread }}", completion="{{ one }}", score="{{ number }}")
    ranked = Ranked(prompt="{{ thread }}", completions="{{ [text, other] }}", ranks="{{ [0, number] }}")
    stepwise = Stepwise(prompt="{{ thread }}", completions="{{ [text, other] }}", labels="{{ [true, number > 1] }}")
    judge = Judge(prompt="{{ other }}", completion="{{ text }}", verdict="{{ 'A' if number > 1 else 'tie' }}")


_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string()), ("weight", pa.int64())]))
SCHEMA = pa.schema(
    [
        ("thread", _MESSAGES), ("one", _MESSAGES), ("two", _MESSAGES),
        ("text", pa.string()), ("other", pa.string()), ("number", pa.float64()),
    ]
)  # fmt: skip

FORMATS = Everything().formats

WORDS = (
    "Hello", " world", "So.", "e\u0301", "é", "ﬁ", "日本", "👩‍🚀", "\n\n", "  ", "\t", "ASSISTANT:", "'s", ".", "x",
    "\u00a0", "ÀB", "words ", " ", "\u0301", "\u200d",
)  # fmt: skip
"""Texts that tokenizers cut in many ways, of which none is a control token."""


def say(text, role="assistant", **flags):
    """Return a turn as one message in a list."""
    return [{"role": role, "content": text, **flags}]


def make_row(asked, text, other, number=2.0, system=None, **flags):
    """Return a row from the turns of the prompt, user first, and two answers; flags are those of the first answer."""
    turns = [message for at, turn in enumerate(asked) for message in say(turn, ("user", "assistant")[at % 2])]
    thread = turns if system is None else [*say(system, "system"), *turns]
    return {
        "thread": thread, "one": say(text, **flags), "two": say(other), "text": text, "other": other, "number": number,
    }  # fmt: skip


ODD_TEXTS = (
    texts_without_marks()
    | texts_with_marks()
    | st.sampled_from(("", " ", "\u200b", "\x00", "\ufffd", "\nSo.", *MARKS))
)
"""Texts with control tokens, parts of them, and no visible character."""


def draw_rows(seed, count, odd_texts=()):
    """Draw rows of `Everything`; a quarter of their texts has an odd one at its start or its end, or is it."""
    random = Random(seed)

    def draw_text():
        text = "".join(["Hello", *random.choices(WORDS, k=random.randrange(1, 6))])
        if not odd_texts or random.random() < 0.75:
            return text
        odd = random.choice(odd_texts)
        return random.choice((odd, odd + text, text + odd))

    def draw_row():
        asked = [draw_text() for _ in range(random.choice((1, 1, 3)))]
        system = draw_text() if random.random() < 0.2 else None
        flags = random.choice(({}, {}, {}, {}, {"weight": 1}, {"weight": 0})) if odd_texts else {}
        return make_row(asked, draw_text(), draw_text(), random.choice((0.5, 2.0)), system, **flags)

    return [draw_row() for _ in range(count)]


def tables(texts=ODD_TEXTS):
    """Draw lists of rows of `Everything`, ordinary ones and odd ones."""
    odd_texts = st.lists(texts, max_size=4)
    return st.builds(draw_rows, st.integers(0, 2**32), st.integers(1, 10), odd_texts)


def write_expected(template, format, row, tokenizer, selection, names):
    """Return the columns of each sample of a row, from `tokenize` and the spans alone; None for an error."""
    try:
        samples = template.formatted(row, format).samples
        kept = [None if find_skip_reason(sample, template.ties) else sample for sample in samples]
        style = template.text_style(format)
        return [sample and _write_sample(sample, style, tokenizer, selection, names) for sample in kept] or [None]
    except (RowError, StyleContractError, SpanError):
        return [None]


def _write_sample(formatted, style, tokenizer, selection, names):
    sample = formatted.plain_messages
    tokens = tokenize(render_sample(sample, style), tokenizer)
    prompt = len(tokens.prompt)
    responses = {name: [] for name in type(sample).response_names}
    last = [*tokens.responses][-1] if tokens.responses else None
    for name, response in tokens.responses.items():
        ended = selection if name == last or not sample.pieces else replace(selection, stop=False)
        assert response.prompt_length == prompt
        assert response.input_ids[:prompt] == tokens.prompt.input_ids
        turns = sample.responses[name][:1] if sample.pieces else sample.responses[name]
        mask = ended.mask(response, [*sample.prompt, *turns], len(sample.prompt))
        ids = [*response.input_ids]
        own = [0] * prompt + [1] * (len(ids) - prompt)
        responses[name.partition("[")[0]].append((ids, [*map(int, mask)], len(ids), own))
    columns = {"prompt_length": prompt}
    if not responses:
        columns["prompt_ids"] = [*tokens.prompt.input_ids]
    elif len(responses) == 1 and sample.several is None:
        ((values,),) = responses.values()
        columns |= dict(zip(("input_ids", "assistant_masks", "length", "completion_mask"), values, strict=True))
    else:
        for name, values in responses.items():
            for key, column in zip(("ids", "mask", "length"), zip(*values, strict=True), strict=False):
                columns[f"{name}_{key}"] = [*column] if sample.several else column[0]
    return columns | {name: formatted.result[name] for name in names if name not in columns}


def check_columns(template, format, table, tokenizer, selection=None):
    """Compare the columns of a table with those of its rows; return how many results are no errors."""
    selection = selection or LossSelection()
    formatter = TokenBatchFormatter(template, format, tokenizer, loss=selection, on_error="column")
    results, good = formatter(table).to_pylist(maps_as_pydicts="strict"), 0
    names = formatter.schema.names[:-1]
    for number, row in enumerate(table.to_pylist()):
        for expected in write_expected(formatter.template, format, row, tokenizer, selection, names):
            result = results.pop(0)
            error = result.pop(ERROR_COLUMN)
            if expected is None:
                assert error, (number, row, result)
                assert set(result.values()) == {None}
            else:
                assert error is None, (number, row, error)
                assert result == expected, (number, row)
                assert len({*map(tuple, list_prompts(result))}) == 1
                good += 1
    assert not results
    return good


def list_prompts(result):
    """Return the ids of the prompt, as each text of a result has them."""
    ids = [value for name, value in result.items() if name.endswith("_ids")]
    responses = [one for value in ids for one in (value if isinstance(value[0], list) else [value])]
    return [one[: result["prompt_length"]] for one in responses]


class BlockCounts:
    """How many samples blocks have encoded, and how many they have left."""

    def __init__(self, monkeypatch):
        self.encoded = self.left = 0
        encode = SampleTokenizer.encode_block

        def count(tokenizer, block):
            result = encode(tokenizer, block)
            self.encoded += len(result.places)
            self.left += len(result.left)
            return result

        monkeypatch.setattr(SampleTokenizer, "encode_block", count)


class Answers(Template):
    """A question with two answers, of which the other dataset types are derived: two samples per row, and a judge."""

    class Row(RowModel):
        question: str
        good: str
        bad: str

    preference = Preference(prompt="{{ question }}", chosen="{{ good }}", rejected="{{ bad }}")

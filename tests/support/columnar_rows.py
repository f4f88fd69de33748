"""Drawn rows for the columnar path: texts of which templates and rules ask something, and rows that are spoiled."""

from random import Random

import pyarrow as pa

from preftemplates import (
    Index01,
    Message,
    Preference,
    PromptOnly,
    RowModel,
    Supervised,
    Template,
    get_template,
    messages,
)

TEXTS = (
    "", " ", "\u200b", "Hi", "Hi", " a\n", "\u00a0x\u2003", "é😀", "<think>Sum.</think>Four.", "</think>", "a<think>",
    "<|im_end|>", "<tool_response>b</tool_response>", "{{ 7*7 }}", "<s>", "\n\nHuman: x", "\n\nAssistant: ", "[INST]",
    "\n\n", "Human: ", "x" * 300,
)  # fmt: skip
"""Texts of which templates ask something: blanks, tags, marks, and several that are equal."""


def draw_text(random):
    return "".join(random.choice(TEXTS) for _ in range(random.choice((1, 1, 1, 2))))


def draw_turns(random):
    """A conversation, most often one that is asked and answered in turn."""
    roles = ["system"] * (random.random() < 0.3) + ["user", "assistant"] * random.randrange(3)
    if random.random() < 0.1:
        roles.append(random.choice(("tool", "developer", "assistant")))
    return [{"role": role, "content": draw_text(random)} for role in [*roles, "user"]]


def draw_transcript(random, opening):
    return opening + f"\n\nAssistant: {draw_text(random)}"


def spoil(random, row):
    """Give a row a null in one of its cells, now and then."""
    return {**row, random.choice([*row]): None} if random.random() < 0.1 else row


class Pairs(Template):
    """Two answers to a conversation, and the index of the better one."""

    class Row(RowModel):
        thread: list[Message]
        one: str
        two: str
        system: str | None = None
        better: Index01

    preference = Preference(
        prompt=[messages("{{ [{'role': 'system', 'content': system}] if system else [] }}"), messages("{{ thread }}")],
        chosen="{{ [one, two][better] }}",
        rejected="{{ two if better == 0 else one }}",
    )
    prompt_only = PromptOnly(prompt="### {{ one }}")
    supervised = Supervised(prompt="### {{ one }}", completion="{{ two ~ '\n' ~ system if system else two }}")


def draw_pair(random):
    row = {
        "thread": draw_turns(random), "one": draw_text(random), "two": draw_text(random),
        "system": random.choice((None, "", "Be brief.")), "better": random.choice((0, 0, 1, 1, 1, 2)),
    }  # fmt: skip
    return spoil(random, row)


def draw_hh(random):
    opening = "".join(f"\n\nHuman: {draw_text(random)}" + "\n\nAssistant: b" * part for part in (1, 0))
    other = opening if random.random() < 0.8 else opening + "c"
    row = {"chosen": draw_transcript(random, opening), "rejected": draw_transcript(random, other)}
    return spoil(random, row)


PAIRS = pa.schema(
    [
        ("thread", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        ("one", pa.string()), ("two", pa.large_string()), ("system", pa.string()), ("better", pa.int64()),
    ]
)  # fmt: skip
SUBJECTS = {"pairs": (Pairs(), draw_pair, PAIRS), "HH": (get_template("HH"), draw_hh, None)}


def draw_rows(seed, name, count=24):
    random = Random(seed)
    _, draw, schema = SUBJECTS[name]
    return [draw(random) for _ in range(count)], schema

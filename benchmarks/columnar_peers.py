"""Peers of the columnar path: TRL, transformers, Jinja engines and convmerge on the same rows."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import datasets
import jinja2
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from trl.data_utils import maybe_apply_chat_template, maybe_extract_prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

Row = dict[str, Any]
Messages = list[dict[str, str]]

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""The ChatML chat template of many models."""

UNPLANNED = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' }}{% for character in message['role'] %}{{ character }}{% endfor %}"
    "{{ '\n' + (message['content'] | title) + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""A chat template that changes contents and loops over characters, so that it must run for each row."""

TURN = re.compile(r"\n\n(Human|Assistant): ")
ROLES = {"Human": "user", "Assistant": "assistant"}

TEXTS = ("prompt", "chosen", "rejected")


def make_tokenizer(chat_template: str) -> Any:
    """Return a tokenizer with a chat template; its vocabulary does not matter, since texts stay texts."""
    words = Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    make: Any = PreTrainedTokenizerFast
    return make(tokenizer_object=words, eos_token="<|im_end|>", chat_template=chat_template)


def read_transcript(text: str) -> Messages:
    """Return the messages of an HH transcript."""
    _, *parts = TURN.split(text)
    return [{"role": ROLES[name], "content": content} for name, content in zip(parts[::2], parts[1::2], strict=True)]


def make_pku_messages(row: Row) -> dict[str, Messages]:
    """Return the messages of a row with PKU-SafeRLHF's columns, with the keys that TRL reads."""
    better = row["better_response_id"]
    return {
        "prompt": [{"role": "user", "content": row["prompt"]}],
        "chosen": [{"role": "assistant", "content": row[f"response_{better}"]}],
        "rejected": [{"role": "assistant", "content": row[f"response_{1 - better}"]}],
    }


def make_hh_messages(row: Row) -> dict[str, Messages]:
    """Return the conversations of a row of HH, in which TRL looks for the prompt."""
    return {side: read_transcript(row[side]) for side in ("chosen", "rejected")}


MAKE_MESSAGES = {"PKU": make_pku_messages, "HH": make_hh_messages}


def make_trl_function(name: str, chat_template: str) -> Callable[[Row], Row]:
    """Return the function that a user of TRL maps over the rows of a set.

    It turns a row into messages, finds the prompt in HH's conversations, and applies the chat template.
    """
    tokenizer, make_messages = make_tokenizer(chat_template), MAKE_MESSAGES[name]

    def convert(row: Row) -> Row:
        return dict(maybe_apply_chat_template(maybe_extract_prompt(make_messages(row)), tokenizer))

    return convert


def make_dataset(tables: Iterable[pa.Table]) -> datasets.Dataset:
    """Return tables as one dataset in memory."""
    parts = [datasets.Dataset(datasets.table.InMemoryTable(table)) for table in tables]
    return datasets.concatenate_datasets(parts)


def map_rows(dataset: datasets.Dataset, convert: Callable[[Row], Row]) -> datasets.Dataset:
    """Map a function over rows with a given fingerprint, so that none is computed from the function."""
    return dataset.map(
        convert, remove_columns=dataset.column_names, keep_in_memory=True, new_fingerprint=f"peer-{id(convert)}"
    )


def map_tables(dataset: datasets.Dataset, formatter: Any) -> datasets.Dataset:
    """Map a formatter of Arrow batches over a dataset, as our docs do."""
    mapped = dataset.with_format("arrow").map(
        formatter, batched=True, batch_size=10_000, keep_in_memory=True, new_fingerprint=f"ours-{id(formatter)}"
    )
    return mapped.select_columns(formatter.schema.names)


def make_conversations(rows: Sequence[Row], name: str) -> list[Messages]:
    """Return both conversations of each row."""
    parts = [maybe_extract_prompt(MAKE_MESSAGES[name](row)) for row in rows]
    return [part["prompt"] + part[side] for part in parts for side in ("chosen", "rejected")]


def make_homework() -> Callable[[Row], Row]:
    """Return the homework's function for preference rows; its texts equal those of the PKUSafeRLHF template."""
    system_prompt, user_prompt, assistant_prompt = (
        "BEGINNING OF CONVERSATION: ",
        "USER: {input} ",
        "ASSISTANT:{output}",
    )

    def format_preference_sample(row: Row) -> Row:
        better = row["better_response_id"]
        responses = [row["response_0"], row["response_1"]]
        prompt = system_prompt + user_prompt.format(input=row["prompt"])
        return {
            "better_text": prompt + assistant_prompt.format(output=responses[better]),
            "worse_text": prompt + assistant_prompt.format(output=responses[1 - better]),
        }

    return format_preference_sample


def make_renderers(chat_template: str) -> dict[str, Callable[[Messages], str] | None]:
    """Return functions that render a conversation with a chat template; None for packages that are not installed."""
    tokenizer = make_tokenizer(chat_template)
    template = jinja2.Environment(trim_blocks=True, lstrip_blocks=True).from_string(chat_template)
    return {
        "transformers, per row": lambda messages: str(tokenizer.apply_chat_template(messages, tokenize=False)),
        "jinja2": lambda messages: template.render(messages=messages, add_generation_prompt=False),
        "minijinja": make_minijinja_renderer(chat_template),
    }


def make_minijinja_renderer(chat_template: str) -> Callable[[Messages], str] | None:
    """Return minijinja's renderer, if minijinja is installed."""
    if importlib.util.find_spec("minijinja") is None:
        return None
    minijinja = importlib.import_module("minijinja")
    environment = minijinja.Environment(templates={"chat": chat_template})
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.auto_escape_callback = lambda _: False
    return lambda messages: str(environment.render_template("chat", messages=messages, add_generation_prompt=False))


def compare_rows(ours: Iterable[Row], theirs: Iterable[Row | None], what: str, tail: str = "") -> int:
    """Compare results row by row, and count the rows that both sides have; the peer has None for a rejected row.

    `tail` is the text after the end of the last turn. TRL's map keeps it. The dialect `trl-text` leaves it out, since
    TRL appends EOS to an answer that does not end in it.

    Raises:
        SystemExit: two rows differ; the message names the row and the key without quoting any text.
    """
    count, missing = 0, dict[str, Any]()
    for number, (our_row, their_row) in enumerate(zip_longest(ours, theirs, fillvalue=missing)):
        if their_row is None or our_row is None:
            continue
        for key in {**our_row, **their_row}:
            end = tail if key in ("chosen", "rejected") else ""
            if key not in our_row or key not in their_row or our_row[key] + end != their_row[key]:
                raise SystemExit(f"{what}: row {number}, {key}: the texts differ")
        count += 1
    return count


PEER_ERRORS = (ArithmeticError, LookupError, NameError, TypeError, ValueError, jinja2.TemplateError)
"""The errors of a peer for a row that it cannot read."""


def try_rows(convert: Callable[[Row], Row], rows: Iterable[Row]) -> list[Row | None]:
    """Return the result of each row; None where the peer raises an error."""
    results: list[Row | None] = []
    for row in rows:
        try:
            results.append(convert(row))
        except PEER_ERRORS:
            results.append(None)
    return results


def make_convmerge_words(rows: Path, out: Path) -> list[str]:
    """Return the arguments with which convmerge converts a file to TRL's messages."""
    return ["-m", "convmerge", "convert", "-i", str(rows), "-o", str(out), "--from", "auto", "--format", "preference"]


def compare_converted(ours: Path, theirs: Path, what: str) -> str:
    """Compare the messages in two converted files, and return how many rows are equal.

    Rows that only one file has are counted too. The others must be in the same order.

    Raises:
        SystemExit: the files have no row in common, or have the common rows in different orders.
    """
    first, second = read_messages(ours), read_messages(theirs)
    common = set(first) & set(second)
    shared = [key for key in first if key in common]
    if not common or shared != [key for key in second if key in common]:
        raise SystemExit(f"{what}: the files have no row in common, or have them in another order")
    return f"{len(shared):,} equal, {len(first) - len(shared):,} only here, {len(second) - len(shared):,} only there"


def read_messages(path: Path) -> list[str]:
    """Return the messages of each row of a JSONL file, as JSON text."""
    with path.open(encoding="utf-8") as file:
        return [json.dumps(pick_messages(json.loads(line)), sort_keys=True) for line in file]


def pick_messages(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the roles and contents of prompt, chosen and rejected."""
    return {key: [(message["role"], message["content"]) for message in row[key]] for key in TEXTS}

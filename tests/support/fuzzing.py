"""Calls of the library with drawn arguments: each must succeed, or end in an error of the library.

    python tests/support/fuzzing.py --calls 2000000 --seed 0

Every call is drawn from its own number, so `--first N --calls 1` makes one again.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import io
import json
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from fuzz_words import (
    ROW_NAMES,
    draw_cell,
    draw_chat_template,
    draw_entry,
    draw_expression,
    draw_json,
    draw_messages,
    draw_text,
    draw_yaml,
    mutate_bytes,
    mutate_value,
    write_json,
)

import preftemplates
from preftemplates import BatchFormatter, Limits, Style, check, get_dialect, get_style, get_template, tokenize
from preftemplates.data import Conversion, open_rows
from preftemplates.errors import PrefTemplatesError
from preftemplates.templates.expressions import Field
from preftemplates.templates.row_types import read_row_type

if TYPE_CHECKING:
    from collections.abc import Callable

LIMITS = Limits(steps=20_000, work=2**24, string=2**20, output=2**22, seconds=2.0)
MAX_SECONDS = 300
"""A call that takes so long has run away; the limits of a template are two seconds."""

FORMATS = ("prompt_only", "supervised", "preference", "unpaired", "ranked", "scored", "stepwise", "judge", "nothing")


@cache
def list_names() -> tuple[list[str], list[str], list[str]]:
    """The names of the templates, styles and dialects."""
    return preftemplates.list_templates(), preftemplates.list_styles(), preftemplates.list_dialects()


@cache
def make_folder() -> Path:
    """A folder for the files of this process."""
    return Path(tempfile.mkdtemp(prefix="fuzz"))


@cache
def load_tokenizer() -> Any:
    """A tokenizer of words that is trained on the spot."""
    from token_support import byte_level

    return byte_level()


def draw_row(random: Random) -> tuple[Any, Any]:
    """A template, and a row that may be one of its."""
    templates, _, _ = list_names()
    template = get_template(random.choice(templates))
    row = template.example or {"prompt": "a", "chosen": "b", "rejected": "c"}
    for _ in range(random.randrange(4)):
        row = mutate_value(random, row)
    return template, row


def adapt(random: Random, template: Any) -> Any:
    """The template, with another style, dialect or policy."""
    _, styles, dialects = list_names()
    if random.random() < 0.4:
        template = template.with_style(random.choice(styles))
    if random.random() < 0.4:
        template = template.with_dialect(random.choice(dialects))
    if random.random() < 0.1:
        template = template.with_ties(random.choice(("drop", "half", "keep", "x")))
    if random.random() < 0.1:
        template = template.with_edges(bos=random.choice(("keep", "drop", "x")), eos=random.choice(("keep", "drop")))
    return template


# --- the calls -----------------------------------------------------------------------------------------------------


def call_chat_template(random: Random) -> None:
    """Import a chat template, and render with it."""
    style = Style.from_chat_template(draw_chat_template(random), limits=LIMITS)
    messages = draw_messages(random)
    action = random.randrange(10)
    if action < 6:
        style.render(messages, add_generation_prompt=random.random() < 0.5)
    elif action < 7:
        rendered = style.render(messages)
        _ = rendered.spans, rendered.changes
    elif action < 9:
        _ = style.chat_template
    else:
        _ = style.stop, style.digest


def call_findings(random: Random) -> None:
    """Check a chat template."""
    _ = Style.from_chat_template(draw_chat_template(random), limits=LIMITS).findings


def call_trusted_style(random: Random) -> None:
    """Declare a style in Python, and render with it."""
    source = draw_chat_template(random, is_trusted=True)
    style = type("Drawn", (Style,), {"chat_template": source})()
    style.render(draw_messages(random))
    _ = style.chat_template


def call_expression(random: Random) -> None:
    """Evaluate a field within limits."""
    field = Field(
        draw_text(random) + "{{ " + draw_expression(random) + " }}" * (random.random() < 0.95), limits=LIMITS
    )
    values = {name: draw_cell(random, name) for name in field.names}
    field.evaluate(values)


def call_yaml_template(random: Random) -> None:
    """Read a template from YAML, and format a row."""
    path = make_folder() / "t.yaml"
    text = draw_yaml(random)
    data = (
        mutate_bytes(random, text.encode("utf-8", "surrogatepass"))
        if random.random() < 0.2
        else text.encode("utf-8", "surrogatepass")
    )
    path.write_bytes(data)
    template = get_template(str(path))
    row = {name: draw_cell(random, name) for name in ROW_NAMES}
    format: Any = random.choice(template.formats if random.random() < 0.8 else FORMATS)
    template.format(row, format)


def call_dataset_info(random: Random) -> None:
    """Read a template from a dataset_info.json, and format a row."""
    entry = draw_entry(random)
    path = make_folder() / "dataset_info.json"
    data = write_json(random, {"e": entry}).encode("utf-8", "surrogatepass")
    path.write_bytes(mutate_bytes(random, data) if random.random() < 0.2 else data)
    template = get_template(f"{path}:e")
    cells = {
        name: draw_text(random) if random.random() < 0.8 else draw_json(random) for name in ("a", "b c", "d", "x")
    }
    format: Any = random.choice(template.formats if random.random() < 0.8 else FORMATS)
    template.format(cells, format)


def call_row(random: Random) -> None:
    """Format a row of a bundled template, as it is or in parts."""
    template, row = draw_row(random)
    format: Any = random.choice(template.formats if random.random() < 0.8 else FORMATS)
    action = random.randrange(8)
    if action < 3:
        template.format(row, format)
    elif action < 5:
        adapt(random, template).format_all(row, format)
    elif action < 6:
        template.render(row, format)
    elif action < 7:
        _ = list(template.find_unread(row)), template.check_equal(row)
    else:
        template.extract_all(row, format)


def call_batch(random: Random) -> None:
    """Format a table."""
    import pyarrow

    template, row = draw_row(random)
    if not isinstance(row, dict):
        row = {"prompt": row}
    columns: dict[Any, Any] = {str(name): [value, value] for name, value in row.items()}
    for name in columns:
        if random.random() < 0.2:
            columns[name] = [random.choice((b"\xff\x00", "a", 1, 1.5, None, True, [1], [], {"a": 1}))] * 2
    try:
        table = pyarrow.table(columns)
    except Exception:  # noqa: BLE001  no such table can be handed over
        return
    format: Any = random.choice(template.formats)
    BatchFormatter(adapt(random, template), format, json_messages=random.random() < 0.5)(table)


def call_tokenize(random: Random) -> None:
    """Tokenize a rendered row."""
    template, row = draw_row(random)
    if random.random() < 0.5:
        template = template.with_style(random.choice(list_names()[1]))
    control = {"control": ["<|im_end|>", draw_text(random)]} if random.random() < 0.2 else {}
    tokenize(template.render(row, random.choice(template.formats)), load_tokenizer(), **control)  # type: ignore[arg-type]


@cache
def make_files() -> dict[str, bytes]:
    """Files of rows that can be read, by their ending."""
    import gzip

    import pyarrow
    from pyarrow import parquet

    row = dict(get_template("PKUSafeRLHF").example)
    names = ("prompt", "response_0", "response_1", "better_response_id")
    rows = [{name: row[name] for name in names}] * 3
    lines = "".join(json.dumps(item) + "\n" for item in rows).encode()
    cells = [",".join(json.dumps(str(item[name])) for name in names) for item in rows]
    table = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), table)
    return {
        ".jsonl": lines,
        ".json": json.dumps(rows).encode(),
        ".csv": "\n".join([",".join(names), *cells]).encode(),
        ".jsonl.gz": gzip.compress(lines),
        ".parquet": table.getvalue(),
    }


def write_file(random: Random) -> Path:
    """Write a damaged file of rows."""
    ending, data = random.choice(list(make_files().items()))
    for _ in range(random.randrange(1, 4)):
        data = mutate_bytes(random, data)
    path = make_folder() / f"rows{random.choice((ending, ending, ending, '.jsonl', '.csv'))}"
    path.write_bytes(data)
    return path


def call_file(random: Random) -> None:
    """Read a damaged file."""
    rows = open_rows(write_file(random))
    template = get_template("PKUSafeRLHF")
    action = random.randrange(4)
    if action == 0:
        list(Conversion(rows, template, "preference", on_error="skip", file=rows.name))
    elif action == 1:
        check(rows, template, "preference")
    else:
        list(rows)


def call_command(random: Random) -> None:
    """Run a command on a damaged file."""
    from preftemplates.__main__ import main

    path = str(write_file(random))
    template = random.choice(("PKUSafeRLHF", "TRL", draw_text(random), f"{make_folder()}/t.yaml"))
    out = str(make_folder() / random.choice(("o.jsonl", "o.parquet", "o.csv", "o.x")))
    style = random.choice(("chatml", "zephyr", draw_text(random), str(make_folder() / "s.jinja")))
    (make_folder() / "s.jinja").write_bytes(draw_chat_template(random).encode("utf-8", "surrogatepass"))
    commands = (
        ["detect", path],
        ["detect", path, "--json"],
        ["check", path, "-t", template],
        ["check", path, "-t", template, "--json", "--report", str(make_folder() / "r.json")],
        ["convert", path, "-t", template, "-s", style, "-o", out, "-d", random.choice(("trl", "text", "openai"))],
        ["show", template, "--row", f"{path}:{random.randrange(3)}"],
        ["list", "-s", draw_text(random)],
        ["diff", "chatml", style],
    )
    arguments = [word.replace("\0", "0") for word in random.choice(commands)]
    before = sys.argv
    sys.argv = ["preftemplates", *arguments]
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            main()
    except SystemExit:
        pass
    finally:
        sys.argv = before


def call_name(random: Random) -> None:
    """Ask for something by a name that may be none, and read a type that may be none."""
    name = random.choice((draw_text(random), draw_json(random), *random.choice(list_names())))
    get = random.choice((get_template, get_style, get_dialect))
    if random.random() < 0.5:
        get(name)
    else:
        draws = (
            "str",
            "int(ge=1)",
            "list[",
            "]",
            "{'a': str}",
            "|",
            "Literal['a']",
            "Any",
            ",",
            "(",
            ")",
            "dict[str, ",
        )
        read_row_type("".join(random.choice(draws) for _ in range(random.randrange(8))))


CALLS: dict[str, tuple[float, Callable[[Random], None]]] = {
    "chat template": (40, call_chat_template),
    "trusted style": (15, call_trusted_style),
    "expression": (60, call_expression),
    "yaml template": (6, call_yaml_template),
    "dataset_info": (4, call_dataset_info),
    "row": (40, call_row),
    "batch": (1, call_batch),
    "tokenize": (8, call_tokenize),
    "file": (8, call_file),
    "name": (40, call_name),
    "findings": (0.3, call_findings),
    "command": (0.1, call_command),
}
"""What is called, by name, and how often among each other."""


def make_call(seed: int, number: int, kind: str | None = None) -> tuple[str, str]:
    """Make one call, and return its kind and how it ended.

    Raises:
        Exception: whatever the call raises that is no error of ours.
    """
    random = Random(seed * 10**10 + number)
    kind = kind or random.choices(list(CALLS), [weight for weight, _ in CALLS.values()])[0]
    try:
        CALLS[kind][1](random)
    except PrefTemplatesError as error:
        str(error)
        return kind, type(error).__name__
    return kind, "ok"


def _raise_runaway(*_: object) -> None:
    raise SystemError(f"a call has run away: it takes more than {MAX_SECONDS} s of CPU time")


def run(calls: int, seed: int, first: int, kind: str | None) -> int:
    """Make many calls, print what they end in, and return how many end in an error that is not ours."""
    counts: Counter[tuple[str, str]] = Counter()
    failures: Counter[str] = Counter()
    warnings.simplefilter("ignore", SyntaxWarning)  # of a trusted template's own code
    signal.signal(signal.SIGVTALRM, _raise_runaway)
    start = time.perf_counter()
    for number in range(first, first + calls):
        signal.setitimer(signal.ITIMER_VIRTUAL, MAX_SECONDS)
        try:
            counts[make_call(seed, number, kind)] += 1
        except Exception as error:  # noqa: BLE001  what is looked for
            place = traceback.extract_tb(error.__traceback__)[-1]
            failures[f"{type(error).__name__} at {place.filename}:{place.lineno}"] += 1
            if failures.total() <= 50:
                print(f"call {number} of seed {seed}:", file=sys.stderr)
                traceback.print_exc()
        if (number - first + 1) % 10_000 == 0:
            speed = (number - first + 1) / (time.perf_counter() - start)
            print(f"{number - first + 1:,} calls, {failures.total()} failures, {speed:.0f} calls/s", flush=True)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    kinds = Counter[str]()
    for (name, _), count in counts.items():
        kinds[name] += count
    for name, count in kinds.most_common():
        ok = counts[name, "ok"]
        print(f"{count:10,}  {name}: {ok:,} succeed, {count - ok:,} end in an error of ours")
    for place, count in failures.most_common():
        print(f"{count:10,}  {place}")
    print(f"{calls:,} calls with seed {seed}, from {first:,}: {failures.total():,} end in a foreign error")
    shutil.rmtree(make_folder(), ignore_errors=True)
    make_folder.cache_clear()
    return failures.total()


def main() -> None:
    """Make the calls that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--kind", choices=list(CALLS))
    options = parser.parse_args()
    faulthandler.enable()
    sys.exit(min(run(options.calls, options.seed, options.first, options.kind), 1))


if __name__ == "__main__":
    main()

"""Formatting of Arrow tables next to TRL's map, Jinja engines, the homework and a copy of the output.

`columnar.py` imports the sections format, map, copy and unplanned from here. Each compares the texts of both sides
before it measures.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from columnar_costs import make_text_template
from columnar_peers import (
    CHATML,
    UNPLANNED,
    compare_rows,
    make_conversations,
    make_dataset,
    make_homework,
    make_renderers,
    make_trl_function,
    map_rows,
    map_tables,
    try_rows,
)
from cpu_ratios import Line, Operation, compare, make_speed_line
from varied_rows import BATCH, ROW_SETS, batch_rows, vary_rows

from preftemplates import BatchFormatter, Style, get_style, get_template
from preftemplates.errors import RowError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

Row = dict[str, Any]


@dataclass
class Benchmark:
    """The options of a run, and the tables that its sections share."""

    data: Path
    rows: int
    peer_rows: int
    rounds: int
    against: Path | None = None
    svg: Path | None = None
    is_quick: bool = False
    is_long: bool = False
    tables: dict[str, list[pa.Table]] = field(default_factory=dict)

    def get_tables(self, name: str) -> list[pa.Table]:
        """Return the rows of a set as tables, which are made on first use."""
        if name not in self.tables:
            self.tables[name] = list(batch_rows(vary_rows(self.data, name, self.rows)))
        return self.tables[name]


def count_rows(tables: Sequence[pa.Table]) -> int:
    """Count the rows of tables."""
    return sum(table.num_rows for table in tables)


def format_tables(formatter: BatchFormatter, tables: Sequence[pa.Table]) -> None:
    """Format tables and discard the results."""
    for table in tables:
        formatter(table)


def take_rows(tables: Sequence[pa.Table], count: int) -> list[pa.Table]:
    """Return the tables of the first rows."""
    starts = range(0, count, BATCH)
    return [table.slice(0, count - start) for table, start in zip(tables, starts, strict=False)]


def drop_rejected(formatter: BatchFormatter, tables: Sequence[pa.Table]) -> list[pa.Table]:
    """Return the tables without the rows that cannot be formatted."""

    def is_formatted(table: pa.Table) -> bool:
        try:
            formatter(table)
        except RowError:
            return False
        return True

    return [
        table if is_formatted(table) else table.filter([is_formatted(table.slice(n, 1)) for n in range(len(table))])
        for table in tables
    ]


@dataclass
class Formatting:
    """A formatter, the tables that it is measured with, and the rows that its peers are measured with."""

    benchmark: Benchmark
    name: str
    formatter: BatchFormatter

    def __post_init__(self) -> None:
        every = self.benchmark.get_tables(self.name)
        self.tables = drop_rejected(self.formatter, every)
        self.rejected = count_rows(every) - count_rows(self.tables)
        self.part = take_rows(self.tables, self.benchmark.peer_rows)
        self.part_rows: list[Row] = [row for table in self.part for row in table.to_pylist()]

    @property
    def operation(self) -> Operation:
        """Return the operation that formats all tables."""
        return Operation(partial(format_tables, self.formatter, self.tables), count_rows(self.tables))

    def format_part(self) -> list[Row]:
        """Return the results of the rows that peers are measured with."""
        return [row for table in self.part for row in self.formatter(table).to_pylist()]

    def compare_texts(self, convert: Callable[[Row], Row], what: str, peer: str, tail: str = "") -> Line:
        """Compare the results with a peer's, drop the rows that the peer rejects, and return a line of counts."""
        theirs = try_rows(convert, self.part_rows)
        equal = compare_rows(self.format_part(), theirs, what, tail)
        kept = [result is not None for result in theirs]
        self.part_rows = list(itertools.compress(self.part_rows, kept))
        flags = iter(kept)
        self.part = [table.filter(list(itertools.islice(flags, len(table)))) for table in self.part]
        figures = [f"{count:,} rejected" for count in (self.rejected, kept.count(False))]
        return Line(f"{what}: texts", figures[0], peer, figures[1], f"{equal:,} rows equal")

    def compare_speed_with_map(self, convert: Callable[[Row], Row], what: str, peer: str) -> Line:
        """Compare the speed with a map over a dataset, and return the line of the table."""
        dataset = make_dataset(self.part)
        operation = Operation(partial(map_rows, dataset, convert), len(dataset))
        return make_speed_line(what, self.operation, peer, operation, self.benchmark.rounds)


def make_formatting(benchmark: Benchmark, name: str, style: Style) -> Formatting:
    """Return the formatting of a row set as text in a style."""
    return Formatting(benchmark, name, BatchFormatter(make_text_template(name, style), "preference"))


def make_homework_formatting(benchmark: Benchmark) -> Formatting:
    """Return the formatting of PKU-SafeRLHF as the homework does it: whole texts under better_text and worse_text."""
    return Formatting(benchmark, "PKU", BatchFormatter(get_template("PKUSafeRLHF"), "preference"))


def measure_format(benchmark: Benchmark) -> Iterator[Line]:
    """Compare formatting with TRL's map, with Jinja engines and with the homework."""
    styles = {"chat template": Style.from_chat_template(CHATML), "style chatml": get_style("chatml")}
    for name, (title, style) in itertools.product(ROW_SETS, styles.items()):
        formatting, what = make_formatting(benchmark, name, style), f"format, {name}, {title}"
        convert = make_trl_function(name, CHATML)
        yield formatting.compare_texts(convert, what, "TRL's map", style.edges.tail)
        yield formatting.compare_speed_with_map(convert, what, "TRL's map")
        if title == "chat template":
            yield from compare_renderers(formatting, what, style.edges.tail)
    formatting, convert, what = make_homework_formatting(benchmark), make_homework(), "format, PKU, homework's layout"
    yield formatting.compare_texts(convert, what, "homework's class, map")
    yield formatting.compare_speed_with_map(convert, what, "homework's class, map")


def compare_renderers(formatting: Formatting, what: str, tail: str) -> Iterator[Line]:
    """Compare formatting with the plain rendering of conversations that are prepared beforehand."""
    conversations = make_conversations(formatting.part_rows, formatting.name)
    texts = [row["prompt"] + row[side] + tail for row in formatting.format_part() for side in ("chosen", "rejected")]
    for peer, render in make_renderers(CHATML).items():
        if render is None:
            yield Line(what, "", peer, "not installed")
            continue
        theirs = [{"text": render(messages)} for messages in conversations]
        compare_rows([{"text": text} for text in texts], theirs, f"{what}, {peer}")

        def render_all(render: Any = render) -> None:
            for messages in conversations:
                render(messages)

        operation = Operation(render_all, len(conversations) // 2)
        yield make_speed_line(what, formatting.operation, peer, operation, formatting.benchmark.rounds)


def measure_map(benchmark: Benchmark) -> Iterator[Line]:
    """Compare formatting inside a map over Arrow batches with TRL's map and with the homework's."""
    style = Style.from_chat_template(CHATML)
    for name in ROW_SETS:
        formatting, convert = make_formatting(benchmark, name, style), make_trl_function(name, CHATML)
        what = f"datasets.map, {name}, chat template"
        yield from compare_maps(formatting, convert, what, "TRL's map", style.edges.tail)
    formatting, what = make_homework_formatting(benchmark), "datasets.map, PKU, homework's layout"
    yield from compare_maps(formatting, make_homework(), what, "homework's class, map")


def compare_maps(
    formatting: Formatting, convert: Callable[[Row], Row], what: str, peer: str, tail: str = ""
) -> Iterator[Line]:
    """Compare a map over Arrow batches with a peer's map over rows: their texts and their speed."""
    yield formatting.compare_texts(convert, what, peer, tail)
    every, part = make_dataset(formatting.tables), make_dataset(formatting.part)
    ours = map_tables(part, formatting.formatter).with_format(None)
    compare_rows(ours, map_rows(part, convert), what, tail)
    mapping = Operation(partial(map_tables, every, formatting.formatter), len(every))
    peer_mapping = Operation(partial(map_rows, part, convert), len(part))
    yield make_speed_line(what, mapping, peer, peer_mapping, formatting.benchmark.rounds)


def compact(table: pa.Table) -> pa.Table:
    """Return a table whose buffers hold only its own bytes, without the rest of the table that it is a slice of."""
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    return pa.ipc.open_stream(stream.getvalue()).read_all()


def copy_buffers(tables: Sequence[pa.Table], times: int, is_fresh: bool) -> None:
    """Copy all buffers of tables several times; fresh copies are kept until the end, so that no memory is reused."""
    kept = []
    for table in [*tables] * times:
        chunks = (chunk for column in table.columns for chunk in column.chunks)
        buffers = (buffer for chunk in chunks for buffer in chunk.buffers() if buffer is not None)
        copies = [np.frombuffer(buffer, np.uint8).copy() for buffer in buffers]
        if is_fresh:
            kept.append(copies)


def measure_copy(benchmark: Benchmark) -> Iterator[Line]:
    """Compare formatting with copying the bytes that it writes.

    A copy into fresh memory needs new pages from the system. A copy into reused memory, table by table, is a lower
    bound that a program which writes new output cannot reach.
    """
    for name in ROW_SETS:
        formatting = make_formatting(benchmark, name, Style.from_chat_template(CHATML))
        results = [compact(formatting.formatter(table)) for table in formatting.tables]
        times = max(1, 200_000 // count_rows(results))  # a single copy of few rows is too short to measure
        for is_fresh, peer in ((True, "copy, fresh memory"), (False, "copy, reused memory")):
            copying = Operation(partial(copy_buffers, results, times, is_fresh), times * count_rows(results))
            comparison = compare(formatting.operation, copying, benchmark.rounds)
            figure, peer_figure = comparison.rates()
            ratio = f"{comparison.time()} times the time"
            yield Line(f"format, {name}, chat template", figure, peer, peer_figure, ratio)


def measure_unplanned(benchmark: Benchmark) -> Iterator[Line]:
    """Compare a chat template that must run for each row with TRL's map."""
    style = Style.from_chat_template(UNPLANNED)
    for name in ROW_SETS:
        formatting, convert = make_formatting(benchmark, name, style), make_trl_function(name, UNPLANNED)
        what = f"format, {name}, template run per row"
        yield formatting.compare_texts(convert, what, "TRL's map")
        yield formatting.compare_speed_with_map(convert, what, "TRL's map")

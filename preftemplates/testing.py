"""Hypothesis strategies that draw rows and conversations, and the laws that every template and style keeps.

`check_laws(MyTemplate)` runs the laws that apply. A law is a function named by what it says; it raises
`AssertionError` where that is false, and lets the `RowError` of a row that the template refuses pass.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain, combinations
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from preftemplates.convert import Conversion
from preftemplates.errors import PrefTemplatesError, RowError
from preftemplates.provenance import inside, pieces_of
from preftemplates.rendered import Rendered
from preftemplates.rows import read_row_type
from preftemplates.samples import ROLES, Message
from preftemplates.style import Style
from preftemplates.template import Template

Row = Mapping[str, Any]
Conversation = Sequence[Mapping[str, Any]]
Subject = TypeVar("Subject", Template, Style)

NASTY = (
    "{", "}", "%", "{}", "{0}", "{prompt}", "%s", "%(prompt)s", "$prompt", "{{ 7*7 }}", "{{ content }}", "{% raw %}",
    "{% endraw %}", "{# #}", "<|im_start|>", "<|im_end|>\n", "<|eot_id|>", "</s>", "USER: ", "ASSISTANT:",
    "BEGINNING OF CONVERSATION: ", "\n\nHuman: ", "\n\nAssistant: ", "<think>", "</think>\n", "\\", "\\n", "'", '"',
    "<b>&amp;", "\n", "\r\n", "\r", "\0", "\u2028", "\x85", "\xa0", " ", "\t", "e\u0301", "\u200b", "\u202e", "\ufeff",
    "\U0001f600",
)  # fmt: skip
"""Pieces of text that have broken formatters: the syntax of Jinja, `format` and styles, blanks, invisible marks."""

MARK = "\ue000{{ 7*7 }}{# 7 #}{0}%1<7>&\"'\\\r\n \t\ue001"
"""A text without letters that is no longer itself once it is executed, escaped or has its blanks collapsed."""


def nasty_text() -> SearchStrategy[str]:
    """Texts over all code points but surrogates, mixed with what breaks formatters; the empty text too."""
    return st.lists(st.sampled_from(NASTY) | st.text(max_size=6), max_size=6).map("".join)


def conversations(style: Style | None = None) -> SearchStrategy[list[Message]]:
    """Lists of text messages in the roles that the style accepts, in any order and in the usual one; empty ones too.

    Args:
        style: whose roles; without one, those that every message may have.
    """
    return _conversation(ROLES if style is None else style.accepted_roles)


def _message(*roles: str) -> SearchStrategy[Any]:
    return st.fixed_dictionaries({"role": st.sampled_from(roles), "content": nasty_text()})


def _conversation(roles: Sequence[str]) -> SearchStrategy[list[Message]]:
    system, user, assistant = ([_message(role)] if role in roles else [] for role in ("system", "user", "assistant"))
    opened = st.tuples(*system) | st.just(())
    exchanged = st.lists(st.tuples(*user, *assistant), max_size=2).map(lambda turns: [*chain(*turns)])
    asked = st.tuples(*user) | st.just(())
    in_turn = st.tuples(opened, exchanged, asked).map(lambda parts: [*chain(*parts)])
    return st.lists(_message(*roles), max_size=4) | in_turn


def rows(template: Template, format: str) -> SearchStrategy[dict[str, Any]]:
    """Rows of a template's dataset: drawn from the types of the columns, and its example with texts changed.

    A drawn text is no transcript, so an example is what makes most rows of such a template acceptable. Some rows are
    refused with a `RowError` nonetheless.

    Args:
        template: the template; one that formats by hand has no types, so it needs an example.
        format: the format whose columns are drawn.

    Raises:
        AssertionError: there is neither a row type nor an example.
    """
    cells = {} if template.by_hand else _columns(template, format)
    drawn = [] if template.by_hand else [_record(cells, template.style.accepted_roles)]
    if template.example is not None:
        labels = {column: _cell(info.annotation, info.metadata, ROLES) for column, info in cells.items()}
        labels = {column: cell for column, cell in labels.items() if _is_label(cells[column].annotation)}
        drawn += [_changed(template.example, labels)] * 2
    _demand(drawn, f"{template!r} formats by hand; without an example no row can be drawn")
    return st.one_of(drawn)


def _columns(template: Template, format: str) -> dict[str, FieldInfo]:
    """What a format reads, by the row's own names."""
    infos = read_row_type(template.parts.declaration.row).model_fields
    columns = {info.alias or name: info for name, info in infos.items()}
    return {column: columns[column] for column in template.columns(format)}


def _record(columns: Mapping[str, FieldInfo], roles: Sequence[str]) -> SearchStrategy[dict[str, Any]]:
    cells = {column: _cell(info.annotation, info.metadata, roles) for column, info in columns.items()}
    needed = {column: cell for column, cell in cells.items() if columns[column].is_required()}
    return st.fixed_dictionaries(needed, optional={column: cells[column] for column in cells.keys() - needed.keys()})


def _is_label(kind: Any) -> bool:
    return kind in (int, float, bool) or get_origin(kind) is Literal


def _cell(kind: Any, metadata: Sequence[Any], roles: Sequence[str]) -> SearchStrategy[Any]:
    """The values of a column's type."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _cell(args[0], args[1:], roles)
    if kind is Message or kind == list[Message]:
        return _message(*roles) if kind is Message else _conversation(roles)
    if origin is list:
        return st.lists(_cell(args[0], (), roles), max_size=4)
    if origin is dict:
        return st.dictionaries(*(_cell(arg, (), roles) for arg in args), max_size=3)
    if origin in (Union, UnionType):
        return st.one_of([_cell(arg, (), roles) for arg in args])
    if origin is Literal:
        return st.sampled_from(args)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _record({info.alias or name: info for name, info in kind.model_fields.items()}, roles)
    return _leaf(kind, metadata)


def _leaf(kind: Any, metadata: Sequence[Any]) -> SearchStrategy[Any]:
    if kind is str:
        return nasty_text()
    if kind is Any:
        leaves = st.none() | st.booleans() | st.integers() | nasty_text()
        return st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(nasty_text(), inner), max_leaves=5)
    limits = [limit for item in metadata for limit in (item.metadata if isinstance(item, FieldInfo) else [item])]
    return st.from_type(Annotated[(kind, *limits)] if limits else kind)


@st.composite
def _changed(draw: st.DrawFn, example: Row, labels: Mapping[str, SearchStrategy[Any]]) -> dict[str, Any]:
    """The example with other labels, and with a nasty text put into one of its texts, some or all of them."""
    row = {**example, **{column: draw(cell) for column, cell in labels.items() if draw(st.booleans())}}
    places = [place for place, _ in _texts(row) if place[0] not in labels]
    picked = draw(st.just(places) | st.lists(st.sampled_from(places), min_size=1, max_size=3)) if places else []
    nasty, at, replaces = draw(nasty_text()), draw(st.integers(0, 9) | st.just(10**9)), draw(st.booleans())
    for place, text in _texts(row):
        if place in picked:
            row = _replaced(row, place, nasty if replaces else text[:at] + nasty + text[at:])
    return row


def _texts(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """All texts inside but roles, each with the steps that lead to it."""
    if isinstance(value, str):
        yield place, value
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        if step != "role":
            yield from _texts(item, (*place, step))


def _replaced(value: Any, place: tuple[Any, ...], text: str) -> Any:
    """The same value with another text at a place."""
    if not place:
        return text
    step, item = place[0], _replaced(value[place[0]], place[1:], text)
    return {**value, step: item} if isinstance(value, Mapping) else [*value[:step], item, *value[step + 1 :]]


def formatting_is_rendering_after_extracting(template: Template, row: Row, format: str) -> None:
    """Law 1: `format` is `extract`, the style on the messages and the dialect's table; so is every refusal."""
    formatted = _outcome(lambda: template.format(row, format))
    composed = _outcome(lambda: _composed(template, row, format))
    _same(formatted, composed, "format differs from rendering what extract gives")
    if isinstance(formatted, PrefTemplatesError):
        raise formatted


def _composed(template: Template, row: Row, format: str) -> dict[str, Any]:
    messages = template.extract(row, format)
    if not template.dialect.needs_text(format):
        return template.dialect.spell(messages, None)
    style = template.style
    texts = messages.map(
        lambda prompt: style.render(prompt, add_generation_prompt=True).text,
        lambda own: style.render([*messages.prompt, *own]).text,
    )
    _same(template.render(row, format).map(str, str), texts, "render differs from the style on what extract gives")
    return template.dialect.spell(messages, texts)


def the_prompt_opens_every_response(template: Template, row: Row, format: str) -> None:
    """Law 2: the text of each response begins with the text of the prompt."""
    sample = template.render(row, format)
    for name, response in sample.responses.items():
        _demand(
            response.text.startswith(sample.prompt.text), f"{name} is {response.text!r}, prompt {sample.prompt.text!r}"
        )


def the_generation_prompt_opens_every_answer(style: Style, messages: Conversation) -> None:
    """Law 2, for styles: what is rendered for an answer begins with what asks for it."""
    for index, message in enumerate(messages):
        if message["role"] == "assistant":
            prompt = style.render(messages[:index], add_generation_prompt=True).text
            answered = style.render(messages[: index + 1]).text
            _demand(answered.startswith(prompt), f"{answered!r} does not begin with {prompt!r}")


def spans_partition_the_text_and_spell_their_cells(template: Template, row: Row, format: str) -> None:
    """Law 3: spans follow one another over the whole text, and each with a source spells what stands in that cell."""
    messages, rendered = template.extract(row, format), template.render(row, format)
    cells = [*_cells(row)]
    _check_spans(template.style, messages.prompt, rendered.prompt)
    for name, response in rendered.responses.items():
        _check_spans(template.style, [*messages.prompt, *messages.responses[name]], response)
    for text in (rendered.prompt, *rendered.responses.values()):
        for span in text.spans:
            if span.source is not None:
                path, offset = span.source
                spelled = text.text[span.start : span.end]
                found = any(at == path and cell.startswith(spelled, offset) for at, cell in cells)
                _demand(found, f"{spelled!r} does not stand in the row at {path!r} from {offset} on")


def spans_partition_the_text_and_spell_the_messages(style: Style, messages: Conversation) -> None:
    """Law 3, for styles: spans follow one another over the whole text, spell each content, and keep the stop."""
    for asked in (False, True):
        _check_spans(style, messages, style.render(messages, add_generation_prompt=asked))


def _check_spans(style: Style, messages: Conversation, rendered: Rendered) -> None:
    at = 0
    for span in rendered.spans:
        _demand(span.start == at and span.end >= at, f"{span} does not begin where the one before ends, at {at}")
        _demand(span.end > at or span.kind == "content", f"{span} is empty")
        at = span.end
    _demand(at == len(rendered.text), f"the spans end at {at}, the text at {len(rendered.text)}")
    for index, message in enumerate(messages):
        own = [span for span in rendered.spans if span.message == index and span.kind in ("content", "derived")]
        _demand(own and {span.role for span in own} == {message["role"]}, f"no content span for message {index}")
        spelled = "".join(rendered.text[span.start : span.end] for span in own if span.field == "content")
        _demand(spelled in _shown(style, message["content"]), f"message {index} is spelled {spelled!r}")
    if messages and messages[-1]["role"] == "assistant" and style.stop:
        stops = [span for span in rendered.spans if span.kind == "stop" and span.message == len(messages) - 1]
        _same([rendered.text[span.start : span.end] for span in stops], [style.stop], "the stop is lost")


def _shown(style: Style, content: str) -> list[str]:
    """What a content may look like: itself, and trimmed where the chat template says so for all to see."""
    source = getattr(style.layout, "source", "")
    return [content, content.strip()] if "trim" in source or "strip" in source else [content]


def _cells(row: Row) -> Iterator[tuple[str, str]]:
    """All texts in a row, each with its path as spans spell it."""
    left = [(item, str(column)) for column, item in row.items()]
    while left:
        value, path = left.pop()
        if isinstance(value, str):
            yield path, value
        left += inside(value, path)


@dataclass(frozen=True)
class Choice:
    """A label that chooses among two text columns, and the two values with which it does."""

    label: str
    values: tuple[Any, Any]
    columns: tuple[str, str]

    @classmethod
    def find(cls, template: Template, format: str) -> Choice | None:
        """The choice that a template makes on its example; None where it makes none, or has no example."""
        for column, info in () if template.by_hand else _columns(template, format).items():
            for values in combinations(_domain(info), 2):
                columns = _columns_by_value(template, format, column, values)
                if columns:
                    return cls(column, values, columns)
        return None

    def flip(self, row: Row) -> dict[str, Any]:
        """The row with the other label."""
        first, second = self.values
        return {**row, self.label: {first: second, second: first}.get(row[self.label], row[self.label])}

    def swap(self, row: Row) -> dict[str, Any]:
        """The row with the other label and the two columns exchanged: the same preference."""
        first, second = self.columns
        exchanges = row[self.label] in self.values
        return {**self.flip(row), first: row[second], second: row[first]} if exchanges else dict(row)


def _domain(info: FieldInfo) -> list[Any]:
    """The values of a label that has few."""
    if get_origin(info.annotation) is Literal:
        return [*get_args(info.annotation)]
    limits = {name: getattr(item, name) for item in info.metadata for name in ("ge", "le") if hasattr(item, name)}
    few = info.annotation is int and len(limits) == 2 and limits["le"] - limits["ge"] < 9
    return [*range(limits["ge"], limits["le"] + 1)] if few else []


def _columns_by_value(template: Template, format: str, label: str, values: Iterable[Any]) -> tuple[str, str] | None:
    """The two columns that a response takes its text from under two values of a label."""
    samples = [
        _outcome(lambda value=value: template.extract({**(template.example or {}), label: value}, format))
        for value in values
    ]
    if any(isinstance(sample, Exception) for sample in samples):
        return None
    for name in samples[0].responses:
        first, second = ({*_origins(sample.responses[name])} for sample in samples)
        if len(first - second) == len(second - first) == 1 and first | second <= {*template.columns(format)}:
            return (first - second).pop(), (second - first).pop()
    return None


def _origins(messages: Conversation) -> Iterator[str]:
    """The columns that messages take text from."""
    for message in messages:
        yield from (re.split(r"[.\[]", str(piece.origin))[0] for piece in pieces_of(message["content"]))


def swapping_the_answers_and_the_label_changes_nothing(
    template: Template, row: Row, format: str, swap: Callable[[Row], Row] | None = None
) -> None:
    """Law 4: the same preference written the other way round gives the same sample; the label alone exchanges it.

    Args:
        template: the template.
        row: a row.
        format: a format.
        swap: writes the row the other way round; without one, it follows from a label that chooses among two text
            columns, as `Choice.find` sees it in the example.
    """
    choice = None if swap else Choice.find(template, format)
    swap = swap or (choice.swap if choice else None)
    _demand(swap, f"no label of {template!r} chooses among two text columns, and no swap is given")
    assert swap is not None
    sample = template.extract(row, format)
    _same(template.extract(swap(row), format), sample, "the row written the other way round gives another sample")
    if choice and row[choice.label] in choice.values and len(sample.responses) == 2:
        other = template.extract(choice.flip(row), format)
        exchanged = [*reversed(other.responses.values())]
        _same(exchanged, [*sample.responses.values()], "the other label does not exchange the responses")


class ReadOnlyRow(Mapping[str, Any]):
    """A row that is no dict and cannot be written to, as a dataset may hand it over."""

    def __init__(self, cells: Row) -> None:
        self._cells = cells

    def __getitem__(self, column: str) -> Any:
        return self._cells[column]

    def __iter__(self) -> Iterator[str]:
        return iter(self._cells)

    def __len__(self) -> int:
        return len(self._cells)


def a_row_is_never_written_to(template: Template, row: Row, format: str) -> None:
    """Law 5: a row is afterwards what it was, also deep inside; and one that cannot be written to formats alike."""
    before = deepcopy(row)
    formatted = _outcome(lambda: template.format(row, format))
    _same(row, before, "format wrote to the row")
    _same(_outcome(lambda: template.format(ReadOnlyRow(row), format)), formatted, "a row that is no dict differs")
    if not template.by_hand:
        _outcome(lambda: [text.spans for text in template.render(row, format).responses.values()])
        _same(row, before, "render wrote to the row")
    if isinstance(formatted, PrefTemplatesError):
        raise formatted


def messages_are_never_written_to(style: Style, messages: Conversation) -> None:
    """Law 5, for styles: rendering leaves the messages as they were."""
    before = deepcopy(messages)
    _outcome(lambda: style.render(messages, add_generation_prompt=True).spans)
    _same(messages, before, "render wrote to the messages")


def a_batch_is_its_rows_however_it_is_cut(template: Template, rows: Sequence[Row], format: str) -> None:
    """Law 6: formatting an Arrow table is formatting its rows, whole, in chunks and cut in two anywhere."""
    import pyarrow as pa

    from preftemplates.arrow import BatchFormatter

    table = _table(template, rows, format)
    wanted = [template.format(row, format) for row in table.to_pylist()]
    formatter = pickle.loads(pickle.dumps(BatchFormatter(template, format)))
    for cut in range(len(rows) + 1):
        parts = [table.slice(0, cut), table.slice(cut)]
        results = [formatter(part) for part in (pa.concat_tables(parts), table.combine_chunks().to_batches()[0])]
        results.append(pa.concat_tables([formatter(part) for part in parts]))
        for result in results:
            _same(result.schema, formatter.schema, "the batch has another schema than was said")
            _same(result.to_pylist(), wanted, f"a batch cut at {cut} is not its rows")


def _table(template: Template, rows: Sequence[Row], format: str) -> Any:
    """The rows as an Arrow table, of the columns that are read.

    Raises:
        RowError: Arrow has no type for them, or a row is refused.
    """
    import pyarrow as pa

    columns = [*rows[0]] if template.by_hand else template.columns(format)
    try:
        return pa.Table.from_pylist([{column: row[column] for column in columns if column in row} for row in rows])
    except (pa.ArrowException, OverflowError) as error:
        raise RowError(f"Arrow has no type for these rows: {error}") from error


def an_exported_style_reads_back_the_same(style: Style, messages: Conversation) -> None:
    """Law 7, without transformers: the exported chat template is read back as a style that renders the same."""
    again = Style.from_chat_template(style.chat_template)
    for asked in (False, True):
        own = style.render(messages, add_generation_prompt=asked).text
        _same(again.render(messages, add_generation_prompt=asked).text, own, "the exported style renders otherwise")


def no_content_is_executed_escaped_or_trimmed(style: Style, messages: Conversation) -> None:
    """Law 9: a conversation's text is that of numbered blanks, with each content written in as it is."""
    blanks = [{**message, "content": f"\ue000{index}\ue001"} for index, message in enumerate(messages)]
    for asked in (False, True):
        layout = re.split("\ue000(\\d+)\ue001", style.render(blanks, add_generation_prompt=asked).text)
        _same(layout[1::2], [str(index) for index in range(len(messages))], "the contents do not stand in order")
        shown = [f"(?:{'|'.join(map(re.escape, _shown(style, message['content'])))})" for message in messages] + [""]
        pattern = "".join(re.escape(part) + form for part, form in zip(layout[::2], shown, strict=True))
        text = style.render(messages, add_generation_prompt=asked).text
        _demand(re.fullmatch(pattern, text), f"{text!r} is not the layout with the contents in it")


def no_cell_is_executed_or_escaped(template: Template, row: Row, format: str) -> None:
    """Law 9, for templates: what is added to any text of the row shows whole or not at all, and shows for one."""
    template.format(row, format)
    shows = False
    for place, text in _texts(row):
        result = _outcome(lambda marked=_replaced(row, place, text + MARK): template.format(marked, format))
        if not isinstance(result, PrefTemplatesError):
            texts = [text for _, text in _texts(result)]
            shows = shows or any(MARK in text for text in texts)
            _demand(all(text.count("\ue000") == text.count(MARK) for text in texts), f"{MARK!r} is changed: {texts}")
    _demand(shows, "no text of the row shows in the result")


CHILD = "from preftemplates.testing import _answer; _answer()"


def every_one_pickles_and_equal_ones_hash_equal(*things: Template | Style) -> None:
    """Law 10: a pickled object is equal, hashes equal and works alike, here and in a fresh process."""
    for thing in things:
        twin = pickle.loads(pickle.dumps(thing))
        _demand(twin == thing and hash(twin) == hash(thing), f"{thing!r} is not equal to its pickle")
        _same(_behaviour(twin), _behaviour(thing), f"the pickle of {thing!r} works otherwise")
    hashed = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "random"}
    sent = pickle.dumps([pickle.dumps(thing) for thing in things])
    child = subprocess.run([sys.executable, "-c", CHILD], input=sent, capture_output=True, env=hashed, check=False)
    _demand(
        child.returncode == 0, f"a fresh process cannot load them: {child.stderr.decode(errors='replace')[-2000:]}"
    )
    for thing, answer in zip(things, pickle.loads(child.stdout), strict=True):
        _same(answer, _behaviour(thing), f"{thing!r} works otherwise in a fresh process")


def _behaviour(thing: Any) -> list[Any]:
    """What should be equal wherever an object is: its hash, and what it makes of an example."""
    if isinstance(thing, Style):
        messages = [{"role": role, "content": f"{role}?"} for role in thing.accepted_roles]
        return [thing.digest, hash(thing), str(_outcome(lambda: thing.render(messages).text))]
    results = [str(_outcome(lambda name=name: thing.format(thing.example or {}, name))) for name in thing.formats]
    return [thing.digest, hash(thing), *results]


def _answer() -> None:
    """Say on the standard output how the objects that were sent behave here."""
    things = [pickle.loads(sent) for sent in pickle.load(sys.stdin.buffer)]
    sys.stdout.buffer.write(pickle.dumps([_behaviour(thing) for thing in things]))


def rows_in_are_formatted_skipped_or_rejected(template: Template, rows: Sequence[Row], format: str) -> None:
    """Law 11: each row comes through or is counted once, and what comes through is what it gives alone, in order."""
    conversion = Conversion(rows, template, format, on_error="skip")
    results = [*conversion]
    report = conversion.report
    skipped = [refusal.row for refusal in report.skipped]
    alone = [_outcome(lambda row=row: template.format(row, format)) for row in rows]
    refused = [number for number, result in enumerate(alone) if isinstance(result, PrefTemplatesError)]
    lost = {*skipped, *refused}
    _same([refusal.row for refusal in report.rejected], refused, "other rows are rejected than those refused alone")
    _same(results, [result for number, result in enumerate(alone) if number not in lost], "other results come through")
    counted = report.formatted + len(report.skipped) + len(report.rejected)
    _same([report.rows, report.formatted, counted], [len(rows), len(results), len(rows)], "rows are not all counted")
    if not results:
        raise RowError("no row came through")


ROW_LAWS = (
    formatting_is_rendering_after_extracting,
    the_prompt_opens_every_response,
    spans_partition_the_text_and_spell_their_cells,
    swapping_the_answers_and_the_label_changes_nothing,
    a_row_is_never_written_to,
    no_cell_is_executed_or_escaped,
)
BATCH_LAWS = (a_batch_is_its_rows_however_it_is_cut, rows_in_are_formatted_skipped_or_rejected)
STYLE_LAWS = (
    the_generation_prompt_opens_every_answer,
    spans_partition_the_text_and_spell_the_messages,
    messages_are_never_written_to,
    an_exported_style_reads_back_the_same,
    no_content_is_executed_escaped_or_trimmed,
)


def check_laws(
    subject: Template | Style | type[Template] | type[Style],
    *,
    max_examples: int = 50,
    laws: Iterable[Callable[..., None]] | None = None,
) -> None:
    """Run the laws that apply to a template, with its own style and dialect, or to a style.

    What is drawn is the same in every run.

    Args:
        subject: a template or a style, or a class that declares one.
        max_examples: how many rows, batches or conversations are drawn for each law and format.
        laws: the laws to run, functions of this module; without them, all that apply.

    Raises:
        AssertionError: a law does not hold, with the law and what falsified it; or fewer than a tenth of what was
            drawn could be formatted, so that nothing is shown; or none of the laws applies.
    """
    thing = subject() if isinstance(subject, type) else subject
    trials = [*(_style_trials(thing) if isinstance(thing, Style) else _template_trials(thing))]
    trials.append((every_one_pickles_and_equal_ones_hash_equal, thing.name, None))
    wanted = [trial for trial in trials if laws is None or trial[0] in [*laws]]
    _demand(wanted, f"none of these laws applies to {thing!r}")
    for law, where, arguments in wanted:
        _hold(law, where, st.just(()) if arguments is None else arguments, thing, max_examples if arguments else 1)


Trial = tuple[Callable[..., None], str, SearchStrategy[tuple[Any, ...]] | None]


def _style_trials(style: Style) -> Iterator[Trial]:
    for law in STYLE_LAWS:
        yield law, f"the style {style.name}", st.tuples(conversations(style))


def _template_trials(template: Template) -> Iterator[Trial]:
    for format in template.formats:
        where = f"the template {template.name}, format {format}"
        row = rows(template, format)
        several = st.lists(row, min_size=1, max_size=3)
        for law in ROW_LAWS:
            if _applies(law, template, format):
                yield law, where, st.tuples(row, st.just(format))
        for law in BATCH_LAWS:
            if _applies(law, template, format):
                yield law, where, st.tuples(several, st.just(format))


def _applies(law: Callable[..., None], template: Template, format: str) -> bool:
    by_hand = (a_row_is_never_written_to, no_cell_is_executed_or_escaped, *BATCH_LAWS)
    if law is a_batch_is_its_rows_however_it_is_cut and importlib.util.find_spec("pyarrow") is None:
        return False
    if law is swapping_the_answers_and_the_label_changes_nothing:
        return Choice.find(template, format) is not None
    if template.by_hand:
        return law in by_hand
    in_words = format in template.dialect.formats
    return in_words or law not in (*by_hand, formatting_is_rendering_after_extracting)


def _hold(law: Callable[..., None], where: str, arguments: SearchStrategy[Any], thing: Any, examples: int) -> None:
    """Try a law on what is drawn."""
    drawn, refused, falsifying = 0, 0, None

    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, verbosity=Verbosity.quiet,
        phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    @given(arguments)
    def holds(given: tuple[Any, ...]) -> None:
        nonlocal drawn, refused, falsifying
        drawn += 1
        try:
            law(thing, *given)
        except RowError:
            refused += 1
        except Exception:
            falsifying = given
            raise

    name = law.__name__.replace("_", " ")
    try:
        holds()
    except Exception as error:
        shown = f", falsified by {falsifying!r}" if falsifying else ""
        raise AssertionError(f"{name}: not so for {where}: {error}{shown}") from error
    _demand(
        drawn - refused >= drawn / 10,
        f"{name}: {refused} of {drawn} examples drawn for {where} were refused, which shows nothing; an `example` row"
        " that it accepts would help",
    )


def _demand(condition: object, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _same(found: object, wanted: object, message: str) -> None:
    """Demand that two values are spelled alike, by which 1 is not True and a NaN is a NaN."""
    _demand(repr(found) == repr(wanted), f"{message}: {found!r} and {wanted!r}")


def _outcome(call: Callable[[], Any]) -> Any:
    """What a call gives, or the refusal that it raises."""
    try:
        return call()
    except PrefTemplatesError as error:
        return error

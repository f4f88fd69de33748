"""Hypothesis strategies that draw rows and conversations, and the laws that every template and style keeps.

`check_laws(MyTemplate)` runs the laws that apply. A law is a function that is named by what it says. It raises
`AssertionError` where that is false, and lets the `RowError` of a row that cannot be used pass.
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
from functools import partial
from itertools import chain
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from preftemplates.convert import Conversion
from preftemplates.errors import PrefTemplatesError, RowError
from preftemplates.provenance import pieces_of
from preftemplates.rendered import Rendered
from preftemplates.rows import BOUNDS, Label, read_row_type
from preftemplates.samples import ROLES, Message
from preftemplates.style import Style
from preftemplates.template import Template

Row = Mapping[str, Any]
Conversation = Sequence[Message]

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


@st.composite
def nasty_text(draw: st.DrawFn) -> str:
    """Texts over all code points but surrogates, mixed with what breaks formatters; the empty text too."""
    return "".join(draw(_PIECES))


_PIECES = st.lists(st.sampled_from(NASTY) | st.text(max_size=6), max_size=6)


def conversations(style: Style | None = None) -> SearchStrategy[list[Message]]:
    """Lists of text messages, in any order of roles and in the usual one; the empty list too.

    Args:
        style: whose roles the messages have; without one, those that every message may have.
    """
    return _conversation(ROLES if style is None else style.accepted_roles)


def _conversation(roles: Sequence[str]) -> SearchStrategy[list[Message]]:
    system, user, assistant = ([_message(role)] if role in roles else [] for role in ("system", "user", "assistant"))
    exchanges = st.lists(st.tuples(*user, *assistant), max_size=2).map(chain.from_iterable)
    in_turn = st.tuples(st.tuples(*system) | st.just(()), exchanges, st.tuples(*user) | st.just(()))
    return st.lists(_message(*roles), max_size=4) | in_turn.map(lambda parts: [*chain(*parts)])


def _message(*roles: str) -> SearchStrategy[Any]:
    absent = {"tool_calls": st.none()}  # as Arrow fills in keys that other messages have
    return st.fixed_dictionaries({"role": st.sampled_from(roles), "content": nasty_text()}, optional=absent)


def rows(template: Template, format: str) -> SearchStrategy[dict[str, Any]]:
    """Rows of a template's dataset: drawn by the types of its columns, and its example with other texts and labels.

    A drawn text is no transcript: of a template that reads one, only what is made of an example is accepted. Some
    rows are refused with a `RowError` nonetheless.

    Raises:
        AssertionError: the template formats by hand and has no example, so that no row can be drawn.
    """
    columns = {} if template.by_hand else _columns(template, format)
    roles = () if template.by_hand else template.style.accepted_roles
    cells = {column: _cell(info.annotation, info.metadata, roles) for column, info in columns.items()}
    labels = {column: cell for column, cell in cells.items() if _is_label(columns[column].annotation)}
    examples = [] if template.example is None else [_changed(template.example, labels)] * 2
    _demand(columns or examples, f"{template!r} formats by hand; without an example no row can be drawn")
    return st.one_of(([_record(columns, cells)] if columns else []) + examples)


def _columns(template: Template, format: str) -> dict[str, FieldInfo]:
    """What a format reads, by the row's own names."""
    infos = _by_alias(read_row_type(template.parts.declaration.row))
    return {column: infos[column] for column in template.columns(format)}


def _by_alias(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _is_label(kind: Any) -> bool:
    return kind in (int, float, bool) or get_origin(kind) is Literal


def _record(columns: Mapping[str, FieldInfo], cells: Mapping[str, SearchStrategy[Any]]) -> SearchStrategy[Any]:
    needed = {column: cell for column, cell in cells.items() if columns[column].is_required()}
    return st.fixed_dictionaries(needed, optional={column: cells[column] for column in cells if column not in needed})


def _cell(kind: Any, metadata: Sequence[Any], roles: Sequence[str]) -> SearchStrategy[Any]:
    """The values of a column's type."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _cell(args[0], args[1:], roles)
    if kind is Message or kind == list[Message]:
        return _message(*roles) if kind is Message else _conversation(roles)
    if origin is Literal:
        return st.sampled_from(args)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        columns = _by_alias(kind)
        return _record(columns, {name: _cell(info.annotation, info.metadata, roles) for name, info in columns.items()})
    inner = [_cell(arg, (), roles) for arg in args]
    if origin in (list, dict):
        return st.lists(*inner, max_size=4) if origin is list else st.dictionaries(*inner, max_size=3)
    return st.one_of(inner) if origin in (Union, UnionType) else _leaf(kind, metadata)


def _leaf(kind: Any, metadata: Sequence[Any]) -> SearchStrategy[Any]:
    if kind is str:
        return nasty_text()
    if kind is Any:
        leaves = st.none() | st.booleans() | st.integers() | nasty_text()
        return st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(nasty_text(), inner), max_leaves=5)
    opened = [part for item in metadata for part in (item.metadata if isinstance(item, FieldInfo) else [item])]
    bounds = [part for part in opened if type(part) in BOUNDS]
    bounded: Any = Annotated[(kind, *bounds)] if bounds else kind
    return st.from_type(bounded)


@st.composite
def _changed(draw: st.DrawFn, example: Row, labels: Mapping[str, SearchStrategy[Any]]) -> Any:
    """The example with other labels, and a nasty text in one of its texts, in some or at the same place in all."""
    row = {**example, **{column: draw(cell) for column, cell in labels.items() if draw(st.booleans())}}
    places = [place for place, _ in _texts(row) if place[0] not in labels]
    changed = draw(st.just(places) | st.lists(st.sampled_from(places), min_size=1, max_size=3)) if places else []
    nasty, start = draw(nasty_text()), draw(st.sampled_from(range(64)) | st.just(10**9))
    end = draw(st.sampled_from([start, start, start, 10**9]))
    return _with_texts(row, changed, lambda text: text[:start] + nasty + text[end:])


Place = tuple[Any, ...]
"""The keys and indexes that lead to a text in a row."""


def _texts(value: Any, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """All texts inside but roles, each with its place."""
    if isinstance(value, str):
        yield place, value
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        if step != "role":
            yield from _texts(item, (*place, step))


def _with_texts(value: Any, places: Iterable[Place], change: Callable[[str], str], place: Place = ()) -> Any:
    """The same value with other texts at some places."""
    if isinstance(value, Mapping):
        return {step: _with_texts(item, places, change, (*place, step)) for step, item in value.items()}
    if isinstance(value, list):
        return [_with_texts(item, places, change, (*place, step)) for step, item in enumerate(value)]
    return change(value) if place in places else value


def formatting_is_rendering_after_extracting(template: Template, row: Row, format: str) -> None:
    """Law 1: `format` is `extract`, then the style, then the dialect's table; every refusal is one of theirs."""
    formatted = _outcome(template.format, row, format)
    composed = _outcome(_composed, template, row, format)
    if not (_refusal(formatted) and _refusal(formatted) == _refusal(composed)):
        _same(formatted, composed, "format and rendering what was extracted differ")
    _pass_on(formatted)


def _composed(template: Template, row: Row, format: str) -> dict[str, Any]:
    messages, style = template.extract(row, format), template.style
    if not template.dialect.needs_text(format):
        return template.dialect.spell(messages, None)
    texts = messages.map(
        lambda prompt: style.render(prompt, add_generation_prompt=True).text,
        lambda own: style.render([*messages.prompt, *own]).text,
    )
    rendered = template.render(row, format).map(lambda prompt: prompt.text, lambda response: response.text)
    _same(rendered, texts, "render and the style on what was extracted differ")
    return template.dialect.spell(messages, texts)


def the_prompt_opens_every_response(template: Template, row: Row, format: str) -> None:
    """Law 2: the text of each response begins with the text of the prompt."""
    sample = template.render(row, format)
    for response in sample.responses.values():
        _demand(response.text.startswith(sample.prompt.text), f"{response.text!r} is not opened by {sample.prompt}")


def the_generation_prompt_opens_every_answer(style: Style, messages: Conversation) -> None:
    """Law 2, for styles: the text up to an answer begins with the text that asks for it."""
    for index, message in enumerate(messages):
        if message["role"] == "assistant":
            prompt = style.render(messages[:index], add_generation_prompt=True).text
            answered = style.render(messages[: index + 1]).text
            _demand(answered.startswith(prompt), f"{answered!r} is not opened by {prompt!r}")


def spans_partition_the_text_and_spell_their_cells(template: Template, row: Row, format: str) -> None:
    """Law 3: spans follow one another over the whole text, and one with a source spells what stands in that cell."""
    messages, rendered = template.extract(row, format), template.render(row, format)
    cells = [(_path(place), text) for place, text in _texts(row)]
    conversations = [messages.prompt, *([*messages.prompt, *own] for own in messages.responses.values())]
    for conversation, text in zip(conversations, [rendered.prompt, *rendered.responses.values()], strict=True):
        _check_spans(template.style, conversation, text)
        for start, end, *_, source in text.spans:
            path, offset = source or ("", 0)
            spells = any(path == at and cell.startswith(text.text[start:end], offset) for at, cell in cells)
            _demand(spells or source is None, f"{text.text[start:end]!r} does not stand in {path} from {offset} on")


def _path(place: Place) -> str:
    """A place as spans spell it."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)[1:]


def spans_partition_the_text_and_spell_the_messages(style: Style, messages: Conversation) -> None:
    """Law 3, for styles: spans follow one another over the whole text, spell each content and keep the stop."""
    for asked in (False, True):
        _check_spans(style, messages, style.render(messages, add_generation_prompt=asked))


def _check_spans(style: Style, messages: Conversation, rendered: Rendered) -> None:
    starts = [0, *(span.end for span in rendered.spans)]
    _same(starts, [*(span.start for span in rendered.spans), len(rendered.text)], "the spans are no partition")
    empty = [span for span in rendered.spans if span.end - span.start < (span.kind != "content")]
    _demand(not empty, f"spans that are no content are empty: {empty}")
    for index, message in enumerate(messages):
        own = [span for span in rendered.spans if span.message == index and span.kind in ("content", "derived")]
        _same({span.role for span in own}, {message["role"]}, f"the content spans of message {index} have other roles")
        spelled = "".join(rendered.text[span.start : span.end] for span in own if span.field == "content")
        _demand(spelled in _shown(style, message), f"the spans of message {index} spell {spelled!r}")
    if messages and messages[-1]["role"] == "assistant" and style.stop:
        stops = [span for span in rendered.spans if span.kind == "stop" and span.message == len(messages) - 1]
        _same([rendered.text[span.start : span.end] for span in stops], [style.stop], "the stop is lost")


def _shown(style: Style, message: Message) -> list[str]:
    """What a content may look like: as it is; trimmed too, where the style's chat template says that it trims."""
    content = str(message.get("content") or "")
    return [content, content.strip()] if re.search("trim|strip", getattr(style.layout, "source", "")) else [content]


class Choice(NamedTuple):
    """A label that chooses, as an index, among two text columns."""

    label: str
    first: str
    second: str

    def flip(self, row: Row) -> Row:
        """The row with the other label: the opposite preference."""
        return {**row, self.label: 1 - row[self.label]}

    def swap(self, row: Row) -> Row:
        """The row with the columns exchanged and the other label: the same preference."""
        return {**self.flip(row), self.first: row[self.second], self.second: row[self.first]}


def find_choice(template: Template, format: str) -> Choice | None:
    """The choice that a template makes on its example by an `Index01`; None where it makes none."""
    for label, info in ({} if template.by_hand else _columns(template, format)).items():
        if any(isinstance(item, Label) and item.name == "Index01" for item in info.metadata):
            samples = [
                _outcome(template.extract, {**(template.example or {}), label: side}, format) for side in (0, 1)
            ]
            for name in () if isinstance(samples[0], Exception) else samples[0].responses:
                first, second = (_columns_of(sample.responses[name]) for sample in samples)
                if len(first - second) == len(second - first) == 1:
                    return Choice(label, *(first - second), *(second - first))
    return None


def _columns_of(messages: Conversation) -> set[str]:
    """The columns that messages take text from."""
    paths = (str(piece.origin) for message in messages for piece in pieces_of(str(message.get("content"))))
    return {re.split(r"[.\[]", path)[0] for path in paths}


def swapping_the_answers_and_the_label_changes_nothing(
    template: Template, row: Row, format: str, swap: Callable[[Row], Row] | None = None
) -> None:
    """Law 4: a preference written the other way round is the same; the other label alone exchanges the responses.

    Args:
        template: the template.
        row: a row.
        format: the format.
        swap: writes a row the other way round; without one, `find_choice` says how.
    """
    choice = None if swap else find_choice(template, format)
    swap = choice.swap if choice else swap
    if swap is None:
        raise AssertionError(f"no Index01 of {template!r} chooses among two columns, and no swap is given")
    sample = template.extract(row, format)
    _same(template.extract(swap(row), format), sample, "the row written the other way round is another sample")
    if choice and len(sample.responses) == 2:
        exchanged = [*template.extract(choice.flip(row), format).responses.values()][::-1]
        _same(exchanged, [*sample.responses.values()], "the other label does not exchange the responses")


def a_row_is_never_written_to(template: Template, row: Row, format: str) -> None:
    """Law 5: a row is afterwards what it was, also deep inside; one that refuses writes formats alike."""
    before = deepcopy(row)
    formatted = _outcome(template.format, row, format)
    _same(row, before, "format wrote to the row")
    _same(_outcome(template.format, MappingProxyType({**row}), format), formatted, "a row that is no dict differs")
    if not template.by_hand:
        _outcome(template.render, row, format)
        _same(row, before, "render wrote to the row")
    _pass_on(formatted)


def messages_are_never_written_to(style: Style, messages: Conversation) -> None:
    """Law 5, for styles: messages are afterwards what they were."""
    before = deepcopy(messages)
    _demand(style.render(messages, add_generation_prompt=True).spans is not None, "there are no spans")
    _same(messages, before, "render wrote to the messages")


def a_batch_is_its_rows_however_it_is_cut(template: Template, rows: Sequence[Row], format: str) -> None:
    """Law 6: formatting an Arrow table is formatting its rows: whole, in chunks, and cut in two anywhere."""
    import pyarrow as pa

    from preftemplates.arrow import BatchFormatter

    good = [row for row in rows if not isinstance(_outcome(template.format, row, format), PrefTemplatesError)]
    columns = [*rows[0]] if template.by_hand else template.columns(format)
    try:
        table = pa.Table.from_pylist([{column: row[column] for column in columns if column in row} for row in good])
    except (pa.ArrowException, OverflowError) as error:
        raise RowError(f"Arrow has no type for these rows: {error}") from error
    formatter = BatchFormatter(template, format)
    wanted = [template.format(row, format) for row in table.to_pylist()]
    if not wanted:
        raise RowError("no row can be formatted")
    for cut in range(len(wanted) + 1):
        parts = [table.slice(0, cut), table.slice(cut)]
        whole = [formatter(pa.concat_tables(parts)), *map(formatter, table.to_batches())]
        for result in [*whole, pa.concat_tables([formatter(part) for part in parts])]:
            _same(result.schema, formatter.schema, "the result has another schema than was said")
            _same(result.to_pylist(), wanted, f"the batch cut at {cut} is not its rows")


def an_exported_style_reads_back_the_same(style: Style, messages: Conversation) -> None:
    """Law 7, without transformers: a style that is exported as a chat template and read back renders the same."""
    again = Style.from_chat_template(style.chat_template)
    for asked in (False, True):
        text = style.render(messages, add_generation_prompt=asked).text
        _same(again.render(messages, add_generation_prompt=asked).text, text, "what was read back renders otherwise")


def no_content_is_executed_escaped_or_trimmed(style: Style, messages: Conversation) -> None:
    """Law 9: a conversation's text is that of numbered blanks, with each content written in as it is."""
    blanks = [{**message, "content": f"\ue000{index}\ue001"} for index, message in enumerate(messages)]
    for asked in (False, True):
        layout = re.split("\ue000(\\d+)\ue001", style.render(blanks, add_generation_prompt=asked).text)
        _same(layout[1::2], [str(index) for index in range(len(messages))], "the contents do not stand in order")
        contents = [f"(?:{'|'.join(map(re.escape, _shown(style, message)))})" for message in messages]
        pattern = "".join(re.escape(part) + form for part, form in zip(layout[::2], [*contents, ""], strict=True))
        text = style.render(messages, add_generation_prompt=asked).text
        _demand(re.fullmatch(pattern, text), f"{text!r} is not the layout with the contents in it")


def no_cell_is_executed_or_escaped(template: Template, row: Row, format: str) -> None:
    """Law 9, for templates: a mark that is put into texts of the row shows whole or not at all."""
    _pass_on(_outcome(template.format, row, format))
    places = [place for place, _ in _texts(row)]
    marked = [_with_texts(row, [place], lambda text: text + MARK) for place in places]
    marked += [_with_texts(row, places, partial(_marked, at)) for at in range(0, 64, 7)]
    results = [_outcome(template.format, each, format) for each in marked]
    texts = [text for result in results for _, text in _texts(result)]
    for text in texts:
        _demand(text.count("\ue000") == text.count(MARK), f"the mark {MARK!r} is changed in {text!r}")
    if MARK not in "".join(texts):
        raise RowError("no mark shows in a result")


def _marked(at: int, text: str) -> str:
    return text[:at] + MARK + text[at:]


def every_one_pickles_and_equal_ones_hash_equal(*things: Template | Style) -> None:
    """Law 10: an object that was pickled is equal, hashes equal and works alike, here and in a fresh process."""
    behaviours = [_behaviour(thing) for thing in things]
    pickles = [pickle.dumps(thing) for thing in things]
    for thing, twin, behaviour in zip(things, map(pickle.loads, pickles), behaviours, strict=True):
        _demand(thing == twin and hash(thing) == hash(twin), f"{thing!r} is not equal to what was pickled")
        _same(_behaviour(twin), behaviour, f"the pickled {thing!r} works otherwise")
    child = subprocess.run(
        [sys.executable, "-c", "from preftemplates.testing import _answer; _answer()"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "random"},
        input=pickle.dumps(pickles),
        capture_output=True,
        check=False,
    )
    _demand(child.returncode == 0, f"a fresh process fails: {child.stderr.decode(errors='replace')[-2000:]}")
    for thing, answer, behaviour in zip(things, pickle.loads(child.stdout), behaviours, strict=True):
        _same(answer, behaviour, f"{thing!r} works otherwise in a fresh process")


def _behaviour(thing: Any) -> list[Any]:
    """What is equal wherever an object is: its hash, and what it makes of an example."""
    if isinstance(thing, Style):
        results = [_outcome(thing.text, [{"role": role, "content": "Hi"}], True) for role in thing.accepted_roles]
    else:
        results = [_outcome(thing.format, thing.example or {}, format) for format in thing.formats]
    return [thing.digest, hash(thing), repr(results)]


def _answer() -> None:
    """Say on standard output how the pickled objects on standard input behave here."""
    answers = [_behaviour(pickle.loads(sent)) for sent in pickle.load(sys.stdin.buffer)]
    sys.stdout.buffer.write(pickle.dumps(answers))


def rows_in_are_formatted_skipped_or_rejected(template: Template, rows: Sequence[Row], format: str) -> None:
    """Law 11: each row comes through or is counted once, and what comes through is what it gives alone, in order."""
    conversion = Conversion(rows, template, format, on_error="skip")
    results, report = [*conversion], conversion.report
    alone = [_outcome(template.format, row, format) for row in rows]
    refused = [number for number, result in enumerate(alone) if isinstance(result, PrefTemplatesError)]
    lost = {*refused, *(refusal.row for refusal in report.skipped)}
    _same([refusal.row for refusal in report.rejected], refused, "other rows are rejected than are refused alone")
    _same(results, [result for number, result in enumerate(alone) if number not in lost], "other results come through")
    counted = (report.rows, report.formatted, report.formatted + len(report.skipped) + len(report.rejected))
    _same(counted, (len(rows), len(results), len(rows)), "the counts do not add up")
    if not results:
        raise RowError("no row came through")


STYLE_LAWS: tuple[Callable[..., None], ...] = (
    the_generation_prompt_opens_every_answer,
    no_content_is_executed_escaped_or_trimmed,
    spans_partition_the_text_and_spell_the_messages,
    messages_are_never_written_to,
    an_exported_style_reads_back_the_same,
)
SAMPLE_LAWS: tuple[Callable[..., None], ...] = (
    the_prompt_opens_every_response,
    spans_partition_the_text_and_spell_their_cells,
    swapping_the_answers_and_the_label_changes_nothing,
)
RESULT_LAWS: tuple[Callable[..., None], ...] = (
    formatting_is_rendering_after_extracting,
    a_row_is_never_written_to,
    no_cell_is_executed_or_escaped,
)
BATCH_LAWS: tuple[Callable[..., None], ...] = (
    a_batch_is_its_rows_however_it_is_cut,
    rows_in_are_formatted_skipped_or_rejected,
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
            drawn could be used, so that nothing is shown; or none of the laws applies.
    """
    thing: Any = subject() if isinstance(subject, type) else subject
    trials = [*(_style_trials(thing) if isinstance(thing, Style) else _template_trials(thing))]
    trials.append((every_one_pickles_and_equal_ones_hash_equal, st.just(()), []))
    trials = trials if laws is None else [trial for law in laws for trial in trials if trial[0] is law]
    _demand(trials, f"none of these laws applies to {thing!r}")
    for law, arguments, always in trials:
        _hold(law, thing, arguments, always, max_examples)


Trial = tuple[Callable[..., None], SearchStrategy[tuple[Any, ...]], list[tuple[Any, ...]]]
"""A law, what is drawn for it, and what it is tried on always."""


def _style_trials(style: Style) -> list[Trial]:
    always = [([{"role": role, "content": text}],) for role in style.accepted_roles for text in NASTY]
    return [(law, st.tuples(conversations(style)), always) for law in STYLE_LAWS]


def _template_trials(template: Template) -> Iterator[Trial]:
    for format in template.formats:
        row = rows(template, format)
        several = st.lists(row, min_size=1, max_size=3)
        for law in SAMPLE_LAWS + RESULT_LAWS + BATCH_LAWS:
            if _applies(law, template, format):
                yield law, st.tuples(several if law in BATCH_LAWS else row, st.just(format)), []


def _applies(law: Callable[..., None], template: Template, format: str) -> bool:
    """Whether a template has what the law speaks of."""
    if law is swapping_the_answers_and_the_label_changes_nothing:
        return find_choice(template, format) is not None
    if law is a_batch_is_its_rows_however_it_is_cut and importlib.util.find_spec("pyarrow") is None:
        return False
    if template.by_hand:
        return law not in (*SAMPLE_LAWS, formatting_is_rendering_after_extracting)
    return law in SAMPLE_LAWS or format in template.dialect.formats


def _hold(
    law: Callable[..., None], thing: Any, arguments: SearchStrategy[Any], always: Iterable[Any], max_examples: int
) -> None:
    """Try a law on what is drawn, and on what it is tried on always."""
    name = law.__name__.replace("_", " ")
    drawn: list[Any] = []
    refused: list[Any] = []
    failures: list[tuple[Any, Exception]] = []

    def holds(given: tuple[Any, ...]) -> None:
        drawn.append(given)
        try:
            law(thing, *given)
        except RowError:
            refused.append(given)
        except Exception as error:
            failures.append((given, error))
            raise

    bounded = settings(
        max_examples=max_examples, derandomize=True, database=None, deadline=None, verbosity=Verbosity.quiet,
        phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    try:
        bounded(given(arguments)(holds))()
        shown = (len(drawn) - len(refused)) * 10 >= len(drawn)
        for each in always:
            holds(each)
    except Exception as error:
        falsifying, reason = failures[-1] if failures else ((), error)
        raise AssertionError(f"{name}: not so for {thing!r} with {falsifying!r}: {reason}") from error
    _demand(
        shown,
        f"{name}: nothing is shown for {thing!r}, since {len(refused)} of {len(drawn)} examples, such as"
        f" {refused[-1:]!r}, were refused; an `example` row would help",
    )


def _demand(condition: object, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _same(found: object, wanted: object, message: str) -> None:
    """Demand that two values are spelled alike: by that 1 is not True, and a NaN is a NaN."""
    _demand(repr(found) == repr(wanted), f"{message}: {found!r} and {wanted!r}")


def _outcome(call: Callable[..., Any], *arguments: Any) -> Any:
    """What a call gives, or the refusal that it raises."""
    try:
        return call(*arguments)
    except PrefTemplatesError as refusal:
        return refusal


def _refusal(outcome: Any) -> tuple[object, ...] | None:
    """What a refusal is, whatever its words; None for any other outcome."""
    return (type(outcome), outcome.code) if isinstance(outcome, PrefTemplatesError) else None


def _pass_on(outcome: Any) -> None:
    if isinstance(outcome, PrefTemplatesError):
        raise outcome

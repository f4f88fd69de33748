"""The properties of every template and style, each a function named after what it checks."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from copy import deepcopy
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from preftemplates.core.extras import import_extra
from preftemplates.core.messages import Message
from preftemplates.core.paths import column_of, spell_path
from preftemplates.core.provenance import pieces_of
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, PrefTemplatesError, RowError
from preftemplates.styles.control_text import find_control_text
from preftemplates.styles.style import Style
from preftemplates.templates.row_types import Label
from preftemplates.testing.demands import demand, demand_equal, describe_error, get_outcome, raise_error
from preftemplates.testing.strategies import (
    MARK,
    MessageSequence,
    Row,
    get_columns_read,
    iter_texts,
    replace_texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from preftemplates.core.samples import Format, Sample
    from preftemplates.core.spans import Rendered
    from preftemplates.templates.template import Template


def formatting_is_rendering_after_extracting(template: Template, row: Row, format: Format) -> None:
    """Check that `format` equals extracting, rendering and spelling by the dialect, errors included (law 1)."""
    formatted = get_outcome(template.format, row, format)
    composed = get_outcome(_compose_result, template, row, format)
    if not (describe_error(formatted) and describe_error(formatted) == describe_error(composed)):
        demand_equal(formatted, composed, "the result of format differs from the rendered sample")
    raise_error(formatted)


def _compose_result(template: Template, row: Row, format: Format) -> dict[str, Any]:
    messages = template.extract(row, format)
    given = (part for part in template.optional_parts(format) if getattr(messages, part) is not None)
    parts = tuple(dict.fromkeys((*template.sample_parts(format), *given)))
    template.dialect.check_media(messages, parts)
    if not template.dialect.needs_text(format):
        return template.dialect.spell(messages, None, parts)
    rendered = template.render(row, format).map(lambda prompt: prompt.text, lambda response: response.text)
    if not messages.pieces:
        style = template.style.with_tools(cast("str | None", messages.tools))
        texts = messages.map(
            lambda prompt: style.render(prompt, add_generation_prompt=True).text,
            lambda response: style.render([*messages.prompt, *response]).text,
        )
        demand_equal(rendered, texts, "render differs from the style's texts of the sample")
    edges = template.choose_edges(format)
    texts = rendered if edges is None else edges.cut(rendered, template.style)
    return template.dialect.spell(messages, texts, parts)


def the_prompt_opens_every_response(template: Template, row: Row, format: Format) -> None:
    """Check that the text of each response begins with the text of the prompt (law 2)."""
    sample = template.render(row, format)
    prompt = sample.prompt.text
    for response in sample.responses.values():
        demand(response.text.startswith(prompt), f"{response.text!r} does not begin with {prompt!r}")


def the_generation_prompt_opens_every_answer(style: Style, messages: MessageSequence) -> None:
    """Check that the text up to each answer begins with the prompt that asks for it (law 2, for styles)."""
    for index, message in enumerate(messages):
        if message["role"] == "assistant":
            prompt = style.render(messages[:index], add_generation_prompt=True).text
            answered = style.render(messages[: index + 1]).text
            demand(answered.startswith(prompt), f"{answered!r} does not begin with {prompt!r}")


def spans_partition_the_text_and_spell_their_cells(template: Template, row: Row, format: Format) -> None:
    """Check that spans partition the text, and that one with a source spells the text of its column (law 3)."""
    messages, rendered = template.extract(row, format), template.render(row, format)
    cells = [(spell_path(keys), text) for keys, text in iter_texts(row)]
    conversations = [messages.prompt, *([*messages.prompt, *response] for response in messages.responses.values())]
    for conversation, text in zip(conversations, [rendered.prompt, *rendered.responses.values()], strict=True):
        if not messages.pieces:
            _check_spans(template.style, conversation, text)
        for start, end, *_, source in text.spans:
            path, offset = source or ("", 0)
            spells = any(
                path == cell_path and cell.startswith(text.text[start:end], offset) for cell_path, cell in cells
            )
            demand(spells or source is None, f"{text.text[start:end]!r} is not in {path} at character {offset}")


def spans_partition_the_text_and_spell_the_messages(style: Style, messages: MessageSequence) -> None:
    """Check that spans partition the text, spell each content and keep the end-of-turn token (law 3, for styles)."""
    for generate in (False, True):
        _check_spans(style, messages, style.render(messages, add_generation_prompt=generate))


def _check_spans(style: Style, messages: MessageSequence, rendered: Rendered) -> None:
    ends, starts = [0, *(span.end for span in rendered.spans)], [span.start for span in rendered.spans]
    demand_equal([*starts, len(rendered.text)], ends, "the spans do not partition the text")
    empty = [span for span in rendered.spans if span.end - span.start < (span.kind != "content")]
    demand(not empty, f"spans other than content are empty: {empty}")
    for index, message in enumerate(messages):
        spans = [span for span in rendered.spans if span.message == index and span.kind in ("content", "derived")]
        demand_equal(
            {span.role for span in spans}, {message["role"]}, f"the content spans of message {index} have another role"
        )
        spelled = "".join(rendered.text[span.start : span.end] for span in spans if span.field == "content")
        demand(_is_shown(style, message, spelled), f"the spans of message {index} spell {spelled!r}, not its content")
    if messages and messages[-1]["role"] == "assistant" and style.stop:
        stops = [span for span in rendered.spans if span.kind == "stop" and span.message == len(messages) - 1]
        tokens = [rendered.text[span.start : span.end] for span in stops]
        demand_equal(tokens, [style.stop], "the end-of-turn token of the last answer is wrong")


def _list_shown_contents(style: Style, message: Message) -> list[str]:
    """List the forms in which a content may be printed: unchanged, or trimmed if the style's chat template trims."""
    content, source = str(message.get("content") or ""), style.layout.source or ""
    trimmed = [content.strip(), content.rstrip(), content.lstrip("\n")] if re.search("trim|strip", source) else []
    return [*dict.fromkeys([content, *trimmed])]


_THINKING_TAG = re.compile(r"(?:\s|</?think>)*")


def _is_shown(style: Style, message: Message, text: str) -> bool:
    """Return whether a text is one of the forms of a content; a style that splits thinking writes the tags itself."""
    content = str(message.get("content") or "")
    if text in _list_shown_contents(style, message):
        return True
    bare = [_THINKING_TAG.sub("", part) for part in (text, content, content.rpartition("</think>")[2])]
    return _splits_thinking(style, message) and bare[0] in bare[1:]


def _splits_thinking(style: Style, message: Message) -> bool:
    """Return whether a style writes the thinking of an answer apart from the rest of its content."""
    is_answer = message["role"] == "assistant" and "think>" in str(message.get("content"))
    return is_answer and "</think>" in (style.layout.source or "")


class Choice(NamedTuple):
    """A label that chooses between two text columns; the value for the opposite choice is `turned` minus the value."""

    label: str
    turned: int
    first: str
    second: str

    def flip(self, row: Row) -> Row:
        """Return the row with the opposite label."""
        return {**row, self.label: self.turned - row[self.label]}

    def swap(self, row: Row) -> Row:
        """Return the same preference with the answers, the columns named after them, and the label exchanged."""
        twins = {name: name.replace(self.first, self.second) for name in row if self.first in name}
        pairs = [pair for name, twin in twins.items() if twin in row for pair in ((name, twin), (twin, name))]
        return {**self.flip(row), **{name: row[other] for name, other in pairs}}


def find_choice(template: Template, format: Format) -> Choice | None:
    """Find the choice that a label such as `Index01` makes on a template's example; return None if there is none."""
    for column, info in get_columns_read(template, format).items():
        for label in (item for item in info.metadata if isinstance(item, Label)):
            sides = (1, 2) if label.turned == 3 else (-1, 1) if label.turned == 0 else (0, 1)
            rows = [{**(template.example or {}), column: side} for side in sides]
            samples = [get_outcome(template.extract, row, format) for row in rows]
            for name in () if isinstance(samples[0], Exception) else samples[0].responses:
                first, second = (_find_columns(sample.responses[name]) for sample in samples)
                if len(first - second) == len(second - first) == 1:
                    return Choice(column, label.turned, *(first - second), *(second - first))
    return None


def _find_columns(messages: MessageSequence) -> set[str]:
    """Return the columns that messages take text from."""
    paths = (str(piece.origin) for message in messages for piece in pieces_of(str(message.get("content"))))
    return {column for column in map(column_of, paths) if column is not None}


def swapping_the_answers_and_the_label_changes_nothing(
    template: Template, row: Row, format: Format, swap: Callable[[Row], Row] | None = None
) -> None:
    """Check that exchanging answers and label changes nothing, and the label alone exchanges the responses (law 4).

    Args:
        template: the template.
        row: a row.
        format: the dataset type.
        swap: exchanges the answers and the label of a row; by default, `find_choice` derives it.
    """
    choice = None if swap else find_choice(template, format)
    swap = choice.swap if choice else swap
    if swap is None:
        raise AssertionError(f"no label of {template!r} chooses between two columns; pass a function as swap")
    sample = template.extract(row, format)
    if sample.is_tie:
        raise RowError("neither answer is better", code=Code.TIE)
    demand_equal(template.extract(swap(row), format), sample, "exchanging the answers and label changes the sample")
    if choice and len(sample.responses) == 2:
        exchanged = [*template.extract(choice.flip(row), format).responses.values()][::-1]
        demand_equal(exchanged, [*sample.responses.values()], "the opposite label does not exchange the responses")


def a_row_is_never_written_to(template: Template, row: Row, format: Format) -> None:
    """Check that formatting leaves a row unchanged, nested values included (law 5)."""
    before = deepcopy(row)
    formatted = get_outcome(template.format, row, format)
    demand_equal(row, before, "format changed the row")
    demand_equal(
        get_outcome(template.format, MappingProxyType({**row}), format), formatted, "a Mapping gives another result"
    )
    get_outcome(template.render, row, format)  # a custom template raises an error here, and must not write either
    demand_equal(row, before, "render changed the row")
    raise_error(formatted)


def messages_are_never_written_to(style: Style, messages: MessageSequence) -> None:
    """Check that rendering leaves messages unchanged (law 5, for styles)."""
    before = deepcopy(messages)
    demand(style.render(messages, add_generation_prompt=True).spans is not None, "there are no spans")
    demand_equal(messages, before, "render changed the messages")


def a_batch_is_its_rows_however_it_is_cut(template: Template, rows: Sequence[Row], format: Format) -> None:
    """Check that formatting an Arrow table formats its rows: whole, in chunks, and cut in two anywhere (law 6)."""
    import_extra("pyarrow", "this property test formats Arrow tables")
    import pyarrow as pa

    from preftemplates.data.arrow import check_fits_schema, write_nested_as_json
    from preftemplates.data.batches import BatchFormatter

    good = [row for row in rows if not isinstance(get_outcome(template.format, row, format), PrefTemplatesError)]
    columns = template.known_columns(format) or [*rows[0]]
    try:
        table = pa.Table.from_pylist([{column: row[column] for column in columns if column in row} for row in good])
    except (pa.ArrowException, OverflowError) as error:
        raise RowError(f"Arrow has no type for these rows: {error}") from error
    template = template.adapted(columns=table.column_names)
    formatter = BatchFormatter(template, format)
    expected = [template.format(row, format) for row in table.to_pylist()]
    if not expected:
        raise RowError("no row can be formatted")
    if any(isinstance(get_outcome(check_fits_schema, result, formatter.schema), RowError) for result in expected):
        formatter = BatchFormatter(template, format, json_messages=True)
    written = [write_nested_as_json(result, formatter.schema) for result in expected]
    held = pa.Table.from_pylist(written, schema=formatter.schema)  # Arrow gives each message the keys of all others
    expected = held.to_pylist(maps_as_pydicts="strict")
    for cut in range(len(expected) + 1):
        parts = [table.slice(0, cut), table.slice(cut)]
        whole = [formatter(pa.concat_tables(parts)), *map(formatter, table.to_batches())]
        for result in [*whole, pa.concat_tables([formatter(part) for part in parts])]:
            demand_equal(result.schema, formatter.schema, "the result does not have the formatter's schema")
            demand_equal(
                result.to_pylist(maps_as_pydicts="strict"), expected, f"the batch cut at {cut} differs from its rows"
            )


def an_exported_style_reads_back_the_same(style: Style, messages: MessageSequence) -> None:
    """Check that a style exported as a chat template and imported again renders the same text (law 7)."""
    imported = Style.from_chat_template(style.chat_template)
    for generate in (False, True):
        texts = [one.render(messages, add_generation_prompt=generate).text for one in (imported, style)]
        demand_equal(texts[0], texts[1], "the imported style renders another text")


def parsing_undoes_rendering(style: Style, messages: MessageSequence) -> None:
    """Check that a reversible style parses its own texts back, and raises an error instead of guessing (law 20).

    A content that spells a turn mark may be parsed as several turns; nothing else may differ.
    """
    turns = [{"role": message["role"], "content": message.get("content")} for message in messages]
    for generate in (False, True) if style.reversible else ():
        parsed = get_outcome(style.parse, style.render(messages, add_generation_prompt=generate).text)
        doubtful = find_control_text(messages, style) is not None or _spells_a_mark(style, messages)
        if isinstance(parsed, PrefTemplatesError):
            demand(doubtful or _ends_in_doubt(style, messages, generate), f"{turns!r} cannot be parsed back: {parsed}")
        else:
            demand(parsed == turns or doubtful, f"{turns!r} is parsed back as {parsed!r}")


def _spells_a_mark(style: Style, messages: MessageSequence) -> bool:
    """Return whether a content spells one of the style's turn marks."""
    return any(mark in str(message.get("content")) for message in messages for mark in style.layout.turn_marks)


def _ends_in_doubt(style: Style, messages: MessageSequence, generate: bool) -> bool:
    """Return whether a trailing empty answer and a generation prompt give the same text."""
    empty = Message(role="assistant", content="")
    turns = [*messages, empty] if generate else [*messages]
    if not turns or {**turns[-1], **empty} != {**turns[-1]}:
        return False
    return style.text(turns, False) == style.text(turns[:-1], True)


def no_content_is_executed_escaped_or_trimmed(style: Style, messages: MessageSequence) -> None:
    """Check that a text is the style's layout with each content inserted unchanged (law 9).

    The layout is found by rendering numbered placeholders. An empty content next to tool calls counts as no content,
    since a layout may put a newline between text and calls. Answers with thinking tags are skipped in a style that
    writes such tags itself.
    """
    if any(_splits_thinking(style, message) for message in messages):
        raise RowError("the style writes the thinking of an answer separately", code=Code.UNSUPPORTED_CONTENT)
    indexes = [index for index, message in enumerate(messages) if _has_content(message)]
    blanks: list[Message] = [*messages]
    # private-use characters: no style writes or trims them, and no content is likely to hold them
    for index in indexes:
        blanks[index] = {**messages[index], "content": f"\ue000{index}\ue001"}
    for generate in (False, True):
        layout = re.split("\ue000(\\d+)\ue001", style.render(blanks, add_generation_prompt=generate).text)
        demand_equal(layout[1::2], [str(index) for index in indexes], "the contents are not in order")
        contents = [
            f"(?:{'|'.join(map(re.escape, _list_shown_contents(style, messages[index])))})" for index in indexes
        ]
        pattern = "".join(re.escape(part) + form for part, form in zip(layout[::2], [*contents, ""], strict=True))
        text = style.render(messages, add_generation_prompt=generate).text
        demand(re.fullmatch(pattern, text), f"{text!r} is not the layout with the contents inserted unchanged")


def _has_content(message: Message) -> bool:
    content = message.get("content")
    return content is not None and (bool(content) or not message.get("tool_calls"))


def no_cell_is_executed_or_escaped(template: Template, row: Row, format: Format) -> None:
    """Check that a mark inserted into the row's texts is printed whole or not at all (law 9, for templates).

    If tools are listed or called, layouts spell them as JSON, so the mark may also appear JSON-escaped.
    """
    raise_error(get_outcome(template.format, row, format))
    paths = [path for path, _ in iter_texts(row)]
    marked_rows = [replace_texts(row, [path], lambda text: text + MARK) for path in paths]
    marked_rows += [replace_texts(row, paths, partial(_insert_mark, position)) for position in range(0, 64, 7)]
    results = [get_outcome(template.format, marked_row, format) for marked_row in marked_rows]
    texts = [text for result in results for _, text in iter_texts(result)]
    samples = [formatted.messages for formatted in template.formatted(row, format).samples if formatted.messages]
    whole = [MARK, *([json.dumps(MARK, ensure_ascii=False)[1:-1]] if any(map(_has_tools, samples)) else [])]
    for text in texts:
        demand(text.count("\ue000") == sum(map(text.count, whole)), f"the mark {MARK!r} is changed in {text!r}")
    if MARK not in "".join(texts):
        raise RowError("no result contains the mark")


def _has_tools(sample: Sample[list[Message]]) -> bool:
    """Return whether a sample lists or calls tools."""
    messages = [*sample.prompt, *(message for response in sample.responses.values() for message in response)]
    return sample.tools is not None or any(message.get("tool_calls") for message in messages)


def _insert_mark(position: int, text: str) -> str:
    return text[:position] + MARK + text[position:]


def every_one_pickles_and_equal_ones_hash_equal(*things: Template | Style) -> None:
    """Check that a pickled object is equal, hashes equal and behaves alike, here and in a fresh process (law 10)."""
    behaviours = [_describe_behaviour(thing) for thing in things]
    pickles = [pickle.dumps(thing) for thing in things]
    for thing, twin, behaviour in zip(things, map(pickle.loads, pickles), behaviours, strict=True):
        demand(thing == twin and hash(thing) == hash(twin), f"the unpickled {thing!r} is not equal to the original")
        demand_equal(_describe_behaviour(twin), behaviour, f"the unpickled {thing!r} behaves differently")
    child = subprocess.run(
        [sys.executable, "-c", "from preftemplates.testing.laws import _print_answers; _print_answers()"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "random"},
        input=pickle.dumps(pickles),
        capture_output=True,
        check=False,
    )
    demand(child.returncode == 0, f"a fresh process fails: {child.stderr.decode(errors='replace')[-2000:]}")
    for thing, answer, behaviour in zip(things, pickle.loads(child.stdout), behaviours, strict=True):
        demand_equal(answer, behaviour, f"{thing!r} behaves differently in a fresh process")


def _describe_behaviour(thing: Any) -> list[Any]:
    """List what must be equal in every process: the digest, the hash, and the results for an example."""
    if isinstance(thing, Style):
        results = [get_outcome(thing.text, [{"role": role, "content": "Hi"}], True) for role in thing.accepted_roles]
    else:
        results = [get_outcome(thing.format, thing.example or {}, format) for format in thing.formats]
    return [thing.digest, hash(thing), repr(results)]


def _print_answers() -> None:
    """Print on standard output how the pickled objects on standard input behave in this process."""
    answers = [_describe_behaviour(pickle.loads(pickled)) for pickled in pickle.load(sys.stdin.buffer)]
    sys.stdout.buffer.write(pickle.dumps(answers))


def rows_in_are_formatted_skipped_or_rejected(template: Template, rows: Sequence[Row], format: Format) -> None:
    """Check that each row is formatted, skipped or rejected once, with the result it has alone, in order (law 11)."""
    conversion = Conversion(rows, template, format, on_error="skip")
    results, report = [*conversion], conversion.report
    alone = [get_outcome(template.format_all, row, format) for row in rows]
    errors = {number: one for number, one in enumerate(alone) if isinstance(one, PrefTemplatesError)}
    rejected = [number for number, error in errors.items() if error.code is not Code.TIE]
    lost = {*rejected, *(issue.row for issue in report.skipped)}
    demand_equal([issue.row for issue in report.rejected], rejected, "the rejected rows are not those rejected alone")
    expected = [result for number, outcome in enumerate(alone) if number not in lost for result in outcome]
    if report.left_out:
        demand(len(results) == len(expected) - len(report.left_out), "samples are left out but not counted")
    else:
        demand_equal(results, expected, "the results differ from those of the rows alone")
    counted = (report.rows, report.results, report.formatted + len(report.skipped) + len(report.rejected))
    demand_equal(counted, (len(rows), len(results), len(rows)), "the counts do not add up")
    if not results:
        raise RowError("no row was formatted")

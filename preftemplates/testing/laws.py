"""The laws that every template and style keeps, each a function that is named by what it says."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from preftemplates.core.messages import Message
from preftemplates.core.paths import extend_path
from preftemplates.core.provenance import pieces_of
from preftemplates.core.samples import Sample
from preftemplates.core.spans import Rendered
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, PrefTemplatesError, RowError
from preftemplates.styles.control_text import find_control_text
from preftemplates.styles.fragments import Fragments
from preftemplates.styles.parsing import find_turn_marks
from preftemplates.styles.style import Style
from preftemplates.templates.row_types import Label
from preftemplates.templates.template import Template
from preftemplates.testing.demands import demand, outcome, pass_on, refusal, same
from preftemplates.testing.strategies import MARK, Conversation, Place, Row, columns_read, texts_in, with_texts


def formatting_is_rendering_after_extracting(template: Template, row: Row, format: str) -> None:
    """Law 1: `format` is `extract`, then the style, then the dialect's table; every refusal is one of theirs."""
    formatted = outcome(template.format, row, format)
    composed = outcome(_composed, template, row, format)
    if not (refusal(formatted) and refusal(formatted) == refusal(composed)):
        same(formatted, composed, "format and rendering what was extracted differ")
    pass_on(formatted)


def _composed(template: Template, row: Row, format: str) -> dict[str, Any]:
    messages, style = template.extract(row, format), template.style
    if not template.dialect.needs_text(format):
        return template.dialect.spell(messages, None)
    rendered = template.render(row, format).map(lambda prompt: prompt.text, lambda response: response.text)
    if not messages.pieces:
        texts = messages.map(
            lambda prompt: style.render(prompt, add_generation_prompt=True).text,
            lambda own: style.render([*messages.prompt, *own]).text,
        )
        same(rendered, texts, "render and the style on what was extracted differ")
    return template.dialect.spell(messages, rendered)


def the_prompt_opens_every_response(template: Template, row: Row, format: str) -> None:
    """Law 2: the text of each response begins with the text of the prompt."""
    sample = template.render(row, format)
    for response in sample.responses.values():
        demand(response.text.startswith(sample.prompt.text), f"{response.text!r} is not opened by {sample.prompt}")


def the_generation_prompt_opens_every_answer(style: Style, messages: Conversation) -> None:
    """Law 2, for styles: the text up to an answer begins with the text that asks for it."""
    for index, message in enumerate(messages):
        if message["role"] == "assistant":
            prompt = style.render(messages[:index], add_generation_prompt=True).text
            answered = style.render(messages[: index + 1]).text
            demand(answered.startswith(prompt), f"{answered!r} is not opened by {prompt!r}")


def spans_partition_the_text_and_spell_their_cells(template: Template, row: Row, format: str) -> None:
    """Law 3: spans follow one another over the whole text, and one with a source spells what stands in that cell."""
    messages, rendered = template.extract(row, format), template.render(row, format)
    cells = [(_path(place), text) for place, text in texts_in(row)]
    conversations = [messages.prompt, *([*messages.prompt, *own] for own in messages.responses.values())]
    for conversation, text in zip(conversations, [rendered.prompt, *rendered.responses.values()], strict=True):
        if not messages.pieces:
            _check_spans(template.style, conversation, text)
        for start, end, *_, source in text.spans:
            path, offset = source or ("", 0)
            spells = any(path == at and cell.startswith(text.text[start:end], offset) for at, cell in cells)
            demand(spells or source is None, f"{text.text[start:end]!r} does not stand in {path} from {offset} on")


def _path(place: Place) -> str:
    """A place as spans spell it."""
    path = str(place[0])
    for key in place[1:]:
        path = f"{path}[{key}]" if isinstance(key, int) else extend_path(path, key)
    return path


def spans_partition_the_text_and_spell_the_messages(style: Style, messages: Conversation) -> None:
    """Law 3, for styles: spans follow one another over the whole text, spell each content and keep the stop."""
    for asked in (False, True):
        _check_spans(style, messages, style.render(messages, add_generation_prompt=asked))


def _check_spans(style: Style, messages: Conversation, rendered: Rendered) -> None:
    starts = [0, *(span.end for span in rendered.spans)]
    same(starts, [*(span.start for span in rendered.spans), len(rendered.text)], "the spans are no partition")
    empty = [span for span in rendered.spans if span.end - span.start < (span.kind != "content")]
    demand(not empty, f"spans that are no content are empty: {empty}")
    for index, message in enumerate(messages):
        own = [span for span in rendered.spans if span.message == index and span.kind in ("content", "derived")]
        same({span.role for span in own}, {message["role"]}, f"the content spans of message {index} have other roles")
        spelled = "".join(rendered.text[span.start : span.end] for span in own if span.field == "content")
        demand(spelled in _shown(style, message), f"the spans of message {index} spell {spelled!r}")
    if messages and messages[-1]["role"] == "assistant" and style.stop:
        stops = [span for span in rendered.spans if span.kind == "stop" and span.message == len(messages) - 1]
        same([rendered.text[span.start : span.end] for span in stops], [style.stop], "the stop is lost")


def _shown(style: Style, message: Message) -> list[str]:
    """What a content may look like: as it is; trimmed too, where the style's chat template says that it trims."""
    content = str(message.get("content") or "")
    return [content, content.strip()] if re.search("trim|strip", getattr(style.layout, "source", "")) else [content]


class Choice(NamedTuple):
    """A label that chooses among two text columns; the value for the opposite is `turned` less the value."""

    label: str
    turned: int
    first: str
    second: str

    def flip(self, row: Row) -> Row:
        """The row with the other label: the opposite preference."""
        return {**row, self.label: self.turned - row[self.label]}

    def swap(self, row: Row) -> Row:
        """The row with the columns exchanged and the other label: the same preference."""
        return {**self.flip(row), self.first: row[self.second], self.second: row[self.first]}


def find_choice(template: Template, format: str) -> Choice | None:
    """The choice that a template makes on its example by a label such as `Index01`; None where it makes none."""
    for column, info in ({} if template.is_custom else columns_read(template, format)).items():
        for label in (item for item in info.metadata if isinstance(item, Label)):
            sides = (1, 2) if label.turned == 3 else (-1, 1) if label.turned == 0 else (0, 1)
            rows = [{**(template.example or {}), column: side} for side in sides]
            samples = [outcome(template.extract, row, format) for row in rows]
            for name in () if isinstance(samples[0], Exception) else samples[0].responses:
                first, second = (_columns_of(sample.responses[name]) for sample in samples)
                if len(first - second) == len(second - first) == 1:
                    return Choice(column, label.turned, *(first - second), *(second - first))
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
        raise AssertionError(f"no label of {template!r} chooses among two columns, and no swap is given")
    sample = template.extract(row, format)
    if sample.is_tie:
        raise RowError("neither of the answers is better", code=Code.TIE)
    same(template.extract(swap(row), format), sample, "the row written the other way round is another sample")
    if choice and len(sample.responses) == 2:
        exchanged = [*template.extract(choice.flip(row), format).responses.values()][::-1]
        same(exchanged, [*sample.responses.values()], "the other label does not exchange the responses")


def a_row_is_never_written_to(template: Template, row: Row, format: str) -> None:
    """Law 5: a row is afterwards what it was, also deep inside; one that refuses writes formats alike."""
    before = deepcopy(row)
    formatted = outcome(template.format, row, format)
    same(row, before, "format wrote to the row")
    same(outcome(template.format, MappingProxyType({**row}), format), formatted, "a row that is no dict differs")
    if not template.is_custom:
        outcome(template.render, row, format)
        same(row, before, "render wrote to the row")
    pass_on(formatted)


def messages_are_never_written_to(style: Style, messages: Conversation) -> None:
    """Law 5, for styles: messages are afterwards what they were."""
    before = deepcopy(messages)
    demand(style.render(messages, add_generation_prompt=True).spans is not None, "there are no spans")
    same(messages, before, "render wrote to the messages")


def a_batch_is_its_rows_however_it_is_cut(template: Template, rows: Sequence[Row], format: str) -> None:
    """Law 6: formatting an Arrow table is formatting its rows: whole, in chunks, and cut in two anywhere."""
    import pyarrow as pa

    from preftemplates.data.arrow import BatchFormatter, check_fits_schema, write_nested_as_json

    good = [row for row in rows if not isinstance(outcome(template.format, row, format), PrefTemplatesError)]
    columns = [*rows[0]] if template.is_custom else template.columns(format)
    try:
        table = pa.Table.from_pylist([{column: row[column] for column in columns if column in row} for row in good])
    except (pa.ArrowException, OverflowError) as error:
        raise RowError(f"Arrow has no type for these rows: {error}") from error
    formatter = BatchFormatter(template, format)
    wanted = [template.format(row, format) for row in table.to_pylist()]
    if not wanted:
        raise RowError("no row can be formatted")
    if any(isinstance(outcome(check_fits_schema, result, formatter.schema), RowError) for result in wanted):
        formatter = BatchFormatter(template, format, json_messages=True)
        wanted = [write_nested_as_json(result, formatter.schema) for result in wanted]
    for cut in range(len(wanted) + 1):
        parts = [table.slice(0, cut), table.slice(cut)]
        whole = [formatter(pa.concat_tables(parts)), *map(formatter, table.to_batches())]
        for result in [*whole, pa.concat_tables([formatter(part) for part in parts])]:
            same(result.schema, formatter.schema, "the result has another schema than was said")
            same(result.to_pylist(maps_as_pydicts="strict"), wanted, f"the batch cut at {cut} is not its rows")


def an_exported_style_reads_back_the_same(style: Style, messages: Conversation) -> None:
    """Law 7, without transformers: a style that is exported as a chat template and read back renders the same."""
    again = Style.from_chat_template(style.chat_template)
    for asked in (False, True):
        text = style.render(messages, add_generation_prompt=asked).text
        same(again.render(messages, add_generation_prompt=asked).text, text, "what was read back renders otherwise")


def parsing_undoes_rendering(style: Style, messages: Conversation) -> None:
    """Law 20: a reversible style reads its own texts back, and what it does not read back it refuses.

    A content that spells what marks turns may be read as turns; that is all that it may do.
    """
    said = [{"role": message["role"], "content": message.get("content")} for message in messages]
    for asked in (False, True) if style.reversible else ():
        found = outcome(style.parse, style.render(messages, add_generation_prompt=asked).text)
        doubtful = find_control_text(messages, style) is not None or _spells_a_mark(style, messages)
        if isinstance(found, PrefTemplatesError):
            demand(doubtful or _ends_in_doubt(style, messages, asked), f"{said!r} is not read: {found}")
        else:
            demand(found == said or doubtful, f"{said!r} comes back as {found!r}")


def _spells_a_mark(style: Style, messages: Conversation) -> bool:
    """Whether a content spells what tells the turns of the style apart."""
    marks = find_turn_marks(style.layout) if isinstance(style.layout, Fragments) else set[str]()
    return any(mark in str(message.get("content")) for message in messages for mark in marks)


def _ends_in_doubt(style: Style, messages: Conversation, asked: bool) -> bool:
    """Whether an empty answer at the end, and a question for one, are the same text."""
    empty = Message(role="assistant", content="")
    answered = [*messages, empty] if asked else [*messages]
    if not answered or {**answered[-1], **empty} != {**answered[-1]}:
        return False
    return style.text(answered, False) == style.text(answered[:-1], True)


def no_content_is_executed_escaped_or_trimmed(style: Style, messages: Conversation) -> None:
    """Law 9: a conversation's text is that of numbered blanks, with each content written in as it is.

    An empty content beside calls of tools is none: a layout may have a line's end between words and a call.
    """
    said = [index for index, message in enumerate(messages) if _says_something(message)]
    blanks: list[Message] = [*messages]
    for index in said:
        blanks[index] = {**messages[index], "content": f"\ue000{index}\ue001"}
    for asked in (False, True):
        layout = re.split("\ue000(\\d+)\ue001", style.render(blanks, add_generation_prompt=asked).text)
        same(layout[1::2], [str(index) for index in said], "the contents do not stand in order")
        contents = [f"(?:{'|'.join(map(re.escape, _shown(style, messages[index])))})" for index in said]
        pattern = "".join(re.escape(part) + form for part, form in zip(layout[::2], [*contents, ""], strict=True))
        text = style.render(messages, add_generation_prompt=asked).text
        demand(re.fullmatch(pattern, text), f"{text!r} is not the layout with the contents in it")


def _says_something(message: Message) -> bool:
    content = message.get("content")
    return content is not None and (bool(content) or not message.get("tool_calls"))


def no_cell_is_executed_or_escaped(template: Template, row: Row, format: str) -> None:
    """Law 9, for templates: a mark that is put into texts of the row shows whole or not at all.

    Where tools are listed or called, layouts spell them as JSON, and a mark may show as JSON spells it.
    """
    pass_on(outcome(template.format, row, format))
    places = [place for place, _ in texts_in(row)]
    marked = [with_texts(row, [place], lambda text: text + MARK) for place in places]
    marked += [with_texts(row, places, partial(_marked, at)) for at in range(0, 64, 7)]
    results = [outcome(template.format, each, format) for each in marked]
    texts = [text for result in results for _, text in texts_in(result)]
    samples = () if template.is_custom else template.extract_all(row, format).samples
    whole = [MARK, *([json.dumps(MARK, ensure_ascii=False)[1:-1]] if any(map(_has_tools, samples)) else [])]
    for text in texts:
        demand(text.count("\ue000") == sum(map(text.count, whole)), f"the mark {MARK!r} is changed in {text!r}")
    if MARK not in "".join(texts):
        raise RowError("no mark shows in a result")


def _has_tools(sample: Sample[list[Message]]) -> bool:
    """Whether tools are listed or called in a sample."""
    messages = [*sample.prompt, *(message for own in sample.responses.values() for message in own)]
    return sample.tools is not None or any(message.get("tool_calls") for message in messages)


def _marked(at: int, text: str) -> str:
    return text[:at] + MARK + text[at:]


def every_one_pickles_and_equal_ones_hash_equal(*things: Template | Style) -> None:
    """Law 10: an object that was pickled is equal, hashes equal and works alike, here and in a fresh process."""
    behaviours = [_behaviour(thing) for thing in things]
    pickles = [pickle.dumps(thing) for thing in things]
    for thing, twin, behaviour in zip(things, map(pickle.loads, pickles), behaviours, strict=True):
        demand(thing == twin and hash(thing) == hash(twin), f"{thing!r} is not equal to what was pickled")
        same(_behaviour(twin), behaviour, f"the pickled {thing!r} works otherwise")
    child = subprocess.run(
        [sys.executable, "-c", "from preftemplates.testing.laws import _answer; _answer()"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "random"},
        input=pickle.dumps(pickles),
        capture_output=True,
        check=False,
    )
    demand(child.returncode == 0, f"a fresh process fails: {child.stderr.decode(errors='replace')[-2000:]}")
    for thing, answer, behaviour in zip(things, pickle.loads(child.stdout), behaviours, strict=True):
        same(answer, behaviour, f"{thing!r} works otherwise in a fresh process")


def _behaviour(thing: Any) -> list[Any]:
    """What is equal wherever an object is: its hash, and what it makes of an example."""
    if isinstance(thing, Style):
        results = [outcome(thing.text, [{"role": role, "content": "Hi"}], True) for role in thing.accepted_roles]
    else:
        results = [outcome(thing.format, thing.example or {}, format) for format in thing.formats]
    return [thing.digest, hash(thing), repr(results)]


def _answer() -> None:
    """Say on standard output how the pickled objects on standard input behave here."""
    answers = [_behaviour(pickle.loads(sent)) for sent in pickle.load(sys.stdin.buffer)]
    sys.stdout.buffer.write(pickle.dumps(answers))


def rows_in_are_formatted_skipped_or_rejected(template: Template, rows: Sequence[Row], format: str) -> None:
    """Law 11: each row comes through or is counted once, and what comes through is what it gives alone, in order."""
    conversion = Conversion(rows, template, format, on_error="skip")
    results, report = [*conversion], conversion.report
    alone = [outcome(template.format_all, row, format) for row in rows]
    refused = [number for number, given in enumerate(alone) if isinstance(given, PrefTemplatesError)]
    lost = {*refused, *(refusal.row for refusal in report.skipped)}
    same([refusal.row for refusal in report.rejected], refused, "other rows are rejected than are refused alone")
    made = [result for number, given in enumerate(alone) if number not in lost for result in given]
    if report.left_out:
        demand(len(results) == len(made) - len(report.left_out), "samples are left out without a count")
    else:
        same(results, made, "other results come through")
    counted = (report.rows, report.results, report.formatted + len(report.skipped) + len(report.rejected))
    same(counted, (len(rows), len(results), len(rows)), "the counts do not add up")
    if not results:
        raise RowError("no row came through")

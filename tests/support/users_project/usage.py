"""What a user's script does with templates, styles and dialects, and the types of the results."""

# pyright: strict

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, assert_type

import dialect
import pyarrow as pa
import style
from dataset_type import Triple
from filter import first_line, pick_answer
from template import Garden, Handmade, TastingTriple

from preftemplates import (
    BatchFormatter,
    CheckReport,
    Dialect,
    Format,
    Judge,
    Message,
    Preference,
    PromptOnly,
    Ranked,
    Rendered,
    Sample,
    Span,
    Style,
    Supervised,
    Template,
    Tokens,
    Unpaired,
    check,
    find_forged_tokens,
    get_dialect,
    get_style,
    get_template,
    list_templates,
    tokenize,
)
from preftemplates.data import Conversion, ConversionReport, RowSource, open_rows
from preftemplates.errors import Code, RowError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

row = {
    "question": "Sun for mint?\nOr shade?",
    "history": [],
    "answers": [{"text": "Sun.", "stars": 1}, {"text": "Half shade.", "stars": 4}],
    "better-id": 1,
    "lang": "en",
}

# templates
template = assert_type(get_template("Garden"), Template)
mine: Template = assert_type(Garden(), Garden)
handmade: Template = Handmade()
changed = template.with_style("bench").with_dialect("text").with_pairs("all").with_ties("drop")
assert_type(changed, Template)
assert_type(template.formats, tuple[Format, ...])
assert_type(list_templates(), list[str])
assert_type(template.style, Style)
assert_type(template.dialect, Dialect)

# samples and texts
assert_type(template.extract(row, "preference"), Preference[list[Message]])
assert_type(template.extract(row, "preference").chosen, list[Message])
assert_type(template.render(row, "prompt_only"), PromptOnly[Rendered])
assert_type(template.render(row, "supervised"), Supervised[Rendered])
assert_type(template.render(row, "ranked"), Ranked[Rendered])
pair = assert_type(template.render(row, "preference"), Preference[Rendered])
chosen = assert_type(pair.chosen, Rendered)
assert_type(chosen.text, str)
assert_type(chosen.spans, tuple[Span, ...])
assert_type(chosen.mask("content", "stop", role="assistant"), list[bool])
assert_type(template.format(row, "preference"), dict[str, Any])
assert_type(template.format_all(row, "unpaired"), list[dict[str, Any]])
assert_type(template.extract_all(row, "unpaired").samples, tuple[Sample[list[Message]], ...])
if template.example is not None:
    assert_type(template.format(template.example, "preference"), dict[str, Any])


# names that come from elsewhere, and a dataset type of one's own
def format_by_name(name: str) -> dict[str, Any]:
    return template.format(row, template.check_format(name))


assert list(format_by_name("prompt_only")) == ["prompt"]
tastes = {"dish": "Soup?", "cooks": ["Lentil.", "Pea.", "Hay."], "votes": [3, 2, 1]}
triples = TastingTriple()
assert triples.format(tastes, Triple.format)["answers"] == ["Lentil.", "Pea.", "Hay."]
triple = triples.render(tastes, Triple.format)
assert isinstance(triple, Triple)
assert triple.middling.text.endswith("Pea.<|im_end|>\n")

# styles and dialects
bench = assert_type(get_style("bench"), Style)
bench_object: Style = assert_type(style.Bench(), style.Bench)
assert_type(bench.stop, str)
assert_type(bench.accepted_roles, tuple[str, ...])
assert_type(bench.chat_template, str)
assert_type(style.Bench.stop, str)
assert (style.Bench.stop, bench.stop, style.Trimming().stop) == ("</s>", "</s>", "</s>")
imported = assert_type(Style.from_chat_template(bench.chat_template), Style)
assert_type(imported.with_reasoning("drop"), Style)
conversation = [{"role": "user", "content": "Mint?"}, {"role": "assistant", "content": "Half shade."}]
assert_type(bench.render(conversation), Rendered)
questions = assert_type(get_dialect("questions"), Dialect)
assert_type(questions.keys("preference"), tuple[str, ...])
questions_object: Dialect = assert_type(dialect.Questions(), dialect.Questions)

# a decorated function is what it was
assert_type(first_line("Sun?\nShade?"), str)
assert_type(pick_answer(["Sun.", "Shade."], 1), str)

# many rows
report = assert_type(check([row, row], template), CheckReport)
assert_type(report.shortcuts["longer wins"].accuracy, float)
assert_type(report.findings[0].code, Code)
assert_type(report.counts(), dict[str, int])
conversion = Conversion([row, {"question": "no more"}], template, "preference", on_error="skip")
for result in conversion:
    assert_type(result, dict[str, Any])
assert_type(conversion.report, ConversionReport)
assert_type(conversion.report.rejected[0].code, Code)
assert len(conversion.report.rejected) == 1

try:
    template.format({**row, "better-id": 2}, "preference")
except RowError as error:
    assert_type(error.code, Code | None)
    assert_type(error.row, int | None)
    assert_type(Code.BAD_LABEL.meaning, str)

formatter = BatchFormatter(TastingTriple().with_dialect("triples"), Triple.format)
table = pa.table({"dish": ["Soup?"], "cooks": [["Lentil.", "Pea.", "Hay."]], "votes": [[3, 2, 1]]})
assert_type(formatter(table), pa.Table)
assert_type(formatter(table.to_batches()[0]), pa.RecordBatch)
assert_type(formatter.format, Format)


def render_verdict() -> Judge[Rendered]:
    return template.render(row, "judge")


def read(path: str) -> RowSource:
    source = assert_type(open_rows(path), RowSource)
    for record in source:
        assert_type(record.line, int | None)
        assert_type(record.cells, Mapping[str, Any] | RowError)
    return source


def tokenize_pair(tokenizer: "PreTrainedTokenizerFast") -> Tokens:
    assert_type(find_forged_tokens(chosen, tokenizer), tuple[Span, ...])
    assert_type(tokenize(chosen, tokenizer), Tokens)
    assert_type(tokenize(template.render(row, "unpaired"), tokenizer), Unpaired[Tokens])
    tokens = assert_type(tokenize(pair, tokenizer), Preference[Tokens])
    assert_type(tokens.chosen.input_ids, tuple[int, ...])
    assert_type(tokens.chosen.mask("content", "stop", role="assistant"), list[bool])
    return tokens.chosen

"""Open Instruct's annotation jobs: without a rating only the instruction is of use."""

from support import real_rows

from preftemplates import get_template
from preftemplates.data.convert import Conversion

FILE = "open_instruct/helpfulness-full.jsonl"


def test_a_job_gives_its_instruction_and_nothing_to_learn_from():
    template = get_template("OpenInstruct-annotation")
    assert (template.formats, template.derived_formats) == (("prompt_only",), ())
    assert template.columns("prompt_only") == ["raw_text"]


def test_the_2_real_jobs_format_and_none_of_their_columns_is_a_rating():
    rows = real_rows(FILE)
    conversion = Conversion(
        rows, get_template("OpenInstruct-annotation").with_style("plain").with_dialect("text"), "prompt_only"
    )
    prompts = [result["prompt"] for result in conversion]
    assert (conversion.report.rows, conversion.report.formatted) == (2, 2)
    assert [index for index, row in enumerate(rows) if prompts[index] != row["raw_text"]] == []
    columns = {"prompt_hash", "id", "raw_text", "models", "completions", "text", "aspect"}
    assert [index for index, row in enumerate(rows) if set(row) != columns] == []


def test_the_question_to_the_judge_holds_the_instruction_and_more_so_that_it_is_not_the_prompt():
    rows = real_rows(FILE)
    odd = [i for i, row in enumerate(rows) if row["raw_text"] not in row["text"] or row["text"] == row["raw_text"]]
    assert odd == []

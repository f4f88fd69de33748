"""Every file of real rows names its template and format, and what becomes of its rows, in texts and in messages."""

from itertools import islice

import pytest
from real_files import FILES, FURTHER, NO_ROWS
from support import DATA, real_rows

from preftemplates import get_template
from preftemplates.data.convert import Conversion
from preftemplates.data.detect import detect_templates
from preftemplates.data.reading import open_rows

DIALECTS = {"text": "text", "messages": "trl"}


READ = [*FILES.items(), *FURTHER]


@pytest.mark.parametrize("kind", DIALECTS)
@pytest.mark.parametrize(
    ("file", "asked"), READ, ids=[f"{file}-{asked.template}-{asked.format}" for file, asked in READ]
)
def test_every_row_of_a_real_file_is_accounted_for(file, asked, kind):
    rows = real_rows(file)
    template = get_template(asked.template)
    if asked.format != "stepwise" or kind == "text":  # which TRL spells in texts alone
        template = template.with_dialect(DIALECTS[kind])
    conversion = Conversion(rows, template, asked.format, on_error="skip")
    results = list(conversion)
    report = conversion.report
    assert (len(rows), report.rows) == (asked.rows, asked.rows)
    assert (report.formatted, len(report.skipped)) == (asked.formatted, asked.skipped)
    assert len(report.rejected) == asked.rejected
    assert report.rows == report.formatted + len(report.skipped) + len(report.rejected)
    assert len(results) == report.results == (asked.results or asked.formatted)
    assert (len(report.left_out), dict(report.lost)) == (asked.left_out, dict(asked.lost))


@pytest.mark.parametrize("file", FILES)
def test_detection_finds_the_template_of_a_real_file(file):
    if not (DATA / file).exists():
        pytest.skip(f"no real rows here: {file}")
    found = detect_templates([row.cells for row in islice(open_rows(str(DATA / file)), 50)])
    asked = next(one for one in found if (one.template.name, one.format) == FILES[file][:2])
    assert asked.fit >= 0.9 * asked.rows
    assert asked.fit == found[0].fit  # no other fits more rows


def test_every_real_file_is_in_the_table():
    if not DATA.exists():
        pytest.skip("no real rows here")
    there = {str(path.relative_to(DATA)) for path in DATA.rglob("*") if path.suffix in (".json", ".jsonl", ".gz")}
    assert there <= FILES.keys() | NO_ROWS

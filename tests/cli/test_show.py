"""`preftemplates show`: a row in every format, with nothing that a terminal would act on."""

import json
import math
import sys
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from command_support import GOOD_ROW
from support import HOMEWORK, run

from preftemplates import get_template
from preftemplates.cli.show import _build_legend, _choose_colours, _format_rendered
from preftemplates.cli.terminal import SafeConsole
from preftemplates.templates.library import TEMPLATES


def test_show_has_every_format_and_the_dialects_keys():
    out = run("show", "PKUSafeRLHF", "--style", "chatml").stdout
    for word in ("prompt_only", "supervised", "preference", "better_text", "<|im_start|>user↵", "six hours of light"):
        assert word in out


def test_show_takes_a_row_of_a_file_and_acts_on_no_escape(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(
        json.dumps(GOOD_ROW) + "\n" + json.dumps({**GOOD_ROW, "prompt": "red \x1b[31m [bold]text[/bold]"}) + "\n"
    )
    out = run("show", "PKUSafeRLHF", "--row", f"{path}:1").stdout
    assert "\x1b" not in out
    assert r"red \x1b[31m [bold]text[/bold]" in out
    assert "there is no row 5" in run("show", "PKUSafeRLHF", "--row", f"{path}:5", code=2).stderr


def test_show_says_which_format_a_row_cannot_fill(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({key: value for key, value in GOOD_ROW.items() if key != "answer"}))
    out = run("show", "PKUSafeRLHF", "--row", path).stdout
    assert "column 'answer': missing" in out
    assert "better_text" in out


def test_show_has_messages_where_the_style_does_not_write_them_and_nothing_asks_for_text():
    out = run("show", "LLaMA-Factory-toolcall", "--style", "chatml").stdout
    assert "as messages, since chatml does not write them" in out
    assert "soil_moisture" in out.split("prompt_only")[1]
    arguments = ("show", "LLaMA-Factory-toolcall", "--style", "chatml", "-d", "text")
    assert "the row cannot be formatted as any dataset type" in run(*arguments, code=2).stderr


def test_show_has_every_sample_of_a_row_its_labels_and_formats_made_of_others():
    out = run("show", "HH", "--format", "unpaired", "--dialect", "text").stdout
    assert "sample 1 of 2" in out
    assert out.index("label = True") < out.index("sample 2 of 2") < out.index("label = False")
    assert "margin = 2.0" in run("show", "HelpSteer-grouped", "-f", "preference", "-d", "openai").stdout
    assert "has no dataset type 'judged'" in run("show", "HH", "-f", "judged", code=2).stderr


def test_show_says_which_row_convert_would_skip(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({**GOOD_ROW, "response_0": "same", "response_1": "same"}))
    out = run("show", "PKUSafeRLHF", "--row", path, "-f", "preference", "-d", "text").stdout
    assert "convert skips it: equal" in out
    assert "convert skips it" not in run("show", "PKUSafeRLHF", "-f", "preference", "-d", "text").stdout


def test_show_skips_the_samples_that_convert_skips(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"prompt": "q", "chosen": "x", "rejected": "x "}))  # llama3 trims both to the same text
    options = ("--row", f"{path}:0", "-s", "llama3", "-d", "text", "-f", "unpaired")
    samples = json.loads(run("show", "TRL", *options, "--json").stdout)["formats"]["unpaired"]["samples"]
    assert [sample["skipped"] for sample in samples] == ["equal", "equal"]
    assert run("show", "TRL", *options).stdout.count("convert skips it: equal.") == 2


def test_a_row_of_a_file_is_named_by_a_number(rows):
    assert "a row's number" in run("show", "PKUSafeRLHF", "--row", f"{rows}:-1", code=2).stderr


def test_a_text_has_the_colour_of_its_column_though_that_has_dots_or_no_name(tmp_path):
    file = tmp_path / "dotted.yaml"
    file.write_text("""
row: {"the.prompt as prompt": str, " as empty": str, "a[0] as first": str, better: Index01}
style: chatml
preference: {prompt: "{{ prompt }}", chosen: "{{ [empty, first][better] }}", rejected: "{{ [first, empty][better] }}"}
""")
    template = get_template(str(file))
    colours = _choose_colours(template, ["preference"])
    assert list(colours) == ["the.prompt", "", "a[0]", "better"]
    row = {"the.prompt": "Why?", "": "So.", "a[0]": "No.", "better": 0}
    sample = template.render(row, "preference")
    for rendered, texts in ((sample.chosen, ("Why?", "So.")), (sample.rejected, ("Why?", "No."))):
        coloured = _format_rendered(rendered, colours)
        styles = {coloured.plain[span.start : span.end]: span.style for span in coloured.spans}
        for text in texts:
            (column,) = [column for column, cell in row.items() if cell == text]
            assert styles[text] == colours[column]


def test_show_prints_the_file_that_declares_a_template(tmp_path):
    bundled = sys.modules[TEMPLATES.get("PKUSafeRLHF").__module__].__file__
    assert run("show", "PKUSafeRLHF", "--source").stdout == Path(bundled).read_text()
    file = tmp_path / "mine.yaml"
    file.write_text('row: {q: str}\nprompt_only: {prompt: "{{ q }}"}\n')
    assert run("show", file, "--source").stdout == file.read_text()
    entries = tmp_path / "dataset_info.json"
    entries.write_text('{"a": {"ranking": true, "columns": {"prompt": "q", "chosen": "x", "rejected": "y"}}}')
    assert run("show", f"{entries}:a", "--source").stdout == entries.read_text()
    assert "Did you mean 'PKUSafeRLHF'?" in run("show", "PKUSafeRLFH", "--source", code=2).stderr


def test_show_as_json_has_results_texts_and_spans(tmp_path):
    shown = json.loads(run("show", "PKUSafeRLHF", "--style", "chatml", "--dialect", "text", "--json").stdout)
    template = get_template("PKUSafeRLHF").with_style("chatml").with_dialect("text")
    assert list(shown["formats"]) == list(template.formats)
    (sample,) = shown["formats"]["preference"]["samples"]
    assert sample["result"] == template.format(template.example, "preference")
    assert sample["skipped"] is None
    chosen = sample["texts"]["chosen"]
    contents = [chosen["text"][span["start"] : span["end"]] for span in chosen["spans"] if span["kind"] == "content"]
    assert contents == [template.example["prompt"], template.example["response_1"]]
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({**GOOD_ROW, "better_response_id": 2}))
    shown = json.loads(run("show", "PKUSafeRLHF", "--row", path, "--json").stdout)
    assert shown["formats"]["preference"]["code"] == "bad_label"
    assert shown["formats"]["prompt_only"]["samples"]
    path.write_text(json.dumps({**GOOD_ROW, "response_0": "same", "response_1": "same"}))
    shown = json.loads(run("show", "PKUSafeRLHF", "--row", path, "-f", "preference", "--json").stdout)
    assert shown["formats"]["preference"]["samples"][0]["skipped"] == "equal"
    shown = json.loads(run("show", HOMEWORK, "-f", "preference", "--row", path, "--json").stdout)
    assert "texts" not in shown["formats"]["preference"]["samples"][0]


def test_show_as_json_is_json_for_every_value_of_a_row(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({**GOOD_ROW, "score": math.nan, "scores": [math.inf, 1.5]}))
    shown = read_strictly(run("show", "PKUSafeRLHF", "--row", path, "--json").stdout)
    assert (shown["row"]["score"], shown["row"]["scores"]) == (None, [None, 1.5])
    table = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist([{**GOOD_ROW, "day": date(2024, 5, 1), "raw": b"ab"}]), table)
    shown = read_strictly(run("show", "PKUSafeRLHF", "--row", table, "--json").stdout)
    assert (shown["row"]["day"], shown["row"]["raw"]) == ("2024-05-01", "b'ab'")


def read_strictly(text):
    """Parse JSON; NaN and infinity, which Python reads, are an error."""

    def refuse(constant):
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def test_a_legend_of_colours_needs_colours():
    template = get_template("HH")
    assert "colour" not in str(_build_legend(template, has_colours=False)).casefold()
    assert "colour" in str(_build_legend(template, has_colours=True)).casefold()
    assert "colour" not in run("show", "HH").stdout.casefold()
    assert SafeConsole(force_terminal=True, color_system="standard").has_colours
    assert not SafeConsole(force_terminal=True, color_system="standard", no_color=True).has_colours

"""`preftemplates tokenize`: the files that it writes, its report, and what it refuses in one line."""

import json

import pyarrow.parquet as pq
import pytest
from command_support import GOOD_ROW
from support import HOMEWORK, run
from token_rows import write_expected
from token_support import byte_level, byte_level_with_bos

from preftemplates import LossSelection, get_style, get_template
from preftemplates.data.reading import open_rows

CHATML = get_style("chatml")
TRL_ROW = {
    "TRL": {"prompt": "q", "chosen": "a", "rejected": "b", "completion": "c"},
    "TRL-unpaired": {"prompt": "q", "completion": "a", "label": True},
    "TRL-ranked": {"prompt": "q", "completions": ["a", "b"], "ranks": [0, 1]},
    "TRL-stepwise": {"prompt": "q", "completions": ["a", "b"], "labels": [True, False]},
    "TRL-scored": {"prompt": "q", "completion": "a", "score": 1.5},
}


@pytest.fixture
def folder(tmp_path):
    """A folder with a tokenizer whose chat template is ChatML."""
    tokenizer = byte_level()
    tokenizer.chat_template = CHATML.chat_template
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    return tmp_path / "tokenizer"


@pytest.fixture
def bare_folder(tmp_path):
    """A folder with a tokenizer that has no chat template."""
    byte_level_with_bos().save_pretrained(tmp_path / "bare")
    return tmp_path / "bare"


def expect(row, template, format, selection=None, style=CHATML, tokenizer=None):
    """Return the columns of a row in the order of the names given, from `tokenize` alone."""
    template = get_template(template).with_style(style).with_dialect("text")
    return write_expected(template, format, row, tokenizer or byte_level(), selection or LossSelection(), ())


def read(path):
    return [record.cells for record in open_rows(path)]


@pytest.mark.parametrize("out", ["o.parquet", "o.jsonl", "o.json", "o.jsonl.gz"])
def test_tokenize_writes_ids_masks_and_lengths(tmp_path, rows, folder, out):
    done = run("tokenize", rows, "-t", "PKUSafeRLHF", "--tokenizer", folder, "-o", tmp_path / out)
    assert "2 rows = 2 formatted + 0 skipped + 0 rejected" in done.stderr
    assert f"style: the chat template of {folder}" in done.stderr
    written, expected = read(tmp_path / out), []
    for row in read(rows):
        expected += expect(row, "PKUSafeRLHF", "preference")
    assert written == expected
    ids = sum(len(row[name]) for row in written for name in ("chosen_ids", "rejected_ids"))
    trained = sum(sum(row[name]) for row in written for name in ("chosen_mask", "rejected_mask"))
    longest = max(row[name] for row in written for name in ("chosen_length", "rejected_length"))
    assert f"{ids} ids, {trained} of them trained on; the longest text has {longest}" in done.stderr
    assert f"wrote {tmp_path / out}" in done.stderr


def test_parquet_has_the_types_that_trainers_read(tmp_path, rows, folder):
    run("tokenize", rows, "-t", "PKUSafeRLHF", "--tokenizer", folder, "-o", tmp_path / "o.parquet")
    schema = pq.read_schema(tmp_path / "o.parquet")
    kinds = {field.name: str(field.type) for field in schema}
    assert {kinds["chosen_ids"], kinds["rejected_ids"]} == {"list<element: int32>"}
    assert kinds["chosen_mask"] == "list<element: int8>"
    assert kinds["prompt_length"] == "int32"


@pytest.mark.parametrize(
    ("template", "format"),
    [
        ("TRL", "prompt_only"), ("TRL", "supervised"), ("TRL", "preference"), ("TRL-unpaired", "unpaired"),
        ("TRL-ranked", "ranked"), ("TRL-stepwise", "stepwise"), ("TRL-scored", "scored"),
    ],
)  # fmt: skip
def test_each_dataset_type_has_its_columns(tmp_path, folder, template, format):
    path, row = tmp_path / "in.jsonl", TRL_ROW[template]
    path.write_text(json.dumps(row) + "\n")
    run("tokenize", path, "-t", template, "-f", format, "--tokenizer", folder, "-o", tmp_path / "o.parquet")
    (written,) = read(tmp_path / "o.parquet")
    (expected,) = expect(row, template, format)
    labels = {name: row[name] for name in ("label", "ranks", "labels", "score") if name in row}
    assert written == expected | labels


@pytest.mark.parametrize(
    ("options", "selection"),
    [
        ([], LossSelection()),
        (["--no-stop"], LossSelection(stop=False)),
        (["--loss", "conversation"], LossSelection("conversation")),
        (
            ["--loss", "conversation", "--role", "user", "--role", "assistant"],
            LossSelection("conversation", roles=("user", "assistant")),
        ),
        (
            ["--loss", "conversation", "--message", "-1", "--message", "1"],
            LossSelection("conversation", messages=(-1, 1)),
        ),
        (["--loss", "last", "--no-stop"], LossSelection("last", stop=False)),
    ],
)
def test_options_choose_what_is_trained_on(tmp_path, folder, options, selection):
    path = tmp_path / "in.jsonl"
    turns = [
        {"role": role, "content": content} for role, content in zip(("user", "assistant", "user"), "abc", strict=True)
    ]
    row = {"prompt": turns, "completion": [{"role": "assistant", "content": "d"}]}
    path.write_text(json.dumps(row) + "\n")
    arguments = ("-t", "TRL-messages", "-f", "supervised", "--tokenizer", folder, "-o", tmp_path / "o.jsonl")
    run("tokenize", path, *arguments, *options)
    assert read(tmp_path / "o.jsonl") == expect(row, "TRL-messages", "supervised", selection)


def test_a_style_takes_the_place_of_the_tokenizer_s_chat_template(tmp_path, rows, folder):
    out = tmp_path / "o.jsonl"
    done = run("tokenize", rows, "-t", "PKUSafeRLHF", "-s", "zephyr", "--tokenizer", folder, "-o", out)
    assert "style:" not in done.stderr
    assert read(out)[0] == expect(GOOD_ROW, "PKUSafeRLHF", "preference", style=get_style("zephyr"))[0]


def test_a_tokenizer_without_a_chat_template_leaves_the_template_its_style(tmp_path, rows, bare_folder):
    out = tmp_path / "o.jsonl"
    done = run("tokenize", rows, "-t", "PKUSafeRLHF", "--tokenizer", bare_folder, "-o", out)
    template = get_template("PKUSafeRLHF")
    assert f"style: {template.style.name}, the template's own; the tokenizer has no chat template" in done.stderr
    expected = expect(GOOD_ROW, "PKUSafeRLHF", "preference", style=template.style, tokenizer=byte_level_with_bos())
    assert read(out)[0] == expected[0]


# --- length policies, and rows that are skipped or rejected ---------------------------------------------------------


@pytest.fixture
def long_rows(tmp_path):
    """Conversations of which the second is longer."""
    path = tmp_path / "long.jsonl"
    rows = []
    for count in (0, 3):
        turns = [{"role": role, "content": "Hello " * 5} for _ in range(count) for role in ("user", "assistant")]
        prompt = [*turns, {"role": "user", "content": "Hello"}]
        rows.append({"prompt": prompt, "completion": [{"role": "assistant", "content": "So."}]})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("policy", "count", "line"),
    [
        ("drop", 1, "too_long"),
        ("cut_prompt", 2, "1 sample has lost the oldest turns of the prompt"),
        ("truncate", 1, "too_long"),
    ],
)
def test_longer_samples_follow_the_policy(tmp_path, long_rows, folder, policy, count, line):
    arguments = ("-t", "TRL-messages", "-f", "supervised", "--tokenizer", folder, "-o", tmp_path / "o.jsonl")
    done = run("tokenize", long_rows, *arguments, "--max-length", 40, "--too-long", policy)
    assert line in done.stderr
    written = read(tmp_path / "o.jsonl")
    assert len(written) == count
    assert all(row["length"] == len(row["input_ids"]) <= 40 for row in written)


def test_a_response_that_is_too_long_is_truncated(tmp_path, folder):
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({"prompt": "q", "completion": "Hello " * 50}) + "\n")
    arguments = ("-t", "TRL", "-f", "supervised", "--tokenizer", folder, "-o", tmp_path / "o.jsonl")
    done = run("tokenize", path, *arguments, "--max-length", 30, "--too-long", "truncate")
    assert "1 sample has lost the end of a text" in done.stderr
    (row,) = read(tmp_path / "o.jsonl")
    assert row["length"] == len(row["input_ids"]) == len(row["assistant_masks"]) == len(row["completion_mask"]) == 30


def test_every_row_that_does_not_come_through_is_in_the_report(tmp_path, rows, folder):
    with rows.open("a") as file:
        file.write(json.dumps({**GOOD_ROW, "response_0": "b"}) + "\n\n{broken\n5\n")
        file.write(json.dumps({**GOOD_ROW, "response_0": "Hello " * 99}) + "\n")
    report = tmp_path / "report.json"
    arguments = ("-t", "PKUSafeRLHF", "--tokenizer", folder, "-o", tmp_path / "o.jsonl", "--report", report)
    done = run("tokenize", rows, *arguments, "--max-length", 50)
    assert "6 rows = 2 formatted + 2 skipped + 2 rejected" in done.stderr
    issues = json.loads(report.read_text())
    assert sorted((r["row"], r["line"], r["code"]) for r in issues["skipped"]) == [(2, 3, "equal"), (5, 7, "too_long")]
    assert [(r["row"], r["line"], r["code"]) for r in issues["rejected"]] == [(3, 5, "bad_json"), (4, 6, "bad_json")]
    assert len(read(tmp_path / "o.jsonl")) == 2


def test_too_many_rejected_rows_are_exit_code_3_and_the_good_ones_are_written(tmp_path, rows, folder):
    with rows.open("a") as file:
        file.write("{}\n" * 11)
    out = tmp_path / "o.jsonl"
    done = run("tokenize", rows, "-t", "PKUSafeRLHF", "--tokenizer", folder, "-o", out, code=3)
    assert "too many rows are rejected" in done.stderr
    assert len(read(out)) == 2


def test_nothing_is_written_if_no_row_is_left(tmp_path, rows, folder):
    out = tmp_path / "o.parquet"
    done = run("tokenize", rows, "-t", "PKUSafeRLHF", "--tokenizer", folder, "--max-length", 3, "-o", out, code=3)
    assert "2 rows = 0 formatted + 2 skipped + 0 rejected" in done.stderr
    assert not out.exists()


def test_on_error_raise_stops_at_the_row_and_writes_nothing(tmp_path, rows, folder):
    with rows.open("a") as file:
        file.write(json.dumps({**GOOD_ROW, "better_response_id": 2}) + "\n")
    arguments = ("-t", "PKUSafeRLHF", "--tokenizer", folder, "--on-error", "raise", "-o", tmp_path / "o.jsonl")
    done = run("tokenize", rows, *arguments, code=2)
    assert "row 2 (rows.jsonl line 3), column 'better_response_id': expected 0 or 1, got 2" in done.stderr
    assert not (tmp_path / "o.jsonl").exists()


# --- what is refused -----------------------------------------------------------------------------------------------


def refuse(*arguments, code=2):
    """Run the command, which ends with one line on stderr, after the style where that is known by then; return it."""
    done = run("tokenize", *arguments, code=code)
    *notes, line = done.stderr.splitlines(keepends=True)
    assert all(note.startswith("style: ") for note in notes), done.stderr
    assert line.startswith("error: ")
    return line


def test_a_csv_is_refused_in_one_line(tmp_path, rows, folder):
    for name in ("o.csv", "o.CSV", "o.csv.gz"):
        out = tmp_path / name
        line = refuse(rows, "-t", "PKUSafeRLHF", "--tokenizer", folder, "-o", out)
        assert line == f"error: {out}: a CSV has no lists; write .parquet or .jsonl\n"
        assert not out.exists()


def test_an_unknown_ending_and_a_missing_folder_for_the_output_are_refused(tmp_path, rows, folder):
    arguments = (rows, "-t", "PKUSafeRLHF", "--tokenizer", folder, "-o")
    assert "o.txt" in refuse(*arguments, tmp_path / "o.txt")
    assert "Parquet is compressed inside" in refuse(*arguments, tmp_path / "o.parquet.gz")
    assert "nowhere" in refuse(*arguments, tmp_path / "nowhere" / "o.jsonl")


def test_a_missing_tokenizer_is_refused(tmp_path, rows):
    out = tmp_path / "o.jsonl"
    line = refuse(rows, "-t", "PKUSafeRLHF", "--tokenizer", tmp_path / "nothing", "-o", out)
    assert line.startswith(
        f"error: there is no directory {tmp_path / 'nothing'}; a model on the hub is named OWNER/NAME"
    )
    (tmp_path / "empty").mkdir()
    for name, text in (
        ("README.md", "# A model"),
        ("config.json", '{"model_type": "gpt2"}'),
        ("tokenizer_config.json", "{}"),
    ):
        (tmp_path / "empty" / name).write_text(text)  # of a configuration, transformers makes one without words
        line = refuse(rows, "-t", "PKUSafeRLHF", "--tokenizer", tmp_path / "empty", "-o", out)
        assert line.startswith(f"error: {tmp_path / 'empty'} has no tokenizer: there is no tokenizer.json")
    assert not out.exists()


def test_a_missing_file_and_an_unknown_template_are_refused(tmp_path, rows, folder):
    arguments = ("--tokenizer", folder, "-o", tmp_path / "o.jsonl")
    assert "nothing.jsonl" in refuse(tmp_path / "nothing.jsonl", "-t", "PKUSafeRLHF", *arguments)
    assert "Did you mean 'PKUSafeRLHF'" in refuse(rows, "-t", "PKUSafeRLH", *arguments)
    assert "Did you mean 'supervised'" in refuse(rows, "-t", "PKUSafeRLHF", "-f", "superviced", *arguments)
    assert "Did you mean 'zephyr'" in refuse(rows, "-t", "PKUSafeRLHF", "-s", "zephir", *arguments)


def test_an_unknown_engine_is_answered_with_the_nearest_name(tmp_path, rows, folder):
    out = tmp_path / "o.jsonl"
    line = refuse(rows, "-t", "PKUSafeRLHF", "--tokenizer", folder, "--engine", "tokenizer-1", "-o", out)
    assert "Did you mean 'tokenizers-1'" in line
    line = refuse(rows, "-t", "PKUSafeRLHF", "--tokenizer", folder, "--engine", f"{tmp_path}/engines", "-o", out)
    assert "no such directory" in line
    assert not out.exists()


def test_the_engine_of_the_tokenizer_itself_has_the_same_ids(tmp_path, rows, folder):
    arguments = ("-t", "PKUSafeRLHF", "--tokenizer", folder, "-o")
    run("tokenize", rows, *arguments, tmp_path / "a.jsonl")
    run("tokenize", rows, *arguments, tmp_path / "b.jsonl", "--engine", "tokenizers")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--loss", "all"), "expected one of response, conversation, last; got 'all'"),
        (("--too-long", "cut"), "--too-long: there is no 'cut'. Did you mean"),
        (("--max-length", "0"), "greater than or equal to 1"),
    ],
)
def test_a_choice_that_does_not_exist_is_a_usage_error(tmp_path, rows, folder, options, part):
    out = tmp_path / "o.jsonl"
    done = run("tokenize", rows, "-t", "PKUSafeRLHF", "--tokenizer", folder, "-o", out, *options, code=2)
    assert part in " ".join(done.stderr.replace("│", " ").split())
    assert not out.exists()


def test_a_policy_that_has_no_effect_or_would_spoil_prompts_is_refused(tmp_path, rows, folder):
    arguments = (rows, "-t", "PKUSafeRLHF", "--tokenizer", folder, "-o", tmp_path / "o.jsonl", "--too-long")
    assert "--too-long needs --max-length" in refuse(*arguments, "cut_prompt")
    assert "--too-long truncate would cut off" in refuse(
        *arguments, "truncate", "--max-length", 9, "-f", "prompt_only"
    )


def test_a_custom_template_has_no_messages_to_encode(tmp_path, rows, folder, bare_folder):
    for tokenizer in (folder, bare_folder):
        line = refuse(rows, "-t", HOMEWORK, "--tokenizer", tokenizer, "-o", tmp_path / "o.jsonl")
        assert "the custom template HOMEWORK has no messages" in line
    assert not (tmp_path / "o.jsonl").exists()


def test_the_input_is_not_overwritten(tmp_path, rows, folder):
    before = rows.read_bytes()
    line = refuse(rows, "-t", "PKUSafeRLHF", "--tokenizer", folder, "-o", rows)
    assert "rows.jsonl" in line
    refuse(rows, "-t", "PKUSafeRLHF", "--tokenizer", folder, "-o", tmp_path / "o.jsonl", "--report", rows)
    report = tmp_path / "o.jsonl"
    refuse(rows, "-t", "PKUSafeRLHF", "--tokenizer", folder, "-o", report, "--report", report)
    assert rows.read_bytes() == before


def test_what_is_written_can_be_written_again(tmp_path, rows, folder):
    out = tmp_path / "o.parquet"
    for _ in range(2):
        run("tokenize", rows, "-t", "PKUSafeRLHF", "--tokenizer", folder, "-o", out)
    assert len(read(out)) == 2


def test_help_shows_choices_and_defaults():
    text = " ".join(run("tokenize", "--help").stdout.replace("│", " ").split())
    for part in ("<drop|cut_prompt|truncate>", "tokenizers-1, tokie, gigatoken", "--no-stop", "[default: any number]",
                 "[default: tokenizers, the tokenizer itself]", "[default: the template's]"):  # fmt: skip
        assert part in text


def test_an_unknown_role_is_an_error(tmp_path, rows, folder):
    done = run(
        "tokenize", rows, "-t", "PKUSafeRLHF", "--tokenizer", folder, "--role", "asistant", "-o", tmp_path / "o.jsonl",
        code=2,
    )  # fmt: skip
    assert "got 'asistant'. Did you mean 'assistant'?" in done.stderr

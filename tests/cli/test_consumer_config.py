"""`convert --consumer-config`: written next to the output, never over another file."""

import pytest
from support import run


def convert(rows, folder, *more, code=0, dialect="trl"):
    return run("convert", rows, "-t", "PKUSafeRLHF", "-d", dialect, "-o", folder / "o.jsonl", *more, code=code)


def test_a_script_names_the_rows_and_the_chat_template_that_was_written(tmp_path, rows):
    done = convert(rows, tmp_path, "-s", "chatml", "--consumer-config", tmp_path / "train.py")
    assert f"wrote {tmp_path / 'train.py'}" in done.stderr
    script = (tmp_path / "train.py").read_text(encoding="utf-8")
    assert 'data_files=str(HERE / "o.jsonl")' in script
    assert 'tokenizer.chat_template = (HERE / "chat_template.jinja")' in script
    again = convert(rows, tmp_path, "-s", "chatml", "--consumer-config", tmp_path / "train.py")
    assert "wrote" in again.stderr


def test_without_a_style_the_model_s_own_chat_template_is_used(tmp_path, rows):
    convert(rows, tmp_path, "--consumer-config", tmp_path / "train.py")
    assert "chat_template" not in (tmp_path / "train.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "held", "message"),
    [
        ("train.py", "mine", "is another file already; choose another name"),
        ("train.yaml", None, "the configuration of this dialect must be a .py file, got train.yaml"),
        ("o.jsonl", None, "is the output; the configuration needs another name"),
        ("none/train.py", None, "none/train.py cannot be written: there is no directory "),
    ],
)
def test_what_cannot_be_written_stops_before_a_row_is_read(tmp_path, rows, name, held, message):
    if held is not None:
        (tmp_path / name).write_text(held)
    done = convert(rows, tmp_path, "--consumer-config", tmp_path / name, code=2)
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "o.jsonl").exists()
    if held is not None:
        assert (tmp_path / name).read_text() == held


def test_a_dataset_type_without_a_trainer_is_one_line(tmp_path, rows):
    done = convert(rows, tmp_path, "-f", "ranked", "--consumer-config", tmp_path / "train.py", code=2)
    assert "this dialect has no configuration for ranked rows" in done.stderr


def test_nothing_is_configured_where_no_row_came_through(tmp_path, rows):
    rows.write_text('{"prompt": 1}\n')
    convert(rows, tmp_path, "--consumer-config", tmp_path / "train.py", code=3)
    assert not (tmp_path / "train.py").exists()

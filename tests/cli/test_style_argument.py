"""Every subcommand takes every form of a style's name, and says what is wrong with one in a line."""

import json

import pytest
from command_support import GOOD_TEMPLATE
from token_support import byte_level_with_bos

from preftemplates.styles import hub

OWN = "{{ bos_token }}" + GOOD_TEMPLATE
TOOLS = "{% for m in messages %}tools {{ m.content }}</s>{% endfor %}"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A directory with a tokenizer of two templates, a processor, a template's file, and a hub that answers."""
    monkeypatch.chdir(tmp_path)
    named = [{"name": "default", "template": OWN}, {"name": "tools", "template": TOOLS}]
    for name, template in (("ada", named), ("beth", None), ("chatml", OWN)):
        (tmp_path / name).mkdir()
        tokens = {"bos_token": "<s>", "eos_token": "</s>"}
        text = json.dumps({"chat_template": template, **tokens})
        (tmp_path / name / "tokenizer_config.json").write_text(text)
    (tmp_path / "beth" / "chat_template.json").write_text(json.dumps({"chat_template": OWN}))
    (tmp_path / "mine.jinja").write_text(GOOD_TEMPLATE)
    monkeypatch.setattr(hub, "download_tokenizer_files", lambda _: str(tmp_path / "beth"))
    return tmp_path


FORMS = {
    "chatml": "<|im_start|>user",
    "ChatML": "<|im_start|>user",
    "gpt-oss": "<|start|>user<|message|>",
    "./chatml": "<s><user>",
    "ada": "<s><user>",
    "ada:tools": "tools q",
    "beth/": "<s><user>",
    "mine.jinja": "<user>",
    "owner/beth": "<s><user>",
}
"""Forms of a style's name, each with what its text holds."""


@pytest.mark.parametrize(("form", "expected"), FORMS.items())
def test_convert_check_and_show_take_every_form(run_here, rows, tmp_path, form, expected):
    out = tmp_path / "out.jsonl"
    words = ("-t", "PKUSafeRLHF", "-d", "text", "-s", form)
    assert run_here("convert", rows, *words, "-o", out)[0] == 0
    assert expected in json.loads(out.read_text().splitlines()[0])["prompt"]
    assert "2 formatted" in run_here("check", rows, *words)[1]
    shown = run_here("show", "PKUSafeRLHF", "--row", f"{rows}:0", "-d", "text", "-s", form)[1]
    assert expected in shown.replace("↵\n", "")


@pytest.mark.parametrize("form", FORMS)
def test_check_style_and_diff_take_every_form(run_here, set_findings, form):
    set_findings()
    assert run_here("check-style", form)[0] == 0
    assert run_here("diff", form, form)[0] == 0


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("chatm", "no style 'chatm'. Did you mean 'chatml'?"),
        ("HH", "no style 'HH'. 'HH' is a template, not a style: use --template HH"),
        ("openrlhf", "'openrlhf' is a dialect, not a style: use --dialect openrlhf"),
        ("gemma4", "no bundled style has the layout of Gemma 4; name the tokenizer's folder"),
        ("nothing.jinja", "nothing.jinja cannot be read: No such file or directory"),
        ("./nothing", "nothing cannot be read: No such file or directory"),
        ("ada:tool", "ada has no chat template 'tool'; it has 'default', 'tools'. Did you mean 'tools'?"),
    ],
)
def test_what_names_no_style_is_one_line(run_here, rows, tmp_path, form, message):
    for words in (
        ("convert", rows, "-t", "PKUSafeRLHF", "-s", form, "-o", tmp_path / "out.jsonl"),
        ("check", rows, "-t", "PKUSafeRLHF", "-s", form),
        ("show", "PKUSafeRLHF", "-s", form),
        ("check-style", form),
        ("diff", form, "chatml"),
    ):
        code, _, err = run_here(*words)
        assert code == 2
        assert len(err.splitlines()) == 1
        assert message in err


def test_a_template_that_does_not_parse_is_one_line(run_here, rows, tmp_path):
    (tmp_path / "broken.jinja").write_text("a\n{% if %}")
    code, _, err = run_here("check", rows, "-t", "PKUSafeRLHF", "-s", "broken.jinja")
    assert code == 2
    assert err.startswith("error: broken.jinja line 2: the chat template does not parse")
    assert len(err.splitlines()) == 1


def test_the_other_names_say_which_kind_they_are(run_here, rows):
    assert "'chatml' is a style, not a template: use --style chatml" in run_here("show", "chatml")[2]
    words = ("check", rows, "-t", "PKUSafeRLHF", "-d")
    assert "'chatml' is a style, not a dialect: use --style chatml" in run_here(*words, "chatml")[2]


@pytest.mark.parametrize(
    ("form", "note"),
    [
        ("ada", "the chat template 'default' is used; for 'tools', add a colon and the name"),
        ("beth/chat_template.json", "the chat template reads bos_token, which no file contains; name the tokenizer's"),
        ("chatml", "chatml is the style of that name; write ./chatml for the one in this directory"),
    ],
)
def test_a_note_is_printed_once(run_here, rows, tmp_path, set_findings, form, note):
    set_findings()
    for words in (
        ("convert", rows, "-t", "PKUSafeRLHF", "-d", "text", "-s", form, "-o", tmp_path / "out.jsonl"),
        ("check", rows, "-t", "PKUSafeRLHF", "-d", "text", "-s", form),
        ("show", "PKUSafeRLHF", "-s", form),
        ("check-style", form),
        ("diff", form, "zephyr"),
    ):
        _, out, err = run_here(*words)
        assert (out + err).count(note) == 1, words
        assert "note: " in out + err


def test_a_tokenizer_without_a_style_brings_its_own_chat_template(run_here, rows, tmp_path):
    tokenizer = byte_level_with_bos()
    tokenizer.chat_template = OWN
    tokenizer.save_pretrained(tmp_path / "model")
    words = ("convert", rows, "-t", "PKUSafeRLHF", "-d", "trl-text", "--tokenizer", "model", "-o", "out.jsonl")
    code, _, stderr = run_here(*words)
    assert code == 0
    assert "style: the chat template of model" in stderr
    assert json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])["prompt"].startswith("<user>")
    assert run_here(*words, "-s", "chatml")[0] == 0
    assert "<|im_start|>" in (tmp_path / "out.jsonl").read_text()


@pytest.mark.parametrize("name", ["nowhere", "./nowhere", "a/b/c"])
def test_a_tokenizer_that_is_not_there_is_one_line_at_once(run_here, rows, name):
    words = ("convert", rows, "-t", "PKUSafeRLHF", "-s", "zephyr", "-d", "trl-text", "--tokenizer", name)
    code, _, stderr = run_here(*words, "-o", "out.jsonl")
    assert (code, stderr.strip()) == (
        2,
        f"error: there is no directory {name}; a model on the hub is named OWNER/NAME",
    )


def test_a_directory_is_no_template(run_here, rows):
    code, _, stderr = run_here("convert", rows, "-t", "ada", "-o", "out.jsonl")
    assert (code, stderr.strip()) == (
        2,
        "error: 'ada' is a directory, not a template; use --style for a tokenizer's directory",
    )


def test_messages_that_the_named_style_refuses_are_rejected(run_here, tmp_path):
    turns = [{"role": role, "content": "x"} for role in ("user", "user")]
    row = {
        "prompt": turns,
        "chosen": [{"role": "assistant", "content": "a"}],
        "rejected": [{"role": "assistant", "content": "b"}],
    }
    good = {**row, "prompt": turns[:1]}
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(each) + "\n" for each in (row, good)))
    twice = "messages[:2] | map(attribute='role') | list == ['user', 'user']"
    strict = f"{{% if {twice} %}}{{{{ raise_exception('no') }}}}{{% endif %}}{GOOD_TEMPLATE}"
    (tmp_path / "strict.jinja").write_text(strict)
    words = ("rows.jsonl", "-t", "TRL-messages", "-s", "strict.jinja")
    code, _, stderr = run_here("convert", *words, "-o", "out.jsonl")
    assert code == 0
    assert "2 rows = 1 formatted + 0 skipped + 1 rejected" in stderr
    assert "refused_by_style" in stderr
    assert "1 formatted + 0 skipped + 1 rejected" in run_here("check", *words)[1]
    assert "2 formatted" in run_here("convert", *words[:-2], "-o", "other.jsonl")[2]


def test_messages_whose_prompt_s_end_a_trainer_loses_are_flagged(run_here, rows, tmp_path):
    template = (
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}"
        "{% if add_generation_prompt %}<assistant><thought>{% endif %}"
    )
    (tmp_path / "thought.jinja").write_text(template)
    words = (rows, "-t", "PKUSafeRLHF", "-d", "trl", "-s", "thought.jinja")
    stderr = run_here("convert", *words, "-o", "out.jsonl")[2]
    assert "2 formatted" in stderr
    assert "flagged  prefix_unstable  2 rows: 0, 1" in stderr
    assert "prefix_unstable" in run_here("check", *words)[1]

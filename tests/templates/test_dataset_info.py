"""LLaMA-Factory's dataset_info.json: entries are templates, and the entry that we write reads what we wrote."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import DATA, real_rows

from preftemplates import Style, get_dialect, get_template
from preftemplates.data.convert import Conversion
from preftemplates.errors import Code, DefinitionError, FileError, RowError, UnknownNameError
from preftemplates.templates.dataset_info import make_dataset_info_entry

INFO = DATA / "llamafactory" / "dataset_info.json"


def template_of(folder, **entry):
    (folder / "dataset_info.json").write_text(json.dumps({"mine": entry}, indent=1), encoding="utf-8")
    return get_template(f"{folder / 'dataset_info.json'}:mine")


def sides(sample):
    return {name: [(one["role"], one.get("content")) for one in own] for name, own in sample.responses.items()}


# --- real entries --------------------------------------------------------------------------------------------------


def real(name):
    if not INFO.exists():
        pytest.skip("no real entries here")
    return get_template(f"{INFO}:{name}")


def refusal(call, *arguments):
    """The FileError that a call raises; None if it does not."""
    try:
        call(*arguments)
    except FileError as error:
        return error


REFUSED = {
    "a ranking must name a column for chosen": 2,
    "name a column for response": 17,
}
"""What is wrong with the real entries that are no template: rankings without columns, and plain texts."""


def test_every_real_entry_is_a_template_or_says_on_which_line_it_is_none():
    if not INFO.exists():
        pytest.skip("no real entries here")
    found = dict.fromkeys(REFUSED, 0)
    lines = INFO.read_text(encoding="utf-8").split("\n")
    entries = json.loads("\n".join(lines))
    for name in entries:
        read = refusal(real, name)
        if read is None:
            continue
        assert f'"{name}"' in "\n".join(lines[read.line - 12 : read.line])
        (why,) = [reason for reason in REFUSED if reason in read.message]
        found[why] += 1
    assert found == REFUSED
    assert len(entries) == 104


@pytest.mark.parametrize("name", ["nectar_rm", "orca_dpo_de"])
def test_fault_8_a_real_ranking_that_names_no_columns_is_refused_when_it_is_read(name):
    with pytest.raises(FileError, match=f"{name}.columns: a ranking must name a column for chosen"):
        real(name)


@pytest.mark.parametrize(
    ("name", "file", "bundled", "format"),
    [
        ("dpo_en_demo", "dpo_en_demo.json", "LLaMA-Factory-sharegpt-ranking", "preference"),
        ("dpo_zh_demo", "dpo_zh_demo.json", "LLaMA-Factory-sharegpt-ranking", "preference"),
        ("kto_en_demo", "kto_en_demo.json", "LLaMA-Factory-kto", "unpaired"),
        ("glaive_toolcall_en_demo", "glaive_toolcall_en_demo.json", "LLaMA-Factory-toolcall", "supervised"),
    ],
)
def test_a_real_entry_gives_its_real_rows_as_the_bundled_template_does(name, file, bundled, format):
    rows = real_rows(f"llamafactory/{file}")
    one, other = real(name), get_template(bundled)
    for row in rows:
        assert one.extract(row, format) == other.extract(row, format)
    assert len(rows) == 300


# --- what an entry leaves out --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "asked"),
    [
        ({"instruction": "Mint?", "input": "In shade."}, "Mint?\nIn shade."),
        ({"instruction": "Mint?", "input": ""}, "Mint?"),
        ({"instruction": "", "input": "In shade."}, "In shade."),
        ({"instruction": "Mint?"}, "Mint?"),
        ({"instruction": "Mint?", "input": None}, "Mint?"),
    ],
)
def test_an_entry_without_columns_has_those_of_alpaca(tmp_path, row, asked):
    sample = template_of(tmp_path, file_name="a.json").extract({**row, "output": "Half."}, "supervised")
    assert sample.prompt == [{"role": "user", "content": asked}]
    assert sides(sample) == {"completion": [("assistant", "Half.")]}


def test_columns_that_an_entry_does_not_name_are_not_read(tmp_path):
    named = {"prompt": "question", "chosen": "best", "rejected": "worst", "system": "rules"}
    template = template_of(tmp_path, hf_hub_url="a/b", ranking=True, columns=named)
    row = {"question": "Mint?", "input": "not read", "best": "Yes.", "worst": "No.", "rules": "Be brief."}
    sample = template.extract(row, "preference")
    assert sample.prompt == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Mint?"}]
    assert sides(sample) == {"chosen": [("assistant", "Yes.")], "rejected": [("assistant", "No.")]}
    assert template.about.dataset == "a/b"
    for absent in ({}, {"rules": ""}, {"rules": None}):
        bare = {key: value for key, value in row.items() if key != "rules"} | absent
        assert template.extract(bare, "preference").prompt == sample.prompt[1:]


def test_a_history_stands_before_the_question(tmp_path):
    columns = {"prompt": "instruction", "response": "output", "history": "history"}
    row = {"instruction": "And dill?", "output": "Sun.", "history": [["Mint?", "Shade."]]}
    prompt = template_of(tmp_path, columns=columns).extract(row, "supervised").prompt
    assert [message["content"] for message in prompt] == ["Mint?", "Shade.", "And dill?"]
    assert template_of(tmp_path, columns=columns).extract({**row, "history": None}, "supervised").prompt == prompt[2:]


def test_speakers_have_the_names_that_the_tags_say(tmp_path):
    tags = {"role_tag": "who", "content_tag": "said", "user_tag": "Q", "assistant_tag": "A", "system_tag": "S"}
    template = template_of(tmp_path, formatting="sharegpt", columns={"messages": "talk"}, tags=tags)
    talk = [{"who": "S", "said": "Be brief."}, {"who": "Q", "said": "Mint?"}, {"who": "A", "said": "Half."}]
    sample = template.extract({"talk": talk}, "supervised")
    assert [message["role"] for message in sample.prompt] == ["system", "user"]
    with pytest.raises(RowError) as caught:
        template.extract({"talk": [{"who": "gpt", "said": "Half."}]}, "supervised")
    assert caught.value.code == Code.BAD_ROLE


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"formating": "sharegpt"}, r"mine.formating: an entry has no 'formating' here. Did you mean 'formatting'"),
        (
            {"formatting": "share"},
            r"mine.formatting: expected alpaca or sharegpt, got 'share'. Did you mean 'sharegpt'",
        ),
        ({"columns": {"promt": "a"}}, r"mine.columns.promt: an entry has no 'promt' here. Did you mean 'prompt'"),
        ({"columns": {"prompt": 5}}, r"mine.columns.prompt: expected a name, got 5"),
        ({"columns": ["prompt"]}, r"mine.columns: expected names and values"),
        ({"columns": {"response": "a"}}, r"mine.columns: rows of alpaca must name a column for prompt"),
        ({"formatting": "sharegpt", "columns": {"chosen": "a"}}, r"rows of sharegpt must name a column for messages"),
        ({"formatting": "sharegpt", "tags": {"role_tag": "who"}}, r"mine.tags: tags must name content_tag"),
        ({"formatting": "sharegpt", "tags": {"roletag": "who"}}, r"mine.tags.roletag: an entry has no 'roletag' here"),
        ({"ranking": True, "columns": {"prompt": "a", "chosen": "b"}}, r"must name a column for rejected"),
    ],
)
def test_what_is_wrong_with_an_entry_is_said_with_its_line(tmp_path, entry, said):
    with pytest.raises(FileError, match=said) as caught:
        template_of(tmp_path, **entry)
    assert caught.value.line >= 2


def test_an_entry_that_is_not_there_is_named_with_the_nearest(tmp_path):
    template_of(tmp_path, file_name="a.json")
    with pytest.raises(UnknownNameError, match=r"has no entry 'mime'\. Did you mean 'mine'"):
        get_template(f"{tmp_path / 'dataset_info.json'}:mime")


# --- what we write -------------------------------------------------------------------------------------------------

PAIR = {"prompt": "Mint?", "chosen": "Half shade.", "rejected": "No."}
KTO = {"prompt": "Mint?", "completion": "Half shade.", "label": False}
WRITTEN = {
    "preference": ("TRL", PAIR),
    "supervised": ("TRL", {"prompt": "Mint?", "completion": "Half shade."}),
    "unpaired": ("TRL-unpaired", KTO),
}
words = st.text(min_size=1, max_size=8).filter(str.strip)


@pytest.mark.parametrize("format", WRITTEN)
@pytest.mark.parametrize("dialect", ["llama-factory-alpaca", "llama-factory-sharegpt"])
@given(question=words, answer=words)
def test_an_entry_reads_the_rows_that_its_dialect_wrote(tmp_path_factory, dialect, format, question, answer):
    name, row = WRITTEN[format]
    template = get_template(name)
    row = {**row, "prompt": question} | {next(key for key in ("chosen", "completion") if key in row): answer}
    (written,) = Conversion([row], template.with_dialect(dialect), format)
    again = template_of(tmp_path_factory.mktemp("info"), **make_dataset_info_entry(dialect, format, "rows.jsonl"))
    assert again.extract(json.loads(json.dumps(written)), format) == template.extract(row, format)


def test_an_entry_reads_tools_and_calls_that_its_dialect_wrote(tmp_path):
    template = get_template("LLaMA-Factory-toolcall")
    rows = [template.example]
    if DATA.exists():
        rows += real_rows("llamafactory/glaive_toolcall_en_demo.json")
    conversion = Conversion(rows, template.with_dialect("llama-factory-sharegpt"), "supervised")
    entry = make_dataset_info_entry(
        "llama-factory-sharegpt", "supervised", "rows.jsonl", keys=["conversations", "tools"]
    )
    again = template_of(tmp_path, **entry)
    for row, written in zip(rows, conversion, strict=True):
        assert again.extract(json.loads(json.dumps(written)), "supervised") == template.extract(row, "supervised")


def test_an_entry_is_the_one_that_the_dialect_configures():
    for dialect in ("llama-factory-alpaca", "llama-factory-sharegpt"):
        for format in WRITTEN:
            paths = {"config": "dataset_info.json", "rows": "data/my.pairs.jsonl"}
            written = json.loads(get_dialect(dialect).configure(format, **paths))
            assert written == {"my.pairs": make_dataset_info_entry(dialect, format, "data/my.pairs.jsonl")}


@pytest.mark.parametrize(
    ("dialect", "format", "said"),
    [
        ("text", "preference", "the dialect must be llama-factory-alpaca or llama-factory-sharegpt, got 'text'"),
        ("llama-factory-alpaca", "ranked", "not on ranked"),
    ],
)
def test_what_llama_factory_does_not_read_has_no_entry(dialect, format, said):
    with pytest.raises(DefinitionError, match=said):
        make_dataset_info_entry(dialect, format, "rows.jsonl")


ALPACA = {"instruction": "<image>Which herb?", "input": "", "output": "Dill.", "images": ["dill.png"]}
ASKED = {**ALPACA, "instruction": "Look: <image>", "input": "Which?", "h": [["<image>", "A leaf."]], "i": ["a", "b"]}
TURNS = [{"from": "human", "value": "Which herb is <image> and which <image>?"}]
TALK = {
    "c": TURNS,
    "a": {"from": "gpt", "value": "Dill."},
    "b": {"from": "gpt", "value": "Mint."},
    "images": ["a.png", "b.png"],
}
ONE = {"columns": {"prompt": "instruction", "response": "output", "images": "images"}}
HISTORY = {"columns": {"prompt": "instruction", "query": "input", "response": "output", "history": "h", "images": "i"}}
RANKING = {
    "formatting": "sharegpt",
    "ranking": True,
    "columns": {"messages": "c", "chosen": "a", "rejected": "b", "images": "images"},
}


@pytest.mark.parametrize(
    ("entry", "row", "prompt"),
    [
        (ONE, ALPACA, ["<", "Which herb?"]),
        (HISTORY, ASKED, ["<", "A leaf.", "Look: ", "<", "\nWhich?"]),
        (RANKING, TALK, ["Which herb is ", "<", " and which ", "<", "?"]),
    ],
    ids=["alpaca", "history", "ranking"],
)
def test_an_entry_may_name_columns_of_media(entry, row, prompt, tmp_path):
    (tmp_path / "dataset_info.json").write_text(json.dumps({"mine": {"file_name": "rows.json", **entry}}))
    template = get_template(f"{tmp_path / 'dataset_info.json'}:mine")
    sample = template.extract(row, template.formats[-1])
    parts = [part for message in sample.prompt for part in parts_of(message["content"])]
    assert [part.get("text", "<") for part in parts] == prompt
    listed = next(row[name] for name in ("i", "images") if name in row)
    assert [part["image"] for part in parts if part["type"] == "image"] == listed
    rendered = template.with_style(SHOWING).render(row, template.formats[-1])
    assert next(iter(rendered.responses.values())).text.startswith("[u:")


def parts_of(content):
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


SHOWING = Style.from_chat_template(
    "{% for m in messages %}[{{ m.role[0] }}:{% if m.content is string %}{{ m.content }}{% else %}"
    "{% for part in m.content %}{{ part.text or '#' }}{% endfor %}{% endif %}]{% endfor %}"
)

"""A template may be declared in YAML: the same declaration, no code, and every mistake told with its line."""

import json
import os
import pickle
from pathlib import Path

import pytest
from support import TEMPLATE_NAMES, TESTS, in_new_process

from preftemplates import Index01, Preference, RowModel, Template, get_template, messages
from preftemplates.core.samples import SAMPLE_TYPES
from preftemplates.errors import DefinitionError, FileError, PrefTemplatesError, RowError, UnknownNameError
from preftemplates.templates.yaml_template import make_json_schema

GARDEN = """\
name: Garden
summary: A question about a garden, and two answers.
style: chatml
dialect: trl
row:
  question: str
  answers: list[str]
  preferred: Index01
  note?: str | None
  "asked-by as author":
    name: str
preference:
  prompt:
    - role: system
      content: "Answer {{ author.name }}."
    - "{{ question }}"
  chosen: "{{ answers[preferred] }}"
  rejected: "{{ answers[1 - preferred] }}"
ties: keep
dataset: example/garden
example: {question: "Sun?", answers: ["Yes.", "No."], preferred: 1, asked-by: {name: "Ann"}}
"""
PUBLISHED = TESTS.parent / "preftemplates" / "templates" / "template.schema.json"


@pytest.fixture
def read(tmp_path):
    def write(text, name="garden.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return get_template(str(path))

    return write


def test_a_file_declares_what_the_class_would(read):
    class Author(RowModel):
        name: str

    class Garden(Template):
        class Row(RowModel):
            question: str
            answers: list[str]
            preferred: Index01

        preference = Preference(prompt="{{ question }}", chosen="{{ answers[preferred] }}", rejected="no")

    text = """
row: {question: str, answers: "list[str]", preferred: Index01}
preference: {prompt: "{{ question }}", chosen: "{{ answers[preferred] }}", rejected: "no"}
"""
    assert read(text) == Garden()


def test_what_a_file_says_is_heard(read):
    template = read(GARDEN)
    assert (template.name, template.style.name, template.dialect.name) == ("Garden", "chatml", "trl")
    assert (template.parts.ties, template.about.dataset, template.formats) == (
        "keep", "example/garden", ("prompt_only", "preference"),
    )  # fmt: skip
    messages_of = template.extract(template.example, "preference")
    assert [message["content"] for message in messages_of.prompt] == ["Answer Ann.", "Sun?"]
    assert messages_of.chosen == [{"role": "assistant", "content": "No."}]


def test_a_name_is_the_file_s_where_none_is_said_and_yml_is_an_ending_too(read):
    assert read(GARDEN.replace("name: Garden\n", ""), "herbs.yml").name == "herbs"


def test_messages_stand_in_a_list_or_alone(read):
    text = """
row: {history: "list[Message]", question: str, answer: str}
supervised: {prompt: [{messages: "{{ history }}"}, "{{ question }}"], completion: "{{ answer }}"}
"""
    row = {"history": [{"role": "user", "content": "a"}], "question": "b", "answer": "c"}
    assert [each["content"] for each in read(text).extract(row, "supervised").prompt] == ["a", "b"]
    alone = 'row: {history: "list[Message]"}\nprompt_only: {prompt: {messages: "{{ history }}"}}'
    assert read(alone).extract(row, "prompt_only").prompt == row["history"]


def test_a_ranking_names_its_answers_by_one_expression(read):
    text = (
        'row: {q: str, a: "list[str]"}\nranked: {prompt: "{{ q }}", completions: "{{ a }}", ranks: "{{ a | places }}"}'
    )
    assert len(read(text).format_all({"q": "q", "a": ["x", "y", "z"]}, "preference")) == 3


def test_a_list_of_one_type_is_a_list_of_it(read):
    text = """
row:
  q: str
  answers: [{text: str, stars: "int(ge=1, le=5)"}]
  votes: [[int]]
ranked:
  prompt: "{{ q }}"
  completions: "{{ answers | map(attribute='text') | list }}"
  ranks: "{{ votes[0] }}"
"""
    row = {"q": "q", "answers": [{"text": "a", "stars": 1}, {"text": "b", "stars": 5}], "votes": [[2, 1]]}
    template = read(text)
    assert [completion[0]["content"] for completion in template.extract(row, "ranked").completions] == ["a", "b"]
    with pytest.raises(RowError, match=r"answers\[1\]\.stars") as caught:
        template.extract({**row, "answers": [row["answers"][0], {"text": "b", "stars": 6}]}, "ranked")
    assert caught.value.code == "bad_label"


def test_it_pickles_without_its_file(read, tmp_path):
    template = read(GARDEN)
    (tmp_path / "garden.yaml").unlink()
    assert pickle.loads(pickle.dumps(template)) == template
    chosen = in_new_process("answer = payload.format(payload.example, 'preference')['chosen']", template)
    assert chosen == [{"role": "assistant", "content": "No."}]


@pytest.mark.parametrize(
    ("old", "new", "line", "error", "message"),
    [
        (
            "Index01",
            "Index10",
            8,
            FileError,
            "column 'preferred' has an unknown type 'Index10'. Did you mean 'Index01'?",
        ),
        ("question: str", "question: \"str, 'x': int\"", 6, FileError, "column 'question' has an unknown type"),
        ("question: str", "question: [str, int]", 6, FileError, "expected the type of column 'question', got ['str',"),
        ("question: str", "question: []", 6, FileError, "expected the type of column 'question', got []"),
        ("question: str", "question: [strr]", 6, FileError, "column 'question' has an unknown type ['strr']"),
        (
            '"{{ question }}"',
            "{{ question }}",
            16,
            FileError,
            "text with {{ ... }} needs quotes",
        ),
        (
            "    name: str",
            "    name: strr",
            11,
            FileError,
            "column 'name' has an unknown type 'strr'. Did you mean 'str'?",
        ),
        ("preference:", "preferense:", 12, FileError, "unknown key 'preferense'. Did you mean 'preference'?"),
        ("  chosen:", "  chosn:", 17, FileError, "preference has no 'chosn'. Did you mean 'chosen'?"),
        ("  rejected:", "    rejected:", 18, FileError, "the key is not indented like the keys above it"),
        ("  rejected:", " rejected:", 18, FileError, "the key is not indented like the keys above it"),
        ("style: chatml", "style: chat: ml", 3, FileError, "text with a colon and a space needs quotes, or"),
        ("  rejected:", "  # rejected:", 12, FileError, "preference needs 'rejected'"),
        ("answers[preferred]", "answrs[preferred]", 17, DefinitionError, "preference.chosen reads 'answrs'"),
        ("preferred: Index01", "preferred: int", 17, DefinitionError, "preference.chosen chooses by 'preferred'"),
        ("{{ question }}", "{{ question", 13, DefinitionError, "preference.prompt: '{{ question' does not parse"),
        (
            "role: system",
            "role: sistem",
            13,
            DefinitionError,
            "preference.prompt: the role of a message must be one of",
        ),
        ("style: chatml", "style: chatmll", 3, UnknownNameError, "no style 'chatmll'. Did you mean 'chatml'?"),
        ("dialect: trl", "dialect: tlr", 4, UnknownNameError, "no dialect 'tlr'. Did you mean 'trl'?"),
        ("dialect: trl", "style: trl", 4, FileError, "the key style is repeated"),
        ("ties: keep", "ties: half-half", None, DefinitionError, "ties must be one of drop, half, keep"),
        ("example: {", "example: {a: 1, ", 21, DefinitionError, "example has 'a', which Row does not declare."),
        ("  answers:", "\tanswers:", 7, FileError, "a tab where YAML expects spaces"),
        (
            "{{ author.name }}",
            "{{ author.__class__ }}",
            13,
            DefinitionError,
            "names that begin with _ are not allowed",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line(read, old, new, line, error, message):
    assert old in GARDEN
    with pytest.raises(error) as caught:
        read(GARDEN.replace(old, new, 1))
    assert message in str(caught.value)
    assert caught.value.line == line
    assert Path(caught.value.file).name == "garden.yaml"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "[a]",
        "row: {}",
        "row: 5",
        "name: x",
        "a: !!python/object/apply:os.system ['true']",
        "a: &x 1\nb: *x",
        "\0",
        "{",
    ],
)
def test_what_is_no_declaration_is_refused(read, text):
    with pytest.raises(PrefTemplatesError):
        read(text)


def test_a_file_that_is_not_there_or_not_utf8_is_refused(tmp_path):
    with pytest.raises(FileError, match="cannot be read"):
        get_template(str(tmp_path / "none.yaml"))
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9")
    with pytest.raises(FileError, match="it is not UTF-8"):
        get_template(str(tmp_path / "latin.yaml"))


def test_the_schema_is_published_as_it_is():
    if os.environ.get("PREFTEMPLATES_REWRITE_GOLDEN"):
        PUBLISHED.write_text(json.dumps(make_json_schema(), indent=1) + "\n")
    assert json.loads(PUBLISHED.read_text()) == make_json_schema(), "PREFTEMPLATES_REWRITE_GOLDEN=1 writes it anew"


def test_the_schema_knows_every_format_and_every_part_of_it():
    properties = make_json_schema()["properties"]
    for name, kind in SAMPLE_TYPES.registered().items():
        assert set(properties[name]["properties"]) == {*kind.prompt_parts, *kind.response_names, *kind.label_types}
        required = set(properties[name]["required"])
        assert required >= {"prompt", *kind.response_names}
    assert properties["ranked"]["required"] == ["prompt", "completions", "ranks"]
    assert "margin" not in properties["preference"]["required"]


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_every_bundled_template_can_be_spelled_in_a_file(name, read):
    declaration = get_template(name).parts.declaration
    again = read(as_yaml(get_template(name))).parts.declaration
    assert {sample.format: sample for sample in again.samples} == {
        sample.format: sample for sample in declaration.samples
    }
    assert (again.row, again.filters, again.each) == (declaration.row, declaration.filters, declaration.each)


def as_yaml(template):
    """The template as a file would say it; JSON is YAML."""
    import ast

    declaration = template.parts.declaration
    tree = ast.parse(declaration.row, mode="eval").body
    data = {"row": {key.value: ast.unparse(value) for key, value in zip(tree.keys, tree.values, strict=True)}}
    for sample in declaration.samples:
        said = {part: [_turn(turn) for turn in turns] for part, turns in sample.turns}
        several = SAMPLE_TYPES.get(sample.format).several
        if several:
            said[several] = said[several][0]
        data[sample.format] = {**said, **dict(sample.values)}
    if declaration.each:
        data["each"] = dict(declaration.each)
    return json.dumps(data)


def _turn(turn):
    if hasattr(turn, "role"):
        return {"role": turn.role, **dict(turn.keys)}
    return {"messages": turn.expression} if type(turn) is type(messages("{{ a }}")) else turn.expression

"""One resolver for every argument that names a style: names first, then paths, then the hub."""

import json
import pickle
from pathlib import Path

import pytest

from preftemplates import (
    Preference,
    RowModel,
    Style,
    Template,
    get_style,
    get_template,
    list_styles,
    register_template,
)
from preftemplates.errors import (
    DefinitionError,
    FileError,
    MissingPackageError,
    StyleRefusedError,
    StyleSyntaxError,
    UnknownNameError,
)
from preftemplates.sandbox.limits import Limits
from preftemplates.styles import hub
from preftemplates.styles.resolve import find_style, is_style_file

SOURCE = "{{ bos_token }}{% for m in messages %}[{{ m.role }}]\n{{ m.content }}{{ eos_token }}{% endfor %}"
TOOLS = "{% for m in messages %}tools: {{ m.content }}{% endfor %}"
HELLO = [{"role": "user", "content": "Chives?"}, {"role": "assistant", "content": "Snip."}]


def write_folder(path, template=SOURCE, **more):
    path.mkdir(parents=True, exist_ok=True)
    config = {"bos_token": "<s>", "eos_token": "</s>", "chat_template": template, **more}
    (path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- which of several things a name stands for -----------------------------------------------------------------------


def test_a_registered_name_goes_before_a_folder_or_file_of_that_name(here):
    expected = {"chatml": get_style("chatml"), "starling": get_style("openchat")}
    for name, style in expected.items():
        write_folder(here / name)
        assert get_style(name) == style
        assert get_style(f"./{name}").text(HELLO, False).startswith("<s>[user]")
        assert get_style(Path(name)) == get_style(f"./{name}")
    found = find_style("chatml")
    assert list(found.list_notes(found.load())) == [
        "chatml is the style of that name; write ./chatml for the one in this directory"
    ]


def test_another_spelling_of_a_name_is_taken_unless_it_exists(here):
    for name in ("ChatML", "chat-ml", "Chat_ML"):
        assert get_style(name) == get_style("chatml")
    write_folder(here / "ChatML")
    assert get_style("ChatML").name == "ChatML"
    assert get_style("chat-ml").name == "chatml"


@pytest.mark.parametrize("name", ["ada", "./ada", "ada/", "models/../ada", "ada/tokenizer_config.json"])
def test_what_exists_or_looks_like_a_path_is_one(here, name):
    write_folder(here / "models")
    write_folder(here / "ada")
    assert get_style(name).text(HELLO, False).startswith("<s>[user]")
    assert get_style(name).name == "ada"


def test_the_home_directory_is_expanded(here, monkeypatch):
    monkeypatch.setenv("HOME", str(here))
    write_folder(here / "ada")
    assert get_style("~/ada") == get_style("ada")


def test_is_style_file_agrees():
    Path("chatml").write_text(SOURCE)
    Path("other").write_text(SOURCE)
    names = ("chatml", "chat-ml", "./chatml", "other", "x.jinja", "a/b", "nothing", Path("chatml"))
    assert [is_style_file(name) for name in names] == [False, False, True, True, True, True, False, True]


def test_a_style_is_returned_as_it_is():
    style = get_style("zephyr")
    assert get_style(style) is style


def test_all_registered_names_are_found_as_they_are():
    for name in list_styles():
        assert find_style(name).name == name


# --- several templates -----------------------------------------------------------------------------------------------


def test_one_of_several_templates_is_named_behind_a_colon(here):
    named = [{"name": "default", "template": SOURCE}, {"name": "tool_use", "template": TOOLS}]
    write_folder(here / "ada", named)
    assert get_style("ada:tool_use").text(HELLO, False) == "tools: Chives?tools: Snip."
    assert get_style("./ada:tool_use").name == "ada:tool_use"
    assert get_style("ada:default") == get_style("ada")
    found = find_style("ada")
    assert list(found.list_notes(found.load())) == [
        "the chat template 'default' is used; for 'tool_use', add a colon and the name"
    ]
    with pytest.raises(DefinitionError, match=r"has no chat template 'tool-use'; it has 'default', 'tool_use'"):
        get_style("ada:tool-use")
    with pytest.raises(
        DefinitionError, match="the style chatml has only one chat template, and none named 'tool_use'"
    ):
        get_style("chatml:tool_use")


def test_a_colon_in_a_path_is_no_name_of_a_template(here):
    write_folder(here / "ada:1b")
    assert get_style("ada:1b").name == "ada:1b"
    with pytest.raises(FileError, match=r"C:\\models\\ada.jinja cannot be read"):
        get_style("C:\\models\\ada.jinja")
    with pytest.raises(UnknownNameError, match="no style 'C:ada'"):
        get_style("C:ada")


# --- the style, by content -------------------------------------------------------------------------------------------


def test_equal_content_gives_equal_styles_and_digests_wherever_it_is(here):
    one = get_style(str(write_folder(here / "one")))
    two = get_style(str(write_folder(here / "far" / "two", pad_token="<pad>", model_max_length=7)))
    assert one == two
    assert one.digest == two.digest
    assert hash(one) == hash(two)
    assert (one.name, two.name) == ("one", "two")
    assert str(here) not in json.dumps([one.identity, one.chat_template, one.name])
    assert get_style(str(write_folder(here / "three", eos_token="<end>"))) != one


def test_a_folder_and_its_tokenizer_give_equal_styles(tmp_path):
    from token_support import byte_level_with_bos

    tokenizer = byte_level_with_bos()
    tokenizer.chat_template = SOURCE
    tokenizer.save_pretrained(tmp_path / "ada")
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(tmp_path / "ada")
    style = Style.from_tokenizer(loaded)
    assert style == get_style(tmp_path / "ada")
    assert style.digest == get_style(tmp_path / "ada").digest
    assert style.name == "ada"


def test_a_processor_gives_its_template_and_the_tokens_of_its_tokenizer():
    class Tokenizer:
        chat_template = TOOLS
        special_tokens_map = {"bos_token": "<s>", "eos_token": "</s>"}

    class Processor:
        chat_template = SOURCE
        tokenizer = Tokenizer()

    expected = Style.from_chat_template(SOURCE, bos_token="<s>", eos_token="</s>")
    assert Style.from_tokenizer(Processor()) == expected
    Processor.chat_template = None
    assert Style.from_tokenizer(Processor()) == Style.from_tokenizer(Tokenizer()) == Style.from_chat_template(TOOLS)


@pytest.mark.parametrize("file", ["chat_template.jinja", "chat_template.json", "processor_config.json"])
def test_a_processors_folder_is_read(here, file):
    write_folder(here / "ada", template=None)
    text = SOURCE if file.endswith(".jinja") else json.dumps({"chat_template": SOURCE})
    (here / "ada" / file).write_text(text, encoding="utf-8")
    assert get_style("ada") == Style.from_chat_template(SOURCE, bos_token="<s>", eos_token="</s>")
    assert get_style(f"ada/{file}").name == "ada"


# --- trust -----------------------------------------------------------------------------------------------------------


def declare_template():
    class Unsafe(Template):
        class Row(RowModel):
            q: str
            a: str
            b: str

        preference = Preference(prompt="{{ q }}", chosen="{{ a }}", rejected="{{ b }}")

    return Unsafe


ESCAPE = "{{ messages.__class__.__mro__ }}"


@pytest.mark.parametrize("way", ["folder", "file", "hub", "with_style", "register_template"])
def test_an_imported_template_is_sandboxed_whatever_way_it_came(here, monkeypatch, way):
    write_folder(here / "ada", ESCAPE)
    Path("ada.jinja").write_text(ESCAPE)
    monkeypatch.setattr(hub, "download_tokenizer_files", lambda _: str(here / "ada"))
    ways = {
        "folder": lambda: get_style("ada"),
        "file": lambda: get_style("ada.jinja"),
        "hub": lambda: get_style("owner/ada"),
        "with_style": lambda: get_template("HH").with_style("./ada"),
        "register_template": lambda: register_template("Unsafe", style="./ada")(declare_template()),
    }
    with pytest.raises((StyleRefusedError, DefinitionError), match=r"reads '__mro__'"):
        ways[way]()


def test_an_imported_template_has_limits(here):
    write_folder(here / "ada")
    assert get_style("ada").layout.limits == Limits()
    assert get_style("llama3.1").layout.limits is None


def test_a_template_that_does_not_parse_has_its_file_and_line():
    Path("broken.jinja").write_text("{{ messages }}\n{% if %}")
    with pytest.raises(StyleSyntaxError, match=r"^broken.jinja line 2: the chat template does not parse"):
        get_style("broken.jinja")


# --- the hub ---------------------------------------------------------------------------------------------------------


def test_a_hub_name_is_read_from_the_files_of_its_tokenizer(here, monkeypatch):
    asked = []
    folder = write_folder(here / "cache" / "models--Ada--beth" / "snapshots" / "0123")
    monkeypatch.setattr(hub, "download_tokenizer_files", lambda name: asked.append(name) or str(folder))
    style = get_style("Ada/beth-1B")
    assert style == Style.from_chat_template(SOURCE, bos_token="<s>", eos_token="</s>")
    assert style.name == "Ada/beth-1B"
    assert asked == ["Ada/beth-1B"]
    assert get_style(folder).name == "beth"


def test_a_folder_goes_before_the_hub(here, monkeypatch):
    monkeypatch.setattr(hub, "download_tokenizer_files", lambda _: pytest.fail("the hub is asked"))
    write_folder(here / "Ada" / "beth-1B")
    assert get_style("Ada/beth-1B").name == "beth-1B"


def test_nothing_but_the_tokenizers_texts_is_downloaded(monkeypatch):
    import huggingface_hub

    asked = {}
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda name, **more: asked.update(more, name=name) or "x"
    )
    assert hub.download_tokenizer_files("Ada/beth") == "x"
    assert asked["name"] == "Ada/beth"
    assert all(pattern.endswith((".json", ".jinja")) for pattern in asked["allow_patterns"])


def make_hub_error(name):
    from huggingface_hub import errors

    cls = getattr(errors, name)
    error = cls.__new__(cls)
    Exception.__init__(error, f"{name}\nof many lines")
    return error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("GatedRepoError", "the model is gated: accept its terms"),
        ("RepositoryNotFoundError", "there is no such directory, and no such model on the hub, or it is private"),
        ("LocalEntryNotFoundError", "there is no such directory, the hub cannot be reached"),
        ("OfflineModeIsEnabled", "HF_HUB_OFFLINE"),
        (ConnectionError("name resolution\nfailed"), r"the hub cannot be reached.*\(name resolution\)"),
        (KeyError("x"), "the hub returned no tokenizer: KeyError"),
        (ImportError("no huggingface_hub"), "there is no directory Ada/beth; to read a model from the hub: "),
    ],
)
def test_an_error_of_the_hub_is_one_line_that_says_what_to_do(monkeypatch, error, message):
    def fail(_):
        raise make_hub_error(error) if isinstance(error, str) else error

    monkeypatch.setattr(hub, "download_tokenizer_files", fail)
    kind = MissingPackageError if isinstance(error, ImportError) else FileError
    with pytest.raises(kind, match=message) as raised:
        get_style("Ada/beth")
    assert "\n" not in str(raised.value)


def test_a_model_without_a_chat_template_is_an_error(here, monkeypatch):
    folder = write_folder(here / "beth", template=None)
    monkeypatch.setattr(hub, "download_tokenizer_files", lambda _: str(folder))
    with pytest.raises(DefinitionError, match="has no chat template; name a style instead"):
        get_style("Ada/beth")


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("chatm", r"no style 'chatm'. Did you mean 'chatml'\?"),
        ("HH", r"'HH' is a template, not a style: use --template HH"),
        ("trl", r"'trl' is a dialect, not a style: use --dialect trl"),
        ("", "no style ''"),
        (7, "expected the name of a style as a string, got 7"),
    ],
)
def test_an_unknown_name_says_what_was_probably_meant(name, message):
    with pytest.raises(UnknownNameError, match=message):
        get_style(name)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "mine.py",
            "{{ x }}",
            "mine.py is not a chat template; if it declares a dataset template, use --template mine.py",
        ),
        ("mine.yaml", "{{ x }}", r"use --template mine\.yaml"),
        ("rows.jsonl", '{"prompt": "q"}', "rows.jsonl contains no chat template: it has neither {{ nor {%"),
        ("notes", "Peas.", "notes contains no chat template"),
    ],
)
def test_a_file_that_is_no_chat_template_is_not_taken_for_one(name, text, message):
    Path(name).write_text(text)
    with pytest.raises((UnknownNameError, FileError), match=message):
        get_style(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./ada", "ada cannot be read: No such file or directory"),
        ("ada.jinja", "ada.jinja cannot be read: No such file or directory"),
        ("/nowhere/ada/beth", "/nowhere/ada/beth cannot be read: No such file or directory"),
    ],
)
def test_a_path_that_does_not_exist_is_an_error_about_a_path(name, message):
    with pytest.raises(FileError, match=message):
        get_style(name)


# --- templates of datasets -------------------------------------------------------------------------------------------


def test_a_dataset_template_in_the_style_of_a_folder_is_equal_wherever_the_folder_is(here):
    write_folder(here / "one")
    write_folder(here / "far" / "two")
    hh = get_template("HH")
    first, second = hh.with_style("./one"), hh.with_style(here / "far" / "two")
    assert first == second
    assert first.digest == second.digest
    assert str(here) not in repr([first.identity, first.style.name])
    assert pickle.loads(pickle.dumps(first)) == first


def test_a_dataset_template_can_be_registered_with_a_folder(here):
    write_folder(here / "ada")

    @register_template("InAFolder", style="./ada", dialect="text")
    class InAFolder(declare_template()):
        pass

    sample = get_template("InAFolder").format({"q": "Peas?", "a": "Yes.", "b": "No."}, "prompt_only")
    assert sample == {"prompt": "<s>[user]\nPeas?</s>"}
    with pytest.raises(FileError, match="no-folder cannot be read"):
        register_template("InNoFolder", style="./no-folder")(declare_template())


def test_a_yaml_template_names_a_folder(here):
    write_folder(here / "ada")
    Path("mine.yaml").write_text(
        "style: ./ada\nrow:\n  q: str\n  a: str\npreference:\n  prompt: '{{ q }}'\n  chosen: '{{ a }}'\n"
        "  rejected: 'No.'\n"
    )
    assert get_template("mine.yaml").style == get_style("ada")

"""Law 24: the ids in a consumer's trainer are ours, up to the last end of turn; TRL's trainers are run to see it."""

from __future__ import annotations

import ast
import itertools
import re
from importlib.util import module_from_spec, spec_from_file_location

import pytest
from floors import list_unmet
from peer_runs import FINE, READERS, File, Setup, judge
from support import DOCS
from token_support import STYLE_TOKENS as STYLES
from token_support import tokenizer_for_style
from tokenizers.processors import TemplateProcessing

from preftemplates import Dialect, Preference, TextConsumer, get_dialect, get_style, get_template
from preftemplates.errors import DefinitionError
from preftemplates.templates.text_edges import TextEdges

trl = pytest.importorskip("trl")
UNMET = list_unmet("trl")
pytestmark = pytest.mark.skipif(bool(UNMET), reason=f"TRL requires {', '.join(UNMET)}")

TRAINERS = {
    "Reward": ("preference", "Reward"),
    "DPO": ("preference", ""),
    "SFT": ("supervised", ""),
    "KTO": ("unpaired", ""),
    "GRPO": ("prompt_only", ""),
}
"""Trainers, each with its dataset type and the variant of the written script that runs it."""

DIALECTS = ("trl", "trl-implicit", "trl-text", "trl-implicit-text")

ROWS = [
    get_template("PKUSafeRLHF").example,
    {
        "prompt": "Chives?\n", "response_0": " Snip. ", "response_1": "No.\n\n", "better_response_id": 0,
        "answer": "Ünï 茶 {{ x }}",
    },
]  # fmt: skip


def make_tokenizer(style, adds_bos):
    return Setup(style, adds_bos).tokenizer


def load_reader():
    """Return what reads a job by TRL's trainers, as the peers' tests do in another process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(READERS)
        spec = spec_from_file_location("read_trl", READERS / "read_trl.py")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    return module.read


def compare(style, adds_bos, dialect, trainer, folder, edges=None, rows=ROWS):
    """Write rows and the script, run it, and compare the ids that its trainer holds with ours."""
    format, variant = TRAINERS[trainer]
    file = File("PKUSafeRLHF", dialect, format, Setup(style, adds_bos), variant=variant)
    if edges is not None:
        file.template = edges
    file.fill(rows, ".jsonl")
    file.read = list(load_reader()(file.write(folder / "run", ".jsonl")))
    assert len(file.read) == len(file.rows) > 0
    return [judge(file, number) for number in range(len(file.rows))]


CASES = [
    (style, adds_bos, dialect, trainer)
    for style, dialect, trainer in itertools.product(STYLES, DIALECTS, TRAINERS)
    for adds_bos in ((True, False) if STYLES[style][0] and dialect.endswith("text") else (True,))
    if TRAINERS[trainer][0] in get_dialect(dialect).formats
    if (style, trainer) not in itertools.product(("zephyr", "phi3"), ("SFT", "KTO", "GRPO"))  # as chatml
]


@pytest.mark.parametrize(("style", "adds_bos", "dialect", "trainer"), CASES)
def test_the_ids_in_trl_s_trainers_are_those_of_tokenize(style, adds_bos, dialect, trainer, tmp_path):
    verdicts = compare(style, adds_bos, dialect, trainer, tmp_path)
    assert set(verdicts) <= {*FINE} - {"control_text"}


@pytest.mark.parametrize("trainer", ["DPO", "Reward"])
def test_the_example_of_the_readme_is_trained_on_as_it_is_shown(trainer, tmp_path):
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    code = re.search(r"^rows = (\[\n.*?^\])$", readme, flags=re.MULTILINE | re.DOTALL)[1]
    (row,) = ast.literal_eval(code)
    assert compare("chatml", False, "trl", trainer, tmp_path, rows=[row]) == ["equal"]


@pytest.mark.parametrize("trainer", ["DPO", "Reward", "SFT"])
def test_messages_have_no_bos_that_only_the_tokenizer_adds_and_texts_have_it(trainer, tmp_path):
    """The exception that the docs name: chat templates are rendered without what a tokenizer adds."""
    format, variant = TRAINERS[trainer]
    for dialect, start in (("trl", 1), ("trl-text", 0)):
        file = File("PKUSafeRLHF", dialect, format, BosSetup("chatml", True), variant=variant)
        file.fill(ROWS, ".jsonl")
        for row, read in zip(file.rows, load_reader()(file.write(tmp_path / dialect, ".jsonl")), strict=True):
            for name, ids in row.ids.items():
                end = row.ends[name]
                assert ids[0] == file.setup.tokenizer.bos_token_id
                assert read["ids"][name][: end - start] == ids[start:end]


class BosSetup(Setup):
    """A tokenizer that adds a BOS which its style does not write."""

    @property
    def tokenizer(self):
        tokenizer = tokenizer_for_style(self.style, adds_bos=False)
        tokenizer.add_special_tokens({"bos_token": "<s>"})
        tokens = [("<s>", tokenizer.bos_token_id)]
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=tokens)
        return tokenizer


PLANTED = {
    "a BOS twice": ("llama3", True, "trl-text", "DPO", {"bos": "keep", "eos": "keep"}),
    "a BOS too few": ("llama3", False, "trl-text", "Reward", {"bos": "drop", "eos": "keep"}),
    "a tail left, and an EOS after it": ("chatml", True, "text", "Reward", None),
    "a tail left of an answer": ("zephyr", True, "text", "DPO", None),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_planted_faults_are_caught(fault, tmp_path):
    style, adds_bos, dialect, trainer, edges = PLANTED[fault]
    template = get_template("PKUSafeRLHF").with_style(style).with_dialect(dialect)
    template = template.with_edges(**edges) if edges else template
    assert set(compare(style, adds_bos, "trl-text", trainer, tmp_path, template)) == {"other ids"}


@pytest.mark.parametrize("style", [name for name in STYLES])
@pytest.mark.parametrize("dialect", ["trl-text", "trl-implicit-text"])
def test_texts_for_a_consumer_need_to_know_its_tokenizer(style, dialect):
    template = get_template("PKUSafeRLHF").with_style(style).with_dialect(dialect)
    for call in (template.format, template.formatted, template.result_shape):
        arguments = ("preference",) if call == template.result_shape else (ROWS[0], "preference")
        with pytest.raises(DefinitionError, match=r"Use the dialect trl(-implicit)? \(messages\), or text") as caught:
            call(*arguments)
        assert caught.value.message.startswith(f"the style {style} writes")
    assert template.with_dialect("text").format(ROWS[0], "preference")
    assert template.render(ROWS[0], "preference").chosen.text


@pytest.mark.parametrize("style", ["plain", "human-assistant", "beginning-of-conversation", "falcon"])
def test_a_style_that_writes_nothing_at_its_edges_needs_no_tokenizer(style):
    template = get_template("PKUSafeRLHF").with_style(style)
    texts = template.with_dialect("text").format(ROWS[1], "preference")
    assert template.with_dialect("trl-text").format(ROWS[1], "preference") == texts
    edged = template.with_dialect("trl-text").with_edges(bos="drop", eos="drop")
    assert edged.format(ROWS[1], "preference") == texts


def test_edges_are_part_of_a_template_and_travel_with_it():
    import pickle

    template = get_template("PKUSafeRLHF").with_style("llama3").with_dialect("trl-text")
    edged = template.with_edges(bos="drop", eos="keep")
    assert edged != template
    assert edged.text_digest == template.text_digest
    assert pickle.loads(pickle.dumps(edged)).format(ROWS[0], "preference") == edged.format(ROWS[0], "preference")
    assert edged.with_style("chatml").format(ROWS[0], "preference")["chosen"].endswith("<|im_end|>")


def test_a_consumer_that_always_appends_eos_gets_answers_without_a_stop():
    class Appending(Dialect):
        text_consumer = TextConsumer("Appender", "openai", appends_eos="always")
        preference = {"asked": "prompt", "good": "prompt+chosen", "bad": "rejected"}

    template = get_template("PKUSafeRLHF").with_style("chatml").with_dialect(Appending())
    result = template.with_tokenizer(make_tokenizer("chatml", True)).format(ROWS[1], "preference")
    assert result["good"] == "<|im_start|>user\nChives?\n<|im_end|>\n<|im_start|>assistant\n Snip. "
    assert result["bad"] == "No.\n\n"


def test_edges_have_two_policies_and_messages_have_no_edges():
    with pytest.raises(DefinitionError, match="bos must be 'keep' or 'drop', got 'no'"):
        TextEdges("no", "keep")
    with pytest.raises(DefinitionError, match="no framework adds BOS or EOS to the dialect trl"):
        get_template("PKUSafeRLHF").with_dialect("trl").with_tokenizer(make_tokenizer("chatml", True))
    sample = Preference(prompt="p", chosen="c", rejected="r")
    assert TextEdges("drop", "drop").cut(sample, get_style("chatml")) == sample


def test_only_the_last_of_several_steps_is_cut():
    template = get_template("TRL-stepwise").with_style("chatml").with_dialect("trl-text")
    row = {"prompt": "Beans?", "completions": ["Dig.<|im_end|>\n", "Plant."], "labels": [True, False]}
    result = template.with_edges(bos="keep", eos="keep").format(row, "stepwise")
    assert result["completions"] == ["Dig.<|im_end|>\n", "Plant.<|im_end|>"]


def test_edges_are_said_anew_for_another_dialect():
    template = get_template("PKUSafeRLHF").with_style("chatml").with_dialect("trl-text")
    edged = template.with_edges(bos="keep", eos="keep")
    assert edged.with_dialect("text") == template.with_dialect("text")
    with pytest.raises(DefinitionError, match="Use the dialect trl-implicit"):
        edged.with_dialect("trl-implicit-text").format(ROWS[0], "preference")
    with pytest.raises(DefinitionError, match="no framework adds BOS or EOS to the dialect text"):
        edged.with_dialect("text").with_edges(bos="keep", eos="keep")

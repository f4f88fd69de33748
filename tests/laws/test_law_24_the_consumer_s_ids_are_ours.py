"""Law 24: the ids in a consumer's trainer are ours, up to the last end of turn; TRL's trainers are run to see it."""

from __future__ import annotations

import itertools

import pytest
from token_support import STYLE_TOKENS as STYLES
from token_support import tokenizer_for_style
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
)

from preftemplates import Dialect, Preference, TextConsumer, get_dialect, get_style, get_template, tokenize
from preftemplates.errors import DefinitionError
from preftemplates.templates.text_edges import TextEdges

trl = pytest.importorskip("trl")

TRAINERS = {"Reward": "preference", "DPO": "preference", "SFT": "supervised", "KTO": "unpaired"}
DIALECTS = ("trl", "trl-implicit", "trl-text", "trl-implicit-text")
SHAPE = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
}

ROWS = [
    get_template("PKUSafeRLHF").example,
    {
        "prompt": "Chives?\n", "response_0": " Snip. ", "response_1": "No.\n\n", "better_response_id": 0,
        "answer": "Ünï 茶 {{ x }}",
    },
]  # fmt: skip


def make_tokenizer(style, adds_bos):
    tokenizer = tokenizer_for_style(style, adds_bos)
    tokenizer.chat_template = get_style(style).chat_template
    return tokenizer


def trained_ids(trainer, tokenizer, results, folder):
    """The ids that a trainer of TRL holds: for each row a list for each answer, prompt included."""
    from datasets import Dataset

    facts = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, **SHAPE}
    if trainer == "Reward":
        networks = {"model": LlamaForSequenceClassification(LlamaConfig(num_labels=1, **facts))}
    else:
        config = LlamaConfig(eos_token_id=tokenizer.eos_token_id, **facts)
        networks = {"model": LlamaForCausalLM(config)}
        networks |= {"ref_model": LlamaForCausalLM(config)} if trainer in ("DPO", "KTO") else {}
    arguments = getattr(trl, f"{trainer}Config")(
        output_dir=str(folder), report_to="none", use_cpu=True, bf16=False, max_steps=1, save_strategy="no"
    )
    made = getattr(trl, f"{trainer}Trainer")(
        **networks, args=arguments, train_dataset=Dataset.from_list(results), processing_class=tokenizer
    )
    names = ("chosen_ids", "rejected_ids", "completion_ids", "input_ids")
    return [[[*row.get("prompt_ids", ()), *row[name]] for name in names if name in row] for row in made.train_dataset]


def find_our_ids(template, row, format, tokenizer):
    """Our ids of the text that `show` shows, for each sample a list for each answer."""
    samples = template.extract_all(row, format).samples
    return [
        [
            list(tokenize(template.style.render([*sample.prompt, *response]), tokenizer).input_ids)
            for response in sample.responses.values()
        ]
        for sample in samples
    ]


def up_to_the_last_stop(ids, stop):
    assert stop in ids
    return ids[: len(ids) - ids[::-1].index(stop)]


def compare(style, trainer, tokenizer, template, folder):
    """Compare a trainer's ids with ours, up to the last end of turn, and what follows with at most one EOS."""
    format = TRAINERS[trainer]
    results = [result for row in ROWS for result in template.format_all(row, format)]
    theirs = trained_ids(trainer, tokenizer, results, folder)
    ours = [sample for row in ROWS for sample in find_our_ids(template, row, format, tokenizer)]
    assert len(theirs) == len(ours) > 1
    stop = tokenizer.convert_tokens_to_ids(get_style(style).stop)
    for their_sample, our_sample in zip(theirs, ours, strict=True):
        for their_ids, own_ids in zip(their_sample, our_sample, strict=True):
            expected = up_to_the_last_stop(own_ids, stop)
            assert their_ids[: len(expected)] == expected, tokenizer.decode(their_ids)
            rest = their_ids[len(expected) :]
            tail = own_ids[len(expected) :]
            eos = tokenizer.eos_token_id
            assert rest in ([], tail, [eos], [*tail, eos]), tokenizer.decode(their_ids)
            assert not (stop == eos and eos in rest), tokenizer.decode(their_ids)


CASES = [
    (style, adds_bos, dialect, trainer)
    for style, dialect, trainer in itertools.product(STYLES, DIALECTS, TRAINERS)
    for adds_bos in ((True, False) if STYLES[style][0] and dialect.endswith("text") else (True,))
    if TRAINERS[trainer] in get_dialect(dialect).formats
    if (style, trainer) not in itertools.product(("zephyr", "phi3"), ("SFT", "KTO"))  # as chatml, to save time
]


@pytest.mark.parametrize(("style", "adds_bos", "dialect", "trainer"), CASES)
def test_the_ids_in_trl_s_trainers_are_those_of_tokenize(style, adds_bos, dialect, trainer, tmp_path):
    tokenizer = make_tokenizer(style, adds_bos)
    template = get_template("PKUSafeRLHF").with_style(style).with_dialect(dialect)
    if dialect.endswith("text"):
        template = template.with_tokenizer(tokenizer)
    compare(style, trainer, tokenizer, template, tmp_path)


PLANTED = {
    "a BOS twice": ("llama3", True, "trl-text", "DPO", {"bos": "keep", "eos": "keep"}),
    "a BOS too few": ("llama3", False, "trl-text", "Reward", {"bos": "drop", "eos": "keep"}),
    "a tail left, and an EOS after it": ("chatml", True, "text", "Reward", None),
    "a tail left of an answer": ("zephyr", True, "text", "DPO", None),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_planted_faults_are_caught(fault, tmp_path):
    style, adds_bos, dialect, trainer, edges = PLANTED[fault]
    tokenizer = make_tokenizer(style, adds_bos)
    template = get_template("PKUSafeRLHF").with_style(style).with_dialect(dialect)
    template = template.with_edges(**edges) if edges else template
    with pytest.raises(AssertionError):
        compare(style, trainer, tokenizer, template, tmp_path)


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
    with pytest.raises(DefinitionError, match="bos is 'keep' or 'drop', got 'no'"):
        TextEdges("no", "keep")
    with pytest.raises(DefinitionError, match="the dialect trl holds no text that a framework tokenizes itself"):
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
    with pytest.raises(DefinitionError, match="the dialect text holds no text that a framework tokenizes itself"):
        edged.with_dialect("text").with_edges(bos="keep", eos="keep")

"""TRL reads our images: its collators get the messages of `extract` in typed parts, and the pixels of the files."""

from __future__ import annotations

import ast
import json
import runpy
import sys
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import transformers
from datasets import Dataset, Image, List, load_dataset
from floors import list_unmet
from PIL import Image as Pictures
from support import run
from token_support import byte_tokenizer

from preftemplates import get_dialect, get_template
from preftemplates.core.media import read_medium
from preftemplates.core.provenance import plain

trl = pytest.importorskip("trl")
UNMET = list_unmet("trl")
pytestmark = pytest.mark.skipif(bool(UNMET), reason=f"TRL requires {', '.join(UNMET)}")


class Shown(NamedTuple):
    """An image that a message shows, by the name of its file."""

    name: str


SIZES = {"red": (3, 2), "green": (9, 9), "blue": (2, 7), "grey": (5, 5)}
RED, GREEN, BLUE, GREY = map(Shown, SIZES)
PLACE = {"type": "image"}


def say(*content, role="user"):
    """A message; texts and images become typed parts unless it is one text."""
    parts = [{"type": "text", "text": part} if isinstance(part, str) else part for part in content]
    return {"role": role, "content": content[0] if len(content) == 1 and content[0] is not PLACE else parts}


class Case(NamedTuple):
    """The prompt and the columns of a row, and the messages that TRL should make of it."""

    row: dict[str, Any]
    expected: list[tuple[Any, ...]]


CASES = {
    "placeholders": Case(
        {"prompt": [say(PLACE, "Left, or ", PLACE, "?")], "images": [RED, BLUE]},
        [("user", RED, "Left, or ", BLUE, "?")],
    ),
    "marks": Case(
        {"prompt": [say("Be brief.", role="system"), say("<image>\nIs it as <image>?")], "images": [GREEN, RED]},
        [("system", "Be brief."), ("user", GREEN, "\nIs it as ", RED, "?")],
    ),
    "neither": Case(
        {"prompt": [say("Compare."), say("What?", role="assistant"), say("These.")], "images": [BLUE, GREEN, RED]},
        [("user", BLUE, GREEN, RED, "Compare."), ("assistant", "What?"), ("user", "These.")],
    ),
    "inline": Case(
        {"prompt": [say("Who is ", {"type": "image", "image": GREY}, "?")]},
        [("user", "Who is ", GREY, "?")],
    ),
    "inline as OpenAI": Case(
        {"prompt": [say({"type": "image_url", "image_url": {"url": RED}}, "Who?")]},
        [("user", RED, "Who?")],
    ),
    "second turn": Case(
        {"prompt": [say("Hi"), say("Hello", role="assistant"), say("See ", PLACE, PLACE)], "images": [GREY, GREEN]},
        [("user", "Hi"), ("assistant", "Hello"), ("user", "See ", GREY, GREEN)],
    ),
    "marks in the second turn": Case(
        {"prompt": [say("Hi"), say("Hello", role="assistant"), say("See <image><image>")], "images": [BLUE, GREY]},
        [("user", "Hi"), ("assistant", "Hello"), ("user", "See ", BLUE, GREY)],
    ),
    "both turns": Case(
        {"prompt": [say(PLACE, "?"), say("Tea.", role="assistant"), say(PLACE)], "images": [RED, RED]},
        [("user", RED, "?"), ("assistant", "Tea."), ("user", RED)],
    ),
    "one column": Case({"prompt": [say("Which?")], "image": GREEN}, [("user", GREEN, "Which?")]),
    "no image": Case({"prompt": [say("What is <image>?")], "images": []}, [("user", "What is <image>?")]),
}
"""What a row may show; the last one shows nothing, and its mark is text."""

ANSWERS = {
    "chosen": [say("Yes.", role="assistant")],
    "rejected": [say("No.", role="assistant")],
    "completion": [say("So it is.", role="assistant")],
    "label": True,
}
PARTS = {
    "preference": ("prompt", "chosen", "rejected"),
    "supervised": ("prompt", "completion"),
    "unpaired": ("prompt", "completion"),
    "prompt_only": ("prompt",),
}
SHAPES = [("trl", format) for format in PARTS] + [("trl-implicit", "preference"), ("trl-implicit", "supervised")]


def name_template(format):
    return "TRL-unpaired-messages" if format == "unpaired" else "TRL-messages"


@pytest.fixture
def pictures(tmp_path):
    """A folder with small images, no two alike, and the name of each by its pixels."""
    folder, names = tmp_path / "pictures", {}
    folder.mkdir()
    for place, (name, (width, height)) in enumerate(SIZES.items(), 1):
        pixels = bytes(7 * place * n % 251 for n in range(3 * width * height))
        picture = Pictures.frombytes("RGB", (width, height), pixels)
        picture.save(folder / f"{name}.png")
        names[picture.size, picture.tobytes()] = Shown(name)
    assert len(names) == len(SIZES)
    return folder, names


def place_images(value, folder):
    """The value with the path of each image in its place."""
    if isinstance(value, Shown):
        return str(folder / f"{value.name}.png")
    if isinstance(value, dict):
        return {key: place_images(item, folder) for key, item in value.items()}
    return [place_images(item, folder) for item in value] if isinstance(value, list) else value


def make_rows(cases, folder):
    return [place_images({**case.row, **ANSWERS}, folder) for case in cases]


def convert(rows, path, dialect, format, *more):
    source = path.with_name("rows.jsonl")
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return run(
        "convert", source, "-t", name_template(format), "-f", format, "-d", dialect, "-o", path, *more, cwd=path.parent
    )


def load(path):
    kind = "parquet" if path.suffix == ".parquet" else "json"
    return load_dataset(kind, data_files=str(path), split="train", cache_dir=str(path.parent / "cache"))


def shown_by_extract(row, format):
    """The messages of each part of the sample, as a tuple each: the role, texts and images."""
    sample = get_template(name_template(format)).extract(row, format)
    return [
        (message["role"], *map(_spell_part, [content] if isinstance(content, str) else content))
        for messages in (sample.prompt, *sample.responses.values())
        for message in messages
        for content in [message["content"]]
    ]


def _spell_part(part):
    medium = read_medium(part) if isinstance(part, dict) else None
    if medium is not None:
        return Shown(Path(plain(medium.value)).stem)
    return part if isinstance(part, str) else part["text"]


def shown_by_trl(messages, names):
    """The same for messages whose images TRL has put in."""
    return [
        (
            message["role"],
            *(
                names[part["image"].size, part["image"].tobytes()] if part["type"] == "image" else part["text"]
                for part in message["content"]
            ),
        )
        for message in messages
    ]


IMAGE_TOKEN = "<|picture|>"
TOKENS = 4
"""How many tokens an image has: those of 2 by 2 patches."""

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {% for part in message['content'] %}"
    f"{{% if part['type'] == 'image' %}}{IMAGE_TOKEN}{{% else %}}{{{{ part['text'] }}}}{{% endif %}}"
    "{% endfor %}<|end|>{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)


@cache
def make_processor():
    """A processor of a vision-language model, made here: bytes as tokens, and images of 8 by 8 pixels."""
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = byte_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE_TOKEN]})
    return transformers.LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8}),
        tokenizer,
        patch_size=4,
        num_additional_image_tokens=1,
        vision_feature_select_strategy="default",
        chat_template=CHAT_TEMPLATE,
        image_token=IMAGE_TOKEN,
    )


COLLATORS = {
    "preference": ("dpo_trainer", "DataCollatorForVisionPreference"),
    "supervised": ("sft_trainer", "DataCollatorForVisionLanguageModeling"),
    "unpaired": ("kto_trainer", "DataCollatorForVisionUnpairedPreference"),
    "prompt_only": ("grpo_trainer", ""),
}


def collate_prompts(rows):
    """What TRL's GRPO trainer does with prompts: it has no collator."""
    module = import_module("trl.trainer.grpo_trainer")
    prompts = [module.prepare_multimodal_messages(row["prompt"], images=row["images"]) for row in rows]
    return make_processor().apply_chat_template(
        prompts, tokenize=True, return_dict=True, return_tensors="pt", add_generation_prompt=True,
        processor_kwargs={"padding": True},
    )  # fmt: skip


def make_collator(format):
    module, name = COLLATORS[format]
    return getattr(import_module(f"trl.trainer.{module}"), name)(make_processor()) if name else collate_prompts


@contextmanager
def recorded(format, names):
    """Keep the messages that a trainer's module makes of some with images, or with none."""
    module = import_module(f"trl.trainer.{COLLATORS[format][0]}")
    prepare, made = module.prepare_multimodal_messages, []

    def record(*arguments, **named):
        prepared = prepare(*arguments, **named)
        made.append(shown_by_trl(prepared, names))
        return prepared

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "prepare_multimodal_messages", record)
        yield made


def collate(rows, format, names, collator):
    """The messages that TRL makes of rows, in its own collator, and the batch."""
    with recorded(format, names) as made:
        batch = collator([dict(row) for row in rows])
    each = len(made) // len(rows)
    return [list(chain(*made[start : start + each])) for start in range(0, len(made), each)], batch


def read(rows, format, names, collator):
    """How TRL reads each row alone: its messages, or the error."""
    found = []
    for row in rows:
        try:
            found += collate([row], format, names, collator)[0]
        except (ValueError, KeyError) as error:
            found.append(repr(error))
    return found


def check_batch(shown, batch, names):
    """The batch has the tokens of each image, and the images' pixels, in order."""
    expected = [[part for _, *parts in messages for part in parts if isinstance(part, Shown)] for messages in shown]
    ids = batch["input_ids"]
    copies = len(ids) // len(shown)
    token = make_processor().image_token_id
    assert (ids == token).sum(1).tolist() == [TOKENS * len(one) for one in expected] * copies
    by_name = {name: Pictures.frombytes("RGB", size, pixels) for (size, pixels), name in names.items()}
    flat = [by_name[image] for one in expected * copies for image in one]
    pixels = make_processor().image_processor(flat, return_tensors="pt")["pixel_values"]
    assert torch.equal(batch["pixel_values"], pixels)


def expect(format, cases=CASES):
    """The messages that TRL should make of each case."""
    answers = [(m["role"], m["content"]) for name in PARTS[format][1:] for m in ANSWERS[name]]
    return [[*case.expected, *answers] for case in cases.values()]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize(("dialect", "format"), SHAPES)
def test_the_collators_of_trl_get_the_messages_and_the_images_of_the_rows(dialect, format, suffix, tmp_path, pictures):
    folder, names = pictures
    rows = make_rows(CASES.values(), folder)
    expected = expect(format)
    assert [shown_by_extract(row, format) for row in rows] == expected
    path = tmp_path / f"out{suffix}"
    convert(rows, path, dialect, format)
    written = load(path)
    if (dialect, format) == ("trl-implicit", "preference"):
        written = written.map(trl.extract_prompt)
    written = written.cast_column("images", List(Image()))
    collator = make_collator(format)
    assert read(written, format, names, collator) == expected
    shown, batch = collate(written, format, names, collator)
    assert shown == expected
    check_batch(shown, batch, names)


def test_an_image_in_an_answer_is_read_in_whole_conversations_and_has_no_key_elsewhere(tmp_path, pictures):
    folder, names = pictures
    row = {"prompt": [say(PLACE, "And?")], "images": [RED], **ANSWERS}
    row["completion"] = [say("So: ", {"type": "image", "image": BLUE}, role="assistant")]
    row = place_images(row, folder)
    convert([row], tmp_path / "out.jsonl", "trl-implicit", "supervised")
    written = load(tmp_path / "out.jsonl").cast_column("images", List(Image()))
    shown, batch = collate(written, "supervised", names, make_collator("supervised"))
    assert shown == [[("user", RED, "And?"), ("assistant", "So: ", BLUE)]] == [shown_by_extract(row, "supervised")]
    check_batch(shown, batch, names)
    source = tmp_path / "rows.jsonl"
    done = run("convert", source, "-t", "TRL-messages", "-f", "supervised", "-o", tmp_path / "no.jsonl", code=3)
    assert "the dialect trl has no key for the images of completion" in done.stderr


def swap_images(row):
    row["images"].reverse()


def drop_image(row):
    row["images"].pop()


def add_place(row):
    row["prompt"][0]["content"].append({"type": "image"})


def move_place(row):
    parts = row["prompt"][0]["content"]
    parts.append(parts.pop(0))


def change_image(row):
    row["images"][0] = row["images"][0].replace("red", "grey")


def write_mark(row):
    row["prompt"][0]["content"] = [{"type": "text", "text": "<image>Left, or <image>?"}]


@pytest.mark.parametrize("fault", [swap_images, drop_image, add_place, move_place, change_image, write_mark])
@pytest.mark.parametrize("format", PARTS)
def test_planted_faults_are_caught(fault, format, tmp_path, pictures):
    folder, names = pictures
    path = tmp_path / "out.jsonl"
    convert(make_rows(CASES.values(), folder), path, "trl", format)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert list(CASES).index("placeholders") == 0
    fault(lines[0])
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    found = read(load(path).cast_column("images", List(Image())), format, names, make_collator(format))
    assert [got == wanted for got, wanted in zip(found, expect(format), strict=True)] == [False] + [True] * 9


# The written script: it finds the images, and its trainer reads them.


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of a vision-language model with random weights."""
    folder, processor = tmp_path_factory.mktemp("model"), make_processor()
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(**sizes, image_size=8, patch_size=4),
        text_config=transformers.LlamaConfig(**sizes, num_key_value_heads=1, vocab_size=len(processor.tokenizer)),
        image_token_index=processor.image_token_id,
        vision_feature_layer=-1,
    )
    transformers.LlavaForConditionalGeneration(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def run_script(script, model, *more):
    """The trainer that the script makes."""
    options = ["--model_name_or_path", model, "--output_dir", script.parent / "run", "--report_to", "none", *more]
    options += ["--use_cpu", "--bf16", "False"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(script), *map(str, options)])
        patch.setattr(transformers.Trainer, "train", lambda _: None)
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_DATASETS_CACHE", str(script.parent / "cache"))
        return runpy.run_path(str(script), run_name="__main__")["trainer"]


def write_script(tmp_path, dialect, format):
    """Rows with relative paths, and the script in another folder than theirs."""
    script = tmp_path / "scripts" / "train_it.py"
    script.parent.mkdir()
    rows = make_rows(CASES.values(), Path("pictures"))
    convert(rows, tmp_path / "out.jsonl", dialect, format, "--consumer-config", script)
    return script


def generate(trainer, rows, names):
    """What TRL's GRPO trainer makes of prompts: it completes each twice, which takes an image for each place.

    It does not batch prompts without images with others, so these come alone.
    """
    trainer.reward_funcs = [lambda completions, **_: [0.0] * len(completions)]
    found = []
    for some in ([row for row in rows if row["images"]], [row for row in rows if not row["images"]]):
        with recorded("prompt_only", names) as made:
            batch = trainer._generate_and_score_completions([dict(row) for row in some for _ in range(2)])
        assert made[: 2 * len(some) : 2] == made[1 : 2 * len(some) : 2]
        found.append((made[: 2 * len(some)], {**batch, "input_ids": batch["prompt_ids"]}))
    return found


@pytest.mark.parametrize(("dialect", "format"), SHAPES)
def test_the_trainer_of_the_written_script_reads_the_images(dialect, format, tmp_path, pictures, model):
    script = write_script(tmp_path, dialect, format)
    sizes = ["--max_completion_length", "2", "--num_generations", "2"] if format == "prompt_only" else []
    trainer = run_script(script, model, *sizes)
    assert isinstance(trainer.processing_class, transformers.LlavaProcessor)
    rows, names = trainer.train_dataset, pictures[1]
    if format == "prompt_only":
        (shown, batch), (without, _) = generate(trainer, list(rows), names)
        assert [*shown[::2], *without[::2]] == expect(format)
    else:
        shown, batch = collate(rows, format, names, trainer.data_collator)
        assert shown == expect(format)
    check_batch(shown, batch, names)


@pytest.mark.parametrize(
    ("found", "instead", "error"),
    [
        ("ROWS.parent /", "HERE /", "FileNotFoundError"),
        ("rows.map(find_images", "(lambda *_, **__: rows)(find_images", "AttributeError"),
        ("rows = rows.map(extract_prompt)", "", "KeyError: 'prompt'"),
    ],
)
def test_faults_planted_in_the_script_are_caught(found, instead, error, tmp_path, pictures, model):
    script = write_script(tmp_path, "trl-implicit", "preference")
    text = script.read_text(encoding="utf-8")
    assert found in text
    script.write_text(text.replace(found, instead), encoding="utf-8")
    try:
        shown_in(run_script(script, model), "preference", pictures[1])
    except Exception as caught:  # noqa: BLE001  of datasets, PIL or TRL
        assert error in f"{type(caught).__name__}: {caught}"  # noqa: PT017  a class of any library
    else:
        pytest.fail("the fault is not caught")


def shown_in(trainer, format, names):
    return collate(trainer.train_dataset, format, names, trainer.data_collator)[0]


def test_the_script_reads_the_bytes_of_images_in_parquet(tmp_path, pictures, model):
    folder, names = pictures
    cases = {name: case for name, case in CASES.items() if "images" in case.row}
    rows = [
        {
            **row,
            "prompt": json.dumps(row["prompt"]),
            "images": [{"bytes": Path(path).read_bytes(), "path": None} for path in row["images"]],
        }
        for row in make_rows(cases.values(), folder)
    ]
    Dataset.from_list(rows).to_parquet(tmp_path / "rows.parquet")
    script = tmp_path / "train_it.py"
    files = (tmp_path / "rows.parquet", "-o", tmp_path / "out.parquet", "--consumer-config", script)
    run("convert", *files, "-t", "TRL-messages", "-d", "trl", cwd=tmp_path)
    folder.rename(tmp_path / "elsewhere")
    assert shown_in(run_script(script, model), "preference", names) == expect("preference", cases)


def test_rows_without_a_key_for_images_are_read_next_to_others(tmp_path, pictures, model):
    """The first row has no column of images, so only later ones have the key."""
    folder, names = pictures
    cases = {"first": Case({"prompt": [say("Hi")]}, [("user", "Hi")]), "inline": CASES["inline"]}
    script = tmp_path / "train_it.py"
    convert(
        make_rows(cases.values(), folder), tmp_path / "out.jsonl", "trl", "preference", "--consumer-config", script
    )
    assert "images" not in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()[0]
    assert shown_in(run_script(script, model), "preference", names) == expect("preference", cases)


def test_the_script_leaves_urls_and_absolute_paths_as_they_are(tmp_path):
    script = write_script(tmp_path, "trl", "preference")
    parts = [node for node in ast.parse(script.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)]
    names = {"ROWS": Path("data/rows.jsonl")}
    exec(compile(ast.Module(parts, []), "script", "exec"), names)
    url, absolute = "https://example.org/pot.png", str(tmp_path / "pot.png")
    row = {"images": [url, absolute, "pot.png", {"bytes": b"1", "path": "pot.png"}, {"bytes": None, "path": url}]}
    assert names["find_images"](row)["images"] == [
        {"bytes": None, "path": url},
        {"bytes": None, "path": absolute},
        {"bytes": None, "path": str(Path("data/pot.png"))},
        {"bytes": b"1", "path": "pot.png"},
        {"bytes": None, "path": url},
    ]
    assert names["find_images"]({"images": None}) == {"images": []}


@pytest.mark.parametrize("format", PARTS)
def test_the_script_of_rows_without_images_is_as_before(format):
    known = get_dialect("trl").keys(format)
    script = get_dialect("trl").configure(format, config="train_it.py", rows="rows.jsonl", keys=known)
    assert "AutoTokenizer" in script
    assert "mage" not in script
    assert ("write Reward" in script) is (format == "preference")
    with_images = get_dialect("trl").configure(
        format, config="train_it.py", rows="rows.jsonl", keys=[*known, "images"]
    )
    assert "write Reward" not in with_images  # TRL's reward trainer reads no images
    assert "tokenizer" not in with_images.lower()

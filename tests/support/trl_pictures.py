"""Rows with images for TRL, the collators of its trainers, and what they should make of the rows."""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import transformers
from datasets import load_dataset
from floors import list_unmet
from PIL import Image as Pictures
from support import run
from token_support import byte_tokenizer

from preftemplates import get_template
from preftemplates.core.media import read_medium
from preftemplates.core.provenance import plain

trl = pytest.importorskip("trl")
UNMET = list_unmet("trl")
MARK = pytest.mark.skipif(bool(UNMET), reason=f"TRL requires {', '.join(UNMET)}")


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

"""Bad folders: of a model to train, of a reward model, and of an output."""

from __future__ import annotations

import json
import shutil
import struct
from typing import TYPE_CHECKING, Any

import torch
from bad_inputs import MODEL, OUTPUT, REWARD_MODEL, ROWS, BadInput, train_words
from safetensors.torch import load_file, save_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Change = "Callable[[Path], Any]"
WEIGHTS, CONFIG, TOKENIZER, RECORD = "model.safetensors", "config.json", "tokenizer.json", "preftemplates.json"
SHARD = "model-0000{}-of-00002.safetensors"


# How folders are spoiled


def write(name: str, content: str | bytes) -> Callable[[Path], Any]:
    data = content if isinstance(content, bytes) else content.encode()
    return lambda folder: (folder / name).write_bytes(data)


def cut(name: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:60])


def remove(*names: str) -> Callable[[Path], Any]:
    return lambda folder: [(folder / name).unlink() for name in names]


def change(name: str, **values: Any) -> Callable[[Path], Any]:
    """Change values of a JSON file."""

    def apply(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**content, **values}))

    return apply


def change_weights(name: str, edit: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Path], Any]:
    def apply(folder: Path) -> None:
        weights = load_file(folder / WEIGHTS)
        save_file({**weights, name: edit(weights[name].clone()).clone()}, folder / WEIGHTS, {"format": "pt"})

    return apply


def pickle_weights(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    torch.save(weights, folder / "pytorch_model.bin")


def shard_weights(folder: Path, *, shards: int = 2, index: str | None = None) -> None:
    """Split the weights into two files, of which the last may be missing, and write their index."""
    weights = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    place = {name: 1 + number % 2 for number, name in enumerate(sorted(weights))}
    for shard in range(1, shards + 1):
        part = {name: weights[name] for name in weights if place[name] == shard}
        save_file(part, folder / SHARD.format(shard), {"format": "pt"})
    weight_map = {name: SHARD.format(shard) for name, shard in place.items()}
    content = json.dumps({"metadata": {}, "weight_map": weight_map}) if index is None else index
    (folder / f"{WEIGHTS}.index.json").write_text(content)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def make_adapter(base: str | None, content: bytes | None = None) -> Callable[[Path], Any]:
    """Let a folder look like a LoRA adapter on that base model, with its own weights or other bytes for them."""

    def apply(folder: Path) -> None:
        (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))
        weights = (folder / WEIGHTS).rename(folder / "adapter_model.safetensors")
        if content is not None:
            weights.write_bytes(content)

    return apply


def _keep_slow_tokenizer(folder: Path) -> None:
    (folder / TOKENIZER).unlink()
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CTRLTokenizer"}))
    (folder / "vocab.json").write_text('{"a": 0, "<unk>": 1}')
    (folder / "merges.txt").write_text("#version: 0.2\n")


def _set_to_nan(values: torch.Tensor) -> torch.Tensor:
    values[0] = float("nan")
    return values


DAMAGED = f"{MODEL}/{{}} is damaged: "
NO_MODEL = f"{MODEL}: its model cannot be loaded: "

MODELS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "empty": (_empty, "model is not a checkpoint: it has no config.json"),
    "no configuration": (remove(CONFIG), "model is not a checkpoint: it has no config.json"),
    "half a configuration": (cut(CONFIG), DAMAGED.format(CONFIG)),
    "a list for a configuration": (write(CONFIG, "[]"), "is damaged: expected an object, got []; copy the checkpoint"),
    "null for a configuration": (write(CONFIG, "null"), "is damaged: expected an object, got None; copy"),
    "an unknown architecture": (change(CONFIG, model_type="nonsense"), "has model type `nonsense` but Transformers"),
    "no architecture": (change(CONFIG, model_type=None), NO_MODEL),
    "no classifier": (
        change(CONFIG, model_type="clip"),
        NO_MODEL + "transformers has no classifier for the model type clip",
    ),
    "another architecture": (change(CONFIG, model_type="t5"), "of the model's weights, such as "),
    "no layers": (change(CONFIG, num_hidden_layers=0), "config.json: num_hidden_layers must be at least 1, got 0"),
    "no words": (change(CONFIG, vocab_size=-1), "config.json: vocab_size must be at least 1, got -1"),
    "an odd width": (change(CONFIG, hidden_size=33), "The hidden size (33) is not a multiple of the number of"),
    "a text for a width": (change(CONFIG, hidden_size="x"), "Field 'hidden_size' expected int, got str (value: 'x')"),
    "no heads": (change(CONFIG, num_attention_heads=0), "config.json: num_attention_heads must be at least 1, got 0"),
    "an unknown activation": (change(CONFIG, hidden_act="nonsense"), "its config.json names 'nonsense', which"),
    "an unknown type": (change(CONFIG, dtype="nonsense"), "its config.json cannot be read: "),
    "a pad token beyond the vocabulary": (change(CONFIG, pad_token_id=99_999), "Padding_idx must be within"),
    "quantised weights": (change(CONFIG, quantization_config={"quant_method": "gptq"}), "has quantised weights; name"),
    "an unknown quantisation": (change(CONFIG, quantization_config={"quant_method": "x"}), "has quantised weights;"),
    "no weights": (remove(WEIGHTS), "has no weights: there is no file named model.safetensors; copy the checkpoint"),
    "half the weights": (cut(WEIGHTS), DAMAGED.format(WEIGHTS)),
    "0 bytes of weights": (write(WEIGHTS, ""), DAMAGED.format(WEIGHTS)),
    "a header that is cut": (write(WEIGHTS, struct.pack("<Q", 10**9) + b"{"), DAMAGED.format(WEIGHTS)),
    "other bytes for weights": (write(WEIGHTS, b"\xff" * 500), DAMAGED.format(WEIGHTS)),
    "weights of another shape": (
        change_weights("model.norm.weight", lambda values: values[:5]),
        "model: model.norm.weight has the shape [5], expected [32] in a reward model",
    ),
    "weights that are not finite": (
        change_weights("model.norm.weight", _set_to_nan),
        "model: the weights model.norm.weight contain NaN or infinity",
    ),
    "pickled weights": (
        pickle_weights,
        "model has its weights only as pytorch_model.bin, and pickled weights are never read; save",
    ),
    "a shard that is not there": (
        lambda folder: shard_weights(folder, shards=1),
        "model lacks model-00002-of-00002.safetensors, which model.safetensors.index.json lists; copy",
    ),
    "half an index": (
        lambda folder: shard_weights(folder, index='{"weight_m'),
        DAMAGED.format(f"{WEIGHTS}.index.json"),
    ),
    "an empty index": (
        lambda folder: shard_weights(folder, index="{}"),
        "index.json is damaged: it has no weight_map",
    ),
    "an adapter": (write("adapter_config.json", "{}"), "model is a LoRA adapter; merge it into its base model"),
    "no tokenizer": (
        remove(TOKENIZER, "tokenizer_config.json"),
        "model has no tokenizer; save the tokenizer of its base",
    ),
    "half a tokenizer": (cut(TOKENIZER), DAMAGED.format(TOKENIZER)),
    "an empty tokenizer": (write(TOKENIZER, ""), DAMAGED.format(TOKENIZER)),
    "a list for a tokenizer": (write(TOKENIZER, "[]"), "tokenizer.json is damaged: expected an object, got []; copy"),
    "half a tokenizer's configuration": (cut("tokenizer_config.json"), DAMAGED.format("tokenizer_config.json")),
    "a slow tokenizer": (_keep_slow_tokenizer, "expected a fast tokenizer, got CTRLTokenizer"),
    "damaged special tokens": (write("special_tokens_map.json", "{"), DAMAGED.format("special_tokens_map.json")),
    "damaged added tokens": (write("added_tokens.json", "{"), DAMAGED.format("added_tokens.json")),
    "a damaged generation configuration": (
        write("generation_config.json", "{"),
        DAMAGED.format("generation_config.json"),
    ),
}
"""What is done to a model's folder, and what is said of it."""

NO_RECORD = f"{REWARD_MODEL} is not a reward model of preftemplates-train: preftemplates.json: "

REWARD_MODELS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no record": (remove(RECORD), NO_RECORD + "No such file or directory"),
    "half a record": (cut(RECORD), NO_RECORD + "Invalid JSON: "),
    "a list for a record": (write(RECORD, "[]"), NO_RECORD + "Input should be an object"),
    "a text for a number in the record": (change(RECORD, max_length="x"), NO_RECORD + "max_length: Input should be a"),
    "a number for a style in the record": (change(RECORD, style=5), NO_RECORD + "style: Input should be an object"),
    "a template without a name in the record": (
        change(RECORD, templates={"a": {}}),
        NO_RECORD + "a definition has no",
    ),
    "a wrong date in the record": (change(RECORD, date="x"), NO_RECORD + "Invalid isoformat string: 'x'"),
    "half the weights": (cut(WEIGHTS), f"{REWARD_MODEL}/{WEIGHTS} is damaged: "),
    "no weights": (remove(WEIGHTS), f"{REWARD_MODEL} has no weights: "),
    "half a tokenizer": (cut(TOKENIZER), f"{REWARD_MODEL}/{TOKENIZER} is damaged: "),
    "no tokenizer": (remove(TOKENIZER, "tokenizer_config.json"), f"{REWARD_MODEL} has no tokenizer; "),
    "half a configuration": (cut(CONFIG), f"{REWARD_MODEL}/{CONFIG} is damaged: "),
    "no configuration": (remove(CONFIG), f"{REWARD_MODEL} is not a checkpoint: it has no config.json"),
    "no layers": (change(CONFIG, num_hidden_layers=0), "num_hidden_layers must be at least 1, got 0"),
    "two labels": (
        change(CONFIG, id2label={"0": "a", "1": "b"}),
        f"{REWARD_MODEL} has 2 labels, expected 1 for a reward model",
    ),
    "no chat template": (remove("chat_template.jinja"), f"{REWARD_MODEL} lacks the chat template"),
    "half a chat template": (
        write("chat_template.jinja", "{% for %}"),
        f"{REWARD_MODEL}: its chat template cannot be used: line 1: the chat template does not parse",
    ),
    "a hostile chat template": (
        write("chat_template.jinja", "{{ ''.__class__ }}"),
        f"{REWARD_MODEL}: its chat template cannot be used: line 1: the chat template reads '__class__'",
    ),
    "an adapter whose base model has moved": (
        make_adapter("/nowhere/base"),
        f"{REWARD_MODEL} is a LoRA adapter on /nowhere/base, and this base model cannot be loaded: there is no"
        " directory /nowhere/base; restore it, or set base_model_name_or_path in adapter_config.json",
    ),
    "an adapter whose base model is not on the hub": (
        make_adapter("some-one/no-model"),
        "on some-one/no-model, and this base model cannot be loaded: some-one/no-model: its model cannot be loaded: ",
    ),
    "an adapter without a base model": (
        make_adapter(None),
        "a LoRA adapter whose adapter_config.json names no base model, as after training a small decoder from scratch;"
        " name the merged model that the run wrote",
    ),
    "an adapter without weights": (
        write("adapter_config.json", "{}"),
        f"{REWARD_MODEL} has no weights: there is no file named adapter_model.safetensors; copy the checkpoint again",
    ),
    "an adapter with other bytes for weights": (
        make_adapter("base", b"\xff" * 500),
        f"{REWARD_MODEL}/adapter_model.safetensors is damaged: ",
    ),
    "an adapter with half a configuration": (
        write("adapter_config.json", '{"base_mod'),
        f"{REWARD_MODEL}/adapter_config.json is damaged: ",
    ),
    "no pad token": (change("tokenizer_config.json", pad_token=None), f"{REWARD_MODEL} lacks the pad token"),
}
"""What is done to a reward model's folder, and what `score` and `evaluate` say of it."""


# Where outputs go


def _write_file(folder: Path) -> None:
    (folder / "file").write_text("mine")


def _link_to_itself(folder: Path) -> None:
    (folder / "loop").symlink_to("loop")


TOO_LONG = "x" * 300
CANNOT = "output_dir {} cannot be written: "

OUTPUTS = [
    ("a file", "file", _write_file, CANNOT.format("file") + "Not a directory; name another --output_dir"),
    ("within a file", "file/out", _write_file, CANNOT.format("file/out")),
    ("a link to itself", "loop", _link_to_itself, CANNOT.format("loop")),
    ("within a link to itself", "loop/out", _link_to_itself, CANNOT.format("loop/out")),
    ("a name that is too long", TOO_LONG, None, "cannot be written: File name too long; name another --output_dir"),
    ("a path that is too long", "/".join(["y" * 200] * 30), None, "cannot be written: File name too long; name"),
    ("a device", "/dev/null", None, CANNOT.format("/dev/null") + "Not a directory; name another --output_dir"),
    ("within /proc", "/proc/out", None, CANNOT.format("/proc/out")),
    ("no name", "", None, "output_dir is empty"),
    ("another model's folder", MODEL, None, "output_dir model contains config.json, which was not written by a run"),
    ("half of a surrogate pair", "\udcff", None, "is not a valid folder name; name another --output_dir"),
]  # fmt: skip

NAMES = [
    ("a name that is too long", "m" * 5000, None, "File name too long"),
    ("a link to itself", "loop", _link_to_itself, "there is no directory loop"),
    ("a file", ROWS, None, f"{ROWS} is a file; a checkpoint is a directory"),
    (
        "a name that is nowhere",
        "some-one/no-model",
        None,
        "some-one/no-model: its tokenizer cannot be loaded: We couldn't connect",
    ),
    ("a folder that is nowhere", "./gone", None, "there is no directory ./gone"),
]
"""Models that are not there."""


def _within(name: str, spoil: Callable[[Path], Any]) -> Callable[[Path], Any]:
    return lambda folder: spoil(folder / name)


SCORE = ("score", ROWS, "--model", REWARD_MODEL, "--out", "scored.jsonl")
EVALUATE = ("evaluate", ROWS, "--model", REWARD_MODEL)

BAD_FOLDERS = [
    *(
        BadInput(f"model: {name}", train_words(), message, prepare=_within(MODEL, spoil))
        for name, (spoil, message) in MODELS.items()
    ),
    *(
        BadInput(f"model: {name}", train_words(model_name_or_path=path), message, prepare=prepare)
        for name, path, prepare, message in NAMES
    ),
    *(
        BadInput(f"output: {name}", train_words(output_dir=path), message, prepare=prepare)
        for name, path, prepare, message in OUTPUTS
    ),
    *(
        BadInput(f"{words[0]}: {name}", words, message, prepare=_within(REWARD_MODEL, spoil))
        for name, (spoil, message) in REWARD_MODELS.items()
        for words in (SCORE, EVALUATE)
    ),
    BadInput(
        "score: a model that was not trained here", (*SCORE[:3], MODEL, *SCORE[4:]), "model is not a reward model"
    ),
    BadInput("evaluate: against such a model", (*EVALUATE, "--against", MODEL), "model is not a reward model"),
]
"""Each with what spoils a folder that would be good without it."""

assert OUTPUT not in {path for _, path, _, _ in OUTPUTS}

"""What the readers share: each reads files by its peer's loader, and writes what it got."""

import json
import sys
from importlib.metadata import version
from pathlib import Path


def run(package, read):
    """Read each file of the job by a function of job and file; what one raises is written in the place of its rows."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    files = []
    for file in job["files"]:
        try:
            files.append({"rows": list(read(job, file))})
        except Exception as error:  # noqa: BLE001  a peer may raise anything
            files.append({"error": f"{type(error).__name__}: {error}"})
    Path(sys.argv[2]).write_text(json.dumps({"version": version(package), "files": files}), encoding="utf-8")


def attempt(call):
    """What a call raises on one row, in the place of what it gives; None where it raises nothing."""
    try:
        call()
    except Exception as error:  # noqa: BLE001  a peer may raise anything
        return f"{type(error).__name__}: {error}"
    return None


def tokenizer_of(job):
    """The tokenizer of the job, with the chat template that our style is exported as."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=job["tokenizer"], eos_token=job["eos"], pad_token=job["pad"], clean_up_tokenization_spaces=False
    )
    tokenizer.chat_template = job["chat_template"]
    return tokenizer


def bare(value):
    """The same without the keys that Arrow filled with None."""
    if isinstance(value, dict):
        return {key: bare(one) for key, one in value.items() if one is not None}
    return [bare(one) for one in value] if isinstance(value, list) else value


def turns(messages):
    """Messages as pairs of role and content."""
    return [[message["role"], message["content"]] for message in messages]

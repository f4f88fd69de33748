"""Encodes conversations where tokenizers 1.x is installed alone, and here: the results of both are compared.

python encode_alone.py FOLDER, where FOLDER has `cases.json` and a folder for each tokenizer; it writes `results.json`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from preftemplates import TokenBatchFormatter, find_forged_tokens, get_style, get_template, tokenize
from preftemplates.cli.load_template import read_tokenizer
from preftemplates.errors import PrefTemplatesError


def encode_cases(folder: Path) -> dict[str, Any]:
    """Return the tokens and errors of each tokenizer's conversations, and write the table of its rows."""
    results = {}
    for name, (conversations, rows) in json.loads((folder / "cases.json").read_text(encoding="utf-8")).items():
        tokenizer = read_tokenizer(str(folder / name))
        results[name] = [_encode(style, messages, tokenizer) for style, messages in conversations]
        try:
            template = get_template("TRL").with_style("chatml")
            formatter = TokenBatchFormatter(template, "preference", tokenizer, on_error="column")
        except PrefTemplatesError as error:
            results[name].append(error.message)
            continue
        pq.write_table(
            formatter(pa.Table.from_pylist(rows)), folder / f"{name}.{tokenizer.__class__.__name__}.parquet"
        )
    return results


def _encode(style: str, messages: list[Any], tokenizer: Any) -> Any:
    try:
        rendered = get_style(style).render(messages)
        tokens = tokenize(rendered, tokenizer)
        prompt = get_style(style).render(messages[:-1], add_generation_prompt=True)
        forged = [[span.start, span.end, span.message] for span in find_forged_tokens(rendered, tokenizer)]
        mask = tokens.mask("content", "stop", role="assistant")
        return [tokens.input_ids, tokens.offsets, mask, forged, tokenize(prompt, tokenizer).input_ids]
    except PrefTemplatesError as error:
        return f"{type(error).__name__}: {error.message}"


def main() -> None:
    """Write the results of a folder."""
    folder = Path(sys.argv[1])
    (folder / "results.json").write_text(json.dumps(encode_cases(folder)), encoding="utf-8")


if __name__ == "__main__":
    main()

"""The model card: what the checkpoint is, how to load it, and what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from preftemplates.errors import one_line
from preftemplates.writing import write_text
from preftemplates_train.model.checkpoint import Record
from preftemplates_train.settings.config import RewardConfig

TEMPLATE = Path(__file__).with_name("model_card.md.jinja")


def write_card(folder: Path, found: Mapping[str, Any], record: Record, config: RewardConfig) -> None:
    """Write README.md into the checkpoint's folder.

    Args:
        folder: the folder.
        found: what `metrics.json` holds.
        record: what the checkpoint was made from.
        config: the settings.
    """
    data = ModelCardData(
        library_name="transformers",
        pipeline_tag="text-classification",
        tags=["reward-model", "preftemplates"],
        base_model=_hub_name(config.model_name_or_path),
    )
    said: dict[str, Any] = {
        "name": folder.name,
        "place": repr(folder.name),
        "found": found,
        "record": record,
        "one_line": _one_line,
    }
    card = ModelCard.from_template(data, template_str=TEMPLATE.read_text(encoding="utf-8"), **said)
    write_text(folder / "README.md", str(card))


def _one_line(text: str) -> str:
    """The text as one line, which is also a table's cell."""
    return one_line(text, 200).replace("|", "\\|")


def _hub_name(name: str | None) -> str | None:
    """The name, if it is one of the hub and no place on this machine."""
    return name if name and not Path(name).exists() else None

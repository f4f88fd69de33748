"""The model card: what the checkpoint is, how to load it, and what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import ModelCard, ModelCardData

from preftemplates.data.writing import write_text
from preftemplates.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from preftemplates_train.model.checkpoint import CheckpointRecord
    from preftemplates_train.settings.config import RewardConfig

CARD_TEMPLATE = Path(__file__).with_name("model_card.md.jinja")


def write_model_card(
    folder: Path,
    metrics: Mapping[str, Any],
    record: CheckpointRecord,
    config: RewardConfig,
    *,
    name: str | None = None,
) -> None:
    """Write README.md into the checkpoint's folder.

    Args:
        folder: the folder.
        metrics: the content of `metrics.json`.
        record: what the checkpoint was made from.
        config: the settings.
        name: the name that the folder will have; its present one by default.
    """
    data = ModelCardData(
        library_name="transformers",
        pipeline_tag="text-classification",
        tags=["reward-model", "preftemplates"],
        base_model=_find_hub_name(config.model_name_or_path),
    )
    values: dict[str, Any] = {
        "name": name or folder.name,
        "place": repr(name or folder.name),
        "metrics": metrics,
        "record": record,
        "one_line": _format_cell,
    }
    card = ModelCard.from_template(data, template_str=CARD_TEMPLATE.read_text(encoding="utf-8"), **values)
    write_text(folder / "README.md", str(card))


def _format_cell(text: str) -> str:
    """Return the text as one line, which is also a table's cell."""
    return one_line(text, 200).replace("|", "\\|")


def _find_hub_name(name: str | None) -> str | None:
    """Return the name, if it is one of the hub and not a local path."""
    return name if name and not Path(name).exists() else None

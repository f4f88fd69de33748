"""The model card: describe the checkpoint, how to load it, what it was trained from, and how well it does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import ModelCard, ModelCardData, metadata_load
from transformers.utils.hub import cached_file

from preftemplates.data.writing import write_text
from preftemplates.errors import one_line
from preftemplates_train.evaluation.metrics import METRIC_RULES
from preftemplates_train.reports.numbers import count_wins, format_error
from preftemplates_train.reports.sentences import is_too_few, judge_accuracy, list_baselines
from preftemplates_train.reports.wording import get_wording

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from preftemplates_train.model.checkpoint import CheckpointRecord
    from preftemplates_train.settings.config import RewardConfig

CARD_TEMPLATE = Path(__file__).with_name("model_card.md.jinja")

MARKUP = re.compile(r"[\\`*{}\[\]()<>#+!|&~$:@^=\"']|(?<![^\W_])_|_(?![^\W_])|(?<=www)\.")
"""Characters with a meaning in Markdown or HTML; an underscore between letters or digits has none."""

LICENCE = re.compile(r"[\w.+-]{1,60}")
"""The identifier of a licence on the hub."""


def write_model_card(
    folder: Path,
    metrics: Mapping[str, Any],
    record: CheckpointRecord,
    config: RewardConfig,
    *,
    name: str | None = None,
    steps: int | None = None,
    untrained: str | None = None,
) -> None:
    """Write README.md to the checkpoint's folder; names of files are escaped, so that they stay plain text.

    Args:
        folder: the folder.
        metrics: the content of `metrics.json`.
        record: the record of the checkpoint.
        config: the settings.
        name: the final name of the folder; its current name by default.
        steps: the number of training steps, if it is known.
        untrained: the result of `explain_untrained`.
    """
    licence = find_licence(config.model_name_or_path, config.model_revision)
    data = ModelCardData(
        library_name="transformers",
        pipeline_tag="text-classification",
        tags=["reward-model", "preftemplates"],
        base_model=_find_hub_name(config.model_name_or_path),
        **licence,
    )
    values: dict[str, Any] = {
        "name": name or folder.name,
        "place": repr(name or folder.name),
        "metrics": metrics,
        "record": record,
        "untrained": untrained,
        "text": escape_markdown,
        "code": format_code_span,
        "path": drop_folders,
        "facts": {**dict(_list_facts(config, metrics, licence, steps)), **_describe_score_scale(record)},
        "digests": dict(_list_digests(record)),
        "measures": dict(_list_measures(metrics)),
        "wording": get_wording(metrics),
        "samples": metrics.get("pairs", metrics.get("answers")),
    }
    card = ModelCard.from_template(data, template_str=CARD_TEMPLATE.read_text(encoding="utf-8"), **values)
    write_text(folder / "README.md", str(card))


def escape_markdown(text: str) -> str:
    r"""Return the text as one line of Markdown that shows it unchanged, also in a table.

    >>> print(escape_markdown("my_rows|<b>.jsonl"))
    my_rows\|\<b\>.jsonl
    """
    return MARKUP.sub(r"\\\g<0>", one_line(text, 200))


def format_code_span(text: str) -> str:
    """Return the text as a code span for use outside of tables; its fence is longer than any run of backticks in it.

    >>> print(format_code_span("<|pad|>"), format_code_span("a`b"))
    `<|pad|>` `` a`b ``
    """
    line = one_line(text, 200)
    if "`" not in line:
        return f"`{line}`"
    fence = "`" * (1 + max(map(len, re.findall("`+", line))))
    return f"{fence} {line} {fence}"


def drop_folders(name: str) -> str:
    """Return the last part of an absolute path, which means nothing on other machines; keep any other name."""
    return Path(name).name or name if Path(name).is_absolute() else name


def find_licence(name: str | None, revision: str = "main") -> dict[str, Any]:
    """Return the licence of a base model as keys of a card's header, if its card or its configuration names one.

    Args:
        name: a folder or a hub name; None for a model from scratch.
        revision: the branch, tag or commit on the hub.
    """
    if name is None:
        return {}
    try:
        content = _read_metadata(name, revision)
    except Exception:  # noqa: BLE001  the card may be out of reach, or hold anything
        return {}
    licence = content.get("license")
    if not isinstance(licence, str) or not LICENCE.fullmatch(licence):
        return {}
    keys = {key: content.get(key) for key in ("license_name", "license_link")}
    has_link = str(keys["license_link"]).startswith("https://")  # other links are files next to the base model
    kept = {
        key: value for key, value in keys.items() if isinstance(value, str) and (key != "license_link" or has_link)
    }
    return {"license": licence, **kept}


def _read_metadata(name: str, revision: str) -> Mapping[str, Any]:
    """Return the header of a base model's card if it has a licence, and its configuration otherwise."""
    options: Any = {
        "revision": revision,
        "_raise_exceptions_for_gated_repo": False,
        "_raise_exceptions_for_missing_entries": False,
        "_raise_exceptions_for_connection_errors": False,
    }
    card = cached_file(name, "README.md", **options)
    header = metadata_load(card) if card is not None else None
    if header is not None and "license" in header:
        return header
    path = cached_file(name, "config.json", **options)
    return {} if path is None else dict(json.loads(Path(path).read_text(encoding="utf-8")))


def _list_facts(
    config: RewardConfig, metrics: Mapping[str, Any], licence: Mapping[str, str], steps: int | None
) -> Iterator[tuple[str, str]]:
    """Yield the facts about the training, each with its name."""
    yield "base model", _describe_base_model(config.model_name_or_path)
    if licence:
        yield "licence of the base model", escape_markdown(licence.get("license_name") or licence["license"])
    is_head_alone = getattr(config, "train", "full") == "head"
    yield "trained weights", _describe_fit(metrics) if is_head_alone else _describe_trained_weights(config)
    yield "objective", str(config.objective)
    if not is_head_alone:
        yield "learning rate", f"{config.learning_rate:g}"
    yield "seed", str(config.seed)
    if steps is not None and not is_head_alone:
        yield "steps", f"{steps:,}"


def _describe_score_scale(record: CheckpointRecord) -> dict[str, str]:
    """Return a row with the mean and the deviation of the training scores; nothing for other models."""
    scale = record.score_scale
    if scale is None:
        return {}
    return {"scores trained on": f"mean {scale['mean']:.6g}, standard deviation {scale['deviation']:.6g}"}


def _describe_base_model(name: str | None) -> str:
    """Return the name of a base model; for a local folder, its name without the path."""
    if name is None:
        return "none: a small decoder from scratch"
    if _find_hub_name(name) is not None:
        return escape_markdown(name)
    return f"{escape_markdown(Path(name).resolve().name)}, a local folder"


def _describe_fit(metrics: Mapping[str, Any]) -> str:
    """Return the trained weights of a run with `--train head`."""
    head = metrics.get("head", {})
    place = f", fitted on layer {head['layer']} of {head['layers']}" if "layers" in head else ""
    return f"the head alone{place}"


def _describe_trained_weights(config: RewardConfig) -> str:
    if config.use_peft:
        return f"LoRA adapters of rank {config.lora_r}, merged into the weights, and the head"
    return "all"


def _list_digests(record: CheckpointRecord) -> Iterator[tuple[str, str]]:
    """Yield the digests of everything on which the texts and their token ids depend."""
    yield "token ids trained on", record.data
    yield "tokenizer", record.tokenizer
    if record.style is not None:
        yield f"style {escape_markdown(record.style['name'])}", record.style["digest"]
    for source, template in record.templates.items():
        names = f"{escape_markdown(template['name'])} of {escape_markdown(drop_folders(source))}"
        yield f"template {names}", template["digest"]


SCORE_MEASURES = {
    "rmse": "root mean squared error",
    "rmse_of_mean": "root mean squared error of always predicting the mean",
    "variance_explained": "share of the variance explained",
    "spearman": "rank correlation (Spearman's)",
}
"""The figures of scores on a card, each with its name."""

FURTHER_MEASURES = {
    "margin_mean": "mean difference of the rewards",
    "safe_accuracy": "accuracy of the signs: safe or unsafe",
    "safe_majority_accuracy": "accuracy of always predicting the more frequent sign",
    "auc": "area under the ROC curve (chance: 0.5)",
    "majority_accuracy": "accuracy of always predicting the more frequent label",
}
"""The figures on a card in addition to accuracy and loss, each with its name."""


def _list_measures(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the figures of held-out samples, each with its name; for few samples, how many are right."""
    if "rmse" in metrics:
        for key, name in SCORE_MEASURES.items():
            yield name, f"{metrics[key]:.3f}"
        return
    if "accuracy" not in metrics:
        return
    if is_too_few(metrics):
        word = "ranked" if "pairs" in metrics else "judged"
        number = metrics.get("pairs", metrics.get("answers"))
        yield f"{word} as labelled (a tie counts one half)", count_wins(metrics["accuracy"], number)
        return
    error = f" ± {metrics['accuracy_stderr']:.3f}" if format_error(metrics["accuracy_stderr"]) else ""
    yield "accuracy (a tie counts one half)", f"{metrics['accuracy']:.3f}{error}"
    yield "compared with chance and simple rules", escape_markdown(judge_accuracy(metrics).words)
    yield "log loss (chance: 0.693)", f"{metrics['loss']:.3f}"
    for key, name in FURTHER_MEASURES.items():
        if key in metrics:
            yield name, f"{metrics[key]:.3f}"
    for key, (rule, _) in METRIC_RULES.items():
        if key in metrics:
            yield f'accuracy of "{rule}"', f"{metrics[key]:.3f}"
    for label, baseline in list_baselines(metrics).items():
        yield f"accuracy of {escape_markdown(label)}", f"{baseline['accuracy']:.3f}"


def _find_hub_name(name: str | None) -> str | None:
    """Return the name if it is a name on the hub, not a local path."""
    return name if name and not Path(name).exists() else None

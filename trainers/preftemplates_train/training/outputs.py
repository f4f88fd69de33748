"""The outputs of a run: the checkpoint, the metrics, the scores of held-out pairs, the report and the model card."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from accelerate.utils import gather_object  # type: ignore[import-untyped]
from safetensors import SafetensorError

from preftemplates.data.writing import open_writer, write_text
from preftemplates_train.console import escape_text
from preftemplates_train.errors import make_write_error
from preftemplates_train.evaluation.metrics import (
    compute_accuracy,
    measure_shortcuts,
    replace_non_finite,
    summarize_rewards,
)
from preftemplates_train.evaluation.scorer import Scorer
from preftemplates_train.model.checkpoint import save_model
from preftemplates_train.model.loading import merge_adapters
from preftemplates_train.model.manifest import (
    MANIFEST_FILE,
    PENDING_FILE,
    is_unchanged,
    read_manifest,
    sync_folder,
    write_manifest,
)
from preftemplates_train.reports.html import write_report
from preftemplates_train.reports.model_card import write_model_card
from preftemplates_train.reports.sentences import describe_result, select_main_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from preftemplates_train.data.encoding import TokenPair
    from preftemplates_train.evaluation.metrics import Floats
    from preftemplates_train.settings.config import RewardConfig
    from preftemplates_train.training.prepare import PreparedRun
    from preftemplates_train.training.trainer import RewardTrainer

STAGING = ".saving-model"
"""Where everything is written before it gets its place in the output folder."""


def write_outputs(run: PreparedRun, trainer: RewardTrainer, config: RewardConfig, console: Console) -> dict[str, Any]:
    """Save the model, measure what was saved, and write everything; only the first process writes.

    Returns:
        The content of `metrics.json`.

    Raises:
        TrainingError: the disk does not take it.
    """
    folder = Path(str(config.output_dir))
    staging = folder / STAGING
    parameters = sum(parameter.numel() for parameter in run.model.parameters())
    is_main = trainer.is_world_process_zero()
    try:
        if is_main:
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir(parents=True)
            model = merge_adapters(trainer.accelerator.unwrap_model(trainer.model))
            save_model(staging, model, run.tokenizer, run.record)
        trainer.accelerator.wait_for_everyone()
        scores, clean_scores = _score_saved_model(staging, trainer, run.encoded.held_out, run.encoded.clean)
        metrics = {**_measure_run(run, scores, clean_scores), "parameters": parameters}
        if is_main:
            summary = _write_results(staging, run, trainer, config, metrics, scores)
            publish_outputs(staging, folder)
            console.print(escape_text("\n" + "\n".join(summary)))
            message = f"\nwrote {folder}: the model, report.html, metrics.json, scores.jsonl"
            console.print(escape_text(message), soft_wrap=True)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise make_write_error(folder, error) from error
    trainer.accelerator.wait_for_everyone()
    return metrics


def _write_results(
    staging: Path,
    run: PreparedRun,
    trainer: RewardTrainer,
    config: RewardConfig,
    metrics: Mapping[str, Any],
    scores: Floats,
) -> list[str]:
    """Write the figures, the scores, the report and the model card next to the model; return the summary."""
    content = json.dumps(replace_non_finite(metrics), indent=1, ensure_ascii=False)
    write_text(staging / "metrics.json", content + "\n")
    _write_scores(staging / "scores.jsonl", run.encoded.held_out, scores)
    summary = describe_result(metrics)
    write_report(
        staging / "report.html",
        title=f"Reward model {Path(str(config.output_dir)).name}",
        summary=summary,
        history=trainer.state.log_history,
        chosen=scores[:, 0].tolist(),
        rejected=scores[:, 1].tolist(),
        metrics=metrics,
        settings={**select_main_settings(config), **asdict(run.record)},
        counts=metrics["data"],
        by_source=metrics.get("by_source", {}),
    )
    write_model_card(staging, metrics, run.record, config, name=Path(str(config.output_dir)).name)
    return summary


def publish_outputs(staging: Path, folder: Path) -> None:
    """Move what a run wrote to its place, with a manifest; what an earlier run wrote and this one did not goes.

    The new manifest lies in the folder before the first file is moved, so that a run which is killed meanwhile leaves
    only files that one of the two manifests knows.
    """
    write_manifest(staging)
    names = list(read_manifest(staging))
    (staging / MANIFEST_FILE).replace(folder / PENDING_FILE)
    for name in read_manifest(folder):
        if name not in names and is_unchanged(folder, name):
            (folder / name).unlink()
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (staging / name).replace(folder / name)
    (folder / PENDING_FILE).replace(folder / MANIFEST_FILE)
    sync_folder(folder)
    shutil.rmtree(staging, ignore_errors=True)


def _score_saved_model(folder: Path, trainer: RewardTrainer, *sets: Sequence[TokenPair]) -> tuple[Floats, ...]:
    """Load the saved model, and return the rewards of each set's chosen and rejected texts, shape (B, 2).

    Each process scores its share of the pairs.
    """
    config, accelerator = trainer.args, trainer.accelerator
    model: Any = trainer.model
    model.to("cpu")  # its memory is the saved model's now
    scorer = Scorer(folder, batch_size=2 * config.per_device_eval_batch_size, device=config.device)
    rank, processes = config.process_index, config.world_size
    scores = []
    for pairs in sets:
        own = scorer.group_rewards([[pair.chosen_ids, pair.rejected_ids] for pair in pairs[rank::processes]])
        gathered = gather_object([own]) if processes > 1 else [own]
        everything = np.zeros((len(pairs), 2))
        for number, part in enumerate(gathered):
            everything[number::processes] = np.asarray(part, dtype=np.float64).reshape(-1, 2)
        scores.append(everything)
    accelerator.wait_for_everyone()
    return tuple(scores)


def _measure_run(run: PreparedRun, scores: Floats, clean_scores: Floats) -> dict[str, Any]:
    """Return the content of `metrics.json`.

    Args:
        run: the run.
        scores: of the held-out pairs, shape (B, 2).
        clean_scores: of the generated set's held-out pairs with the right labels.
    """
    pairs = run.encoded.held_out
    metrics: dict[str, Any] = {}
    if pairs:
        metrics |= summarize_rewards(scores[:, 0], scores[:, 1])
        metrics |= measure_shortcuts(
            [len(pair.chosen_ids) for pair in pairs],
            [len(pair.rejected_ids) for pair in pairs],
            [pair.pair.first_listed for pair in pairs],
        )
        metrics["prompts_in_both"] = run.data.prompts_in_both
        metrics["by_source"] = _measure_sources(pairs, scores)
    if len(clean_scores):
        metrics["clean"] = summarize_rewards(clean_scores[:, 0], clean_scores[:, 1])
    metrics["data"] = [report.summarize() for report in run.data.reports.values()]
    return metrics


def _measure_sources(pairs: Sequence[TokenPair], scores: Floats) -> dict[str, dict[str, float]]:
    source_of = np.array([pair.pair.source for pair in pairs])
    by_source = {}
    for name in dict.fromkeys(source_of.tolist()):
        margins = (scores[:, 0] - scores[:, 1])[source_of == name]
        accuracy, error = compute_accuracy(margins)
        by_source[name] = {"pairs": float(len(margins)), "accuracy": accuracy, "accuracy_stderr": error}
    return by_source


def _write_scores(path: Path, pairs: Sequence[TokenPair], scores: Floats) -> None:
    with open_writer(path) as writer:
        for pair, (chosen, rejected) in zip(pairs, scores.tolist(), strict=True):
            writer.write(
                {
                    "source": pair.pair.source,
                    "row": pair.pair.row,
                    "chosen_reward": chosen,
                    "rejected_reward": rejected,
                    "margin": chosen - rejected,
                }
            )

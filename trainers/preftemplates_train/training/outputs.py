"""The outputs of a run: the checkpoint, the metrics, the scores of held-out pairs, the report and the model card."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import numpy as np

from preftemplates.data.writing import open_writer, write_text
from preftemplates_train.console import escape_text
from preftemplates_train.data.dataset import PairDataset
from preftemplates_train.data.sources import GENERATED
from preftemplates_train.errors import SetupError
from preftemplates_train.evaluation.metrics import (
    compute_accuracy,
    measure_shortcuts,
    replace_non_finite,
    summarize_rewards,
)
from preftemplates_train.model.checkpoint import RECORD_FILE, CheckpointRecord, save_model
from preftemplates_train.model.loading import merge_adapters
from preftemplates_train.reports.html import write_report
from preftemplates_train.reports.model_card import write_model_card
from preftemplates_train.reports.sentences import describe_result, select_main_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from preftemplates_train.data.encoding import TokenPair
    from preftemplates_train.evaluation.metrics import Floats
    from preftemplates_train.settings.config import RewardConfig
    from preftemplates_train.training.prepare import PreparedRun
    from preftemplates_train.training.trainer import RewardTrainer


def check_writable(folder: Path) -> None:
    """Refuse a folder in which, or a place at which, nothing can be written.

    Raises:
        SetupError: the message says why.
    """
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    try:
        with TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise SetupError(f"output_dir {folder} cannot be written: {place}: {error.strerror}") from error


def check_no_other_model(folder: Path) -> None:
    """Refuse to write over what another run made of a user's rows; the generated set is quick to train on again.

    Raises:
        SetupError: the folder holds a model, or checkpoints of one.
    """
    for path in (folder, *sorted(folder.glob("checkpoint-*"))):
        if (path / RECORD_FILE).exists() and set(CheckpointRecord.read(path).templates) != {GENERATED}:
            raise SetupError(f"{path} holds a model; name another --output_dir, or add --resume_from_checkpoint last")


def write_outputs(run: PreparedRun, trainer: RewardTrainer, config: RewardConfig, console: Console) -> dict[str, Any]:
    """Evaluate and write everything; only the first process writes.

    Returns:
        The content of `metrics.json`.
    """
    scores = _score_pairs(trainer, run.encoded.held_out)
    clean_scores = _score_pairs(trainer, run.encoded.clean)
    folder = Path(str(config.output_dir))
    metrics = _measure_run(run, scores, clean_scores)
    if trainer.is_world_process_zero():
        folder.mkdir(parents=True, exist_ok=True)
        save_model(folder, merge_adapters(trainer.accelerator.unwrap_model(trainer.model)), run.tokenizer, run.record)
        content = json.dumps(replace_non_finite(metrics), indent=1, ensure_ascii=False)
        write_text(folder / "metrics.json", content + "\n")
        _write_scores(folder / "scores.jsonl", run.encoded.held_out, scores)
        summary = describe_result(metrics)
        write_report(
            folder / "report.html",
            title=f"Reward model {folder.name}",
            summary=summary,
            history=trainer.state.log_history,
            chosen=scores[:, 0].tolist(),
            rejected=scores[:, 1].tolist(),
            metrics=metrics,
            settings={**select_main_settings(config), **asdict(run.record)},
            counts=metrics["data"],
            by_source=metrics.get("by_source", {}),
        )
        write_model_card(folder, metrics, run.record, config)
        console.print(escape_text("\n" + "\n".join(summary)))
        message = f"\nwrote {folder}: the model, report.html, metrics.json, scores.jsonl"
        console.print(escape_text(message), soft_wrap=True)
    trainer.accelerator.wait_for_everyone()
    return metrics


def _score_pairs(trainer: RewardTrainer, pairs: Sequence[TokenPair]) -> Floats:
    """Return the rewards of the chosen and rejected texts, shape (B, 2), in the order of the pairs."""
    if not pairs:
        return np.zeros((0, 2))
    prediction = trainer.predict(PairDataset(pairs), metric_key_prefix="final")
    scores = np.empty((len(pairs), 2))
    scores[np.asarray(prediction.label_ids)] = prediction.predictions
    return scores


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
    metrics["parameters"] = sum(parameter.numel() for parameter in run.model.parameters())
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

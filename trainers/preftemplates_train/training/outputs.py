"""The outputs of a run: the checkpoint, the metrics, the held-out rewards, the report and the model card."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from accelerate.utils import gather_object  # type: ignore[import-untyped]

from preftemplates.data.writing import open_writer, write_text
from preftemplates_train.console import escape_text, replace_non_finite
from preftemplates_train.evaluation.metrics import measure_shortcuts
from preftemplates_train.evaluation.sample_figures import SampleRewards, measure_samples
from preftemplates_train.evaluation.scorer import Scorer
from preftemplates_train.model.adapters import ADAPTER_FOLDER, merge_adapters, save_adapter
from preftemplates_train.model.checkpoint import save_model
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
from preftemplates_train.reports.sentences import describe_result, explain_untrained, select_main_settings
from preftemplates_train.settings.objectives import OBJECTIVES, SOURCE_FIGURES
from preftemplates_train.training.feature_folder import remove_features
from preftemplates_train.training.write_errors import explain_write_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from preftemplates_train.data.dataset import TokenData
    from preftemplates_train.data.encoding import LabelledTokens
    from preftemplates_train.data.score_scale import ScoreScale
    from preftemplates_train.evaluation.metrics import Floats
    from preftemplates_train.settings.config import RewardConfig
    from preftemplates_train.settings.objectives import Objective
    from preftemplates_train.training.baselines import SimplerModels
    from preftemplates_train.training.prepare import PreparedRun
    from preftemplates_train.training.trainer import RewardTrainer

STAGING = ".saving-model"
"""The folder in the output folder in which all outputs are written before they are moved to their places."""


def write_outputs(
    run: PreparedRun, trainer: RewardTrainer, simpler: SimplerModels, config: RewardConfig, console: Console
) -> dict[str, Any]:
    """Save the model, load and measure the saved model, and write all outputs; only the first process writes.

    Returns:
        The content of `metrics.json`.

    Raises:
        TrainingError: the outputs cannot be written to the disk.
    """
    folder = Path(str(config.output_dir))
    staging = folder / STAGING
    try:
        with explain_write_errors(folder, config):
            metrics, summary = _write_staged(staging, run, trainer, simpler, config)
    except BaseException:  # on a full disk, a partial model would take up space
        shutil.rmtree(staging, ignore_errors=True)
        raise
    if trainer.is_world_process_zero():
        console.print(escape_text("\n" + "\n".join(summary)))
        adapter = f"{ADAPTER_FOLDER}, " if config.save_adapter else ""
        message = f"\nwrote {folder}: the model, {adapter}report.html, metrics.json, scores.jsonl"
        console.print(escape_text(message), soft_wrap=True)
    trainer.accelerator.wait_for_everyone()
    return metrics


def _write_staged(
    staging: Path, run: PreparedRun, trainer: RewardTrainer, simpler: SimplerModels, config: RewardConfig
) -> tuple[dict[str, Any], list[str]]:
    """Write all outputs to the staging folder, and move them to their places.

    Returns:
        The metrics and the summary; the summary is empty in processes that do not write.
    """
    folder = staging.parent
    parameters = sum(parameter.numel() for parameter in run.model.parameters())
    is_main = trainer.is_world_process_zero()
    if is_main:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        model = trainer.accelerator.unwrap_model(trainer.model)
        if config.save_adapter:
            save_adapter(staging / ADAPTER_FOLDER, model, run.tokenizer, run.record)
        save_model(staging, merge_adapters(model), run.tokenizer, run.record)
    trainer.accelerator.wait_for_everyone()
    objective, encoded = OBJECTIVES[config.objective], run.encoded
    held_out, clean = (
        SampleRewards.collect(rewards, samples, objective, encoded.scale)
        for rewards, samples in _score_saved_model(staging, trainer, encoded.held_out, encoded.clean)
    )
    compared = simpler.measure(objective, held_out)
    metrics = {**_measure_run(run, objective, held_out, clean), **compared, "parameters": parameters}
    summary: list[str] = []
    if is_main:
        summary = _write_results(staging, run, trainer, config, metrics, held_out)
        publish_outputs(staging, folder)
        remove_features(config)
    return metrics, summary


def _write_results(
    staging: Path,
    run: PreparedRun,
    trainer: RewardTrainer,
    config: RewardConfig,
    metrics: Mapping[str, Any],
    held_out: SampleRewards,
) -> list[str]:
    """Write the metrics, the scores, the report and the model card next to the model, and return the summary."""
    content = json.dumps(replace_non_finite(metrics), indent=1, ensure_ascii=False)
    write_text(staging / "metrics.json", content + "\n")
    _write_scores(staging / "scores.jsonl", run.encoded, OBJECTIVES[config.objective], held_out.rewards)
    steps = int(trainer.state.global_step)
    untrained = explain_untrained(config, steps)
    summary = describe_result(metrics, untrained)
    write_report(
        staging / "report.html",
        title=f"Reward model {Path(str(config.output_dir)).name}",
        summary=summary,
        history=trainer.state.log_history,
        **_select_drawn_rewards(held_out),
        metrics=metrics,
        settings={**select_main_settings(config), **asdict(run.record)},
        counts=metrics["data"],
        by_source=metrics.get("by_source", {}),
    )
    name = Path(str(config.output_dir)).name
    write_model_card(staging, metrics, run.record, config, name=name, steps=steps, untrained=untrained)
    return summary


def publish_outputs(staging: Path, folder: Path) -> None:
    """Move the files of a run to their places, with a manifest, and remove those of an earlier run that are left over.

    The new manifest is in the folder before the first file is moved. So if the run is killed in between, one of the
    two manifests lists each file that it leaves.
    """
    write_manifest(staging)
    names = list(read_manifest(staging))
    (staging / MANIFEST_FILE).replace(folder / PENDING_FILE)
    removed = [folder / name for name in read_manifest(folder) if name not in names and is_unchanged(folder, name)]
    for path in removed:
        path.unlink()
    for parent in {path.parent for path in removed} - {folder}:
        with suppress(OSError):  # the folder contains other files
            parent.rmdir()
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (staging / name).replace(folder / name)
    (folder / PENDING_FILE).replace(folder / MANIFEST_FILE)
    sync_folder(folder)
    shutil.rmtree(staging, ignore_errors=True)


def _select_drawn_rewards(held_out: SampleRewards) -> dict[str, Any]:
    """Return the rewards that the report draws, as arguments of `write_report`."""
    if held_out.rewards.shape[1] == 2:
        return {"chosen": held_out.rewards[:, 0].tolist(), "rejected": held_out.rewards[:, 1].tolist()}
    return {"answers": held_out} if len(held_out.rewards) else {}


def _score_saved_model(
    folder: Path, trainer: RewardTrainer, *sets: Sequence[LabelledTokens]
) -> list[tuple[Floats, Sequence[LabelledTokens]]]:
    """Load the saved model, and return the rewards of each set's texts, shape (N, K), with the set.

    Each process scores its share of the samples.
    """
    config, accelerator = trainer.args, trainer.accelerator
    model: Any = trainer.model
    model.to("cpu")  # make room on the device for the saved model
    scorer = Scorer(folder, batch_size=2 * config.per_device_eval_batch_size, device=config.device)
    rank, processes = config.process_index, config.world_size
    scored = []
    for samples in sets:
        own = scorer.group_rewards([one.ids for one in samples[rank::processes]])
        gathered = gather_object([own]) if processes > 1 else [own]
        texts = len(samples[0].ids) if samples else 1
        rewards = np.zeros((len(samples), texts))
        for number, part in enumerate(gathered):
            rewards[number::processes] = np.asarray(part, dtype=np.float64).reshape(-1, texts)
        scored.append((rewards, samples))
    accelerator.wait_for_everyone()
    return scored


def _measure_run(
    run: PreparedRun, objective: Objective, held_out: SampleRewards, clean: SampleRewards
) -> dict[str, Any]:
    """Return the content of `metrics.json`.

    Args:
        run: the run.
        objective: the objective of the run.
        held_out: the rewards of the held-out samples.
        clean: the rewards of the generated set's held-out samples, with the right labels.
    """
    samples = run.encoded.held_out
    metrics: dict[str, Any] = {"objective": objective.name}
    if samples:
        metrics |= measure_samples(objective, held_out)
        if objective.unit == "pair":
            chosen, rejected = ([len(one.ids[side]) for one in samples] for side in (0, 1))
            metrics |= measure_shortcuts(chosen, rejected, [one.sample.first_listed for one in samples])
        metrics["prompts_in_both"] = run.data.prompts_in_both
        metrics["by_source"] = _measure_sources(samples, objective, held_out)
    if len(clean.rewards):
        metrics["clean"] = measure_samples(objective, clean)
    metrics["data"] = [report.summarize() for report in run.data.reports.values()]
    return metrics


def _measure_sources(
    samples: Sequence[LabelledTokens], objective: Objective, held_out: SampleRewards
) -> dict[str, dict[str, float]]:
    source_of = np.array([one.sample.source for one in samples])
    by_source = {}
    for name in dict.fromkeys(source_of.tolist()):
        figures = measure_samples(objective, held_out.select(source_of == name))
        by_source[name] = {key: figures[key] for key in SOURCE_FIGURES[objective.figures]}
    return by_source


def _write_scores(path: Path, data: TokenData, objective: Objective, rewards: Floats) -> None:
    with open_writer(path) as writer:
        for one, of_sample in zip(data.held_out, rewards.tolist(), strict=True):
            place = {"source": one.sample.source, "row": one.sample.row}
            writer.write({**place, **_list_rewards(one, objective, of_sample, data.scale)})


def _list_rewards(
    one: LabelledTokens, objective: Objective, rewards: Sequence[float], scale: ScoreScale
) -> dict[str, Any]:
    """Return the rewards of a sample's texts and its labels, by column."""
    labels = {name: one.sample.labels[name] for name in objective.required_labels}
    if objective.unit == "pair":
        chosen, rejected = rewards
        flags = {name: bool(value) for name, value in labels.items()}
        return {"chosen_reward": chosen, "rejected_reward": rejected, "margin": chosen - rejected, **flags}
    (reward,) = rewards
    if objective.figures == "scores":
        return {"reward": reward, **labels, "predicted_score": scale.restore(reward)}
    return {"reward": reward, **{name: bool(value) for name, value in labels.items()}}

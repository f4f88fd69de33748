"""A whole run: prepare, train, evaluate and write; or a preview of its first samples."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import torch
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from preftemplates.errors import PrefTemplatesError
from preftemplates_train.console import escape_text
from preftemplates_train.data.branches import ComputeCost
from preftemplates_train.data.collators import BranchCollator, PaddedCollator
from preftemplates_train.data.dataset import GroupDataset, SampleDataset, read_first_samples
from preftemplates_train.data.tokenizer import remove_added_text
from preftemplates_train.errors import ResumeError, SetupError, TrainingError, summarize_error
from preftemplates_train.model.checks import find_unchanged_share
from preftemplates_train.model.tiny import use_one_thread
from preftemplates_train.progress import show_progress_on
from preftemplates_train.reports.preview import print_samples
from preftemplates_train.reports.sentences import (
    describe_data,
    describe_head,
    describe_layout,
    describe_resolution,
    describe_style,
)
from preftemplates_train.settings.objectives import OBJECTIVES
from preftemplates_train.training.baselines import SimplerModels, describe_cost, fit_baselines
from preftemplates_train.training.callbacks import (
    InterruptCallback,
    LogCallback,
    ResumedStoppingCallback,
    StepBarCallback,
    describe_kept_weights,
)
from preftemplates_train.training.environment import check_environment
from preftemplates_train.training.feature_folder import check_feature_folder
from preftemplates_train.training.head_fitting import describe_fitted_head, fit_run_head
from preftemplates_train.training.optimization import check_optimization
from preftemplates_train.training.output_folder import check_output_folder, lock_output_folder
from preftemplates_train.training.outputs import write_outputs
from preftemplates_train.training.prepare import PreparedRun, load_run_tokenizer, prepare_run
from preftemplates_train.training.resume import ResumePoint, check_same_run, continues_in_folder, find_resume_point
from preftemplates_train.training.trainer import RewardTrainer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from preftemplates_train.settings.config import RewardConfig


@dataclass
class TrainingResult:
    """The result of a run.

    Attributes:
        folder: where everything was written.
        metrics: the content of `metrics.json`; empty if the run was stopped.
        stopped_at: the step at which Ctrl-C stopped it; None if it reached its end.
    """

    folder: Path
    metrics: dict[str, Any]
    stopped_at: int | None = None


def preview_run(config: RewardConfig, console: Console) -> None:
    """Print the first three samples as a run would read them, without loading weights.

    Raises:
        SetupError: there is no sample, or the tokenizer cannot be loaded.
    """
    tokenizer, added = load_run_tokenizer(config)
    samples, choice = read_first_samples(config, added, tokenizer)
    console.print(escape_text(describe_style(choice)), soft_wrap=True)
    if tokenizer is not None and choice.style is not None:
        tokenizer = remove_added_text(tokenizer)
    print_samples(samples, tokenizer, console)
    unit = OBJECTIVES[config.objective].unit
    console.print(f"\ndry run: {len(samples)} {unit}s shown, nothing trained", highlight=False)


def train(config: RewardConfig, console: Console) -> TrainingResult:
    """Train, evaluate and write the checkpoint, the scores, the metrics and the report.

    Args:
        config: the settings.
        console: where to print.

    Raises:
        SetupError: the run cannot start with this data, model or these settings.
        ResumeError: the checkpoint to continue was written by a different run.
        NonFiniteError: a loss, gradient or score is not finite.
    """
    folder = Path(str(config.output_dir))
    is_main, resuming = config.process_index == 0, continues_in_folder(config)
    if is_main:
        check_output_folder(folder, resuming=resuming)
        check_feature_folder(config)
    check_environment(config)
    check_optimization(config)
    point = find_resume_point(config)
    one_thread = use_one_thread() if config.model_name_or_path is None else nullcontext()
    with one_thread, show_progress_on(console) if is_main else nullcontext():
        run = prepare_run(config, None if point is None else point.record.date)
        if point is not None:
            check_same_run(run.record, point.record, point.folder)
        with lock_output_folder(folder, resuming=resuming, is_main_process=is_main):
            if is_main:
                _print_beginning(run, point, config, console)
            with _convert_errors(Exception, to=TrainingError):
                simpler = _fit_simpler_models(run, config, console)
            trainer = _make_trainer(run, config, console)
            with InterruptCallback() as interrupt:
                trainer.add_callback(interrupt)
                if config.train == "full":
                    with StepBarCallback() as bar:
                        trainer.add_callback(bar)
                        _train_or_load(trainer, point)
            if interrupt.stopped_at is not None:
                return TrainingResult(folder, {}, interrupt.stopped_at)
            if is_main and config.train == "full" and config.load_best_model_at_end:
                console.print(escape_text(describe_kept_weights(trainer.state, config)), soft_wrap=True)
            with _convert_errors(Exception, to=TrainingError):
                return TrainingResult(folder, write_outputs(run, trainer, simpler, config, console))


def _fit_simpler_models(run: PreparedRun, config: RewardConfig, console: Console) -> SimplerModels:
    """Fit the models that need no training steps: the baselines, and the head of a run with `--train head`."""
    if config.process_index != 0:
        return SimplerModels()
    baselines = fit_baselines(run, config)
    cost = describe_cost(baselines, OBJECTIVES[config.objective].unit)
    if cost is not None:
        console.print(escape_text(cost), soft_wrap=True)
    head = fit_run_head(run, config) if config.train == "head" else None
    if head is not None:
        console.print(escape_text(describe_fitted_head(head)), soft_wrap=True)
    return SimplerModels(baselines, head)


def _print_beginning(run: PreparedRun, point: ResumePoint | None, config: RewardConfig, console: Console) -> None:
    """Print the style, the head, the data, the layout, the checkpoint to continue and the first samples."""
    console.print(escape_text(describe_style(run.data.choice)), soft_wrap=True)
    head = describe_head(run.head, config)
    if head is not None and config.train == "full":
        console.print(escape_text(head), soft_wrap=True)
    console.print(escape_text(describe_data(run.data, run.model, config)))
    console.print(
        escape_text(describe_layout(run.layout, run.no_branches, OBJECTIVES[config.objective].unit)), soft_wrap=True
    )
    warning = describe_resolution(find_unchanged_share(run.model, config.learning_rate), config)
    if warning is not None and config.train == "full":
        console.print(escape_text(warning), soft_wrap=True)
    if point is not None:
        for line in point.passed_over:
            console.print(escape_text(line), soft_wrap=True)
        console.print(escape_text(f"continuing from {point.folder}, step {point.step}"), soft_wrap=True)
    print_samples([one.sample for one in run.encoded.train[:3]], run.tokenizer, console)
    console.print()


def _train_or_load(trainer: RewardTrainer, point: ResumePoint | None) -> None:
    """Train; if the checkpoint is from the last step, only load its weights and log."""
    with _convert_errors(Exception, to=TrainingError):
        if point is not None and point.is_finished:
            trainer.load_finished_run(point.folder)
        else:
            trainer.train(resume_from_checkpoint=None if point is None else str(point.folder))


def _make_trainer(run: PreparedRun, config: RewardConfig, console: Console) -> RewardTrainer:
    config.dataloader_pin_memory = config.dataloader_pin_memory and torch.cuda.is_available()
    with _convert_errors(Exception):
        trainer = RewardTrainer(
            model=run.model,
            args=config,
            data_collator=(
                BranchCollator(ComputeCost.from_model(run.model).is_sharing_cheaper)
                if run.layout == "branches"
                else PaddedCollator(int(run.tokenizer.pad_token_id))
            ),
            grouped=run.layout == "grouped",
            train_dataset=GroupDataset(run.encoded.groups),
            eval_dataset=SampleDataset(run.encoded.held_out) if run.encoded.held_out else None,
            processing_class=run.tokenizer,
            record=run.record,
        )
    for printer in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(printer)
    trainer.add_callback(LogCallback(console))
    if config.early_stopping_patience is not None:
        trainer.add_callback(ResumedStoppingCallback(config.early_stopping_patience, config.early_stopping_threshold))
    return trainer


@contextmanager
def _convert_errors(*kinds: type[Exception], to: type[TrainingError] = SetupError) -> Iterator[None]:
    """Convert errors of other libraries to training errors."""
    try:
        yield
    except PrefTemplatesError:
        raise
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            "the device is out of memory; use a smaller --per_device_train_batch_size with more"
            " --gradient_accumulation_steps, or a smaller --max_length"
        ) from error
    except UnpicklingError as error:
        raise ResumeError(
            "the checkpoint contains objects that are not plain data, and code in a checkpoint is never run"
        ) from error
    except kinds as error:
        raise to(summarize_error(error)) from error

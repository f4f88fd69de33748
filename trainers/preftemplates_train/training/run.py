"""A whole run: prepare, train, evaluate and write; or a preview of its first pairs."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from preftemplates.errors import PrefTemplatesError
from preftemplates_train.console import escape_text
from preftemplates_train.data.branches import ComputeCost
from preftemplates_train.data.collators import BranchCollator, PairCollator
from preftemplates_train.data.dataset import GroupDataset, PairDataset, read_first_pairs
from preftemplates_train.data.tokenizer import remove_added_text
from preftemplates_train.errors import SetupError, summarize_error
from preftemplates_train.model.tiny import use_one_thread
from preftemplates_train.reports.preview import print_pairs
from preftemplates_train.reports.sentences import describe_data, describe_layout, describe_style
from preftemplates_train.training.callbacks import InterruptCallback, LogCallback, RecordCallback
from preftemplates_train.training.outputs import check_no_other_model, check_writable, write_outputs
from preftemplates_train.training.prepare import PreparedRun, load_run_tokenizer, prepare_run
from preftemplates_train.training.resume import find_checkpoint
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
    """Print the first three pairs as a run would read them; no weights are loaded.

    Raises:
        SetupError: there is no pair, or no such tokenizer.
    """
    tokenizer, added = load_run_tokenizer(config)
    pairs, choice = read_first_pairs(config, added, tokenizer)
    console.print(escape_text(describe_style(choice)), soft_wrap=True)
    if tokenizer is not None and choice.style is not None:
        tokenizer = remove_added_text(tokenizer)
    print_pairs(pairs, tokenizer, console)
    console.print(f"\ndry run: {len(pairs)} pairs shown, nothing trained", highlight=False)


def train(config: RewardConfig, console: Console) -> TrainingResult:
    """Train, evaluate and write the checkpoint, the scores, the metrics and the report.

    Args:
        config: the settings.
        console: where to print.

    Raises:
        SetupError: the data, model or settings do not allow a first step.
        ResumeError: the checkpoint to continue was made otherwise.
        NonFiniteError: a loss, gradient or score is not finite.
    """
    folder = Path(str(config.output_dir))
    check_writable(folder)
    if config.resume_from_checkpoint is None:
        check_no_other_model(folder)
    with use_one_thread() if config.model_name_or_path is None else nullcontext():
        run = prepare_run(config)
        checkpoint = find_checkpoint(config, run.record)
        trainer = _make_trainer(run, config, console)
        if trainer.is_world_process_zero():
            console.print(escape_text(describe_style(run.data.choice)), soft_wrap=True)
            console.print(escape_text(describe_data(run.data, run.model, config)))
            console.print(escape_text(describe_layout(run.layout, run.no_branches)), soft_wrap=True)
            print_pairs([pair.pair for pair in run.encoded.train[:3]], run.tokenizer, console)
            console.print()
        with InterruptCallback() as interrupt:
            trainer.add_callback(interrupt)
            with _convert_errors(ImportError):  # a package that an option needs
                trainer.train(resume_from_checkpoint=checkpoint)
        if interrupt.stopped_at is not None:
            return TrainingResult(folder, {}, interrupt.stopped_at)
        return TrainingResult(folder, write_outputs(run, trainer, config, console))


def _make_trainer(run: PreparedRun, config: RewardConfig, console: Console) -> RewardTrainer:
    config.dataloader_pin_memory = config.dataloader_pin_memory and torch.cuda.is_available()
    with _convert_errors(ImportError, ValueError, RuntimeError, OSError):
        trainer = RewardTrainer(
            model=run.model,
            args=config,
            data_collator=(
                BranchCollator(ComputeCost.from_model(run.model).is_sharing_cheaper)
                if run.layout == "branches"
                else PairCollator(int(run.tokenizer.pad_token_id))
            ),
            grouped=run.layout == "grouped",
            train_dataset=GroupDataset(run.encoded.groups),
            eval_dataset=PairDataset(run.encoded.held_out) if run.encoded.held_out else None,
            processing_class=run.tokenizer,
            callbacks=[RecordCallback(run.record)],
        )
    for printer in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(printer)
    trainer.add_callback(LogCallback(console))
    return trainer


@contextmanager
def _convert_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Raise errors of transformers as a `SetupError`."""
    try:
        yield
    except PrefTemplatesError:
        raise
    except kinds as error:
        raise SetupError(summarize_error(error)) from error

"""Callbacks: a line for each log entry, early stopping, and a clean stop on Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import EarlyStoppingCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from preftemplates_train.progress import show_bar

if TYPE_CHECKING:
    from types import FrameType

    from rich.console import Console

    from preftemplates_train.settings.config import RewardConfig


LOG_FORMATS = {
    "loss": "loss {:.4f}",
    "accuracy": "accuracy {:.3f}",
    "margin": "margin {:+.3f}",
    "learning_rate": "lr {:.2e}",
    "eval_loss": "held out: loss {:.4f}",
    "eval_accuracy": "accuracy {:.3f}",
    "eval_margin_mean": "margin {:+.3f}",
    "eval_safe_accuracy": "safe or not {:.3f}",
    "eval_auc": "auc {:.3f}",
    "eval_rmse": "rmse {:.4g}",
    "eval_spearman": "spearman {:.3f}",
}
"""The entries of a log line, in order."""


SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""The signals that end a run with a checkpoint: that of Ctrl-C, and the one that cluster schedulers send."""


class LogCallback(TrainerCallback):
    """Prints a line for each entry of the log."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.start = time.perf_counter()

    def on_log(
        self,
        args: TrainingArguments,  # noqa: ARG002  passed by position
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002  passed by position
        logs: Any = None,
        **_: Any,
    ) -> None:
        """Print the values of this entry."""
        parts = [text.format(logs[name]) for name, text in LOG_FORMATS.items() if name in (logs or {})]
        if parts and state.is_world_process_zero:
            seconds = time.perf_counter() - self.start
            step = f"step {state.global_step:>{len(str(state.max_steps))}}/{state.max_steps}"
            self.console.print("  ".join([step, *parts, f"{seconds:.0f} s"]), highlight=False, style="dim")


class StepBarCallback(TrainerCallback):
    """Shows a bar that counts the steps; it is a context, so that an error removes the bar."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._bar: Any = None

    def __enter__(self) -> StepBarCallback:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def on_train_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002  passed by position
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002  passed by position
        **_: Any,
    ) -> None:
        """Show the bar; in a resumed run it starts at the step of the checkpoint."""
        if state.is_world_process_zero:
            self._bar = self._stack.enter_context(show_bar("training", state.max_steps))
            self._bar.set(state.global_step)

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002  passed by position
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002  passed by position
        **_: Any,
    ) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.set(state.global_step)


class ResumedStoppingCallback(EarlyStoppingCallback):
    """Stops early as transformers does; a resumed run continues the count of its checkpoint.

    transformers saves the count, but restores it only with `restore_callback_states_from_checkpoint`, which also
    restores the callbacks of other programs.
    """

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **options: Any
    ) -> None:
        """Read the count from the checkpoint, if the run that wrote it could stop early."""
        super().on_train_begin(args, state, control, **options)
        self._first_step = state.global_step
        saved: Any = state.stateful_callbacks
        saved.setdefault(type(self).__name__, self.state())  # transformers expects an entry to write the count to
        self.early_stopping_patience_counter = count_without_improvement(state)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: Any = None,
        **options: Any,
    ) -> None:
        """Count an evaluation, unless `eval_on_start` repeats the checkpoint's evaluation before the first step."""
        if state.global_step > self._first_step:
            super().on_evaluate(args, state, control, metrics, **options)


def count_without_improvement(state: TrainerState) -> int:
    """Return the number of evaluations in a row without improvement when a state was saved."""
    callbacks: Any = state.stateful_callbacks
    saved = callbacks.get(ResumedStoppingCallback.__name__, {})
    return int(saved.get("attributes", {}).get("early_stopping_patience_counter", 0))


def describe_kept_weights(state: TrainerState, config: RewardConfig) -> str:
    """Return a line that says where a run stopped, if it stopped early, and from which checkpoint the model comes.

    Args:
        state: the state after the last step, of a run that Ctrl-C did not stop.
        config: the settings, by which the best checkpoint is loaded at the end.
    """
    name = str(config.metric_for_best_model).removeprefix("eval_")
    reason = ""
    if config.early_stopping_patience is not None and state.global_step < state.max_steps:
        patience, threshold = config.early_stopping_patience, config.early_stopping_threshold
        by = f" by more than {threshold:g}" if threshold else ""
        evaluations = "1 evaluation" if patience == 1 else f"{patience} evaluations in a row"
        reason = (
            f"stopped early at step {state.global_step} of {state.max_steps}: {name} did not improve{by} in"
            f" {evaluations}; "
        )
    if state.best_model_checkpoint is None:
        return f"{reason}the model has the weights of the last step, since the best evaluation has no checkpoint"
    checkpoint = Path(state.best_model_checkpoint).name
    values = (
        entry[f"eval_{name}"]
        for entry in state.log_history
        if checkpoint == f"checkpoint-{entry['step']}" and f"eval_{name}" in entry
    )
    value = next(values, state.best_metric)  # they differ if the best evaluation of all had no checkpoint
    return f"{reason}the model has the weights of {checkpoint}, whose {name} is {value:.4f}"


class InterruptCallback(TrainerCallback):
    """A context in which the first Ctrl-C or SIGTERM ends the run after the current step, with a checkpoint.

    A second one ends it immediately.

    Attributes:
        stopped_at: the step at which the run was ended; None if it was not.
    """

    def __init__(self) -> None:
        self.stopped_at: int | None = None
        self._interrupted_at: float | None = None
        self._handlers_before: dict[int, Any] = {}

    def __enter__(self) -> InterruptCallback:
        if threading.current_thread() is threading.main_thread():  # no other thread receives signals
            self._handlers_before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)

    def _handle(self, _signum: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._interrupted_at is not None and now - self._interrupted_at > 1:
            raise KeyboardInterrupt  # a second signal within a second may be the first one, forwarded by a launcher
        self._interrupted_at = self._interrupted_at or now

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **_: Any,
    ) -> TrainerControl:
        """Save and stop, if there was a signal in any process."""
        is_stopped = self._interrupted_at is not None
        if args.world_size > 1:  # all processes stop after the same step
            flag = torch.tensor(float(is_stopped), device=args.device)
            torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
            is_stopped = bool(flag)
        if is_stopped:
            control.should_save = control.should_training_stop = True
            self.stopped_at = state.global_step
        return control

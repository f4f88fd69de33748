"""A whole run: data, model, training, evaluation, and what one looks at afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from transformers import PreTrainedTokenizerFast
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import get_last_checkpoint

from preftemplates.errors import PrefTemplatesError
from preftemplates.writing import open_writer, write_text
from preftemplates_train.console import escape_text
from preftemplates_train.data.branches import Cost
from preftemplates_train.data.collators import LABELS, BranchCollator, GroupDataset, PairCollator, PairDataset
from preftemplates_train.data.dataset import Data, Encoded, encode_data, first_pairs, read_data
from preftemplates_train.data.encoding import TokenPair
from preftemplates_train.data.tokenizer import Around, adding_nothing, around, encode, load_tokenizer, set_pad
from preftemplates_train.errors import ResumeError, SetupError, summarize_error
from preftemplates_train.evaluation import metrics
from preftemplates_train.model.attention import why_no_branches
from preftemplates_train.model.checkpoint import (
    Record,
    check_reload,
    check_writable,
    refuse_taken,
    save_model,
    settings_of,
    tokenizer_digest,
)
from preftemplates_train.model.loading import (
    add_lora,
    check_padding,
    choose_length,
    fit_vocabulary,
    load_config,
    load_model,
    merged,
    positions,
)
from preftemplates_train.model.tiny import one_thread, tiny_model, tiny_tokenizer
from preftemplates_train.reports import sentences as words
from preftemplates_train.reports.html import write_report
from preftemplates_train.reports.model_card import write_card
from preftemplates_train.reports.preview import print_pairs
from preftemplates_train.settings.config import BatchLayout, RewardConfig
from preftemplates_train.training.callbacks import LogLines, StopOnInterrupt, WriteRecord
from preftemplates_train.training.trainer import RewardTrainer

Floats = metrics.Floats


@dataclass
class Prepared:
    """All that a run needs before its first step.

    Attributes:
        layout: how batches are laid out, chosen.
        no_branches: why that is not in branches.
    """

    data: Data
    encoded: Encoded
    tokenizer: PreTrainedTokenizerFast
    model: Any
    layout: BatchLayout
    no_branches: str | None
    record: Record


@dataclass
class Outcome:
    """What came of a run.

    Attributes:
        folder: where everything was written.
        metrics: what `metrics.json` holds; empty if the run was stopped.
        stopped_at: the step at which Ctrl-C stopped it; None if it came to its end.
    """

    folder: Path
    metrics: dict[str, Any]
    stopped_at: int | None = None


def show(config: RewardConfig, console: Console) -> None:
    """Print the first three pairs as a run would read them; no weights are loaded.

    Raises:
        SetupError: there is no pair, or no such tokenizer.
    """
    tokenizer, added = _load_tokenizer(config)
    pairs, style = first_pairs(config, added)
    if tokenizer is not None and style is not None:
        tokenizer = adding_nothing(tokenizer)
    print_pairs(pairs, tokenizer, console)
    console.print(f"\ndry run: {len(pairs)} pairs shown, nothing trained", highlight=False)


def train(config: RewardConfig, console: Console) -> Outcome:
    """Train, evaluate and write the checkpoint, the scores, the metrics and the report.

    Args:
        config: the settings.
        console: where to print.

    Raises:
        SetupError: the data, model or settings do not allow a first step.
        ResumeError: the checkpoint to go on from was made otherwise.
        NonFiniteError: a loss, gradient or score is not finite.
    """
    folder = Path(str(config.output_dir))
    check_writable(folder)
    if config.resume_from_checkpoint is None:
        refuse_taken(folder)
    with one_thread() if config.model_name_or_path is None else nullcontext():
        run = prepare(config)
        resumed = _resume(config, run.record)
        trainer = _trainer(run, config, console)
        if trainer.is_world_process_zero():
            console.print(escape_text(words.data(run.data, run.encoded, run.model, config)))
            console.print(escape_text(words.laid_out(run.layout, run.no_branches)), soft_wrap=True)
            print_pairs([pair.pair for pair in run.encoded.train[:3]], run.tokenizer, console)
            console.print()
        with StopOnInterrupt() as stop:
            trainer.add_callback(stop)
            with _refusals(ImportError):  # a package that an option needs
                trainer.train(resume_from_checkpoint=resumed)
        if stop.stopped_at is not None:
            return Outcome(folder, {}, stop.stopped_at)
        return _finish(run, trainer, config, console)


def _load_tokenizer(config: RewardConfig) -> tuple[PreTrainedTokenizerFast | None, Around]:
    """The named model's tokenizer and what it adds to escape_text text; a small model's comes from the texts."""
    if config.model_name_or_path is None:
        return None, Around("", "")
    tokenizer = load_tokenizer(config.model_name_or_path, config.model_revision)
    return tokenizer, around(tokenizer)


def prepare(config: RewardConfig) -> Prepared:
    """Read the data, load the model and check that they go together.

    Raises:
        SetupError: they do not.
    """
    tokenizer, added = _load_tokenizer(config)
    name = config.model_name_or_path
    model_config = load_config(name, config.model_revision, disable_dropout=config.disable_dropout) if name else None
    max_length = choose_length(config.max_length, positions(model_config) if name else None)
    data = read_data(config, added)
    if tokenizer is None:
        tokenizer = tiny_tokenizer(text for pair in data.train for text in (pair.chosen, pair.rejected))
    tokens_before = len(tokenizer)
    if data.style is not None:
        tokenizer = adding_nothing(tokenizer)
        tokenizer.chat_template = data.style.chat_template
    set_pad(tokenizer, data.style, config.pad_token)
    encoded = encode_data(
        data,
        lambda texts: encode(tokenizer, texts),
        max_length=max_length,
        pad_id=int(tokenizer.pad_token_id),
        config=config,
    )
    _check_objective(encoded, config)
    model = load_model(name, model_config, config) if name else tiny_model(tokenizer, max_length, config.seed)
    fit_vocabulary(model, tokenizer, tokens_before)
    check_padding(model, int(tokenizer.pad_token_id))
    check_reload(tokenizer, model.config, [pair.pair.chosen for pair in encoded.train[:100]])
    record = _record(config, data, encoded, tokenizer, added, max_length)
    layout, reason = choose_layout(model, int(tokenizer.pad_token_id), config)
    model = add_lora(model, config) if config.use_peft else model
    return Prepared(data, encoded, tokenizer, model, layout, reason, record)


def _check_objective(encoded: Encoded, config: RewardConfig) -> None:
    """Refuse to learn from a label that no pair has.

    Raises:
        SetupError: none has it.
    """
    label = config.objective
    if label in LABELS and all(getattr(pair.pair, label) is None for pair in encoded.train):
        raise SetupError(f"objective is {label}, and no pair has one: the template declares none, or formats by hand")


def choose_layout(model: Any, pad_id: int, config: RewardConfig) -> tuple[BatchLayout, str | None]:
    """How batches are laid out, and why that is not in branches.

    Raises:
        SetupError: the settings ask for branches, and the model does not take them.
    """
    if config.layout in ("grouped", "padded"):
        return config.layout, f"layout is {config.layout}"
    if config.attn_implementation:
        return "grouped", f"attn_implementation is {config.attn_implementation}"
    reason = why_no_branches(model, pad_id)
    if reason is not None and config.layout == "branches":
        raise SetupError(f"layout branches: the model does not take it: {reason}")
    return ("branches", None) if reason is None else ("grouped", reason)


def _record(
    config: RewardConfig,
    data: Data,
    encoded: Encoded,
    tokenizer: PreTrainedTokenizerFast,
    added: Around,
    max_length: int,
) -> Record:
    special = {"bos": tokenizer.bos_token, "eos": tokenizer.eos_token, "pad": tokenizer.pad_token, **added._asdict()}
    return Record(
        templates={
            name: {"name": template.name, "digest": template.digest} for name, template in data.templates.items()
        },
        style=None if data.style is None else {"name": data.style.name, "digest": data.style.digest},
        special_tokens={**special, "written_by": "tokenizer" if data.style is None else "style"},
        max_length=max_length,
        length_policy=config.length_policy,
        tokenizer=tokenizer_digest(tokenizer),
        data=encoded.digest,
        settings=settings_of(config),
    )


def _trainer(run: Prepared, config: RewardConfig, console: Console) -> RewardTrainer:
    config.dataloader_pin_memory = config.dataloader_pin_memory and torch.cuda.is_available()
    with _refusals(ImportError, ValueError, RuntimeError, OSError):
        trainer = RewardTrainer(
            model=run.model,
            args=config,
            data_collator=(
                BranchCollator(Cost.of(run.model).shares)
                if run.layout == "branches"
                else PairCollator(int(run.tokenizer.pad_token_id))
            ),
            grouped=run.layout == "grouped",
            train_dataset=GroupDataset(run.encoded.groups),
            eval_dataset=PairDataset(run.encoded.held_out) if run.encoded.held_out else None,
            processing_class=run.tokenizer,
            callbacks=[WriteRecord(run.record)],
        )
    for printer in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(printer)
    trainer.add_callback(LogLines(console))
    return trainer


@contextmanager
def _refusals(*kinds: type[Exception]) -> Iterator[None]:
    """What transformers refuses, as our error."""
    try:
        yield
    except PrefTemplatesError:
        raise
    except kinds as error:
        raise SetupError(summarize_error(error)) from error


def _resume(config: RewardConfig, record: Record) -> str | None:
    """The checkpoint to go on from, which was made as this run is; `true` names the last one.

    Raises:
        ResumeError: there is none, or it was made otherwise.
    """
    wanted = config.resume_from_checkpoint
    if wanted is None:
        return None
    folder = Path(str(config.output_dir))
    last = get_last_checkpoint(folder) if folder.is_dir() else None
    name = last if str(wanted).lower() in ("true", "last") else str(wanted)
    if name is None or not Path(name).is_dir():
        raise ResumeError(f"there is no checkpoint {name or f'in {folder}'} to go on from")
    record.check_resumes(Record.read(Path(name)), Path(name))
    return str(name)


def _finish(run: Prepared, trainer: RewardTrainer, config: RewardConfig, console: Console) -> Outcome:
    """Evaluate and write everything; only the first process writes."""
    margins = _scores(trainer, run.encoded.held_out)
    clean = _scores(trainer, run.encoded.clean)
    folder = Path(str(config.output_dir))
    found = measured(run, margins, clean)
    if trainer.is_world_process_zero():
        folder.mkdir(parents=True, exist_ok=True)
        save_model(folder, merged(trainer.accelerator.unwrap_model(trainer.model)), run.tokenizer, run.record)
        write_text(folder / "metrics.json", json.dumps(metrics.finite(found), indent=1, ensure_ascii=False) + "\n")
        _write_scores(folder / "scores.jsonl", run.encoded.held_out, margins)
        said = words.learnt(found)
        _write_report(folder / "report.html", run, config, trainer.state.log_history, margins, found, said)
        write_card(folder, found, run.record, config)
        console.print(escape_text("\n" + "\n".join(said)))
        console.print(
            escape_text(f"\nwrote {folder}: the model, report.html, metrics.json, scores.jsonl"), soft_wrap=True
        )
    trainer.accelerator.wait_for_everyone()
    return Outcome(folder, found)


def _scores(trainer: RewardTrainer, pairs: Sequence[TokenPair]) -> Floats:
    """The rewards of the chosen and rejected texts, shape (B, 2), in the order of the pairs."""
    if not pairs:
        return np.zeros((0, 2))
    predicted = trainer.predict(PairDataset(pairs), metric_key_prefix="final")
    scores = np.empty((len(pairs), 2))
    scores[np.asarray(predicted.label_ids)] = predicted.predictions
    return scores


def measured(run: Prepared, scores: Floats, clean: Floats) -> dict[str, Any]:
    """What `metrics.json` holds.

    Args:
        run: the run.
        scores: of the held-out pairs, shape (B, 2).
        clean: of the generated set's held-out pairs with the right labels.
    """
    pairs = run.encoded.held_out
    found: dict[str, Any] = {}
    if pairs:
        found |= metrics.summary(scores[:, 0], scores[:, 1])
        found |= _shortcuts(pairs)
        found["prompts_in_both"] = run.data.prompts_in_both
        found["by_source"] = _by_source(pairs, scores)
    if len(clean):
        found["clean"] = metrics.summary(clean[:, 0], clean[:, 1])
    found["data"] = [report.counts() for report in run.data.reports.values()]
    found["parameters"] = sum(parameter.numel() for parameter in run.model.parameters())
    return found


def _shortcuts(pairs: Sequence[TokenPair]) -> dict[str, float]:
    return metrics.shortcuts(
        [len(pair.chosen_ids) for pair in pairs],
        [len(pair.rejected_ids) for pair in pairs],
        [pair.pair.first_listed for pair in pairs],
    )


def _by_source(pairs: Sequence[TokenPair], scores: Floats) -> dict[str, dict[str, float]]:
    sources = np.array([pair.pair.source for pair in pairs])
    found = {}
    for name in dict.fromkeys(sources.tolist()):
        margins = (scores[:, 0] - scores[:, 1])[sources == name]
        accuracy, stderr = metrics.accuracy(margins)
        found[name] = {"pairs": float(len(margins)), "accuracy": accuracy, "accuracy_stderr": stderr}
    return found


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


def _write_report(
    path: Path,
    run: Prepared,
    config: RewardConfig,
    history: list[dict[str, float]],
    scores: Floats,
    found: dict[str, Any],
    said: list[str],
) -> None:
    write_report(
        path,
        title=f"Reward model {Path(str(config.output_dir)).name}",
        summary=said,
        history=history,
        chosen=scores[:, 0].tolist(),
        rejected=scores[:, 1].tolist(),
        metrics=found,
        settings={**words.settings(config), **asdict(run.record)},
        counts=found["data"],
        by_source=found.get("by_source", {}),
    )

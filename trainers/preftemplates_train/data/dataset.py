"""The dataset of a run: read the samples of all sources, split them by prompt, and encode them."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeVar

from torch.utils.data import Dataset

from preftemplates.data.sample_ids import SampleEncoder
from preftemplates.data.sample_tokens import make_block_encoder
from preftemplates_train.data.counts import (
    SourceReport,
    check_dropped_samples,
    check_pad_token,
    check_rejected_rows,
    make_no_sample_error,
)
from preftemplates_train.data.encoding import LabelledTokens, TokenGroup, encode_labelled_texts, group_by_row
from preftemplates_train.data.label_checks import check_distance, check_labels, check_template
from preftemplates_train.data.labelled_texts import LabelledTextReader, LabelledTexts, read_labelled_texts
from preftemplates_train.data.score_scale import UNSCALED, ScoreScale
from preftemplates_train.data.shared_prompts import find_shared_rows
from preftemplates_train.data.sources import DataSource, is_generated, list_sources, read_clean_samples
from preftemplates_train.data.split import split_by_prompt
from preftemplates_train.data.style_choice import StyleChoice, choose_style
from preftemplates_train.data.tokenizer import NO_ADDED_TEXT, AddedText, prepare_tokenizer
from preftemplates_train.errors import SetupError
from preftemplates_train.settings.objectives import OBJECTIVES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

    from preftemplates import Style, Template
    from preftemplates.data.columnar.tokens.block_tokens import BlockEncoder
    from preftemplates_train.data.lengths import LengthReport
    from preftemplates_train.settings.config import RewardConfig
    from preftemplates_train.settings.objectives import Objective

Item = TypeVar("Item")


@dataclass
class TextData:
    """The samples of a run, as texts.

    Attributes:
        choice: the style of all texts, and the reason for it.
        templates: the template of each source by its name.
        train: samples to train on.
        held_out: samples to evaluate on.
        reports: the counts of the rows, by the source's name.
        weights: how often a source's samples are seen in an epoch.
        clean: for the generated set, the held-out samples with the right labels.
        tokenizer: the tokenizer with which the samples were encoded; None if they were not.
    """

    choice: StyleChoice
    templates: dict[str, Template]
    train: list[LabelledTexts] = field(default_factory=list)
    held_out: list[LabelledTexts] = field(default_factory=list)
    reports: dict[str, SourceReport] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    clean: list[LabelledTexts] = field(default_factory=list)
    tokenizer: PreTrainedTokenizerFast | None = None

    @property
    def style(self) -> Style | None:
        """The style of all texts; None if a custom template writes them."""
        return self.choice.style

    @property
    def prompts_in_both(self) -> int:
        """The number of held-out samples with a prompt that is also trained on."""
        trained = {sample.prompt for sample in self.train}
        return sum(sample.prompt in trained for sample in self.held_out)


def read_data(
    config: RewardConfig,
    added: AddedText = NO_ADDED_TEXT,
    tokenizer: PreTrainedTokenizerFast | None = None,
    date: str | None = None,
) -> TextData:
    """Read the rows that the settings name, or the generated set; with a tokenizer, also encode them.

    Args:
        config: the settings.
        added: the special tokens that the style must write.
        tokenizer: the model's tokenizer, which may have a chat template; None if no model is named. The run's
            tokenizer is prepared from it.
        date: the date for styles that print one; today by default.

    Raises:
        TooManyBadRowsError: more than 10 rows and more than 1 % of a source are rejected.
        SetupError: there are no samples, the sources cannot be combined, or a template does not give the samples or
            labels that the objective learns from.
    """
    objective, sources = OBJECTIVES[config.objective], list_sources(config)
    for source in sources:
        check_template(source.name, source.template, objective)
    choice = choose_style(sources, config, tokenizer, added, date)
    style = choice.style
    if style is not None:
        sources = [source._replace(template=source.template.with_style(style)) for source in sources]
    data = TextData(choice, {source.name: source.template for source in sources})
    encoder = None
    if tokenizer is not None:
        data.tokenizer = prepare_tokenizer(tokenizer, style, config.pad_token)
        encoder = None if style is None else make_block_encoder(data.tokenizer, style)
    for source in sources:
        _read_source(source, data, objective, encoder)
    if is_generated(config):
        data.clean = read_clean_samples(config.seed, style, objective.format)
    for samples in (data.train, data.held_out):
        _check_beginnings(samples, added, style)
    if any(source.held_out is not None for source in sources):
        if not data.held_out:
            names = (source.name for source in sources if source.held_out is not None)
            reports = {name: data.reports[name].rows[-1:] for name in names}
            raise make_no_sample_error("evaluate on", reports, objective.unit)
    elif config.eval_size > 0 and data.train:
        data.train, data.held_out = split_by_prompt(data.train, config.eval_size, config.seed)
    for name, issue in find_shared_rows(data.train, data.held_out):
        data.reports[name].shared.append(issue)
    return data


def read_first_samples(
    config: RewardConfig, added: AddedText, tokenizer: PreTrainedTokenizerBase | None = None, number: int = 3
) -> tuple[list[LabelledTexts], StyleChoice]:
    """Read the first samples of the first source, without reading more rows than needed, and return their style.

    Raises:
        SetupError: there is no sample, or the template does not give what the objective learns from.
    """
    objective, source = OBJECTIVES[config.objective], list_sources(config)[0]
    check_template(source.name, source.template, objective)
    choice = choose_style([source], config, tokenizer, added)
    template = source.template if choice.style is None else source.template.with_style(choice.style)
    assert source.rows is not None
    reader = LabelledTextReader(source.rows(), template, objective.format, source=source.name, in_slices=False)
    samples = list(islice(reader, number))
    if not samples:
        check_rejected_rows(source.name, reader.report)
        raise make_no_sample_error("show", {source.name: [reader.report]}, objective.unit)
    return samples, choice


def _read_source(source: DataSource, data: TextData, objective: Objective, encoder: BlockEncoder | None) -> None:
    name, template = source.name, source.template
    source_report = data.reports.setdefault(name, SourceReport(name, template.name, objective.unit))
    data.weights[name] = source.weight
    for open_side, side in ((source.rows, data.train), (source.held_out, data.held_out)):
        if open_side is not None:
            samples, report = read_labelled_texts(
                open_side(), template, objective.format, source=name, encoder=encoder
            )
            check_rejected_rows(name, report)
            side += samples
            source_report.rows.append(report)


def _check_beginnings(samples: Sequence[LabelledTexts], added: AddedText, style: Style | None) -> None:
    """Raise an error if the texts of a custom template begin with the special tokens that the tokenizer adds."""
    if style is None and added.before and any(sample.texts[0].startswith(added.before) for sample in samples):
        raise SetupError(
            f"the custom template and the tokenizer both write {added.before!r}, so texts would begin with it twice;"
            " remove it from the template"
        )


@dataclass
class TokenData:
    """The samples of a run, as token ids.

    Attributes:
        groups: the samples of an epoch, grouped by row and repeated by the weight of their source.
        held_out: the samples to evaluate on.
        clean: for the generated set, the held-out samples with the right labels.
        digest: a hash of `train`: of the token ids, and of the labels that the objective reads.
        scale: the scale of the training scores; the identity without scores.
    """

    groups: list[TokenGroup]
    held_out: list[LabelledTokens]
    clean: list[LabelledTokens]
    digest: str
    scale: ScoreScale = UNSCALED

    @property
    def train(self) -> list[LabelledTokens]:
        """The samples of an epoch."""
        return list(chain.from_iterable(self.groups))

    @property
    def all_samples(self) -> list[LabelledTokens]:
        """The samples of an epoch, and those to evaluate on."""
        return [*self.train, *self.held_out, *self.clean]


def encode_data(
    data: TextData, tokenizer: PreTrainedTokenizerFast, *, max_length: int, config: RewardConfig
) -> TokenData:
    """Encode all texts, drop the samples that do not fit, and fill in the reports.

    Raises:
        SetupError: more samples are dropped than allowed, no sample is left, or labels of the objective are missing.
    """
    encoder, pad_id = SampleEncoder(tokenizer, data.style), int(tokenizer.pad_token_id)
    objective = OBJECTIVES[config.objective]

    def encode_source(samples: list[LabelledTexts], name: str) -> tuple[list[LabelledTokens], LengthReport]:
        of_source = [sample for sample in samples if sample.source == name]
        check_pad_token(name, of_source, str(tokenizer.pad_token), config.max_dropped, objective.unit)
        kept, report = encode_labelled_texts(
            of_source, encoder, max_length=max_length, pad_id=pad_id, policy=config.length_policy, style=data.style
        )
        check_dropped_samples(name, report, max_length, config.max_dropped, config.length_policy, objective.unit)
        return kept, report

    groups: list[TokenGroup] = []
    held_out: list[LabelledTokens] = []
    for name, report in data.reports.items():
        samples, report.train = encode_source(data.train, name)
        groups += repeat_by_weight(group_by_row(samples), data.weights[name], config.seed)
        samples, report.held_out = encode_source(data.held_out, name)
        held_out += samples
    reports = {name: report.rows for name, report in data.reports.items()}
    if not groups:
        dropped = {name: report.train for name, report in data.reports.items()}
        raise make_no_sample_error("train on", reports, objective.unit, dropped, max_length, config.length_policy)
    if data.held_out and not held_out:
        dropped = {name: report.held_out for name, report in data.reports.items()}
        raise make_no_sample_error("evaluate on", reports, objective.unit, dropped, max_length, config.length_policy)
    clean, _ = encode_labelled_texts(data.clean, encoder, max_length=max_length, pad_id=pad_id)
    digest = _hash_samples(chain.from_iterable(groups), objective)
    return _prepare_labels(TokenData(groups, held_out, clean, digest), objective)


def _prepare_labels(data: TokenData, objective: Objective) -> TokenData:
    """Check the labels, and return the samples; for an objective that learns scores, with standardised scores."""
    check_labels(data.train, objective)
    if objective.required_labels:
        check_labels([*data.held_out, *data.clean], objective)
    if "score" not in objective.labels:
        return data
    scale = ScoreScale.measure([one.labels["score"] for one in data.train])

    def scale_labels(one: LabelledTokens) -> LabelledTokens:
        score = scale.standardise(one.labels["score"])
        check_distance(one, score)
        return one._replace(labels={**one.labels, "score": score})

    scaled = {id(group): tuple(map(scale_labels, group)) for group in data.groups}  # a weight repeats groups
    groups = [scaled[id(group)] for group in data.groups]
    return replace(data, groups=groups, held_out=[*map(scale_labels, data.held_out)], scale=scale)


def repeat_by_weight(items: Sequence[Item], weight: float, seed: int) -> list[Item]:
    """Repeat the items by a weight: its whole part repeats all items, and its fraction adds a random share of them.

    >>> len(repeat_by_weight("ten of ten", 2.5, seed=0)), len(repeat_by_weight("ten of ten", 0.3, seed=0))
    (25, 3)
    """
    times, share = divmod(weight, 1)
    return [*items] * int(times) + random.Random(seed).sample(list(items), round(share * len(items)))


def _hash_samples(samples: Iterable[LabelledTokens], objective: Objective) -> str:
    digest = hashlib.sha256()
    for one in samples:
        labels = [one.labels.get(name) for name in objective.labels]
        digest.update(repr((*one.ids, labels) if labels else one.ids).encode())
    return digest.hexdigest()


class GroupDataset(Dataset[dict[str, Any]]):
    """Groups of samples for the collators, which compute each text of a group once, such as in a ranking's pairs."""

    def __init__(self, groups: Sequence[TokenGroup]) -> None:
        self.groups = groups

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one group: its index, and its samples with their labels."""
        return {"index": index, "samples": [{"ids": one.ids, **one.labels} for one in self.groups[index]]}

    @property
    def lengths(self) -> list[int]:
        """The number of tokens of each group's longest text."""
        return [max(len(ids) for one in group for ids in one.ids) for group in self.groups]


class SampleDataset(GroupDataset):
    """Samples, each a group of its own."""

    def __init__(self, samples: Sequence[LabelledTokens]) -> None:
        super().__init__([(one,) for one in samples])

"""The dataset of a run: pairs read from all sources, split by prompt, encoded, and as PyTorch datasets."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeVar

from torch.utils.data import Dataset

from preftemplates.data.sample_ids import SampleEncoder
from preftemplates.data.sample_tokens import make_block_encoder
from preftemplates_train.data.counts import (
    SourceReport,
    check_dropped_pairs,
    check_pad_token,
    check_rejected_rows,
    make_no_pair_error,
)
from preftemplates_train.data.encoding import TokenGroup, TokenPair, encode_pairs, group_by_row
from preftemplates_train.data.pairs import LABEL_DEFAULTS, PairReader, TextPair, read_pairs
from preftemplates_train.data.shared_prompts import find_shared_rows
from preftemplates_train.data.sources import DataSource, is_generated, list_sources, read_clean_pairs
from preftemplates_train.data.split import split_by_prompt
from preftemplates_train.data.style_choice import StyleChoice, choose_style
from preftemplates_train.data.tokenizer import NO_ADDED_TEXT, AddedText, prepare_tokenizer
from preftemplates_train.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

    from preftemplates import Style, Template
    from preftemplates.data.columnar.tokens.block_tokens import BlockEncoder
    from preftemplates_train.data.lengths import LengthReport
    from preftemplates_train.settings.config import RewardConfig

Item = TypeVar("Item")


@dataclass
class TextData:
    """The pairs of a run, as texts.

    Attributes:
        choice: the one style of all texts, and why it is that one.
        templates: the template of each source by its name.
        train: pairs to train on.
        held_out: pairs to evaluate on.
        reports: what became of the rows, by the source's name.
        weights: how often a source's pairs are seen in an epoch.
        clean: of the generated set, the held-out pairs with the right labels.
        tokenizer: the tokenizer with which the pairs were encoded; None if they were not.
    """

    choice: StyleChoice
    templates: dict[str, Template]
    train: list[TextPair] = field(default_factory=list)
    held_out: list[TextPair] = field(default_factory=list)
    reports: dict[str, SourceReport] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    clean: list[TextPair] = field(default_factory=list)
    tokenizer: PreTrainedTokenizerFast | None = None

    @property
    def style(self) -> Style | None:
        """The one style of all texts; None if a custom template writes them."""
        return self.choice.style

    @property
    def prompts_in_both(self) -> int:
        """The number of held-out pairs with a prompt that is also trained on."""
        trained = {pair.prompt for pair in self.train}
        return sum(pair.prompt in trained for pair in self.held_out)


def read_data(
    config: RewardConfig,
    added: AddedText = NO_ADDED_TEXT,
    tokenizer: PreTrainedTokenizerFast | None = None,
    date: str | None = None,
) -> TextData:
    """Read the rows that the settings name, or the generated set if they name none; with a tokenizer, encode them too.

    Args:
        config: the settings.
        added: the special tokens that the style has to write.
        tokenizer: the model's tokenizer, which may have a chat template; None if no model is named. The tokenizer of
            the run is made of it.
        date: the day that a style prints which prints one; today by default.

    Raises:
        TooManyBadRowsError: more rows of a source are rejected than 10 and 1 %.
        SetupError: there are no pairs, or the sources do not go together.
    """
    sources = list_sources(config)
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
        _read_source(source, data, encoder)
    if is_generated(config):
        data.clean = read_clean_pairs(config.seed, style)
    for pairs in (data.train, data.held_out):
        _check_beginnings(pairs, added, style)
    if any(source.held_out is not None for source in sources):
        if not data.held_out:
            names = (source.name for source in sources if source.held_out is not None)
            raise make_no_pair_error("evaluate on", {name: data.reports[name].rows[-1:] for name in names})
    elif config.eval_size > 0 and data.train:
        data.train, data.held_out = split_by_prompt(data.train, config.eval_size, config.seed)
    for name, issue in find_shared_rows(data.train, data.held_out):
        data.reports[name].shared.append(issue)
    return data


def read_first_pairs(
    config: RewardConfig, added: AddedText, tokenizer: PreTrainedTokenizerBase | None = None, number: int = 3
) -> tuple[list[TextPair], StyleChoice]:
    """Read the first pairs of the first source, without reading more rows than needed, and return their style.

    Raises:
        SetupError: there is none.
    """
    source = list_sources(config)[0]
    choice = choose_style([source], config, tokenizer, added)
    template = source.template if choice.style is None else source.template.with_style(choice.style)
    assert source.rows is not None
    reader = PairReader(source.rows(), template, source=source.name, in_slices=False)
    pairs = list(islice(reader, number))
    if not pairs:
        check_rejected_rows(source.name, reader.report)
        raise make_no_pair_error("show", {source.name: [reader.report]})
    return pairs, choice


def _read_source(source: DataSource, data: TextData, encoder: BlockEncoder | None) -> None:
    source_report = data.reports.setdefault(source.name, SourceReport(source.name, source.template.name))
    data.weights[source.name] = source.weight
    for open_side, side in ((source.rows, data.train), (source.held_out, data.held_out)):
        if open_side is not None:
            pairs, report = read_pairs(open_side(), source.template, source=source.name, encoder=encoder)
            check_rejected_rows(source.name, report)
            side += pairs
            source_report.rows.append(report)


def _check_beginnings(pairs: Sequence[TextPair], added: AddedText, style: Style | None) -> None:
    """Refuse texts of a template that formats by hand which begin as the tokenizer would begin them."""
    if style is None and added.before and any(pair.chosen.startswith(added.before) for pair in pairs):
        raise SetupError(f"template and tokenizer both write {added.before!r}: it would stand there twice")


@dataclass
class TokenData:
    """The pairs of a run, as token ids.

    Attributes:
        groups: what an epoch sees, the pairs of a row together, each as often as its source's weight says.
        held_out: what is evaluated.
        clean: of the generated set, the held-out pairs with the right labels.
        digest: a hash of `train`.
    """

    groups: list[TokenGroup]
    held_out: list[TokenPair]
    clean: list[TokenPair]
    digest: str

    @property
    def train(self) -> list[TokenPair]:
        """The pairs that an epoch sees."""
        return list(chain.from_iterable(self.groups))

    @property
    def all_pairs(self) -> list[TokenPair]:
        """The pairs that an epoch sees, and those that are evaluated."""
        return [*self.train, *self.held_out, *self.clean]


def encode_data(
    data: TextData, tokenizer: PreTrainedTokenizerFast, *, max_length: int, config: RewardConfig
) -> TokenData:
    """Encode both sides, drop what does not fit, and fill in the reports.

    Raises:
        SetupError: more pairs are dropped than allowed, or none is left.
    """
    encoder, pad_id = SampleEncoder(tokenizer, data.style), int(tokenizer.pad_token_id)

    def encode_source(pairs: list[TextPair], name: str) -> tuple[list[TokenPair], LengthReport]:
        of_source = [pair for pair in pairs if pair.source == name]
        check_pad_token(name, of_source, str(tokenizer.pad_token), config.max_dropped)
        kept, report = encode_pairs(
            of_source, encoder, max_length=max_length, pad_id=pad_id, policy=config.length_policy, style=data.style
        )
        check_dropped_pairs(name, report, max_length, config.max_dropped, config.length_policy)
        return kept, report

    groups: list[TokenGroup] = []
    held_out: list[TokenPair] = []
    for name, report in data.reports.items():
        pairs, report.train = encode_source(data.train, name)
        groups += repeat_by_weight(group_by_row(pairs), data.weights[name], config.seed)
        pairs, report.held_out = encode_source(data.held_out, name)
        held_out += pairs
    reports = {name: report.rows for name, report in data.reports.items()}
    if not groups:
        raise make_no_pair_error("train on", reports)
    if data.held_out and not held_out:
        raise make_no_pair_error("evaluate on", reports)
    clean, _ = encode_pairs(data.clean, encoder, max_length=max_length, pad_id=pad_id)
    return TokenData(groups, held_out, clean, _hash_ids(chain.from_iterable(groups)))


def repeat_by_weight(items: Sequence[Item], weight: float, seed: int) -> list[Item]:
    """Return the items, each as often as the weight says; of a fraction, a drawn share.

    >>> len(repeat_by_weight("ten of ten", 2.5, seed=0)), len(repeat_by_weight("ten of ten", 0.3, seed=0))
    (25, 3)
    """
    times, share = divmod(weight, 1)
    return [*items] * int(times) + random.Random(seed).sample(list(items), round(share * len(items)))


def _hash_ids(pairs: Iterable[TokenPair]) -> str:
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(repr((pair.chosen_ids, pair.rejected_ids)).encode())
    return digest.hexdigest()


class GroupDataset(Dataset[dict[str, Any]]):
    """Groups of pairs as the collators take them, such as the pairs of one ranking, whose texts are computed once."""

    def __init__(self, groups: Sequence[TokenGroup]) -> None:
        self.groups = groups

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one group, its pairs with the labels that they have."""
        return {"index": index, "pairs": [_make_features(pair) for pair in self.groups[index]]}

    @property
    def lengths(self) -> list[int]:
        """The tokens of each group's longest text."""
        return [max(len(ids) for pair in group for ids in pair[1:]) for group in self.groups]


class PairDataset(GroupDataset):
    """Pairs, each a group of its own."""

    def __init__(self, pairs: Sequence[TokenPair]) -> None:
        super().__init__([(pair,) for pair in pairs])


def _make_features(pair: TokenPair) -> dict[str, Any]:
    labels = {name: getattr(pair.pair, name, None) for name in LABEL_DEFAULTS}
    known = {name: value for name, value in labels.items() if value is not None}
    return {"chosen_ids": pair.chosen_ids, "rejected_ids": pair.rejected_ids, **known}

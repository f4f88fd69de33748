"""A checkpoint at work: it gives texts, and the answers of rows, their rewards."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch

from preftemplates import Style, Template, get_style, get_template, list_templates
from preftemplates.convert import Conversion
from preftemplates.errors import preview
from preftemplates.reading import Record as Row
from preftemplates.samples import FORMATS, Message, Sample
from preftemplates.template import Formatted
from preftemplates_train.data.branches import Cost, common, lay_out
from preftemplates_train.data.encoding import cut_prompt
from preftemplates_train.data.tokenizer import encode, load_tokenizer
from preftemplates_train.errors import NonFiniteError, SetupError
from preftemplates_train.model.attention import NAME, BranchReader, why_no_branches
from preftemplates_train.model.checkpoint import Record
from preftemplates_train.model.loading import load_weights

ROWS_AT_ONCE = 512
"""How many rows are read, sorted by length and scored before they are given out."""

SPELLING = {"preference": "align-anything", "supervised": "align-anything", "ranked": "trl"}
"""The formats whose answers are scored, each with a dialect that asks for its texts."""

Group = Sequence[list[int]]
"""The ids of texts that may begin alike: the answers to one prompt."""


class Scorer:
    """A checkpoint that gives texts their rewards.

    Args:
        folder: what `preftemplates-train` wrote.
        batch_size: how many texts are scored at a time.
        style: write rows in this style, and not in the one that was trained with.
        allow_style: take a style, or a template that formats by hand, that was not trained with.

    Attributes:
        record: what the checkpoint was made from.
        style: the style that rows are written in; None if a template formats by hand.
        no_branches: why texts that begin alike are not computed once, as in training; None if they are.

    Raises:
        SetupError: the folder holds no such checkpoint, or it was trained in another style.
    """

    def __init__(
        self,
        folder: str | Path,
        batch_size: int = 16,
        *,
        style: str | Style | None = None,
        allow_style: bool = False,
    ) -> None:
        self.folder = Path(folder)
        self.record = Record.read(self.folder)
        self.batch_size = batch_size
        self.allow_style = allow_style
        self.tokenizer = load_tokenizer(str(folder))
        if self.record.style is not None and self.tokenizer.chat_template is None:
            raise SetupError(f"{folder} has lost its chat template")
        self.style = self._style(style)
        self.model = load_weights(str(folder)).eval()
        self.model.to("cuda" if torch.cuda.is_available() else "cpu")
        self.no_branches = why_no_branches(self.model, int(self.tokenizer.pad_token_id))
        self._shares = Cost.of(self.model).shares if self.no_branches is None else None

    def _style(self, wanted: str | Style | None) -> Style | None:
        trained = None if self.record.style is None else Style.from_tokenizer(self.tokenizer)
        if wanted is None:
            return trained
        style = get_style(wanted)
        if trained is not None:
            special = self.record.special_tokens
            style = style.with_special_tokens(special["before"] or "", special["after"] or "")
        if self.record.style is not None and style.digest == self.record.style["digest"]:
            return trained
        if not self.allow_style:
            raise SetupError(
                f"{self.folder} was trained in {self._layout()}, and not in style {style.name};"
                " --allow-style takes it all the same"
            )
        return style

    def _layout(self) -> str:
        """What the checkpoint was trained in, in words."""
        names = ", ".join(sorted({one["name"] for one in self.record.templates.values()}))
        return f"style {self.record.style['name']}" if self.record.style else f"the layout of {names}, by hand"

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text."""
        return encode(self.tokenizer, texts)

    def rewards(self, ids: Sequence[list[int]]) -> list[float]:
        """The reward of each text.

        Args:
            ids: the ids of each text, of any lengths.

        Raises:
            NonFiniteError: a reward is no finite number.
        """
        return [reward for (reward,) in self.group_rewards([[one] for one in ids])]

    def group_rewards(self, groups: Sequence[Group]) -> list[list[float]]:
        """The rewards of groups of texts; what those of a group begin with is computed once where that is cheaper.

        Args:
            groups: the ids of each text, by group; none of them empty.

        Raises:
            NonFiniteError: a reward is no finite number.
        """
        found: list[list[float]] = [[] for _ in groups]
        order = sorted(range(len(groups)), key=lambda number: max(map(len, groups[number]), default=0))
        for numbers in self._batches(groups, order):
            rewards = iter(self._batch([groups[number] for number in numbers]))
            for number in numbers:
                found[number] = list(islice(rewards, len(groups[number])))
        for group, rewards_of in zip(groups, found, strict=True):
            for ids, reward in zip(group, rewards_of, strict=True):
                if not math.isfinite(reward):
                    raise NonFiniteError(f"{self.folder} gives {preview(self.tokenizer.decode(ids))} {reward}")
        return found

    def _batches(self, groups: Sequence[Group], order: Iterable[int]) -> Iterator[list[int]]:
        """The numbers of groups with as many texts as are scored at a time; a larger group comes alone."""
        batch: list[int] = []
        texts = 0
        for number in order:
            if batch and texts + len(groups[number]) > self.batch_size:
                yield batch
                batch, texts = [], 0
            batch.append(number)
            texts += len(groups[number])
        if batch:
            yield batch

    def _batch(self, groups: Sequence[Group]) -> list[float]:
        """The rewards of all texts of a batch, in their order; padded where no group shares its beginning."""
        shares = self._shares
        with torch.no_grad():
            if shares is None or not any(shares(common(group), list(map(len, group))) for group in groups):
                return self._padded([ids for group in groups for ids in group])
            with self._branches() as reader:
                laid = lay_out(groups, shares).to(self.model.device)
                rewards: list[float] = reader.rewards(self.model, laid).tolist()
                return rewards

    @contextmanager
    def _branches(self) -> Iterator[BranchReader]:
        """The model, reading branches; it is left as it was."""
        before = self.model.config._attn_implementation
        reader = BranchReader(self.model.score)
        self.model.set_attn_implementation(NAME)
        try:
            yield reader
        finally:
            self.model.set_attn_implementation(before)
            reader.hook.remove()

    def _padded(self, ids: Sequence[list[int]]) -> list[float]:
        """The rewards of texts padded to one length, as many at a time as the batch size says."""
        pad = torch.nn.utils.rnn.pad_sequence
        found: list[float] = []
        for begin in range(0, len(ids), self.batch_size):
            texts = [torch.tensor(one, device=self.model.device) for one in ids[begin : begin + self.batch_size]]
            rewards = self.model(
                input_ids=pad(texts, batch_first=True, padding_value=self.tokenizer.pad_token_id),
                attention_mask=pad([torch.ones_like(one) for one in texts], batch_first=True),
            ).logits[:, 0]
            found += rewards.float().tolist()
        return found

    def reading(self, template: Template) -> Template:
        """The template, in the style that the checkpoint was trained in, or in the one that was asked for.

        Raises:
            SetupError: that cannot be, since one of them formats by hand.
        """
        if not template.by_hand and self.style is not None:
            return template.with_style(self.style)
        digests = {one["digest"] for one in self.record.templates.values()}
        if self.allow_style or (template.by_hand and template.digest in digests):
            return template
        raise SetupError(
            f"{self.folder} was trained in {self._layout()}; {template.name} does not write that;"
            " --allow-style takes it all the same"
        )

    def template(self, name: str | None) -> Template:
        """The named template, or the one that the checkpoint was trained with, where that is known by its name.

        Raises:
            SetupError: it is not.
        """
        if name is not None:
            return get_template(name)
        names = {one["name"] for one in self.record.templates.values()}
        if len(names) == 1 and names <= set(list_templates()):
            return get_template(names.pop())
        raise SetupError(f"{self.folder} was trained with {', '.join(sorted(names))}; name a template with --template")


class Answers(NamedTuple):
    """The answers of one sample of a row with their rewards, or the reason why they have none.

    Attributes:
        row: the row.
        rewards: of each answer.
        tokens: of each answer's whole text.
        messages: the sample with messages; None if the template formats by hand.
        unscored: a code of the library, `too_long`, or `control` for a text that spells the pad token.
    """

    row: Row
    rewards: Sequence[float] = ()
    tokens: Sequence[int] = ()
    messages: Sample[list[Message]] | None = None
    unscored: str | None = None


def read_answers(rows: Iterable[Row], template: Template, scorer: Scorer, format: str) -> Iterator[Answers]:
    """Score the answers of rows, in their order; a row gives one sample or several, or one reason.

    Args:
        rows: the rows.
        template: how they are read.
        scorer: the checkpoint.
        format: preference, supervised or ranked.
    """
    reading = scorer.reading(template)
    if not reading.by_hand:
        reading = reading.with_dialect(SPELLING[format])
    remaining = iter(rows)
    while some := list(islice(remaining, ROWS_AT_ONCE)):
        yield from _answers_of(some, reading, scorer, format)


def _answers_of(rows: list[Row], template: Template, scorer: Scorer, format: str) -> Iterator[Answers]:
    conversion = Conversion(rows, template, format, on_error="skip", flag=False)
    found: dict[int, list[Answers]] = {row.row: [] for row in rows}
    fitting: list[tuple[Row, Formatted, list[list[int]]]] = []
    for row, formatted in conversion.accepted():
        ids = _fitting(_texts(formatted, format), formatted, scorer)
        if ids is None:
            found[row.row].append(Answers(row, unscored="too_long"))
        elif any(scorer.tokenizer.pad_token_id in one for one in ids):
            found[row.row].append(Answers(row, unscored="control"))
        else:
            fitting.append((row, formatted, ids))
    rewards = scorer.group_rewards([ids for _, _, ids in fitting])
    for (row, formatted, ids), given in zip(fitting, rewards, strict=True):
        found[row.row].append(Answers(row, given, [len(one) for one in ids], formatted.messages))
    reasons = {one.row: str(one.code) for one in (*conversion.report.skipped, *conversion.report.rejected)}
    for row in rows:
        yield from found[row.row] or [Answers(row, unscored=reasons[row.row])]


def _texts(formatted: Formatted, format: str) -> list[str]:
    """The whole text of each response; of a template that formats by hand, what its result holds beside a prompt."""
    if formatted.texts is not None:
        return list(formatted.texts.responses.values())
    names = FORMATS[format].response_names
    texts = [text for key, text in formatted.result.items() if key != "prompt"]
    if len(texts) != len(names) or not all(isinstance(text, str) for text in texts):
        raise SetupError(f"{' and '.join(names)}: expected {len(names)} texts, got {list(formatted.result)}")
    return texts


def _fitting(texts: Sequence[str], formatted: Formatted, scorer: Scorer) -> list[list[int]] | None:
    """The ids of each text, by the checkpoint's policy with a shorter prompt; None if they do not fit."""
    ids, record = scorer.encode(texts), scorer.record
    if max(map(len, ids)) <= record.max_length:
        return ids
    if record.length_policy != "cut_prompt" or formatted.messages is None or scorer.style is None:
        return None
    shorter = cut_prompt(formatted.messages, scorer.encode, record.max_length, scorer.style)
    return shorter and shorter[2]

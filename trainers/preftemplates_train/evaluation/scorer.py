"""Score texts, and the answers of rows, with a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from preftemplates import (
    Preference,
    Ranked,
    Sample,
    Scored,
    Style,
    Supervised,
    Template,
    Unpaired,
    get_style,
    get_template,
    list_templates,
)
from preftemplates.data.convert import Conversion
from preftemplates.data.sample_ids import SampleEncoder, TextSample
from preftemplates.data.shortcuts import is_first_listed
from preftemplates.errors import preview
from preftemplates_train.data.branches import ComputeCost, batch_by_length, count_shared_tokens, pack_groups
from preftemplates_train.data.checkpoint_files import is_adapter
from preftemplates_train.data.labelled_texts import PAIR_FORMAT, WholeTexts, find_contents
from preftemplates_train.data.lengths import cut_prompt
from preftemplates_train.data.tokenizer import encode_texts, load_tokenizer
from preftemplates_train.errors import NonFiniteError, SetupError
from preftemplates_train.evaluation.rules import count_answer_list_marks, count_list_marks_around
from preftemplates_train.model.adapters import load_adapted_model
from preftemplates_train.model.attention import BRANCH_ATTENTION, BranchReader, explain_no_branches
from preftemplates_train.model.checkpoint import CheckpointRecord, read_trained_style
from preftemplates_train.model.loading import load_scorer_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from preftemplates import Dialect, Format, Message
    from preftemplates.data.reading import Record
    from preftemplates.templates.results import Formatted

ROWS_PER_WINDOW = 512
"""The number of rows that are read, sorted by length and scored before they are returned."""

TEXT_DIALECTS: Mapping[str, str | Dialect] = {
    "preference": "align-anything",
    "supervised": "align-anything",
    "unpaired": WholeTexts(),
    "scored": WholeTexts(),
    "ranked": "text",
}
"""The dataset types whose answers can be scored, each with a dialect that writes its texts."""

SCORED_TYPES: Mapping[str, type[Sample[Any]]] = {
    "preference": Preference,
    "supervised": Supervised,
    "unpaired": Unpaired,
    "scored": Scored,
    "ranked": Ranked,
}
"""The same dataset types, each with the class of its samples."""

AnswerIds = Sequence[list[int]]
"""The ids of texts with a common prefix: the answers to one prompt."""


class Scorer:
    """A checkpoint that scores texts.

    Args:
        folder: a folder that `preftemplates-train` wrote: a model, a checkpoint of a run, or a LoRA adapter.
        batch_size: the number of texts per batch.
        style: render rows in this style instead of the style of the training.
        allow_style: accept a style or a custom template that the model was not trained with.
        device: where to compute; by default a GPU if there is one.

    Attributes:
        record: the record of the checkpoint.
        style: the style in which rows are rendered; None for a custom template.
        no_branches: why common prefixes are not computed once, as in training; None if they are.

    Raises:
        SetupError: the folder does not contain such a checkpoint, or the model was trained with another style.
    """

    def __init__(
        self,
        folder: str | Path,
        batch_size: int = 16,
        *,
        style: str | Style | None = None,
        allow_style: bool = False,
        device: str | torch.device | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.record = CheckpointRecord.read(self.folder)
        self.batch_size = batch_size
        self.allow_style = allow_style
        self.tokenizer = load_tokenizer(str(folder))
        if self.record.style is not None and self.tokenizer.chat_template is None:
            raise SetupError(f"{folder} lacks the chat template that its model was trained with; copy the model again")
        if self.tokenizer.pad_token_id is None:
            raise SetupError(f"{folder} lacks the pad token that its model was trained with; copy the model again")
        self.style = self._choose_style(style)
        self.model = self._load_model().eval()
        self.model.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.no_branches = explain_no_branches(self.model, int(self.tokenizer.pad_token_id))
        cost = ComputeCost.from_model(self.model)
        self._is_shared = cost.is_sharing_cheaper if self.no_branches is None else None

    def _load_model(self) -> PreTrainedModel:
        """Load the model; an adapter is merged into its base model."""
        if is_adapter(self.folder):
            return load_adapted_model(self.folder, self.tokenizer, self.record)
        return load_scorer_weights(str(self.folder))

    def _choose_style(self, requested: str | Style | None) -> Style | None:
        trained = None if self.record.style is None else read_trained_style(self.folder, self.tokenizer)
        if requested is None:
            return trained
        style = get_style(requested)
        if self.record.date is not None:
            style = style.with_date(datetime.fromisoformat(self.record.date))
        if trained is not None:
            special = self.record.special_tokens
            style = style.with_special_tokens(special["before"] or "", special["after"] or "")
        if self.record.style is not None and style.digest == self.record.style["digest"]:
            return trained
        if not self.allow_style:
            raise SetupError(
                f"{self.folder} was trained with {self._describe_layout()}, not with style {style.name}; to use it"
                " anyway, add --allow_style"
            )
        return style

    def _describe_layout(self) -> str:
        names = ", ".join(sorted({template["name"] for template in self.record.templates.values()}))
        return f"style {self.record.style['name']}" if self.record.style else f"the custom layout of {names}"

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text."""
        return encode_texts(self.tokenizer, texts)

    def rewards(self, ids: Sequence[list[int]]) -> list[float]:
        """Return the reward of each text.

        Args:
            ids: the ids of each text, of any lengths.

        Raises:
            NonFiniteError: a reward is not finite.
        """
        return [reward for (reward,) in self.group_rewards([[text_ids] for text_ids in ids])]

    def group_rewards(self, groups: Sequence[AnswerIds]) -> list[list[float]]:
        """Return the rewards of groups of texts; a group's common prefix is computed once if that is cheaper.

        Args:
            groups: the ids of each text, by group; none of them empty.

        Raises:
            NonFiniteError: a reward is not finite.
        """
        rewards_of: list[list[float]] = [[] for _ in groups]
        for numbers in batch_by_length(groups, self.batch_size):
            rewards = iter(self._score_batch([groups[number] for number in numbers]))
            for number in numbers:
                rewards_of[number] = list(islice(rewards, len(groups[number])))
        for group, group_rewards in zip(groups, rewards_of, strict=True):
            for ids, reward in zip(group, group_rewards, strict=True):
                if not math.isfinite(reward):
                    text = preview(self.tokenizer.decode(ids))
                    raise NonFiniteError(f"{self.folder}: the reward of {text} is {reward}")
        return rewards_of

    def _score_batch(self, groups: Sequence[AnswerIds]) -> list[float]:
        """Return the rewards of all texts of a batch, in their order; pad the batch if no group shares a prefix."""
        is_shared = self._is_shared
        with torch.no_grad():
            if is_shared is None or not any(
                is_shared(count_shared_tokens(group), list(map(len, group))) for group in groups
            ):
                return self._score_padded([ids for group in groups for ids in group])
            with self._read_branches() as reader:
                row = pack_groups(groups, is_shared).to(self.model.device)
                rewards: list[float] = reader.compute_rewards(self.model, row).tolist()
                return rewards

    @contextmanager
    def _read_branches(self) -> Iterator[BranchReader]:
        """Switch the model to attention over branches while the context lasts."""
        attention_before = self.model.config._attn_implementation
        reader = BranchReader(self.model.score)
        self.model.set_attn_implementation(BRANCH_ATTENTION)
        try:
            yield reader
        finally:
            self.model.set_attn_implementation(attention_before)
            reader.hook.remove()

    def _score_padded(self, ids: Sequence[list[int]]) -> list[float]:
        """Return the rewards of texts, padded to one length, in batches of the batch size."""
        pad = torch.nn.utils.rnn.pad_sequence
        rewards: list[float] = []
        for start in range(0, len(ids), self.batch_size):
            texts = [torch.tensor(text, device=self.model.device) for text in ids[start : start + self.batch_size]]
            logits = self.model(
                input_ids=pad(texts, batch_first=True, padding_value=self.tokenizer.pad_token_id),
                attention_mask=pad([torch.ones_like(text) for text in texts], batch_first=True),
            ).logits[:, 0]
            rewards += logits.float().tolist()
        return rewards

    def adapt_template(self, template: Template) -> Template:
        """Return the template in the style that the checkpoint was trained with, or in the requested one.

        Raises:
            SetupError: a custom template cannot be rendered in another style, nor another template in its layout.
        """
        if not template.is_custom and self.style is not None:
            return template.with_style(self.style)
        digests = {trained["digest"] for trained in self.record.templates.values()}
        if self.allow_style or (template.is_custom and template.text_digest in digests):
            return template
        raise SetupError(
            f"{self.folder} was trained with {self._describe_layout()}, which {template.name} does not write; to"
            " use it anyway, add --allow_style"
        )

    def find_template(self, name: str | None) -> Template:
        """Return the named template, or the one that the checkpoint was trained with if its name is registered.

        Raises:
            SetupError: as `find_trained_template`.
        """
        return find_trained_template(self.record, self.folder, name)


def find_trained_template(record: CheckpointRecord, folder: Path, name: str | None) -> Template:
    """Return the named template, or the one that a folder's model was trained with if its name is registered.

    Raises:
        SetupError: no template is named, and the training template is not registered or not the only one.
    """
    if name is not None:
        return get_template(name)
    names = {trained["name"] for trained in record.templates.values()}
    if len(names) == 1 and names <= set(list_templates()):
        return get_template(names.pop())
    raise SetupError(f"{folder} was trained with {', '.join(sorted(names))}; name a template with --template")


class ScoredAnswers(NamedTuple):
    """The answers of one sample of a row with their rewards, or the reason why they have none.

    Attributes:
        row: the row.
        rewards: the reward of each answer.
        tokens: the number of tokens of each answer's whole text.
        messages: the sample with messages; None for a custom template.
        first_listed: for a pair, whether the chosen answer is the one that the row lists first; None if that is
            unknown.
        unscored: a code of the library, `too_long`, or `unencodable`: a custom template writes the pad token, or the
            tokenizer can encode a character only as a control token.
        list_marks: the number of markdown list items in each answer; for a custom template, in each whole text.
    """

    row: Record
    rewards: Sequence[float] = ()
    tokens: Sequence[int] = ()
    messages: Sample[list[Message]] | None = None
    first_listed: bool | None = None
    unscored: str | None = None
    list_marks: Sequence[int] = ()


def score_answers(
    rows: Iterable[Record], template: Template, scorer: Scorer, format: Format
) -> Iterator[ScoredAnswers]:
    """Score the answers of rows, in their order; a row gives one or several samples, or one reason.

    Args:
        rows: the rows.
        template: the template that reads them.
        scorer: the checkpoint.
        format: one of `SCORED_TYPES`.
    """
    template = scorer.adapt_template(template).adapted(dialect=TEXT_DIALECTS[format])
    style = None if template.is_custom else template.style
    encoder = SampleEncoder(scorer.tokenizer, style)
    remaining = iter(rows)
    while window := list(islice(remaining, ROWS_PER_WINDOW)):
        yield from _score_window(window, template, scorer, format, encoder, style)


def _score_window(
    rows: list[Record],
    template: Template,
    scorer: Scorer,
    format: Format,
    encoder: SampleEncoder,
    style: Style | None,
) -> Iterator[ScoredAnswers]:
    conversion = Conversion(rows, template, format, on_error="skip", flag=False, traced=format == PAIR_FORMAT)
    columns = template.known_columns(format) or ()
    answers: dict[int, list[ScoredAnswers]] = {row.row: [] for row in rows}
    fitting: list[tuple[Record, Formatted, list[list[int]]]] = []
    accepted = [*conversion.accepted()]
    encoded = encoder.encode([_make_text_sample(row, formatted, format) for row, formatted in accepted])
    for (row, formatted), sample_ids in zip(accepted, encoded, strict=True):
        ids = sample_ids and _fit(sample_ids.responses, formatted, encoder, scorer.record, style)
        if sample_ids is None or (ids is not None and any(scorer.tokenizer.pad_token_id in one for one in ids)):
            answers[row.row].append(ScoredAnswers(row, unscored="unencodable"))
        elif ids is None:
            answers[row.row].append(ScoredAnswers(row, unscored="too_long"))
        else:
            fitting.append((row, formatted, ids))
    group_rewards = scorer.group_rewards([ids for _, _, ids in fitting])
    for (row, formatted, ids), rewards in zip(fitting, group_rewards, strict=True):
        first, tokens = is_first_listed(formatted, columns), list(map(len, ids))
        marks = _count_list_marks(row, formatted, format)
        answers[row.row].append(ScoredAnswers(row, rewards, tokens, formatted.messages, first, list_marks=marks))
    issues = (*conversion.report.skipped, *conversion.report.rejected)
    reasons = {issue.row: str(issue.code) for issue in issues}
    for row in rows:
        yield from answers[row.row] or [ScoredAnswers(row, unscored=reasons[row.row])]


def _get_texts(formatted: Formatted, format: Format) -> list[str]:
    """Return the whole text of each response; for a custom template, all values of its result except the prompt."""
    if formatted.texts is not None:
        return list(formatted.texts.responses.values())
    names = SCORED_TYPES[format].response_names
    texts = [text for key, text in formatted.result.items() if key != "prompt"]
    if len(texts) != len(names) or not all(isinstance(text, str) for text in texts):
        raise SetupError(f"{' and '.join(names)}: expected {len(names)} texts, got {list(formatted.result)}")
    return texts


def _count_list_marks(row: Record, formatted: Formatted, format: Format) -> list[int]:
    """Return the number of list marks in each answer; for a custom template, in each whole text."""
    if formatted.messages is not None:
        return [count_answer_list_marks(answer) for answer in formatted.messages.responses.values()]
    texts = _get_texts(formatted, format)
    return [count_list_marks_around(*part) for part in zip(texts, find_contents(row, texts), strict=True)]


def _make_text_sample(row: Record, formatted: Formatted, format: Format) -> TextSample:
    """Return the texts of a row's sample, with the messages or extents that separate content from template text."""
    texts = _get_texts(formatted, format)
    contents = () if formatted.messages is not None else find_contents(row, texts)
    return TextSample(texts, formatted.messages, contents)


def _fit(
    ids: list[list[int]], formatted: Formatted, encoder: SampleEncoder, record: CheckpointRecord, style: Style | None
) -> list[list[int]] | None:
    """Return the ids of each text, with a shorter prompt if the checkpoint cuts prompts; None if they do not fit."""
    if max(map(len, ids)) <= record.max_length:
        return ids
    if record.length_policy != "cut_prompt" or formatted.messages is None or style is None:
        return None
    shorter = cut_prompt(formatted.messages, encoder, record.max_length, style)
    return shorter and shorter.encoded.responses

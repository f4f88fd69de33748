"""The style of a run: which one, why, and with which date."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from preftemplates import Style
from preftemplates.errors import PrefTemplatesError
from preftemplates_train.data.tokenizer import NO_ADDED_TEXT, AddedText
from preftemplates_train.errors import SetupError
from preftemplates_train.settings.ranges import UNTRAINABLE_FINDINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerBase

    from preftemplates_train.data.sources import DataSource
    from preftemplates_train.settings.config import RewardConfig


class StyleChoice(NamedTuple):
    """The style of a run.

    Attributes:
        style: the style, which writes the special tokens; None if a custom template writes the texts.
        reason: which style it is and why, as a sentence.
        date: the day that the style prints, as 2026-05-31; None if it prints none.
    """

    style: Style | None
    reason: str
    date: str | None = None


def choose_style(
    sources: Sequence[DataSource],
    config: RewardConfig,
    tokenizer: PreTrainedTokenizerBase | None = None,
    added: AddedText = NO_ADDED_TEXT,
    date: str | None = None,
) -> StyleChoice:
    """Return the style of all sources, with its date fixed if it prints one.

    The style that the settings name goes before the model's own chat template, and that before the style of the
    dataset templates.

    Args:
        sources: the sources, whose templates have the style that the settings name.
        config: the settings.
        tokenizer: the model's tokenizer, if there is a model.
        added: the special tokens that the style has to write.
        date: the day to print, as 2026-05-31; today by default.

    Raises:
        SetupError: there are several styles, or nothing can be learnt in this one.
    """
    style, reason = _find_style(sources, config, tokenizer)
    if style is None:
        return StyleChoice(None, reason)
    date = date or read_today().date().isoformat()
    dated = style.with_date(datetime.fromisoformat(date))
    fixed_date = None if dated is style else date
    dated = dated.with_special_tokens(*added)
    _check_findings(dated, config.allow_findings or ())
    return StyleChoice(dated, reason, fixed_date)


def read_today() -> datetime:
    """Return the day on which the run begins."""
    return datetime.now()


def _find_style(
    sources: Sequence[DataSource], config: RewardConfig, tokenizer: PreTrainedTokenizerBase | None
) -> tuple[Style | None, str]:
    """Return the style, and a sentence that says which one it is and why."""
    templates = {source.template.name: source.template for source in sources}
    if any(template.is_custom for template in templates.values()):
        if len({source.template for source in sources}) > 1:
            names = ", ".join(sorted(templates))
            raise SetupError(f"a custom template has no style to share, and there are several: {names}")
        return None, f"style: none; the custom template {', '.join(templates)} writes the texts"
    if config.style is None and tokenizer is not None and tokenizer.chat_template is not None:
        style = _read_own_style(tokenizer, str(config.model_name_or_path))
        return style, f"style: the model's own chat template ({config.model_name_or_path})" + _list_others(tokenizer)
    style = _find_common_style(sources)
    if config.style is not None:
        return style, f"style: {style.name}, named by --style"
    why = "no model is named" if tokenizer is None else "the model has no chat template"
    word = "template" if len(templates) == 1 else "templates"
    return style, f"style: {style.name}, from the {word} {' and '.join(templates)}; {why}"


def _read_own_style(tokenizer: PreTrainedTokenizerBase, model: str) -> Style:
    try:
        return Style.from_tokenizer(tokenizer)
    except PrefTemplatesError as error:
        raise SetupError(f"{model}: the model's own chat template: {error}; name a style with --style") from error


def _list_others(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return what other chat templates the tokenizer has, if it has several."""
    templates = tokenizer.chat_template
    others = [name for name in templates if name != "default"] if isinstance(templates, dict) else []
    return f"; it also has {', '.join(others)}, which --style names as DIRECTORY:NAME" if others else ""


def _find_common_style(sources: Sequence[DataSource]) -> Style:
    styles = {source.template.style for source in sources}
    if len(styles) > 1:
        names = ", ".join(sorted(style.name for style in styles))
        raise SetupError(f"the datasets are written in several styles: {names}; name one with --style")
    return styles.pop()


def _check_findings(style: Style, allowed: Sequence[str]) -> None:
    """Refuse a style that makes answers equal, or texts that nobody can make again."""
    for finding in style.findings:
        if finding.code in UNTRAINABLE_FINDINGS and finding.code not in allowed:
            line = f" (line {finding.line} of its chat template)" if finding.line else ""
            raise SetupError(
                f"the style {style.name} has the finding {finding.code}: {finding.message}{line};"
                f" --allow_findings {finding.code} trains on it all the same"
            )

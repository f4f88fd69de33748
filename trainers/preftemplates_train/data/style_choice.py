"""Choose the style of a run, with the reason and the date."""

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
        reason: a sentence with the name of the style and the reason for it.
        date: the date that the style prints, such as 2026-05-31; None if it prints none.
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

    The order of precedence: the style that the settings name, the model's own chat template, the style of the dataset
    templates.

    Args:
        sources: the sources, whose templates have the style that the settings name.
        config: the settings.
        tokenizer: the model's tokenizer, if there is a model.
        added: the special tokens that the style must write.
        date: the date to print, such as 2026-05-31; today by default.

    Raises:
        SetupError: there are several styles, or the style has a finding that is not allowed.
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
    """Return the style, and a sentence with its name and the reason for it."""
    templates = {source.template.name: source.template for source in sources}
    if any(template.is_custom for template in templates.values()):
        if len({source.template for source in sources}) > 1:
            names = ", ".join(sorted(templates))
            raise SetupError(
                f"a custom template has no style, so it cannot be combined with other templates, got {names}; train on"
                " one of them"
            )
        return None, f"style: none; the custom template {', '.join(templates)} writes the texts"
    if config.style is None and tokenizer is not None and tokenizer.chat_template is not None:
        style = _read_own_style(tokenizer, str(config.model_name_or_path))
        return style, f"style: the model's own chat template ({config.model_name_or_path})" + _list_others(tokenizer)
    style = _find_common_style(sources)
    if config.style is not None:
        return style, f"style: {style.name}, set by --style"
    why = "no model is named" if tokenizer is None else "the model has no chat template"
    word = "template" if len(templates) == 1 else "templates"
    return style, f"style: {style.name}, from the {word} {' and '.join(templates)}; {why}"


def _read_own_style(tokenizer: PreTrainedTokenizerBase, model: str) -> Style:
    try:
        return Style.from_tokenizer(tokenizer)
    except PrefTemplatesError as error:
        raise SetupError(f"{model}: its chat template cannot be used: {error}; name a style with --style") from error


def _list_others(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return a clause that names the tokenizer's other chat templates, if it has several."""
    templates = tokenizer.chat_template
    others = [name for name in templates if name != "default"] if isinstance(templates, dict) else []
    return f"; it also has {', '.join(others)}: choose one with --style DIRECTORY:NAME" if others else ""


def _find_common_style(sources: Sequence[DataSource]) -> Style:
    styles = {source.template.style for source in sources}
    if len(styles) > 1:
        names = ", ".join(sorted(style.name for style in styles))
        raise SetupError(f"the templates of the datasets have several styles: {names}; name one with --style")
    return styles.pop()


def _check_findings(style: Style, allowed: Sequence[str]) -> None:
    """Raise an error for a style that drops answers, makes them equal, or renders differently each time."""
    for finding in style.findings:
        if finding.code in UNTRAINABLE_FINDINGS and finding.code not in allowed:
            line = f" (line {finding.line} of its chat template)" if finding.line else ""
            raise SetupError(
                f"the style {style.name} has the finding {finding.code}: {finding.message}{line}; to train anyway, add"
                f" --allow_findings {finding.code}"
            )

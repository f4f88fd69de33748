"""Typed dataset templates that turn any preference dataset into training data."""

from typing import TYPE_CHECKING, Any

from preftemplates.core.loss_flags import has_loss_flags, select_trained_messages
from preftemplates.core.messages import Message
from preftemplates.core.samples import (
    Format,
    Judge,
    Preference,
    PromptOnly,
    Ranked,
    Sample,
    Scored,
    Stepwise,
    Supervised,
    Unpaired,
)
from preftemplates.core.spans import Rendered, Span
from preftemplates.data.check import CheckReport, check
from preftemplates.dialects.consumer_config import ConsumerConfig
from preftemplates.dialects.consumers import TextConsumer
from preftemplates.dialects.dialect import Dialect, get_dialect, list_dialects, register_dialect
from preftemplates.dialects.table import fixed, with_default
from preftemplates.errors import PrefTemplatesError
from preftemplates.sandbox.limits import Limits
from preftemplates.styles.resolve import get_style
from preftemplates.styles.style import Style, list_styles, register_style
from preftemplates.templates.dataset_info import make_dataset_info_entry
from preftemplates.templates.expressions import register_filter
from preftemplates.templates.library import get_template, list_templates, register_template
from preftemplates.templates.media_columns import MediaColumns
from preftemplates.templates.row_types import FirstIs1, Index01, Index12, Probability, RowModel, Strength
from preftemplates.templates.template import Template
from preftemplates.templates.turns import messages
from preftemplates.tokens.loss import LossSelection
from preftemplates.tokens.tokenize import find_forged_tokens, tokenize
from preftemplates.tokens.tokens import Tokens

if TYPE_CHECKING:
    from preftemplates.data.batches import BatchFormatter
    from preftemplates.data.token_batches import TokenBatchFormatter

__version__ = "0.1.0"

__all__ = [
    "BatchFormatter",
    "CheckReport",
    "ConsumerConfig",
    "Dialect",
    "FirstIs1",
    "Format",
    "Index01",
    "Index12",
    "Judge",
    "Limits",
    "LossSelection",
    "MediaColumns",
    "Message",
    "PrefTemplatesError",
    "Preference",
    "Probability",
    "PromptOnly",
    "Ranked",
    "Rendered",
    "RowModel",
    "Sample",
    "Scored",
    "Span",
    "Stepwise",
    "Strength",
    "Style",
    "Supervised",
    "Template",
    "TextConsumer",
    "TokenBatchFormatter",
    "Tokens",
    "Unpaired",
    "check",
    "find_forged_tokens",
    "fixed",
    "get_dialect",
    "get_style",
    "get_template",
    "has_loss_flags",
    "list_dialects",
    "list_styles",
    "list_templates",
    "make_dataset_info_entry",
    "messages",
    "register_dialect",
    "register_filter",
    "register_style",
    "register_template",
    "select_trained_messages",
    "tokenize",
    "with_default",
]


_BATCH_MODULES = {
    "BatchFormatter": "preftemplates.data.batches",
    "TokenBatchFormatter": "preftemplates.data.token_batches",
}


def __getattr__(name: str) -> Any:
    """Load the names that need pyarrow on first use, so that importing the package stays fast."""
    if name in _BATCH_MODULES:
        from importlib import import_module

        from preftemplates.core.extras import import_extra

        for module in ("pyarrow", "numpy"):
            import_extra(module, f"{name} formats Arrow tables")
        return getattr(import_module(_BATCH_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names only; imported subpackages are attributes too."""
    return [*__all__, "__version__"]

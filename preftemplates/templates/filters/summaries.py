"""Requests for a summary of a Reddit post or a news article, which end with the mark that the summary follows."""

from typing import Any

from preftemplates import register_filter
from preftemplates.core.provenance import concat
from preftemplates.errors import Code, RowError


@register_filter
def to_summarise(info: Any) -> str:
    r"""Return the request for a summary of a post, with its subreddit and title, or of an article.

    >>> from types import SimpleNamespace
    >>> to_summarise(SimpleNamespace(post=None, article="Rain fell.", title=None, subreddit=None))
    'Article:\n\nRain fell.\n\nTL;DR:'

    Raises:
        RowError: `missing_field` if there is neither a post nor an article, or a post has no subreddit or title;
            `wrong_type` if there are both.
    """
    if info.post is not None and info.article is not None:
        raise RowError("has a post and an article; expected one of them", code=Code.WRONG_TYPE, column="info")
    if info.article is not None:
        return _joined(["Article:\n\n", info.article, "\n\nTL;DR:"])
    for part in ("post", "subreddit", "title"):
        if getattr(info, part) is None:
            raise RowError("is null, and there is no article", code=Code.MISSING_FIELD, column=f"info.{part}")
    return _joined(["SUBREDDIT: r/", info.subreddit, "\n\nTITLE: ", info.title, "\n\nPOST: ", info.post, "\n\nTL;DR:"])


def _joined(parts: list[str]) -> str:
    """Join the parts to one text that keeps where each came from."""
    text: str = concat(parts)
    return text

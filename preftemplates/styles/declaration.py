"""Declarations: the parts that a class statement may declare of a style, and the layout that they give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from preftemplates.core.messages import ROLES
from preftemplates.errors import DefinitionError, did_you_mean, preview
from preftemplates.styles.chat_template import ChatTemplate
from preftemplates.styles.fragments import Fragment, Fragments

if TYPE_CHECKING:
    from preftemplates.styles.layout import Layout

BUNDLED_STYLES = "preftemplates.styles.bundled"
"""The package of the bundled styles: all are imported at once, so each compiles at its first render."""

_COMMON_PARTS = ("reasoning",)
_FRAGMENT_PARTS = (*ROLES, "roles", "opening", "stop", "closing")
_TEMPLATE_PARTS = ("chat_template", "bos_token", "eos_token", "defaults", "accepted_roles")


def read_layout(cls: type[Any], declared: Mapping[str, Any]) -> Layout:
    """Return the layout that a class declares.

    Args:
        cls: the class, for its name and its module.
        declared: the declarations of the class and its parents, by the names of the parts.

    Raises:
        DefinitionError: a part has an unknown name, has the wrong type, or contradicts another one.
        StyleSyntaxError: the chat template does not parse.
    """
    parts = (*_FRAGMENT_PARTS, *_TEMPLATE_PARTS, *_COMMON_PARTS)
    for name in declared:
        if name not in parts:
            raise DefinitionError(f"{cls.__name__}.{name}: a style has no such part." + did_you_mean(name, parts))
    try:
        if "chat_template" in declared:
            return _read_chat_template(declared, compile_now=not cls.__module__.startswith(BUNDLED_STYLES))
        return _read_fragments(declared)
    except DefinitionError as error:
        raise DefinitionError(f"style {cls.__name__}: {error}") from error


def _read_chat_template(declared: Mapping[str, Any], compile_now: bool) -> ChatTemplate:
    _check_absent(["roles"], declared, "holds role templates; declare the roles of a chat_template as accepted_roles")
    _check_absent(_FRAGMENT_PARTS, declared, "cannot be declared with chat_template, which contains it already")
    return ChatTemplate.read(
        declared["chat_template"],
        declared.get("bos_token"),
        declared.get("eos_token"),
        declared.get("defaults", {}),
        declared.get("reasoning", "keep"),
        roles=declared.get("accepted_roles", ROLES),
        compile_now=compile_now,
    )


def _read_fragments(declared: Mapping[str, Any]) -> Fragments:
    _check_absent(_TEMPLATE_PARTS, declared, "needs a chat_template")
    return Fragments(
        declared.get("opening", ""),
        tuple(_read_turns(declared)),
        declared.get("stop", ""),
        declared.get("closing", ""),
        declared.get("reasoning", "keep"),
    )


def _check_absent(parts: Iterable[str], declared: Mapping[str, Any], why: str) -> None:
    for name in parts:
        if name in declared:
            raise DefinitionError(f"{name!r} {why}")


def _read_turns(declared: Mapping[str, Any]) -> Iterator[Fragment]:
    further = declared.get("roles", {})
    if not isinstance(further, Mapping):
        raise DefinitionError(f"roles must map roles to role templates, got {preview(further)}")
    for role in ROLES:
        if role in declared:
            yield Fragment.read(role, declared[role])
    for role, source in further.items():
        if not isinstance(role, str) or role in ROLES:
            raise DefinitionError(f"roles has {preview(role)}; it may have only roles other than {', '.join(ROLES)}")
        yield Fragment.read(role, source)

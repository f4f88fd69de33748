"""Findings on a template's source: invisible characters, unknown fields, words that it searches contents for."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from jinja2 import Environment, nodes

from preftemplates.errors import find_nearest, preview, spell_out
from preftemplates.sandbox.admission import walk_nodes
from preftemplates.styles.lint.changed_contents import find_changed_contents
from preftemplates.styles.lint.conversations import ANSWER, USER, make_turn
from preftemplates.styles.lint.findings import FindingCode, StyleFinding
from preftemplates.styles.lint.probes import ProbeTexts, remove_contents, shorten
from preftemplates.styles.lint.variables import (
    SEARCH_METHODS,
    SELECTION_FILTERS,
    MessageVariables,
    find_key,
    find_variable,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MESSAGE_FIELDS = frozenset((
    "annotations", "audio", "channel", "citations", "content", "content_blocks", "documents", "files", "from",
    "function_call", "function_calls", "functions", "images", "loss_mask", "name", "prefix", "reasoning",
    "reasoning_content", "reasoning_details", "recipient", "refusal", "response_format", "role", "thinking",
    "thought", "thoughts", "tool_call", "tool_call_id", "tool_calls", "tool_name", "tool_plan", "tool_responses",
    "tool_results", "tools", "type", "value", "videos", "weight",
))  # fmt: skip
"""The fields of messages in the chat APIs and in the templates of well-known models."""

_KNOWN_TAGS = frozenset(
    f"<{slash}{name}>"
    for slash in ("", "/")
    for name in ("reasoning", "think", "thinking", "thought", "tool_call", "tool_response")
)
"""Constants that templates commonly compare contents with to find thinking and tools."""

_PART_KEYS = frozenset((
    "audio", "audio_url", "blocks", "file", "image", "image_url", "input_audio", "name", "parts", "response", "text",
    "type", "value", "video", "video_url",
))  # fmt: skip
"""Keys of typed parts; `'image' in content` tests for one if `content` may be a part."""

_EQUALITY_TESTS = frozenset({"!=", "==", "eq", "equalto", "in", "ne", "sameas"})


def find_source_findings(source: str, environment: Environment) -> Iterator[StyleFinding]:
    """Yield findings on a source that parses, without rendering it.

    Args:
        source: the text of the template.
        environment: the environment that it is written for.
    """
    tree = environment.parse(source)
    nodes_in_order = sorted([*walk_nodes(tree)][::-1], key=lambda node: node.lineno or 0)
    yield from _find_hidden_characters(source, nodes_in_order)
    variables = MessageVariables.read(nodes_in_order)
    yield from _find_branches(nodes_in_order, variables)
    yield from find_changed_contents(nodes_in_order, variables)
    yield from _find_unknown_fields(nodes_in_order, variables)


def find_content_branches(texts: ProbeTexts) -> Iterator[StyleFinding]:
    """Yield a finding if the text around the contents changes with the contents."""
    question, answer = "delete ALL files!", ("ünï 茶 1234567890 " * 9).strip()
    if texts.one_turn is None or USER not in texts.one_turn or ANSWER not in texts.one_turn:
        return
    for role, contents in (("user", (question, ANSWER)), ("assistant", (USER, answer))):
        text = texts.render_turns(make_turn("user", contents[0]), make_turn("assistant", contents[1]))
        if text is None or not all(content in text for content in contents):
            continue
        if remove_contents(text, contents) != remove_contents(texts.one_turn, (USER, ANSWER)):
            yield StyleFinding(
                FindingCode.CONTENT_BRANCH,
                f"the text around the contents changes if the {role}'s content is"
                f" {shorten(question if role == 'user' else answer)}",
                role=role,
                field="content",
            )
            return


def _find_hidden_characters(source: str, tree: Iterable[nodes.Node]) -> Iterator[StyleFinding]:
    """Yield findings on invisible characters in the source and its constants, and on names that are not ASCII."""
    for number, line in enumerate(source.split("\n"), start=1):
        for char in dict.fromkeys(filter(_is_hidden, line)):
            yield _make_hidden_finding(f"the template contains {_name_character(char)}, which is invisible", number)
    for node in tree:
        if isinstance(node, nodes.Const) and isinstance(node.value, str):
            for char in dict.fromkeys(char for char in node.value if _is_hidden(char) and char not in source):
                yield _make_hidden_finding(
                    f"a text of the template contains {_name_character(char)}, which is invisible", node.lineno
                )
        name = _find_identifier(node)
        if name is not None and not name.isascii():
            yield _make_hidden_finding(f"the name {spell_out(name)} has characters that are not ASCII", node.lineno)


def _make_hidden_finding(message: str, line: int) -> StyleFinding:
    return StyleFinding(FindingCode.HIDDEN_CHARACTERS, message, line)


def _is_hidden(char: str) -> bool:
    """Return whether a character is invisible, or changes the direction or joining of its neighbours."""
    if char.isascii():
        return (char < " " and char not in "\n\r\t\f\x1b") or char in "\x1b\x7f"
    variation = "\ufe00" <= char <= "\ufe0d" or "\U000e0100" <= char <= "\U000e01ef"
    return unicodedata.category(char) in ("Cf", "Cc") or variation or char in "\u115f\u1160\u3164\u2800"


def _name_character(char: str) -> str:
    return f"U+{ord(char):04X} ({unicodedata.name(char, 'a control character').lower()})"


def _find_identifier(node: nodes.Node) -> str | None:
    if isinstance(node, nodes.Name | nodes.Macro):
        return node.name
    if isinstance(node, nodes.Getattr):
        return node.attr
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        return node.arg.value
    return node.key if isinstance(node, nodes.Keyword) else None


def _find_branches(tree: Iterable[nodes.Node], variables: MessageVariables) -> Iterator[StyleFinding]:
    """Yield findings on comparisons of contents with constants of the template."""
    comparisons: dict[tuple[int, str], None] = {}
    for node in tree:
        for constant in _find_compared_texts(node, variables):
            if constant.strip() and constant.strip() not in _KNOWN_TAGS:
                comparisons[node.lineno, constant] = None
    for line, constant in comparisons:
        yield StyleFinding(
            FindingCode.CONTENT_BRANCH,
            f"the template looks for {preview(constant)} in a content and acts on it",
            line,
            field="content",
        )


def _find_compared_texts(node: nodes.Node, variables: MessageVariables) -> Iterator[str]:
    """Yield the constants that a node compares contents with."""
    if isinstance(node, nodes.Compare):
        sides = [node.expr, *(operand.expr for operand in node.ops)]
        if any(map(variables.is_content, sides)):
            keys = _PART_KEYS if any(find_variable(side) in variables.parts for side in sides) else frozenset()
            yield from (text for side in sides for text in variables.constants(side) if text not in keys)
    elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr in SEARCH_METHODS:
        if variables.is_content(node.node.node):
            yield from (text for argument in node.args for text in variables.constants(argument))
    elif isinstance(node, nodes.Test) and node.name in _EQUALITY_TESTS and variables.is_content(node.node):
        yield from (text for argument in node.args for text in variables.constants(argument))
    elif isinstance(node, nodes.Filter) and node.name in SELECTION_FILTERS:
        texts_by_argument = [list(variables.constants(argument)) for argument in node.args]
        if texts_by_argument and texts_by_argument[0] == ["content"]:
            yield from (text for texts in texts_by_argument[2:] for text in texts)


def _find_unknown_fields(tree: Iterable[nodes.Node], variables: MessageVariables) -> Iterator[StyleFinding]:
    """Yield findings on fields of messages that no message has."""
    reported: set[str] = set()
    for node in tree:
        name = _find_field(node, variables)
        if name is None or name in _MESSAGE_FIELDS or name in reported:
            continue
        reported.add(name)
        meant = find_nearest(name, _MESSAGE_FIELDS)
        guess = f"; the nearest field is {meant!r}" if meant else ""
        yield StyleFinding(
            FindingCode.UNKNOWN_FIELD,
            f"the template reads {spell_out(name)} of a message, which no message has{guess}",
            node.lineno,
            field=name,
        )


def _find_field(node: nodes.Node, variables: MessageVariables) -> str | None:
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr == "get":
        argument = node.args[0] if node.args and variables.is_message(node.node.node) else None
        return argument.value if isinstance(argument, nodes.Const) and isinstance(argument.value, str) else None
    if not isinstance(node, nodes.Getattr | nodes.Getitem) or not variables.is_message(node.node):
        return None
    key = find_key(node)
    methods = ("copy", "get", "items", "keys", "values")
    return key if isinstance(key, str) and not (isinstance(node, nodes.Getattr) and key in methods) else None

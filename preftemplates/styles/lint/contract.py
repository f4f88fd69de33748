"""The contract check of a layout: a few conversations are rendered, and what does not hold is told.

Nothing is refused here. A fifth to a third of the chat templates in use trim, date or rewrite something on purpose;
whoever trains with one should know.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from preftemplates.core.messages import Message
from preftemplates.errors import preview
from preftemplates.styles.chat_template import ChatTemplate
from preftemplates.styles.environment import environment
from preftemplates.styles.lint.conversations import (
    A_CALL,
    A_RESULT,
    ANSWER,
    ANSWER_2,
    CALL,
    CONVERSATIONS,
    ONE_TURN,
    RESULT,
    SYSTEM,
    THOUGHT,
    TOOL,
    TWO_TURNS,
    USER,
    USER_2,
    thinking,
    turn,
)
from preftemplates.styles.lint.findings import FindingCode, StyleFinding
from preftemplates.styles.lint.probes import DAYS, Layout, Texts
from preftemplates.styles.lint.source import source_findings

ODD = "<b>&\"'</b>  {{ x }} %s \\n\n\n\tÜber\u00e4 ﬁ 茶"
"""Characters that are escaped, folded or split by what rewrites texts."""

BLANKS = "\n" * 4 + " " * 4, " " * 4 + "\n" * 4
"""More blanks of a kind than a style writes itself, so that its own are not taken for a content's."""

LONG = " ".join(["basil"] * 600)
"""A text that is longer than what a template might cut it to."""

DEFAULT_WORDS = 4
"""So many words of a style, beyond those of each turn, are taken for a system message."""

AS_JSON = {**CALL, "function": {"name": "water_herb", "arguments": '{"herb": "lovage", "cups": 3}'}}
"""A tool call as OpenAI's API spells it."""

TAG = re.compile(r"<[^<>\n]{1,40}>|\[[^\[\]\n]{1,40}\]")
WORD = re.compile(r"[^\W\d_]{2,}|[\u3040-\u30ff\u4e00-\u9fff]")
ADDRESS = re.compile(r"<[^<>\n]* at 0x[0-9a-f]{4,}[^<>\n]*>")
AS_PYTHON = re.compile(r"\{'(?:type|name|function|herb|id)': ")
NO_TOKEN = re.compile(r"'((?:bos|eos)_token)' is undefined")
LINE = re.compile(r"\(line (\d+) of the template\)")


def find_findings(layout: Layout) -> tuple[StyleFinding, ...]:
    """What a layout does that a person should know before training with it, in the order of the codes.

    About 30 short conversations are rendered. What becomes of thinking by the layout's own policy is declared, and no
    finding.

    Example:
        >>> from preftemplates import get_style
        >>> for finding in find_findings(get_style("human-assistant").layout):
        ...     print(finding.code, "-", finding.message)
        no_stop - nothing but blanks stands behind the last answer
    """
    texts, found = _with_tokens(layout)
    found += chain.from_iterable(check(texts) for check in CHECKS)
    if texts.exhausted:
        found.append(_over_limit(texts.exhausted))
    if isinstance(layout, ChatTemplate):
        found += source_findings(layout.source, environment(layout.limits))
    order = list(FindingCode)
    return tuple(sorted(dict.fromkeys(found), key=lambda finding: (order.index(finding.code), finding.line or 0)))


def _with_tokens(layout: Layout) -> tuple[Texts, list[StyleFinding]]:
    """The texts of a layout; where it needs a special token that it does not have, it gets one that is made up."""
    texts, found = Texts(layout), list[StyleFinding]()
    for _ in ("bos_token", "eos_token"):
        reason = texts.error(ONE_TURN) if texts.one is None else ""
        missing = NO_TOKEN.search(reason)
        if not isinstance(layout, ChatTemplate) or missing is None:
            break
        token, line = missing[1], LINE.search(reason)
        found.append(
            StyleFinding(
                FindingCode.PRINTS_UNDEFINED,
                f"{token} is printed, and the style has none; what else is told holds for one that is made up",
                int(line[1]) if line else None,
                field=token,
            )
        )
        made_up: dict[str, Any] = {token: f"<{token}>"}
        layout = replace(layout, **made_up)
        texts = Texts(layout)
    return texts, found


Check = Callable[[Texts], Iterator[StyleFinding]]


def _prefix(texts: Texts) -> Iterator[StyleFinding]:
    for messages in (ONE_TURN, TWO_TURNS):
        prompt, whole = texts.talk(*messages[:-1], generate=True), texts.talk(*messages)
        if prompt is None or whole is None or whole.startswith(prompt):
            continue
        at = next((i for i, (a, b) in enumerate(zip(prompt, whole, strict=False)) if a != b), len(whole))
        turns = "the prompt" if messages is ONE_TURN else "the prompt of a second turn"
        yield StyleFinding(
            FindingCode.PREFIX_UNSTABLE,
            f"{turns} goes on with {_short(prompt[at:])} where the same with its answer goes on with"
            f" {_short(whole[at:])}",
        )
        return


def _unopened(texts: Texts) -> Iterator[StyleFinding]:
    prompt, closed = (texts.talk(ONE_TURN[0], generate=generate) for generate in (True, False))
    if prompt is None or prompt != closed or texts.one is None or not texts.one.startswith(prompt):
        return
    between, _, found = texts.one[len(prompt) :].partition(ANSWER)
    if found and between.strip():
        yield StyleFinding(
            FindingCode.NO_GENERATION_PROMPT,
            f"a prompt is the same with a generation prompt and without, and {_short(between)} stands in front of its"
            " answer",
        )


def _stop(texts: Texts) -> Iterator[StyleFinding]:
    stop, two = texts.layout.stop, texts.two
    if texts.one is None or ANSWER not in texts.one:
        return
    if not stop:
        yield StyleFinding(FindingCode.NO_STOP, "nothing but blanks stands behind the last answer")
    elif two is not None and ANSWER in two and USER_2 in two.partition(ANSWER)[2]:
        between = two.partition(ANSWER)[2].partition(USER_2)[0]
        if not between.startswith(stop):
            middle, last = _difference(between, stop)
            yield StyleFinding(
                FindingCode.UNEVEN_STOP, f"behind an answer in the middle stands {middle}, behind the last one {last}"
            )


def _lost(content: str, text: str) -> bool:
    """Whether a content is not in a text: in no case of its letters, and with nothing between its words."""
    return content not in text and not all(word in text.casefold() for word in WORD.findall(content.casefold()))


def _drops(texts: Texts) -> Iterator[StyleFinding]:
    if texts.one is not None and _lost(ANSWER, texts.one):
        yield StyleFinding(FindingCode.DROPS_ANSWER, "the answer is not printed", role="assistant")
    elif texts.two is not None and any(_lost(answer, texts.two) for answer in (ANSWER, ANSWER_2)):
        yield StyleFinding(FindingCode.DROPS_ANSWER, "one of two answers is not printed", role="assistant")
    if texts.system is not None and _lost(SYSTEM, texts.system):
        yield StyleFinding(FindingCode.DROPS_SYSTEM, "the system message is not printed", role="system")
    whole = texts.two if texts.two is not None else texts.one
    if whole is not None and any(_lost(user, whole) for user in ((USER, USER_2) if whole is texts.two else (USER,))):
        yield StyleFinding(FindingCode.DROPS_MESSAGE, "a message of the role user is not printed", role="user")
    conversations = {
        "developer": (texts.of(CONVERSATIONS["a developer's message"].messages), SYSTEM),
        "tool": (texts.talk(*A_RESULT, turn("assistant", ANSWER)), RESULT),
    }
    for role, (text, content) in conversations.items():
        if text is not None and _lost(content, text):
            yield StyleFinding(FindingCode.DROPS_MESSAGE, f"a message of the role {role} is not printed", role=role)


def _over_limit(reason: str) -> StyleFinding:
    line = LINE.search(reason)
    return StyleFinding(
        FindingCode.OVER_LIMIT,
        f"what comes after is not checked: {LINE.sub('', reason).strip()}",
        int(line[1]) if line else None,
    )


def _refusals(texts: Texts) -> Iterator[StyleFinding]:
    """What raises an error, by the reasons that the template gives."""
    return (finding for finding in _refused(texts) if not texts.exhausted)


def _refused(texts: Texts) -> Iterator[StyleFinding]:
    if texts.one is None:
        yield _refusal(texts, ONE_TURN, FindingCode.REFUSES_CONVERSATION, "a question and its answer are refused")
        return
    if texts.opening:
        what = "a question without a system message is refused"
        yield _refusal(texts, ONE_TURN, FindingCode.REFUSES_CONVERSATION, what)
    if texts.two is None:
        two = [*texts.opening, *TWO_TURNS]
        yield _refusal(texts, two, FindingCode.REFUSES_CONVERSATION, "two questions with their answers are refused")
    if texts.template is None:  # fragments declare their roles
        return
    roles = texts.template.roles
    for role in ("system", "developer"):
        messages = [turn(role, SYSTEM), *ONE_TURN]
        if role in roles and texts.of(messages) is None:
            yield _refusal(texts, messages, FindingCode.REFUSES_ROLE, f"the role {role} is refused", role=role)
    result = [*texts.opening, *A_RESULT, turn("assistant", ANSWER)]
    if "tool" not in roles:  # who has no results has no calls
        return
    if texts.talk(*A_CALL) is None:
        call = [*texts.opening, *A_CALL]
        what = "a tool call is refused"
        if texts.talk(A_CALL[0], turn("assistant", "", tool_calls=[AS_JSON])) is not None:
            what = "a tool call is refused unless its arguments are JSON text"
        yield _refusal(texts, call, FindingCode.REFUSES_TOOL_CALLS, what, role="assistant")
    elif texts.of(result) is None:
        yield _refusal(texts, result, FindingCode.REFUSES_ROLE, "the role tool is refused", role="tool")


def _refusal(
    texts: Texts, messages: Iterable[Message], code: FindingCode, what: str, role: str | None = None
) -> StyleFinding:
    reason = texts.error(messages)
    line = LINE.search(reason)
    if "not defined" in reason and "prints a value" in reason:
        code = FindingCode.PRINTS_UNDEFINED
    reason = LINE.sub("", reason).removeprefix("the style's chat template raised: ").strip()
    return StyleFinding(code, f"{what}: {reason}", int(line[1]) if line else None, role)


def _reasoning(texts: Texts) -> Iterator[StyleFinding]:
    yield from _thinking_in_content(texts)
    apart = turn("assistant", ANSWER, reasoning_content=THOUGHT)
    last = texts.talk(ONE_TURN[0], apart)
    if last is not None and THOUGHT not in last:
        yield _dropped_thinking(FindingCode.DROPS_REASONING, "the last answer", "reasoning_content")
        return
    earlier = texts.talk(ONE_TURN[0], apart, *TWO_TURNS[2:])
    if earlier is not None and THOUGHT not in earlier:
        yield _dropped_thinking(FindingCode.DROPS_HISTORY_REASONING, "an earlier answer", "reasoning_content")


def _thinking_in_content(texts: Texts) -> Iterator[StyleFinding]:
    for told in (thinking(THOUGHT, ANSWER), f"<think>{THOUGHT}</think>{ANSWER}"):
        last = texts.talk(ONE_TURN[0], turn("assistant", told))
        if last is not None and _lost(THOUGHT, last):
            yield _dropped_thinking(FindingCode.DROPS_REASONING, "the last answer", "content")
        elif last is not None and told not in last:
            yield _rewritten_thinking(told, last)
        else:
            continue
        break
    told = thinking(THOUGHT, ANSWER)
    earlier = texts.talk(ONE_TURN[0], turn("assistant", told), *TWO_TURNS[2:])
    kept = told in (texts.talk(ONE_TURN[0], turn("assistant", told)) or "")
    if earlier is not None and (_lost(THOUGHT, earlier) or (kept and told not in earlier)):
        printed = THOUGHT in earlier
        yield _dropped_thinking(FindingCode.DROPS_HISTORY_REASONING, "an earlier answer", "content", printed)


def _rewritten_thinking(told: str, text: str) -> StyleFinding:
    return StyleFinding(
        FindingCode.REWRITES_REASONING,
        f"of the thinking of the last answer, {_parting(told, text)}",
        role="assistant",
        field="content",
    )


def _dropped_thinking(code: FindingCode, whose: str, field: str, rewritten: bool = False) -> StyleFinding:
    where = "between <think> and </think>" if field == "content" else f"in {field}"
    what = "is not printed as it was written" if rewritten else "is not printed"
    return StyleFinding(code, f"the thinking of {whose}, {where}, {what}", role="assistant", field=field)


def _tools(texts: Texts) -> Iterator[StyleFinding]:
    if texts.template is None:
        return
    call = texts.talk(*A_CALL)
    if call is not None and not ("water_herb" in call and "lovage" in call):
        yield StyleFinding(
            FindingCode.DROPS_TOOL_CALLS, "a tool call is not printed", role="assistant", field="tool_calls"
        )
    offered = texts.of([*texts.opening, *ONE_TURN[:1]], True, (TOOL,))
    if offered is not None and "water_herb" not in offered:
        yield StyleFinding(FindingCode.DROPS_TOOLS, "the tools that a conversation offers are not printed")
    yield from _reprs(texts, [text for text in (offered, call, texts.talk(*A_RESULT), texts.one) if text is not None])


def _reprs(texts: Texts, printed: Sequence[str]) -> Iterator[StyleFinding]:
    for text in printed:
        found = ADDRESS.search(text) or AS_PYTHON.search(text)
        if found:
            yield StyleFinding(
                FindingCode.PRINTS_REPR,
                f"a value is printed as Python shows it: {_short(text[found.start() :], 40)}",
                field=None if ADDRESS.search(text) else "tools" if "Waters" in text else "tool_calls",
            )
            break
    else:
        none = next((text for text in printed if re.search(r"\bNone\b", text)), None)
        if none is not None and texts.template is not None and "None" not in texts.template.source:
            at = none.index("None")
            yield StyleFinding(
                FindingCode.PRINTS_REPR, f"None is printed: {_short(none[max(0, at - 20) : at + 4], 40)}"
            )
    parts = texts.of(CONVERSATIONS["typed parts"].messages)
    if parts is not None and re.search(r"\[\{'(?:type|text)': ", parts):
        yield StyleFinding(
            FindingCode.PRINTS_PARTS,
            f"typed parts of a content are printed as {_short(parts[parts.index('[{') :], 40)}",
            field="content",
        )


def _contents(texts: Texts) -> Iterator[StyleFinding]:
    """What becomes of the characters of a content."""
    for role, changed in _lost_blanks(texts).items():
        ends = [end for end, lost in zip(("start", "end"), changed, strict=True) if lost]
        if ends:
            both = "both ends" if len(ends) == 2 else f"the {ends[0]}"
            whose = "an answer" if role == "assistant" else f"a content of the role {role}"
            yield StyleFinding(
                FindingCode.TRIMS_CONTENT, f"blanks at {both} of {whose} are not printed", role=role, field="content"
            )
    yield from _rewritten(texts)
    yield from _places(texts)


def _conversation(texts: Texts) -> list[Message]:
    """The longest everyday conversation that the layout renders."""
    turns = TWO_TURNS if texts.two is not None else ONE_TURN
    system = [] if texts.system is None or _lost(SYSTEM, texts.system) else [turn("system", SYSTEM)]
    return [*system, *turns] if texts.of([*system, *turns]) is not None else [*texts.opening, *turns]


def _lost_blanks(texts: Texts) -> dict[str, tuple[bool, bool]]:
    """By role, whether blanks in front of a content, and behind it, are lost."""
    messages = _conversation(texts)
    found: dict[str, tuple[bool, bool]] = {}
    for before, behind in (BLANKS, BLANKS[::-1]):
        text = texts.of([turn(message["role"], f"{before}{message['content']}{behind}") for message in messages])
        for message in messages:
            content = str(message["content"])
            if text is not None and content in text:
                was = found.get(message["role"], (False, False))
                found[message["role"]] = was[0] or before + content not in text, was[1] or content + behind not in text
    return found


def _rewritten(texts: Texts) -> Iterator[StyleFinding]:
    told: set[str] = set()
    messages = _conversation(texts)
    usual = texts.of(messages) or ""
    for behind in (ODD, LONG):
        longer = [
            turn(message["role"], f"{message['content']} {behind} {index}.") for index, message in enumerate(messages)
        ]
        text = texts.of(longer)
        for before, message in zip(messages, longer, strict=True):
            role, content = message["role"], str(message["content"])
            if text is None or role in told or content in text or _lost(str(before["content"]), usual):
                continue
            told.add(role)
            yield StyleFinding(
                FindingCode.REWRITES_CONTENT, _how_rewritten(role, content, text), role=role, field="content"
            )
    if "assistant" in told or texts.one is None or ANSWER not in texts.one:
        for one, other in (("Yes.", "YES."), (LONG + "1", LONG + "2"), (ANSWER, ANSWER_2), ("<b>", "&lt;b&gt;")):
            rendered = [texts.talk(ONE_TURN[0], turn("assistant", answer)) for answer in (one, other)]
            if rendered[0] is not None and rendered[0] == rendered[1]:
                shown = " and ".join(preview(answer[-30:]) for answer in (one, other))
                yield StyleFinding(FindingCode.SAME_TEXT, f"the answers {shown} give the same text", role="assistant")
                return


def _how_rewritten(role: str, content: str, text: str) -> str:
    return f"of {'an answer' if role == 'assistant' else f'a content of the role {role}'}, {_parting(content, text)}"


def _parting(content: str, text: str) -> str:
    """Where a content and what is printed of it part."""
    kept = bisect_left(range(len(content)), True, key=lambda size: content[: size + 1] not in text)
    if kept < 3:
        return f"{_short(content)} is printed in other characters"
    begin = max(0, kept - 8)
    return f"{_short(content[begin:])} becomes {_short(text[text.index(content[:kept]) + begin :])}"


def _places(texts: Texts) -> Iterator[StyleFinding]:
    """Contents that are printed twice, or in another order."""
    messages = _conversation(texts)
    text = texts.of(messages)
    if text is None:
        return
    for message in messages:
        count = text.count(str(message["content"]))
        if count > 1:
            yield StyleFinding(
                FindingCode.REPEATS_CONTENT,
                f"{preview(message['content'])} is printed {count} times",
                role=message["role"],
                field="content",
            )
    places = [text.index(str(message["content"])) for message in messages if str(message["content"]) in text]
    if places != sorted(places):
        late = next(i for i, (a, b) in enumerate(zip(places, sorted(places), strict=True)) if a != b)
        yield StyleFinding(
            FindingCode.REORDERS_CONTENT,
            f"{preview(messages[late]['content'])} does not stand in its place among the messages",
            role=messages[late]["role"],
            field="content",
        )


def _merges(texts: Texts) -> Iterator[StyleFinding]:
    """Turns that cannot be told from a part of another's."""
    if texts.system is not None and SYSTEM in texts.system and USER in texts.system.partition(SYSTEM)[2]:
        between = texts.system.partition(SYSTEM)[2].partition(USER)[0]
        merged = texts.of([turn("user", f"{SYSTEM}{between}{USER}"), ONE_TURN[1]])
        if merged == texts.system:
            yield StyleFinding(
                FindingCode.MERGES_ROLES,
                "the system message and the user's are printed as one turn, with"
                f" {_short(between) if between else 'nothing'} between them",
                role="system",
            )
    if texts.template is None:
        return
    developer = texts.of(CONVERSATIONS["a developer's message"].messages)
    if developer is not None and developer == texts.system and SYSTEM in developer:
        yield StyleFinding(
            FindingCode.MERGES_ROLES, "the role developer is printed as the role system is", role="developer"
        )
    result = texts.talk(*A_RESULT, turn("assistant", ANSWER))
    as_user = texts.talk(*A_CALL, turn("user", RESULT), turn("assistant", ANSWER))
    if result is not None and result == as_user and RESULT in result:
        yield StyleFinding(FindingCode.MERGES_ROLES, "a tool's result is printed as a user's turn is", role="tool")


def _own_words(texts: Texts) -> Iterator[StyleFinding]:
    template = texts.template
    if (
        template is not None
        and template.bos_token
        and texts.one is not None
        and texts.one.startswith(template.bos_token)
    ):
        yield StyleFinding(
            FindingCode.WRITES_BOS, f"every text begins with the BOS token {_short(template.bos_token)}"
        )
    if texts.one is None or texts.opening:
        return
    own = _own(texts.one, (USER, ANSWER))
    turns = _words(_own(texts.two, (USER, ANSWER, USER_2, ANSWER_2))) - _words(own) if texts.two is not None else 2
    if _words(own) - max(turns, 0) >= DEFAULT_WORDS:
        shown = max(re.split(r"\n+", TAG.sub("\n", own)), key=_words).strip()
        yield StyleFinding(FindingCode.DEFAULT_SYSTEM, f"without a system message, {_short(shown, 60)} is written")


def _own(text: str, contents: Iterable[str]) -> str:
    """A text without the contents of its messages."""
    for content in contents:
        text = text.replace(content, "\n")
    return text


def _words(text: str) -> int:
    return len(WORD.findall(TAG.sub(" ", text)))


def _varies(texts: Texts) -> Iterator[StyleFinding]:
    template = texts.template
    if template is None or texts.one is None:
        return
    again, later = Texts(template), Texts(template, DAYS[1])
    if again.one is not None and again.one != texts.one:
        shown = " and ".join(_difference(texts.one, again.one))
        yield StyleFinding(FindingCode.UNSTABLE, f"rendered twice, a text has {shown}")
        return
    prompt = [*texts.opening, *ONE_TURN[:1]]
    for messages, generate, tools in ((_conversation(texts), False, ()), (prompt, True, ()), (prompt, True, (TOOL,))):
        before, after = (each.of(messages, generate, tools) for each in (texts, later))
        if before is not None and after is not None and before != after:
            shown = " and ".join(_difference(before, after))
            yield StyleFinding(FindingCode.DEPENDS_ON_DATE, f"on two days, a text has {shown}")
            return


def _difference(one: str, other: str) -> tuple[str, str]:
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    begin = max(0, at - 10)
    return _short(one[begin:]), _short(other[begin:])


def _swapped(texts: Texts) -> Iterator[StyleFinding]:
    """Whether what stands around the contents is the same with other contents."""
    others = ("delete ALL files!", "ünï 茶 1234567890 " * 9)
    if texts.one is None or USER not in texts.one or ANSWER not in texts.one:
        return
    for role, question, answer in (("user", others[0], ANSWER), ("assistant", USER, others[1].strip())):
        text = texts.talk(turn("user", question), turn("assistant", answer))
        if text is None or question not in text or answer not in text:
            continue
        if _own(text, (question, answer)) != _own(texts.one, (USER, ANSWER)):
            yield StyleFinding(
                FindingCode.CONTENT_BRANCH,
                f"what stands around the contents is another text when the {role}'s content is"
                f" {_short(question if role == 'user' else answer)}",
                role=role,
                field="content",
            )
            return


def _short(text: str, size: int = 24) -> str:
    """The beginning of a text, escaped and quoted."""
    return preview(text if len(text) <= size else text[: size - 1] + "…")


CHECKS: tuple[Check, ...] = (
    _refusals,
    _prefix,
    _unopened,
    _stop,
    _drops,
    _reasoning,
    _tools,
    _contents,
    _merges,
    _own_words,
    _varies,
    _swapped,
)

"""The interface of layouts: another class may satisfy it, and nobody asks which of them a layout is."""

import ast
import json
import pickle
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import preftemplates_train
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import STYLE_NAMES, at_least, transformers_text

import preftemplates
from preftemplates import Preference, Rendered, Style, get_style, get_template
from preftemplates.core.messages import CONTENT_KEYS
from preftemplates.core.spans import Span, content_spans
from preftemplates.errors import Code, PrefTemplatesError, RowError, StyleContractError
from preftemplates.styles.chat_template import ChatTemplate
from preftemplates.styles.export import format_jinja_literal
from preftemplates.styles.lint.compare import compare_styles
from preftemplates.styles.reasoning import apply_reasoning
from preftemplates.templates.rendering import render_sample, render_texts
from preftemplates.testing import check_laws, conversations, the_prompt_opens_every_response

# --- another layout ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lines:
    """A layout that is neither fragments nor a chat template: a line per message."""

    opening: str = ""
    closing: str = ""
    reasoning: str = "keep"
    tools: str | None = None

    stop = "\n"
    stops = ("\n",)
    roles = ("user", "assistant")
    source = None
    variables = {}
    limits = None
    prints_tools = True
    reversible = True
    turn_marks = frozenset({"\n"})

    @property
    def identity(self):
        return {"lines": [self.opening, self.closing, self.reasoning, self.tools]}

    def _parts(self, messages, add_generation_prompt):
        """Each text of the whole with the kind and message of its span."""
        yield self.opening + (f"tools: {self.tools}\n" if self.tools else ""), "scaffold", None
        for index, message in enumerate(apply_reasoning(messages, self.reasoning)):
            content, more = message.get("content"), message.keys() & {*CONTENT_KEYS}
            if not isinstance(content, str) or "\n" in content or more:
                raise RowError(f"message {index}: a message is a line", code=Code.UNSUPPORTED_CONTENT)
            yield f"{message['role']}: ", "scaffold", None
            yield content, "content", index
            yield "\n", "stop" if message["role"] == "assistant" else "scaffold", index
        yield ("assistant: " if add_generation_prompt else self.closing), "scaffold", None

    def text(self, messages, add_generation_prompt):
        return "".join([part for part, _, _ in self._parts(messages, add_generation_prompt)])

    def texts(self, prompt, responses):
        yield self.text(prompt, add_generation_prompt=True)
        yield from (self.text([*prompt, *response], add_generation_prompt=False) for response in responses)

    def _spans(self, messages, add_generation_prompt):
        spans, at = [], 0
        for part, kind, index in self._parts(messages, add_generation_prompt):
            role = None if index is None else messages[index]["role"]
            if kind == "content":
                spans += content_spans(at, part, role, index, "content")
            elif part:
                spans.append(Span(at, at + len(part), kind, role, index))
            at += len(part)
        return tuple(spans)

    def render(self, messages, add_generation_prompt):
        text = self.text(messages, add_generation_prompt)
        return Rendered(text, partial(self._spans, messages, add_generation_prompt))

    def export(self):
        first, last = self._parts([], add_generation_prompt=False)
        return (
            f"{{{{ {format_jinja_literal(first[0])} }}}}"
            "{% for m in messages %}{% if m.role not in ['user', 'assistant'] or '\\n' in m.content %}"
            "{{ raise_exception('a message is a line') }}{% endif %}{{ m.role }}: {{ m.content + '\\n' }}{% endfor %}"
            f"{{{{ 'assistant: ' if add_generation_prompt else {format_jinja_literal(last[0])} }}}}"
        )

    def between(self, opening, closing):
        return replace(self, opening=opening, closing=closing)

    def with_reasoning(self, reasoning):
        return replace(self, reasoning=reasoning)

    def with_token(self, name, token):  # noqa: ARG002  the signature of every layout
        return self

    def with_tools(self, tools):
        return replace(self, tools=json.dumps(json.loads(tools)))

    def without_tools(self):
        return replace(self, tools=None)

    def parse(self, text):
        *lines, end = text.removeprefix(self.opening).split("\n")
        pairs = [line.partition(": ") for line in lines]
        if end not in (self.closing, "assistant: ") or any(role not in self.roles for role, _, _ in pairs):
            raise RowError("a line has no role", code=Code.BAD_TURNS)
        return [{"role": role, "content": content} for role, _, content in pairs]


LINES = Style.of(Lines(), "lines")
TALK = [{"role": "user", "content": "Basil?"}, {"role": "assistant", "content": "Pesto."}]
PAIR = Preference(prompt=TALK[:1], chosen=TALK[1:], rejected=[{"role": "assistant", "content": "No."}])


def test_another_layout_goes_through_everything_that_a_style_can_do():
    assert LINES.render(TALK).text == "user: Basil?\nassistant: Pesto.\n"
    assert LINES.render(TALK[:1], add_generation_prompt=True).text == "user: Basil?\nassistant: "
    assert LINES.render(TALK).mask("content", role="assistant").count(True) == len("Pesto.")
    assert LINES.parse(LINES.render(TALK).text) == TALK
    assert LINES.reversible
    assert (LINES.stop, LINES.accepted_roles) == ("\n", ("user", "assistant"))
    assert pickle.loads(pickle.dumps(LINES)) == LINES != LINES.with_reasoning("drop")
    assert LINES.with_special_tokens("<s>", "</s>").render(TALK).text == "<s>user: Basil?\nassistant: Pesto.\n</s>"
    assert (
        LINES.with_reasoning("drop").render([{"role": "assistant", "content": "<think>x</think>y"}]).text[-2:] == "y\n"
    )
    assert compare_styles(LINES, LINES, ["one turn"])[0].verdict.alike


def test_another_layout_takes_tools():
    tools = '[{"type": "function"}]'
    assert LINES.with_tools(tools).render(TALK).text.startswith(f"tools: {tools}\nuser: ")
    assert LINES.with_tools(tools).layout.without_tools() == LINES.layout
    assert LINES.with_tools("[]") is LINES


def test_another_layout_is_exported_as_a_chat_template_that_renders_the_same():
    for style in (LINES, LINES.with_tools('[{"a": 1}]'), LINES.with_special_tokens("<s>", "</s>")):
        again = Style.from_chat_template(style.chat_template)
        for generate in (False, True):
            text = style.render(TALK, generate).text
            assert again.render(TALK, generate).text == transformers_text(style.chat_template, TALK, generate) == text


def test_another_layout_is_checked():
    assert LINES.findings == ()


def test_the_laws_hold_for_another_layout():
    check_laws(LINES, max_examples=20)
    check_laws(get_template("HH").with_style(LINES), max_examples=3, laws=[the_prompt_opens_every_response])


def test_another_layout_refuses_with_the_style_s_name():
    broken = [*TALK, {"role": "user", "content": "a\nb"}]
    for call in (
        lambda: LINES.render(broken),
        lambda: LINES.texts(TALK, [TALK, broken[2:]]),
        lambda: LINES.parse("x"),
    ):
        with pytest.raises(RowError) as caught:
            call()
        assert caught.value.style == "lines"
    with pytest.raises(RowError, match="message 2: expected one of the roles user, assistant"):
        LINES.texts(TALK, [[{"role": "system", "content": ""}]])


def test_a_template_formats_with_another_layout():
    template = get_template("PKUSafeRLHF").with_style(LINES).with_dialect("text")
    result = template.format(template.example, "preference")
    assert result["prompt"].endswith("\nassistant: ")
    assert render_sample(PAIR, LINES).map(lambda one: one.text, lambda one: one.text) == render_texts(PAIR, LINES)


# --- nobody asks which layout it is --------------------------------------------------------------------------------

CLASSES = {"Fragments", "ChatTemplate"}

MAKERS = {
    "styles.fragments", "styles.chat_template", "styles.declaration", "styles.reimport", "styles.style",
    "styles.isolation_worker",
}  # fmt: skip
"""The modules that make layouts, and so import their classes."""

QUESTIONS = {"isinstance", "issubclass", "hasattr", "getattr", "type", "vars", "dir", "replace", "asdict", "fields"}
"""Functions that tell one class from another, or work with the fields of one only."""


def name_of(node):
    """The last name of an expression: `layout` of `self.texts.layout`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def is_layout(node):
    return name_of(node).strip("_") in {"layout", "held"} or name_of(node).endswith("_layout")


def is_question(node):
    """Whether a layout is asked what it is."""
    if isinstance(node, ast.Call) and name_of(node.func) in QUESTIONS and node.args:
        names = {name_of(each) for argument in node.args[1:] for each in ast.walk(argument)}
        return is_layout(node.args[0]) or bool(names & CLASSES)
    if isinstance(node, ast.Match):
        return is_layout(node.subject)
    if isinstance(node, ast.MatchClass):
        return name_of(node.cls) in CLASSES
    return isinstance(node, ast.Attribute) and node.attr == "__class__" and is_layout(node.value)


def asked_questions(tree):
    """The lines in which a layout is asked what it is."""
    return [node.lineno for node in ast.walk(tree) if is_question(node)]


def test_nobody_asks_which_class_a_layout_is():
    found, seen = [], 0
    for package in (preftemplates, preftemplates_train):
        root = Path(package.__file__).parent
        for path in sorted(root.rglob("*.py")):
            name = ".".join(path.relative_to(root).with_suffix("").parts)
            tree, seen = ast.parse(path.read_text(encoding="utf-8")), seen + 1
            imported = {
                alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
            }
            if name not in MAKERS:
                assert not imported & CLASSES, f"{name} makes no layout, and imports {imported & CLASSES}"
            if name not in ("styles.fragments", "styles.chat_template"):
                found += [f"{name} line {line}" for line in asked_questions(tree)]
    assert seen > 200
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "isinstance(layout, ChatTemplate | Fragments)",
        "isinstance(self.layout, Fragments)",
        "isinstance(style.held, styles.ChatTemplate)",
        "isinstance(x, (Fragments, Other))",
        "issubclass(type(x), ChatTemplate)",
        "hasattr(style.layout, 'source')",
        "getattr(style.layout, 'source', '')",
        "type(layout) is Mine",
        "layout.__class__",
        "dataclasses.replace(layout, reasoning='keep')",
        "asdict(old_layout)",
        "match style.layout:\n    case Mine(): pass",
        "match anything:\n    case ChatTemplate(): pass",
    ],
)
def test_a_question_is_found(line):
    assert asked_questions(ast.parse(line))


@pytest.mark.parametrize("line", ["isinstance(error, RowError)", "layout.source is None", "getattr(row, 'layout')"])
def test_what_is_no_question_is_not_found(line):
    assert asked_questions(ast.parse(line)) == []


# --- a prompt and its responses ------------------------------------------------------------------------------------

ODD = [
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {}}}],
    },
    {"role": "assistant", "content": "<think>a</think><think>b</think>c"},
    {"role": "assistant", "content": "d", "reasoning_content": "e"},
    {"role": "assistant", "content": "f", "thinking": "g"},
    {"role": "user", "content": [{"type": "text", "text": "h"}]},
    {"role": "user", "content": [{"type": "image"}]},
    {"role": "assistant", "content": None, "tool_calls": []},
    {"role": "usr", "content": "i"},
    {"role": "tool", "content": "j"},
    {"role": "user", "content": "k"},
    {"role": "system", "content": "l"},
    {"role": "assistant", "content": " m "},
]

SOME = st.lists(st.sampled_from(ODD), max_size=3)


def facts_of(error):
    return type(error), error.message, error.facts, type(error.__cause__), str(error.__cause__)


def render_separately(style, prompt, responses):
    return style.text(prompt, True), [style.text([*prompt, *each], False) for each in responses]


def compare(style, prompt, responses):
    """Whether the texts that are rendered together are those of each alone, or the error that of the first."""
    outcomes = []
    for render in (style.texts, partial(render_separately, style)):
        try:
            outcomes.append(render(prompt, responses))
        except PrefTemplatesError as error:
            outcomes.append(facts_of(error))
    assert outcomes[0] == outcomes[1]
    return outcomes[0]


RAISING = Style.from_chat_template(
    "{% for m in messages %}{% if m.role == 'tool' or m.content is not string %}{{ raise_exception('no ' + m.role) }}"
    "{% endif %}{{ m.reasoning_content or '' }}[{{ loop.index0 }}{{ m.role }}]{{ m.content }}{% endfor %}"
    "{% if tools %}{{ raise_exception('tools') }}{% endif %}{{ strftime_now('%Y') }}",
)
STYLES_OF_BOTH_KINDS = [*(get_style(name) for name in STYLE_NAMES), RAISING, LINES]


@at_least(400)
@given(
    st.sampled_from(STYLES_OF_BOTH_KINDS),
    st.sampled_from(["keep", "drop-history", "drop"]),
    conversations() | SOME,
    st.lists(conversations() | SOME, max_size=3),
)
@example(RAISING, "drop-history", [ODD[2]], [[ODD[9], ODD[11]], [ODD[11]]])
@example(get_style("chatml"), "drop-history", [ODD[9], ODD[2]], [[ODD[9], ODD[11]]])
@example(get_style("qwen3"), "drop", [ODD[9]], [[ODD[1]], [ODD[8]]])
@example(RAISING, "keep", [ODD[9]], [[ODD[11]], [ODD[11], ODD[5]]])
def test_texts_rendered_together_are_those_rendered_separately(style, reasoning, prompt, responses):
    compare(style.with_reasoning(reasoning), prompt, responses)


@pytest.mark.parametrize("style", ["chatml", "human-assistant", "llama3", "qwen3", RAISING, LINES], ids=str)
@pytest.mark.parametrize("reasoning", ["keep", "drop-history", "drop"])
def test_every_message_may_stand_in_a_prompt_and_in_a_response(style, reasoning):
    style, sizes = get_style(style).with_reasoning(reasoning), set()
    for first, second in product(ODD, repeat=2):
        sizes.add(len(compare(style, [ODD[9], first], [[second], [ODD[11], second], [second, ODD[9], ODD[11]]])))
    assert sizes == {2, 5}  # texts, and errors


@pytest.mark.skipif("sys.platform == 'win32'", reason="isolate needs POSIX")
@pytest.mark.parametrize("reasoning", ["keep", "drop-history", "drop"])
def test_an_isolated_template_renders_together_what_it_renders_separately_and_here(reasoning):
    here = Style.from_chat_template(RAISING.layout.source, reasoning=reasoning)
    isolated = Style.of(replace(here.layout, isolate=True))
    for first in ODD:
        texts = compare(isolated, [ODD[9], first], [[ODD[1]], [first, ODD[9]]])
        if len(texts) == 2:
            assert texts == here.texts([ODD[9], first], [[ODD[1]], [first, ODD[9]]])


def without_policy(self, prompt, responses):
    written = self.text(prompt, False)
    yield self.text(prompt, True)
    yield from (written + self.text(response, False) for response in responses)


FAULTS = {
    "history stays as it is": without_policy,
    "the prompt's end is the response's beginning": lambda self, prompt, responses: iter(
        [asked := self.text(prompt, True), *(asked + self.text(each, False) for each in responses)]
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_texts_that_are_joined_wrongly_are_caught(fault, monkeypatch):
    style = get_style("chatml").with_reasoning("drop-history")
    monkeypatch.setattr(type(style.layout), "texts", FAULTS[fault])
    with pytest.raises(AssertionError):
        test_every_message_may_stand_in_a_prompt_and_in_a_response("chatml", "drop-history")


def test_a_prompt_is_written_once(monkeypatch):
    written, write = [], type(get_style("chatml").layout)._write_turns

    def counting(self, messages, start=0):
        written.append(len(messages))
        return write(self, messages, start)

    monkeypatch.setattr(type(get_style("chatml").layout), "_write_turns", counting)
    assert render_texts(replace(PAIR, prompt=[*TALK, *TALK[:1]]), get_style("chatml")).chosen
    assert written == [3, 1, 1]


def test_a_layout_that_is_not_reversible_says_so():
    style = Style.from_chat_template("{% for m in messages %}{{ m.content }}{% endfor %}")
    assert not style.reversible
    for call in (style.parse, style.layout.parse):
        with pytest.raises(StyleContractError, match="is not reversible: its turns cannot be distinguished"):
            call("x")
    with pytest.raises(StyleContractError, match="style imported"):
        style.parse("x")


def test_fragments_have_no_place_for_tools():
    layout = get_style("chatml").layout
    assert layout.without_tools() is layout
    with pytest.raises(RowError, match="no place for tools") as caught:
        layout.with_tools("[{}]")
    assert caught.value.code == Code.UNSUPPORTED_CONTENT


def test_a_chat_template_without_tools_is_itself():
    layout = ChatTemplate.read("{{ tools }}", None, None, {"x": 1})
    assert layout.without_tools() is layout
    assert layout.with_tools("[{}]").without_tools() == layout

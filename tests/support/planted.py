"""What the tests of laws share: what is bundled, and how a fault is planted in it."""

from functools import partial
from unittest.mock import patch

from hypothesis import assume, settings
from support import few

from preftemplates import RowModel, Style, get_style, testing
from preftemplates.errors import Code, RowError
from preftemplates.styles.fragments import Fragment, Fragments
from preftemplates.styles.style import STYLES
from preftemplates.templates.library import TEMPLATES
from preftemplates.testing.demands import get_outcome


def bundled(registry):
    """The names of what comes with the library, whatever else a test has registered."""
    return [name for name in registry.names() if registry.definition_site(name).module.startswith("preftemplates.")]


BUNDLED_STYLES = bundled(STYLES)
BUNDLED_TEMPLATES = bundled(TEMPLATES)


def is_text(name):
    """Whether the example of a template can be spelled as text, in every format."""
    template = TEMPLATES.get(name)()
    rendered = [get_outcome(template.render, template.example, format) for format in template.formats]
    return not any(isinstance(one, RowError) and one.code == Code.UNSUPPORTED_CONTENT for one in rendered)


TEXT_TEMPLATES = [name for name in BUNDLED_TEMPLATES if is_text(name)]


def accepted(style, messages):
    """The ways in which a style renders a conversation: without a generation prompt, and with one."""
    return [asked for asked in (False, True) if not isinstance(get_outcome(style.render, messages, asked), RowError)]


def writing(name, talk, *others):
    """The style of that name; a talk that it refuses, with its last content or another, is no example.

    Two styles refuse the end of a thought within an answer.
    """
    style = get_style(name)
    for content in (talk[-1]["content"], *others):
        assume(not isinstance(get_outcome(style.render, [*talk[:-1], {**talk[-1], "content": content}]), RowError))
    return style


def rendered_by(style):
    """Conversations, at least of one message, that a style renders in some way."""
    return testing.conversations(style).filter(lambda messages: messages and accepted(style, messages))


CHATML = STYLES.get("chatml")()
PKU = TEMPLATES.get("PKUSafeRLHF")()
HH = TEMPLATES.get("HH")()

HELLO = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": " Hello!\n"}]


def check(subject, law):
    """Run one law with as many examples as the profile says."""
    testing.check_laws(subject, laws=[law], max_examples=settings().max_examples)


def check_each(subject, law):
    """Run one law on one of the many bundled styles or templates, with few examples for each of them.

    Of the nasty texts that a style is always tried on, each gets a third, so that twenty styles try each text.
    """
    turn = BUNDLED_STYLES.index(subject.name) % 3 if subject.name in BUNDLED_STYLES else 0
    with patch.object(testing, "NASTY", testing.NASTY[turn::3]):
        testing.check_laws(subject, laws=[law], max_examples=few().max_examples)


class Faulty:
    """A template, or anything else, of which some attributes are others."""

    def __init__(self, thing, **others):
        self.thing = thing
        self.__dict__.update({name: partial(other, thing) for name, other in others.items()})

    def __getattr__(self, name):
        return getattr(self.__dict__["thing"], name)


def faulty_style(**others):
    """ChatML with a layout that does some things otherwise."""
    layout = CHATML.layout
    made = type("FaultyLayout", (Fragments,), others)(layout.opening, layout.turns, layout.stop)
    return Style.of(made, "faulty")


def style_of(user, assistant, stop="", opening=""):
    """A style of two fragments, given as heads and tails."""
    return Style.of(Fragments(opening, (Fragment("user", *user), Fragment("assistant", *assistant)), stop), "drawn")


class Thing:
    """What can stand in for a template where only its identity is looked at."""

    formats = ("prompt_only",)
    example = {"text": "Hi"}
    is_custom = True
    row_type = RowModel

    def __init__(self, name):
        self.name = name

    @property
    def digest(self):
        return self.name

    def known_columns(self, format):  # noqa: ARG002  likewise
        return None

    def format(self, row, format):  # noqa: ARG002  the signature of a template's method
        return {"text": self.name}

    def __eq__(self, other):
        return self.name == other.name

    def __hash__(self):
        return 1


class HashedByChance(Thing):
    """Its hash is that of a text, which differs between processes."""

    def __hash__(self):
        return hash(self.name)


class HashedByIdentity(Thing):
    def __hash__(self):
        return id(self)


class EqualToItselfOnly(Thing):
    __hash__ = Thing.__hash__

    def __eq__(self, other):
        return self is other


class LosingItsName(Thing):
    def __reduce__(self):
        return LosingItsName, ("unnamed",)


class FormattingByChance(Thing):
    """What it gives follows the order of a set of texts, which differs between processes."""

    def format(self, row, format):  # noqa: ARG002  the signature of a template's method
        return {"text": " ".join({str(number) for number in range(50)})}

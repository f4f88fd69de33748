"""Flags and files of settings: a parser over a dataclass, whose errors are one line each."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn, get_type_hints

from transformers import HfArgumentParser

from preftemplates.errors import did_you_mean, near, one_line, preview
from preftemplates_train.errors import SetupError
from preftemplates_train.settings.values import Takes
from preftemplates_train.settings.yaml_file import load


class Page(NamedTuple):
    """What `--help` says.

    Attributes:
        usage: the command, with `%(prog)s` for its name.
        about: what it does.
        groups: the options of the first page, by title.
        preset: defaults that hold in some case, by option.
        when: what that case is called.
        more: what stands below.
    """

    usage: str
    about: str
    groups: Mapping[str, Sequence[str]]
    preset: Mapping[str, Any]
    when: str
    more: str


class _Lines(argparse.HelpFormatter):
    """An option by its first spelling alone."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        option = next(option for option in action.option_strings if option.startswith("--"))
        value = "" if action.nargs == 0 else self._format_args(action, action.dest.upper())
        return f"{option} {value}".rstrip()


class _HelpAll(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        assert isinstance(parser, Options)
        print(parser.help(everything=True), end="")
        raise SystemExit(0)


class Options(HfArgumentParser):
    """Flags and files of settings; only what is given appears, and what is wrong is one line.

    Args:
        settings: the dataclass.
        prog: the command's name.
        page: what `--help` says.
    """

    def __init__(self, settings: type, prog: str, page: Page) -> None:
        options = {"formatter_class": _Lines, "allow_abbrev": False, "exit_on_error": False}
        super().__init__(settings, prog=prog, **options)  # type: ignore[arg-type]
        self.page = page
        hints = get_type_hints(settings)
        self.takes: dict[str, Takes] = {}
        for action in self._actions:
            if action.dest in self.takes:
                action.default = argparse.SUPPRESS  # --no_...
            elif action.dest in hints:
                self.takes[action.dest] = self._prepare(action, Takes.of(hints[action.dest], action))
        every = "show every option and exit"
        self.add_argument("--help_all", "--help-all", action=_HelpAll, nargs=0, default=argparse.SUPPRESS, help=every)

    def _prepare(self, action: argparse.Action, takes: Takes) -> Takes:
        """Let an action take what the setting takes, say its defaults, and leave out what is not given."""
        default = str(action.default).lower() if isinstance(action.default, bool) else action.default
        defaults = [] if default in (None, "", []) else [f"default: {default}"]
        defaults += [f"off by --no_{action.dest}"] if action.default is True else []
        preset = self.page.preset
        defaults += [f"{preset[action.dest]} {self.page.when}"] if action.dest in preset else []
        action.help = (action.help or "") + (f" ({', '.join(defaults)})" if defaults else "")
        action.type = takes.from_flag
        if action.dest == "datasets":
            action.type, action.nargs = _only_in_file, None
        action.default = argparse.SUPPRESS
        if action.metavar is None and not takes.choices:
            kinds = takes.one or takes.item or ()
            action.metavar = next((name for kind, name in METAVARS.items() if kind in kinds), None)
        return takes

    def flags(self, argv: Sequence[str]) -> dict[str, Any]:
        """The settings that a command line gives.

        Raises:
            SetupError: an option is unknown or has no such value.
        """
        try:
            namespace, rest = self.parse_known_args(list(argv))
        except argparse.ArgumentError as error:
            name = (error.argument_name or "").split("/")[0]
            raise SetupError(f"{name}: {error.message}" if name else error.message) from None
        if rest:
            self._refuse(rest[0])
        return vars(namespace)

    def _refuse(self, word: str) -> NoReturn:
        if not word.startswith("-"):
            meant = f" Did you mean '--config {word}'?" if word.endswith((".yaml", ".yml")) else ""
            raise SetupError(f"{preview(word)} belongs to no option.{meant}")
        option = word.split("=")[0]
        flags = (flag[2:] for flag in self._option_string_actions if flag.startswith("--"))
        guess = near(option.lstrip("-").replace("-", "_"), flags)
        raise SetupError(f"there is no option {one_line(option)}." + (f" Did you mean --{guess}?" if guess else ""))

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print and exit with."""
        raise SetupError(one_line(message, 300))

    def file(self, path: str) -> dict[str, Any]:
        """The settings that a YAML file gives.

        Raises:
            SetupError: the file cannot be read, or names a setting that is unknown or has no such value.
        """
        given = {}
        for name, value in load(path).items():
            if name == "config":
                raise SetupError("config: a file of settings names no other", file=path)
            if name not in self.takes:
                guess = did_you_mean(str(name), self.takes)
                raise SetupError(f"there is no setting {preview(name)}.{guess}", file=path)
            try:
                given[name] = self.takes[name].from_file(value)
            except argparse.ArgumentTypeError as error:
                raise SetupError(f"{name}: {error}", file=path) from None
        return given

    def format_help(self) -> str:
        """The options of this project and the first ones of a run."""
        return self.help(everything=False)

    def help(self, *, everything: bool) -> str:
        """The help, with every option or without those that few need."""
        known = {action.dest: action for action in reversed(self._actions)}
        groups = {title: [known[name] for name in names] for title, names in self.page.groups.items()}
        if everything:
            shown = {name for names in self.page.groups.values() for name in names}
            groups["transformers.TrainingArguments"] = [known[name] for name in self.takes if name not in shown]
        formatter = self._get_formatter()
        formatter.add_usage(self.page.usage, (), ())
        formatter.add_text(self.page.about)
        for title, actions in groups.items():
            formatter.start_section(title)
            formatter.add_arguments(actions)
            formatter.end_section()
        formatter.add_text(None if everything else self.page.more)
        return formatter.format_help()


METAVARS = {bool: "true|false", int: "N", float: "X", str: "TEXT"}


def _only_in_file(text: str) -> NoReturn:
    raise argparse.ArgumentTypeError("several sources are listed in the file of --config")

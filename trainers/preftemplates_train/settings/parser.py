"""Flags and files of settings: a parser over a dataclass, whose errors are one line each."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, get_type_hints

from transformers import HfArgumentParser

from preftemplates.core.yaml_files import read_yaml
from preftemplates.errors import FileError, did_you_mean, find_nearest, one_line, preview
from preftemplates_train.errors import SetupError
from preftemplates_train.settings.values import SettingType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class HelpPage(NamedTuple):
    """What `--help` says.

    Attributes:
        usage: the command, with `%(prog)s` for its name.
        description: what the command does.
        groups: the options of the first page, by title.
        preset: defaults that hold under some condition, by option.
        condition: what that condition is called.
        epilog: the text below the options.
    """

    usage: str
    description: str
    groups: Mapping[str, Sequence[str]]
    preset: Mapping[str, Any]
    condition: str
    epilog: str


class _FirstSpellingFormatter(argparse.HelpFormatter):
    """Shows each option by its first spelling alone."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        option = next(option for option in action.option_strings if option.startswith("--"))
        value = "" if action.nargs == 0 else self._format_args(action, action.dest.upper())
        return f"{option} {value}".rstrip()


class _HelpAllAction(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        assert isinstance(parser, SettingsParser)
        print(parser.render_help(every_option=True), end="")
        raise SystemExit(0)


class SettingsParser(HfArgumentParser):
    """Reads flags and files of settings; returns only what they name, and reports each error in one line.

    Args:
        settings: the dataclass.
        prog: the command's name.
        page: what `--help` says.
    """

    def __init__(self, settings: type, prog: str, page: HelpPage) -> None:
        options = {"formatter_class": _FirstSpellingFormatter, "allow_abbrev": False, "exit_on_error": False}
        super().__init__(settings, prog=prog, **options)  # type: ignore[arg-type]
        self.page = page
        hints = get_type_hints(settings)
        self.setting_types: dict[str, SettingType] = {}
        for action in self._actions:
            if action.dest in self.setting_types:
                action.default = argparse.SUPPRESS  # --no_...
            elif action.dest in hints:
                setting_type = SettingType.from_hint(hints[action.dest], action)
                self.setting_types[action.dest] = setting_type
                self._prepare_action(action, setting_type)
        help_text = "show every option and exit"
        self.add_argument(
            "--help_all", "--help-all", action=_HelpAllAction, nargs=0, default=argparse.SUPPRESS, help=help_text
        )

    def _prepare_action(self, action: argparse.Action, setting_type: SettingType) -> None:
        """Let an action take what the setting takes, show its defaults, and leave out what is not given."""
        default = str(action.default).lower() if isinstance(action.default, bool) else action.default
        defaults = [] if default in (None, "", []) else [f"default: {default}"]
        defaults += [f"off by --no_{action.dest}"] if action.default is True else []
        preset = self.page.preset
        defaults += [f"{preset[action.dest]} {self.page.condition}"] if action.dest in preset else []
        action.help = (action.help or "") + (f" ({', '.join(defaults)})" if defaults else "")
        action.type = setting_type.parse_flag
        if action.dest == "datasets":
            action.type, action.nargs = _refuse_flag, None
        action.default = argparse.SUPPRESS
        if action.metavar is None and not setting_type.choices:
            types = setting_type.types or setting_type.item_types or ()
            action.metavar = next((name for kind, name in METAVARS.items() if kind in types), None)

    def parse_flags(self, arguments: Sequence[str]) -> dict[str, Any]:
        """Return the settings that a command line names.

        Raises:
            SetupError: an option is unknown or has no such value.
        """
        try:
            namespace, remaining = self.parse_known_args(list(arguments))
        except argparse.ArgumentError as error:
            name = (error.argument_name or "").split("/")[0]
            raise SetupError(f"{name}: {error.message}" if name else error.message) from None
        if remaining:
            self._refuse_argument(remaining[0])
        return vars(namespace)

    def _refuse_argument(self, argument: str) -> NoReturn:
        if not argument.startswith("-"):
            guess = f" Did you mean '--config {argument}'?" if argument.endswith((".yaml", ".yml")) else ""
            raise SetupError(f"{preview(argument)} belongs to no option.{guess}")
        option = argument.split("=")[0]
        flags = (flag[2:] for flag in self._option_string_actions if flag.startswith("--"))
        nearest = find_nearest(option.lstrip("-").replace("-", "_"), flags)
        guess = f" Did you mean --{nearest}?" if nearest else ""
        raise SetupError(f"there is no option {one_line(option)}.{guess}")

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print and exit with."""
        raise SetupError(one_line(message, 300))

    def read_file(self, path: str) -> dict[str, Any]:
        """Return the settings that a YAML file names.

        Raises:
            SetupError: the file cannot be read, or names a setting that is unknown or has no such value.
        """
        settings = {}
        for name, value in _read_mapping(path).items():
            if name == "config":
                raise SetupError("config: a file of settings names no other", file=path)
            if name not in self.setting_types:
                guess = did_you_mean(str(name), self.setting_types)
                raise SetupError(f"there is no setting {preview(name)}.{guess}", file=path)
            try:
                settings[name] = self.setting_types[name].convert_value(value)
            except argparse.ArgumentTypeError as error:
                raise SetupError(f"{name}: {error}", file=path) from None
        return settings

    def format_help(self) -> str:
        """Return the options of this project and the first ones of a run."""
        return self.render_help(every_option=False)

    def render_help(self, *, every_option: bool) -> str:
        """Return the help, with every option or without those that few need."""
        actions = {action.dest: action for action in reversed(self._actions)}
        groups = {title: [actions[name] for name in names] for title, names in self.page.groups.items()}
        if every_option:
            shown = {name for names in self.page.groups.values() for name in names}
            further = [actions[name] for name in self.setting_types if name not in shown]
            groups["transformers.TrainingArguments"] = further
        formatter = self._get_formatter()
        formatter.add_usage(self.page.usage, (), ())
        formatter.add_text(self.page.description)
        for title, members in groups.items():
            formatter.start_section(title)
            formatter.add_arguments(members)
            formatter.end_section()
        formatter.add_text(None if every_option else self.page.epilog)
        return formatter.format_help()


METAVARS = {bool: "true|false", int: "N", float: "X", str: "TEXT"}


def _refuse_flag(_: str) -> NoReturn:
    raise argparse.ArgumentTypeError("several sources are listed in the file of --config")


def _read_mapping(path: str) -> dict[Any, Any]:
    """Read the mapping in a YAML file.

    Raises:
        SetupError: the file cannot be read, or holds no mapping with each key once.
    """
    try:
        content = read_yaml(path).data
    except FileError as error:
        raise SetupError(error.message, **error.facts) from error
    if not isinstance(content, dict):
        raise SetupError(f"expected settings and their values, got {preview(content)}", file=path)
    return content

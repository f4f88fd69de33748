"""Parse flags and files of settings for a dataclass; each error is one line."""

from __future__ import annotations

import argparse
import re
from shutil import get_terminal_size
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, get_type_hints

from transformers import HfArgumentParser

from preftemplates.core.yaml_files import read_yaml
from preftemplates.errors import FileError, did_you_mean, find_nearest, one_line, preview
from preftemplates_train.errors import SetupError
from preftemplates_train.settings.values import SettingType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class HelpPage(NamedTuple):
    """The text of `--help`.

    Attributes:
        usage: the command, with `%(prog)s` for its name.
        description: what the command does.
        groups: the options of the first page, by title.
        preset: defaults that apply under a condition, by option.
        condition: the condition, in words.
        epilog: the text below the options.
        refused: options that are not supported unless the dataclass has them, each with the reason or the option to
            use instead.
    """

    usage: str
    description: str
    groups: Mapping[str, Sequence[str]]
    preset: Mapping[str, Any] = MappingProxyType({})
    condition: str = ""
    epilog: str | None = None
    refused: Mapping[str, str] = MappingProxyType({})


class _OneSpellingFormatter(argparse.HelpFormatter):
    """Shows each option by its short name and one spelling of the long one, in lines that are not too wide to read."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=min(get_terminal_size().columns, 102) - 2)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return str(action.metavar)
        short = [option for option in action.option_strings if not option.startswith("--")]
        value = "" if action.nargs == 0 else self._format_args(action, action.dest.upper())
        return f"{', '.join([*short, _name_action(action)])} {value}".rstrip()


def _name_action(action: argparse.Action) -> str:
    """Return the first long name of an option, or the metavar of a positional argument."""
    return next((option for option in action.option_strings if option.startswith("--")), str(action.metavar))


class SettingsParser(HfArgumentParser):
    """Reads flags and files of settings, and returns only the settings that are given; each error is one line.

    The metadata of a field of the dataclass are arguments of `add_argument`.

    Args:
        settings: the dataclass.
        prog: the command's name.
        page: the text of `--help`.
    """

    def __init__(self, settings: type, prog: str, page: HelpPage) -> None:
        options = {"formatter_class": _OneSpellingFormatter, "allow_abbrev": False, "exit_on_error": False}
        super().__init__(settings, prog=prog, add_help=False, **options)  # type: ignore[arg-type]
        self.page = page
        self._required: list[argparse.Action] = []
        hints = get_type_hints(settings)
        self.setting_types: dict[str, SettingType] = {}
        for action in self._actions:
            if action.dest in self.setting_types:
                action.default = argparse.SUPPRESS  # --no_...
            else:
                setting_type = SettingType.from_hint(hints[action.dest], action)
                self.setting_types[action.dest] = setting_type
                self._prepare_action(action, setting_type)
        self._refused = {name: reason for name, reason in page.refused.items() if name not in self.setting_types}
        self.add_argument("-h", "--help", action="help", default=argparse.SUPPRESS, help="Show this help and exit.")

    def add_argument(self, *names: str, is_positional: bool = False, **options: Any) -> argparse.Action:
        """Add an argument as argparse does.

        Args:
            names: the argument's names; the first is `--` and the name of its field.
            is_positional: whether it is given without a name.
            options: further arguments of argparse; with the action "append", a list gets one value per use.
        """
        if options.get("action") == "append":
            options.pop("nargs")
        if is_positional:
            names = (names[0].removeprefix("--"),)
            options.pop("required")
        return super().add_argument(*names, **options)

    def _prepare_action(self, action: argparse.Action, setting_type: SettingType) -> None:
        """Give an action the type and the help of its setting, and no default: only given flags are returned."""
        if action.required:
            self._required.append(action)
            action.required = False  # argparse would report this before a misspelled option
        if len(setting_type.choices) > MOST_CHOICES:
            action.metavar, action.help = "NAME", f"{action.help} One of {', '.join(setting_type.choices)}."
        action.help = (action.help or "") + self._describe_default(action)
        action.type = setting_type.parse_flag
        if action.dest == "datasets":
            action.type, action.nargs = _refuse_flag, None
        action.default = argparse.SUPPRESS
        if action.metavar is None and not setting_type.choices:
            types = setting_type.types or setting_type.item_types or ()
            action.metavar = next((name for kind, name in METAVARS.items() if kind in types), None)

    def _describe_default(self, action: argparse.Action) -> str:
        default = str(action.default).lower() if isinstance(action.default, bool) else action.default
        defaults = [] if default in (None, "", []) else [str(default)]
        defaults += [f"off by --no_{action.dest}"] if action.default is True else []
        preset = self.page.preset
        defaults += [f"{preset[action.dest]} {self.page.condition}"] if action.dest in preset else []
        shown = [f"default: {', '.join(defaults)}"] if defaults else []
        return "".join(f" [{part}]" for part in shown + ["required"] * (action in self._required))

    def parse_flags(self, arguments: Sequence[str]) -> dict[str, Any]:
        """Return the settings in a command line.

        Raises:
            SetupError: an option is unknown or missing, or its value is not valid.
        """
        settings, remaining = self.parse_known_flags(arguments)
        if remaining:
            self.refuse_argument(remaining[0])
        if missing := [_name_action(action) for action in self._required if action.dest not in settings]:
            verb = "is" if len(missing) == 1 else "are"
            raise SetupError(f"{', '.join(missing)} {verb} missing; {self.prog} --help shows the options")
        return settings

    def parse_known_flags(self, arguments: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
        """Return the settings in a command line, and the arguments that belong to no option.

        Raises:
            SetupError: the value of an option is not valid.
        """
        try:
            namespace, remaining = self.parse_known_args([*self._complete_switches(arguments)])
        except argparse.ArgumentError as error:
            name = (error.argument_name or "").split("/")[0]
            raise SetupError(f"{name}: {error.message}" if name else error.message) from None
        return vars(namespace), remaining

    def _complete_switches(self, arguments: Sequence[str]) -> Iterator[str]:
        """Add `=true` to a switch without a value: argparse would take a positional argument after it as its value."""
        has_positional = any(not action.option_strings for action in self._actions)
        for word, following in zip(arguments, [*arguments[1:], ""], strict=False):
            action = self._option_string_actions.get(word)
            setting = self.setting_types.get(action.dest) if action is not None and has_positional else None
            alone = setting is not None and setting.is_switch and following.lower() not in ("true", "false")
            yield f"{word}=true" if alone else word

    def refuse_argument(self, argument: str) -> NoReturn:
        """Raise the error for an argument that belongs to no option."""
        fix = f"; {self.prog} --help shows the options"
        if not argument.startswith("-"):
            if argument.endswith((".yaml", ".yml")) and "config" in self.setting_types:
                fix = f". Did you mean '--config {argument}'?"
            raise SetupError(f"unexpected argument {preview(argument)}{fix}")
        option = argument.split("=")[0]
        name = option.lstrip("-").replace("-", "_")
        if name in self._refused:
            raise SetupError(f"{one_line(option)} is not supported: {self._refused[name]}")
        flags = (flag[2:] for flag in self._option_string_actions if flag.startswith("--"))
        nearest = find_nearest(name, [*self._refused, *flags])
        if nearest is not None and nearest in self._refused:
            reason = self._refused[nearest]
            renamed = re.match(r"it is called (--\w+)", reason)
            fix = f". Did you mean {renamed[1]}?" if renamed else f", and --{nearest} is not supported: {reason}"
        elif nearest:
            fix = f". Did you mean --{nearest}?"
        raise SetupError(f"there is no option {one_line(option)}{fix}")

    def error(self, message: str) -> NoReturn:
        """Raise an error with the message that argparse would print before it exits."""
        raise SetupError(one_line(message, 300))

    def read_file(self, path: str) -> dict[str, Any]:
        """Return the settings in a YAML file.

        Raises:
            SetupError: the file cannot be read, or has a setting that is unknown or whose value is not valid.
        """
        settings = {}
        for name, value in _read_mapping(path).items():
            if name == "config":
                raise SetupError("config: a settings file cannot name another one", file=path)
            if name in self._refused:
                raise SetupError(f"{name} is not supported: {self._refused[name]}", file=path)
            if name not in self.setting_types:
                guess = did_you_mean(str(name), self.setting_types)
                raise SetupError(f"there is no setting {preview(name)}.{guess}", file=path)
            if name in BOOLEAN_TEXTS and isinstance(value, bool):
                value = str(value).lower()
            try:
                settings[name] = self.setting_types[name].convert_value(value)
            except argparse.ArgumentTypeError as error:
                raise SetupError(f"{name}: {error}", file=path) from None
        return settings

    def format_help(self) -> str:
        """Return the first page of help."""
        return self.render_help(every_option=False)

    def render_help(self, *, every_option: bool) -> str:
        """Return the help, with every option or with those of the first page."""
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


BOOLEAN_TEXTS = ("resume_from_checkpoint",)
"""Settings of type text for which transformers also accepts true and false."""

MOST_CHOICES = 8
"""How many choices are shown next to an option's name; more are listed in its help."""

METAVARS = {bool: "true|false", int: "N", float: "X", str: "TEXT"}


def _refuse_flag(_: str) -> NoReturn:
    raise argparse.ArgumentTypeError("list several sources in the file of --config")


def _read_mapping(path: str) -> dict[Any, Any]:
    """Read the mapping in a YAML file.

    Raises:
        SetupError: the file cannot be read, is not a mapping, or has a key twice.
    """
    try:
        content = read_yaml(path).data
    except FileError as error:
        raise SetupError(error.message, **error.facts) from error
    if not isinstance(content, dict):
        raise SetupError(f"expected settings and their values, got {preview(content)}", file=path)
    return content

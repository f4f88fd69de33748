"""LLaMA-Factory's dataset_info.json: entries read as templates, and entries with which it reads our files.

Keys and their defaults: LLaMA-Factory's data/README.md. If an entry has `columns`, columns that it does not name are
absent; the same applies to `tags`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from preftemplates.core.samples import Preference, Supervised, Unpaired
from preftemplates.core.yaml_files import Document, read_yaml
from preftemplates.dialects.dialect import get_dialect
from preftemplates.errors import (
    DefinitionError,
    FileError,
    PrefTemplatesError,
    UnknownNameError,
    did_you_mean,
    preview,
)
from preftemplates.templates.expression_environment import FILE_LIMITS
from preftemplates.templates.row_types import read_row_type
from preftemplates.templates.turns import messages

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

_LOCATION_KEYS = (
    "hf_hub_url", "ms_hub_url", "om_hub_url", "script_url", "cloud_file_name", "file_name", "subset", "split",
    "folder", "num_samples",
)  # fmt: skip
"""Keys for the location of the rows, which is not part of a template."""

_ENTRY_KEYS = ("formatting", "ranking", "columns", "tags")
_FORMATTINGS = ("alpaca", "sharegpt")
_MEDIA_COLUMNS = ("images", "videos", "audios")
_SHARED_COLUMNS = ("system", "tools", "chosen", "rejected", "kto_tag", *_MEDIA_COLUMNS)
_COLUMNS = {
    "alpaca": ("prompt", "query", "response", "history", *_SHARED_COLUMNS),
    "sharegpt": ("messages", *_SHARED_COLUMNS),
}
_DEFAULT_COLUMNS = {
    "alpaca": {"prompt": "instruction", "query": "input", "response": "output"},
    "sharegpt": {"messages": "conversations"},
}
_DEFAULT_TAGS = {
    "role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt",
    "observation_tag": "observation", "function_tag": "function_call", "system_tag": "system",
}  # fmt: skip
_ROLES_OF_TAGS = {
    "user_tag": "user", "assistant_tag": "assistant", "observation_tag": "tool", "function_tag": "function",
    "system_tag": "system",
}  # fmt: skip


def read_entry(path: str | Path, name: str, base: type[T]) -> T:
    """Return the template that an entry describes.

    Args:
        path: the path of a dataset_info.json.
        name: the name of the entry.
        base: the class `Template`.

    Raises:
        FileError: the file cannot be read, or a key of the entry is unknown or out of place; the error has the line.
        UnknownNameError: there is no such entry.
    """
    document = read_yaml(path)  # JSON is YAML, and this reader knows the lines of keys for errors
    if not isinstance(document.data, Mapping):
        raise FileError(f"expected entries by name, got {preview(document.data)}", file=document.path)
    if name not in document.data:
        raise UnknownNameError(f"{path} has no entry {preview(name)}." + did_you_mean(name, document.data))
    return _Entry(document, name).template(base)


class _Entry:
    """An entry of the file, with defaults filled in."""

    def __init__(self, document: Document, name: str) -> None:
        self.document, self.name = document, name
        entry = self._require_mapping((), document.data[name])
        self._check_keys(entry, (*_LOCATION_KEYS, *_ENTRY_KEYS), ())
        self.formatting = entry.get("formatting", "alpaca")
        if self.formatting not in _FORMATTINGS:
            guess = did_you_mean(str(self.formatting), _FORMATTINGS)
            raise self._file_error(
                ("formatting",), f"expected {' or '.join(_FORMATTINGS)}, got {preview(self.formatting)}.{guess}"
            )
        self.ranking = bool(entry.get("ranking", False))
        columns = entry.get("columns")
        self.columns = _DEFAULT_COLUMNS[self.formatting] if columns is None else self._read_names("columns", columns)
        self._check_keys(self.columns, _COLUMNS[self.formatting], ("columns",))
        tags = entry.get("tags")
        self.tags = _DEFAULT_TAGS if tags is None else self._read_names("tags", tags)
        self._check_keys(self.tags, tuple(_DEFAULT_TAGS), ("tags",))
        self.hub = entry.get("hf_hub_url")

    def template(self, base: type[T]) -> T:
        """Return the template of the entry, whose class is created here."""
        for side in ("chosen", "rejected") if self.ranking else ():
            if side not in self.columns:
                raise self._file_error(("columns",), f"a ranking must name a column for {side}")
        types, sample = self._sharegpt() if self.formatting == "sharegpt" else self._alpaca()
        if "tools" in self.columns:
            types += self._optional("tools", "list[dict[str, Any]] | str")
            sample = replace(sample, tools="{{ tools | tool_list }}")
        for medium in _MEDIA_COLUMNS:
            types += self._optional(medium, "Any")
        body: dict[str, Any] = {"Row": read_row_type("{" + ", ".join(types) + "}"), sample.format: sample}
        if isinstance(self.hub, str):
            body["dataset"] = self.hub
        body["__doc__"] = f"{self.name}, as a dataset_info.json of LLaMA-Factory describes it."
        try:
            cls: Any = type("Template", (base,), {"__module__": __name__, "limits": FILE_LIMITS, **body})
        except PrefTemplatesError as error:
            raise self._file_error((), error.message) from error
        cls.name = self.name
        return cast("T", cls())

    def _alpaca(self) -> tuple[list[str], Any]:
        if "prompt" not in self.columns:
            raise self._file_error(("columns",), "rows of alpaca must name a column for prompt")
        types = [self._column("prompt", "str"), *self._optional("query", "str"), *self._optional("system", "str")]
        types += self._optional("history", "list[list[str]]")
        question = "{{ prompt }}"
        if "query" in self.columns:
            question += "{{ '\\n' if prompt and query else '' }}{{ query or '' }}"
        before = [self._system()] if "system" in self.columns else []
        if "history" in self.columns:
            before.append(messages("{{ (history or []) | question_answer_pairs }}"))
        if not self.ranking and "response" not in self.columns:
            raise self._file_error(("columns",), "rows of alpaca without a ranking must name a column for response")
        answers = ("chosen", "rejected") if self.ranking else ("response",)
        types += [self._column(answer, "str") for answer in answers]
        if self._show:
            talks = [self._alpaca_talk(answer) for answer in answers]
            before = before[:1] if "system" in self.columns else []
            agreed = "".join(f" | agreed_with({talk}[:-1])" for talk in talks[1:])
            prompt: list[Any] = [*before, messages(f"{{{{ {talks[0]}[:-1]{agreed} }}}}")]
            sides: list[Any] = [messages(f"{{{{ {talk}[-1:] }}}}") for talk in talks]
        else:
            prompt, sides = [*before, question], [f"{{{{ {answer} }}}}" for answer in answers]
        if self.ranking:
            return types, Preference(prompt=prompt, chosen=sides[0], rejected=sides[1])
        return self._make_sample(types, prompt, sides[0])

    @property
    def _show(self) -> str:
        """The filter that inserts media into a whole conversation; empty without columns of media."""
        columns = ", ".join(f"{medium}={medium}" for medium in _MEDIA_COLUMNS if medium in self.columns)
        return f" | show_media({columns})" if columns else ""

    def _alpaca_talk(self, answer: str) -> str:
        """Return the expression of a whole alpaca conversation with media."""
        question = "prompt"
        if "query" in self.columns:
            question = "(prompt ~ ('\\n' if prompt and query else '') ~ (query or ''))"
        history = "((history or []) | question_answer_pairs) + " if "history" in self.columns else ""
        turns = f"[{{'role': 'user', 'content': {question}}}, {{'role': 'assistant', 'content': {answer}}}]"
        return f"(({history}{turns}){self._show})"

    def _sharegpt(self) -> tuple[list[str], Any]:
        if "messages" not in self.columns:
            raise self._file_error(("columns",), "rows of sharegpt must name a column for messages")
        for tag in ("role_tag", "content_tag"):
            if tag not in self.tags:
                raise self._file_error(("tags",), f"tags must name {tag}")
        turn = f"{{{self.tags['role_tag'] + ' as from_'!r}: str, {self.tags['content_tag'] + ' as value'!r}: str}}"
        speakers = {self.tags[tag]: role for tag, role in _ROLES_OF_TAGS.items() if tag in self.tags}
        filters = f"tagged_turns({speakers!r})"
        types = [self._column("messages", f"list[{turn}]"), *self._optional("system", "str")]
        before = [self._system()] if "system" in self.columns else []
        if "tools" in self.columns:
            filters += " | calls_among(tools)"
        filters += self._show
        if self.ranking:
            types += [self._column("chosen", turn), self._column("rejected", turn)]
            asked, sides = f"messages | {filters}", {side: f"[{side}] | {filters}" for side in ("chosen", "rejected")}
            if self._show:  # the media belong to the whole conversation, so each side is shown with its prompt
                sides = {side: f"((messages + [{side}]) | {filters})[-1:]" for side in ("chosen", "rejected")}
                both = [f"((messages + [{side}]) | {filters})[:-1]" for side in ("chosen", "rejected")]
                asked = f"{both[0]} | agreed_with({both[1]})"
            answers = {side: messages(f"{{{{ {turn} }}}}") for side, turn in sides.items()}
            return types, Preference(prompt=[*before, messages(f"{{{{ {asked} }}}}")], **answers)
        turns = f"(messages | {filters} | answered)"
        prompt, answer = messages(f"{{{{ {turns}[:-1] }}}}"), messages(f"{{{{ {turns}[-1:] }}}}")
        return self._make_sample(types, [*before, prompt], answer)

    def _make_sample(self, types: list[str], prompt: Any, completion: Any) -> tuple[list[str], Any]:
        """Return a supervised sample, or an unpaired one if the entry names a column for the label."""
        if "kto_tag" not in self.columns:
            return types, Supervised(prompt=prompt, completion=completion)
        types = [*types, self._column("kto_tag", "bool")]
        return types, Unpaired(prompt=prompt, completion=completion, label="{{ kto_tag }}")

    @staticmethod
    def _system() -> Any:
        return messages("{{ [{'role': 'system', 'content': system}] if system else [] }}")

    def _column(self, part: str, kind: str) -> str:
        name = self.columns[part]
        return f"{name if name == part else f'{name} as {part}'!r}: {kind}"

    def _optional(self, part: str, kind: str) -> list[str]:
        if part not in self.columns:
            return []
        name = self.columns[part]
        return [f"{(name if name == part else f'{name} as {part}') + '?'!r}: {kind} | None"]

    def _require_mapping(self, place: tuple[str, ...], value: Any) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise self._file_error(place, f"expected names and values, got {preview(value)}")
        return value

    def _read_names(self, key: str, value: Any) -> dict[str, str]:
        names = {part: name for part, name in self._require_mapping((key,), value).items() if name is not None}
        for part, name in names.items():
            if not isinstance(name, str) or not name:
                raise self._file_error((key, str(part)), f"expected a name, got {preview(name)}")
        return names

    def _check_keys(self, mapping: Mapping[str, Any], keys: tuple[str, ...], place: tuple[str, ...]) -> None:
        for key in mapping:
            if key not in keys:
                guess = did_you_mean(str(key), keys)
                raise self._file_error((*place, str(key)), f"an entry has no {preview(key)} here.{guess}")

    def _file_error(self, place: tuple[str, ...], message: str) -> FileError:
        where = ".".join((self.name, *place))
        line = self.document.line((self.name, *place))
        return FileError(f"{where}: {message}", file=self.document.path, line=line)


def make_dataset_info_entry(
    dialect: str, format: str, file_name: str, *, keys: Iterable[str] | None = None
) -> dict[str, Any]:
    """Return the entry with which LLaMA-Factory reads a file that `convert` wrote.

    `convert --consumer-config dataset_info.json` writes the same entry under the file's name.

    Args:
        dialect: `llama-factory-alpaca` or `llama-factory-sharegpt`.
        format: the dataset type of the file: supervised, preference or unpaired.
        file_name: the name of the file in LLaMA-Factory's data folder.
        keys: the keys of the rows, if they have optional ones such as `tools`.

    Example:
        >>> make_dataset_info_entry("llama-factory-alpaca", "preference", "pairs.jsonl")["ranking"]
        True

    Raises:
        DefinitionError: LLaMA-Factory does not read such a file.
    """
    if dialect not in _DIALECTS:
        raise DefinitionError(f"the dialect must be {' or '.join(_DIALECTS)}, got {preview(dialect)}")
    if format not in _FORMATS:
        raise DefinitionError(f"LLaMA-Factory trains on {', '.join(_FORMATS[:-1])} and unpaired rows, not on {format}")
    text = get_dialect(dialect).configure(format, config="dataset_info.json", rows="rows.jsonl", keys=keys)
    return {**json.loads(text)["rows"], "file_name": file_name}


_DIALECTS = ("llama-factory-alpaca", "llama-factory-sharegpt")
_FORMATS = ("supervised", "preference", "unpaired")

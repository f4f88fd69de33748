"""A tokenizer read from a `tokenizer.json`, as transformers would read its folder, without transformers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol, Self

from preftemplates.core.extras import import_extra
from preftemplates.errors import DefinitionError, FileError, PrefTemplatesError, one_line
from preftemplates.tokens.byte_aligned import ByteAlignedTokenizer
from preftemplates.tokens.engines.tokenizer_checks import is_text, list_token_faults, make_value_error
from preftemplates.tokens.engines.tokenizer_json import read_tokenizer_json, write_tokenizer_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_TOKENIZER_FILE = "tokenizer.json"
_CONFIG_FILE = "tokenizer_config.json"

_PARTS = ("truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder")
"""The parts that a `tokenizer.json` may lack."""

_FLAGS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
"""The flags that transformers gives a named special token without flags of its own."""


class ReadFiles(Protocol):
    """The files of a tokenizer's folder, as `read_tokenizer_files` of `preftemplates.styles` reads them."""

    @property
    def path(self) -> Path:
        """Return the folder."""

    @property
    def chat_template(self) -> str | dict[str, str] | None:
        """Return the chat template, or several by name."""

    @property
    def special_tokens_map(self) -> Mapping[str, str]:
        """Return the special tokens by purpose, such as `bos_token`."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Return the object in `tokenizer_config.json`."""


@dataclass(frozen=True)
class AddedName:
    """An added token: its text, and whether it is special."""

    content: str
    special: bool

    def __str__(self) -> str:
        return self.content


class JsonTokenizer:
    r"""A tokenizer that needs only the package `tokenizers`, of any version, and works without transformers.

    `tokenize`, `TokenBatchFormatter` and `Style.from_tokenizer` accept it like a tokenizer of transformers. Its ids
    are those of `PreTrainedTokenizerFast` for the same files. For some models, transformers has classes such as
    `LlamaTokenizer`, which may rebuild parts of the tokenizer instead of reading them.

    With tokenizers 1.x, which has no offsets, tokens are located in a text by their bytes: see `ByteAlignedTokenizer`.
    An instance can be pickled and weakly referenced.

    Args:
        tokenizer_json: the text of a `tokenizer.json`, in the older format or in that of tokenizers 1.x.
        special_tokens_map: special tokens by purpose, such as `eos_token`.
        chat_template: the chat template, or several by name.
        config: the object in a `tokenizer_config.json`, which may name more added tokens. As in transformers,
            `add_bos_token` and `add_eos_token` have no effect if there is a `tokenizer.json`.
        name_or_path: the folder, after which the style of the chat template is named.

    Attributes:
        is_fast: True, as `tokenize` requires.
        json: the text of the `tokenizer.json`, with the changes from the other files.
        added_tokens_decoder: the added tokens by id.
        all_special_tokens: the named special tokens, and those that the configuration lists.
        bos_token, eos_token, pad_token, unk_token, cls_token, sep_token: special tokens, each None if it has no name.
        bos_token_id, eos_token_id, pad_token_id: the ids of three of them.

    Raises:
        DefinitionError: the text is not the JSON of a tokenizer, or a value of another file has the wrong type.

    Example:
        >>> import json
        >>> from preftemplates import get_style, tokenize
        >>> from preftemplates.tokens.engines.tokenizer_json import list_byte_characters
        >>> vocabulary = {character: byte for byte, character in enumerate(list_byte_characters())}
        >>> model = {"type": "BPE", "vocab": vocabulary, "merges": []}
        >>> steps = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
        >>> text = json.dumps({"version": "1.0", "added_tokens": [], "pre_tokenizer": steps, "model": model})
        >>> tokenizer = JsonTokenizer(text, {"eos_token": "</s>"})
        >>> tokens = tokenize(get_style("zephyr").render([{"role": "assistant", "content": "a</s>"}]), tokenizer)
        >>> tokenizer.eos_token_id, tokens.input_ids[-7:]
        (256, (97, 60, 47, 115, 62, 256, 10))
    """

    is_fast = True

    def __init__(
        self,
        tokenizer_json: str,
        special_tokens_map: Mapping[str, str] | None = None,
        chat_template: str | dict[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
        name_or_path: str = "",
    ) -> None:
        named, config = {**(special_tokens_map or {})}, config or {}
        for key, token in named.items():
            if not is_text(token):
                raise make_value_error("the special tokens", key, token, "text in valid Unicode")
        further = _list_further_tokens(config)
        self.special_tokens_map, self.chat_template, self.name_or_path = named, chat_template, name_or_path
        self.all_special_tokens = [*dict.fromkeys([*named.values(), *further])]
        self.json = _complete_json(tokenizer_json, self.all_special_tokens, named, config)
        added = read_tokenizer_json(self.json)["added_tokens"]
        # loading the tokenizer raises the error for a token without flags
        self.added_tokens_decoder = {
            token["id"]: AddedName(token["content"], token.get("special", False)) for token in added
        }
        ids = {token.content: id for id, token in self.added_tokens_decoder.items()}
        self.bos_token, self.eos_token, self.pad_token = map(named.get, ("bos_token", "eos_token", "pad_token"))
        self.unk_token, self.cls_token, self.sep_token = map(named.get, ("unk_token", "cls_token", "sep_token"))
        self.bos_token_id, self.eos_token_id, self.pad_token_id = (
            None if token is None else ids.get(token) for token in (self.bos_token, self.eos_token, self.pad_token)
        )

    @classmethod
    def from_files(cls, files: ReadFiles) -> Self:
        """Read the `tokenizer.json` of a folder whose other files have been read.

        Args:
            files: the folder's other files.

        Raises:
            FileError: the folder has no `tokenizer.json`, or it cannot be read.
            DefinitionError: the file is not the JSON of a tokenizer, or a value of another file has the wrong type.

        Example:
            >>> from preftemplates.errors import FileError
            >>> from preftemplates.styles.tokenizer_files import TokenizerFiles
            >>> try:
            ...     JsonTokenizer.from_files(TokenizerFiles(path="no such folder"))
            ... except FileError as error:
            ...     print(error.message.partition(":")[0])
            no such folder has no tokenizer.json that can be read
        """
        try:
            with open(f"{files.path}/{_TOKENIZER_FILE}", encoding="utf-8") as file:
                text = file.read()
        except (OSError, ValueError) as error:
            reason = one_line(getattr(error, "strerror", None) or str(error), 200)
            folder = one_line(str(files.path), 300)
            raise FileError(f"{folder} has no {_TOKENIZER_FILE} that can be read: {reason}") from error
        return cls(text, files.special_tokens_map, files.chat_template, files.config, str(files.path))

    @cached_property
    def backend_tokenizer(self) -> Any:
        """Return the underlying tokenizer: a `tokenizers.Tokenizer` before version 1, else a `ByteAlignedTokenizer`.

        Raises:
            MissingPackageError: `tokenizers` is not installed.
            DefinitionError: `tokenizers` cannot load the tokenizer.
        """
        tokenizers = import_extra("tokenizers", "a text is turned into tokens")
        if not hasattr(tokenizers.Tokenizer, "encode_batch_fast"):  # 1.x, whose encodings have no offsets
            return ByteAlignedTokenizer(self.json)
        try:
            return tokenizers.Tokenizer.from_str(self.json)
        except (PrefTemplatesError, KeyboardInterrupt, SystemExit, MemoryError):
            raise
        except BaseException as error:  # a panic in Rust is not an Exception
            reason = one_line(str(error), 200)
            raise DefinitionError(
                f"tokenizers {tokenizers.__version__} cannot load this tokenizer: {reason}; a {_TOKENIZER_FILE} of"
                " version 2.0 needs tokenizers 1.x"
            ) from error

    def __call__(self, text: str, *, add_special_tokens: bool = True) -> dict[str, list[int]]:
        """Return the ids of a text under the key `input_ids`, as transformers does.

        Args:
            text: the text.
            add_special_tokens: whether to add the tokens that the tokenizer puts around a text.
        """
        return {"input_ids": [*self.backend_tokenizer.encode(text, add_special_tokens=add_special_tokens).ids]}

    def __getstate__(self) -> dict[str, Any]:
        # the backend is made again from `json`, which would otherwise be pickled twice
        return {name: value for name, value in vars(self).items() if name != "backend_tokenizer"}

    def __repr__(self) -> str:
        return f"JsonTokenizer({self.name_or_path!r})"


def _list_further_tokens(config: Mapping[str, Any]) -> list[str]:
    """Return the special tokens that a configuration lists without a purpose."""
    # the second name is the one before transformers 5, which still reads it
    names = ("extra_special_tokens", "additional_special_tokens")
    name, listed = next(((name, config[name]) for name in names if config.get(name)), ("", []))
    if isinstance(listed, dict):  # tokens by purpose, which are among the named ones
        return []
    if not isinstance(listed, list):
        raise make_value_error(_CONFIG_FILE, name, listed, "a list or an object")
    tokens = [token if isinstance(token, dict) else {"content": token} for token in listed]
    for index, token in enumerate(tokens):
        for key, value, expected in list_token_faults(f"{name}[{index}]", token):
            raise make_value_error(_CONFIG_FILE, key, value, expected)
    return [token["content"] for token in tokens]


def _list_configured_tokens(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the added tokens that a configuration describes, in the order of their ids."""
    name = "added_tokens_decoder"
    listed = config.get(name)
    if listed is not None and not isinstance(listed, dict):
        raise make_value_error(_CONFIG_FILE, name, listed, "an object with added tokens by id")
    tokens_by_id: list[tuple[int, dict[str, Any]]] = []
    for id, token in (listed or {}).items():
        for key, value, expected in list_token_faults(f"{name}.{id}", token):
            raise make_value_error(_CONFIG_FILE, key, value, expected)
        try:
            tokens_by_id.append((int(id), token))
        except (TypeError, ValueError) as error:
            raise make_value_error(_CONFIG_FILE, name, id, "whole numbers as its keys") from error
    # by number: as text, "10" comes before "9", and a token that is new gets its id from its place
    return [token for _, token in sorted(tokens_by_id, key=itemgetter(0))]


def _complete_json(
    tokenizer_json: str, special_tokens: Iterable[str], named: Mapping[str, str], config: Mapping[str, Any]
) -> str:
    """Add to a `tokenizer.json` what transformers takes from the other files: more added tokens, and other flags."""
    # tokenizers reads a file that lacks these keys, but `TokenizerCopies` reads each part by its key
    description: dict[str, Any] = dict.fromkeys(_PARTS) | read_tokenizer_json(tokenizer_json)
    tokens: dict[str, dict[str, Any]] = {token["content"]: token for token in description["added_tokens"] or ()}
    for token in _list_configured_tokens(config):
        flags = {name: token.get(name, default) for name, default in _FLAGS.items()}
        flags["special"] |= token["content"] in named.values()  # as in `TokenizersBackend.__init__`
        tokens[token["content"]] = {**tokens.get(token["content"], {}), "content": token["content"], **flags}
    for content in special_tokens:
        tokens.setdefault(content, {"content": content, **_FLAGS})
    vocabulary = description["model"]["vocab"]
    ids = vocabulary if isinstance(vocabulary, dict) else {token: id for id, (token, _) in enumerate(vocabulary)}
    # the id that `Tokenizer.add_tokens` gives: the vocabulary's size even if its largest id is above that, or the
    # largest id of an added token plus one
    following = max([len(ids) - 1, *(token["id"] for token in tokens.values() if "id" in token)]) + 1
    for content, token in tokens.items():
        if "id" not in token:
            token["id"] = ids.get(content, following)
            following = max(following, token["id"] + 1)
    # `Tokenizer.from_str` numbers tokens that the model lacks in the order in which they are listed
    description["added_tokens"] = sorted(tokens.values(), key=lambda token: token["id"])
    return write_tokenizer_json(description)

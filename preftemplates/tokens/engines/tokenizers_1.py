"""The engine of Hugging Face tokenizers 1.x, installed or loaded from a directory alongside an older version."""

from __future__ import annotations

import sys
from hashlib import blake2b
from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING, Any

from preftemplates.core.extras import import_extra
from preftemplates.errors import DefinitionError, preview
from preftemplates.tokens.engines.engine import TokenBatch, import_numpy, make_bad_text_error, register_engine
from preftemplates.tokens.engines.tokenizer_json import temporary_json_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Tokenizers1Engine:
    """The engine of a `tokenizers.Tokenizer` of version 1.x, without offsets.

    Args:
        tokenizer: the tokenizer. It is not copied.
        version: the version of `tokenizers`.
    """

    def __init__(self, tokenizer: Any, version: str) -> None:
        self.name = f"tokenizers {version}"
        self._tokenizer = tokenizer

    def encode(self, texts: Sequence[str]) -> TokenBatch:
        """Encode texts, without special tokens around them.

        Raises:
            RowError: `bad_text`: a text is not valid Unicode.
        """
        np = import_numpy()
        try:
            encodings = self._tokenizer.encode_batch([*texts], add_special_tokens=False, padding=None, truncation=None)
        except (TypeError, UnicodeError) as error:  # TypeError for a lone surrogate, as in 0.2x
            bad_text = make_bad_text_error(texts)
            if bad_text is None:
                raise
            raise bad_text from error
        counts = np.fromiter(map(len, encodings), np.int64, len(encodings))
        arrays = [encoding.ids_array for encoding in encodings]
        # the arrays are uint32, and `np.concatenate` raises for none
        return TokenBatch(np.concatenate(arrays).astype(np.int32) if arrays else np.empty(0, np.int32), counts)


@register_engine("tokenizers-1", side_loaded="tokenizers")
def load_tokenizers_1_engine(tokenizer_json: str, directory: Path | None) -> Tokenizers1Engine:
    """Build the engine of a tokenizer.

    Raises:
        DefinitionError: the installed `tokenizers`, or the one in the directory, is older than 1.0.
        MissingPackageError: `tokenizers` is not installed.
    """
    if directory is None:
        package = import_extra("tokenizers", "the engine 'tokenizers-1' encodes texts")
    else:
        package = _import_from(directory)
    if hasattr(package.Tokenizer, "encode_batch_fast"):
        place = "is installed" if directory is None else f"is in {preview(str(directory))}"
        raise DefinitionError(
            f"the engine 'tokenizers-1' needs tokenizers 1.x, but {package.__version__} {place}; to keep the older one"
            " for transformers, run pip install --no-deps --target DIRECTORY 'tokenizers>=1.0.0rc3' and pass DIRECTORY"
            " as the engine"
        )
    with temporary_json_file(tokenizer_json) as path:  # only `from_file` converts the older format
        return Tokenizers1Engine(package.Tokenizer.from_file(path), package.__version__)


def _import_from(directory: Path) -> Any:
    """Import `tokenizers` from a directory under another name, so that transformers keeps using the older version."""
    folder = directory.resolve() / "tokenizers"
    # one name per folder, since a module is loaded once per name
    name = f"tokenizers_{blake2b(str(folder).encode(), digest_size=8).hexdigest()}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, folder / "__init__.py", submodule_search_locations=[str(folder)])
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module  # before it runs, since its own relative imports look it up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]  # or the next call would return half a module
        raise
    return module

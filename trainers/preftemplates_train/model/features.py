"""Features: the input of a classifier's last linear layer for a text, if the model were cut at one of several layers.

The layers are computed once for all cuts. The code after them, such as a decoder's final norm or an encoder's pooler,
is the model's own: its forward pass is run again, with the recorded states instead of the output of its layers. So no
list of architectures is needed, and `FeatureReader` compares the features with those of a model that is really cut.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from preftemplates_train.data.branches import ComputeCost, batch_by_length, pack_groups
from preftemplates_train.errors import SetupError, summarize_error
from preftemplates_train.model.attention import BRANCH_ATTENTION
from preftemplates_train.model.layers import find_layer_stack
from preftemplates_train.progress import show_bar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from transformers import PreTrainedModel

TOLERANCES = {torch.float64: 1e-6, torch.float32: 1e-3, torch.float16: 0.01, torch.bfloat16: 0.03}
"""The largest result of `compare_features` if only the code after the layers is computed differently, by type."""

COARSE_BATCH_TOLERANCE = 0.2
"""The same for batches of float16 and bfloat16, in which every layer rounds differently than for a text alone."""


def find_last_linear(model: PreTrainedModel) -> tuple[str, nn.Linear]:
    """Return the linear layer that gives the rewards, with its path.

    Raises:
        SetupError: the head has no such layer.
    """
    base = f"{model.base_model_prefix}."
    layers = [
        (path, part)
        for path, part in model.named_modules()
        if isinstance(part, nn.Linear) and part.out_features == 1 and not path.startswith(base)
    ]
    if not layers:
        raise SetupError(f"{type(model).__name__} has no linear layer with one output after its {base[:-1]}")
    return layers[-1]


class FeatureReader:
    """Reads the features of texts at several cuts of a model.

    Args:
        model: the classifier; it is set to evaluation mode.
        depths: the cuts, as numbers of layers from 1, ascending.
        pad_id: the id of the pad token.
        shares_prefixes: whether the model supports attention over branches, as `explain_no_branches` finds.
        batch_size: the number of texts per batch.
        autocast: the context in which the model is run.

    Raises:
        SetupError: the model's layers cannot be found, or the code after them does not work on recorded states.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        depths: Sequence[int],
        pad_id: int,
        *,
        shares_prefixes: bool = False,
        batch_size: int = 16,
        autocast: AbstractContextManager[Any] | None = None,
    ) -> None:
        self.model = model.eval()
        self.depths = tuple(depths)
        self.batch_size = batch_size
        self._pad_id, self._shares_prefixes = pad_id, shares_prefixes
        self._autocast = autocast
        self._stack = find_layer_stack(model)
        self._linear = find_last_linear(model)[1]
        self._is_shared = ComputeCost.from_model(model).is_sharing_cheaper
        self._is_tuple = False
        self._reads_each_token = self._sees_each_token()  # a pooler may mix tokens, so it needs whole texts
        self._check()

    @property
    def width(self) -> int:
        """The number of features of a text at one cut."""
        return int(self._linear.in_features)

    def read(self, groups: Sequence[Sequence[Sequence[int]]]) -> list[Tensor]:
        """Return the features of the texts of each group, shape (texts, depths, width), in float32 on the CPU.

        Args:
            groups: the ids of each text, by group; a group's common prefix is computed once if that is cheaper.
        """
        with self._autocast or nullcontext():
            return self._read_groups(groups)

    def _read_groups(self, groups: Sequence[Sequence[Sequence[int]]]) -> list[Tensor]:
        features: dict[int, Tensor] = {}
        attention = self._attend_in_branches() if self._shares_prefixes else nullcontext()
        with torch.no_grad(), attention, show_bar("computing features", len(groups)) as bar:
            for numbers in batch_by_length(groups, self.batch_size):
                batch = [groups[number] for number in numbers]
                rows = iter(self._read_batch(batch).float().cpu())
                for number, texts in zip(numbers, batch, strict=True):
                    features[number] = torch.stack(list(islice(rows, len(texts))))
                bar.advance(len(numbers))
        return [features[number] for number in range(len(groups))]

    def _read_batch(self, groups: Sequence[Sequence[Sequence[int]]]) -> Tensor:
        """Return the features of all texts of a batch, shape (texts, depths, width)."""
        if self._shares_prefixes:
            row = pack_groups(groups, self._is_shared).to(self.model.device)
            inputs = {"input_ids": row.input_ids, "position_ids": row.position_ids, "branches": row.groups}
            states = self._record_states(inputs, lambda state: state[0, row.ends])
            return self._apply_rest_to_tokens(states)
        return self._read_padded([ids for group in groups for ids in group])

    def _read_padded(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """Return the features of texts, padded to one length, shape (texts, depths, width)."""
        pad = nn.utils.rnn.pad_sequence
        ids = [torch.tensor(text, device=self.model.device) for text in texts]
        inputs = {
            "input_ids": pad(ids, batch_first=True, padding_value=self._pad_id),
            "attention_mask": pad([torch.ones_like(text) for text in ids], batch_first=True),
        }
        if self._reads_each_token:
            numbers = torch.arange(len(ids), device=self.model.device)
            ends = torch.tensor([len(text) - 1 for text in ids], device=self.model.device)
            return self._apply_rest_to_tokens(self._record_states(inputs, lambda state: state[numbers, ends]))
        states = self._record_states(inputs, lambda state: state)
        return torch.stack([self._apply_rest(state, inputs) for state in states], dim=1)

    def _record_states(self, inputs: dict[str, Any], select: Any) -> list[Tensor]:
        """Run the model, and return the selected part of the states after each depth."""
        recorded: dict[int, Tensor] = {}

        def record(depth: int) -> Any:
            def hook(_layer: nn.Module, _inputs: Any, output: Any) -> None:
                self._is_tuple = isinstance(output, tuple)
                recorded[depth] = select(output[0] if self._is_tuple else output)

            return hook

        # `output_hidden_states` would keep every layer's states, and give the last one after the final norm.
        layers = list(self._stack.layers)
        hooks = [layers[depth - 1].register_forward_hook(record(depth)) for depth in self.depths]
        self._stack.replace_layers(layers[: self.depths[-1]])  # the layers after the last cut are not needed
        try:
            self._run(inputs)
        finally:
            self._stack.replace_layers(layers)
            for hook in hooks:
                hook.remove()
        return [recorded[depth] for depth in self.depths]

    def _apply_rest_to_tokens(self, states: Sequence[Tensor]) -> Tensor:
        """Apply the code after the layers to states of single tokens, each of shape (texts, width of the model).

        The states are passed as one batch with a row per cut and a column per text. That is valid only for code that
        does not mix tokens, such as a norm; `_check` compares the result with a cut model. The ids are arbitrary, but
        not the pad token's, for which classifiers search.
        """
        stacked = torch.stack(list(states))
        other_id = 1 if self._pad_id == 0 else 0
        ids = torch.full(stacked.shape[:2], other_id, device=stacked.device)
        return self._apply_rest(stacked, {"input_ids": ids}).transpose(0, 1)

    def _apply_rest(self, states: Tensor, inputs: dict[str, Any]) -> Tensor:
        """Return the input of the last linear layer if the model's layers had given these states.

        The first layer stays in the model and returns the states instead of computing them: models read attributes of
        their layers, such as the kind of attention, so another module would not do.
        """
        layers = list(self._stack.layers)
        first: Any = layers[0]
        first.forward = lambda *_, **__: (states,) if self._is_tuple else states
        self._stack.replace_layers([first])
        try:
            return self._run(inputs)
        finally:
            del first.forward  # uncover the method of the class
            self._stack.replace_layers(layers)

    def _run(self, inputs: dict[str, Any]) -> Tensor:
        """Run the model, and return the input of its last linear layer."""
        seen: list[Tensor] = []
        hook = self._linear.register_forward_pre_hook(lambda _layer, args: seen.append(args[0]))
        keeps_no_cache = {"use_cache": False} if hasattr(self.model.config.get_text_config(), "use_cache") else {}
        try:
            self.model(**inputs, **keeps_no_cache)
        finally:
            hook.remove()
        return seen[-1]

    @contextmanager
    def _attend_in_branches(self) -> Iterator[None]:
        attention_before = self.model.config._attn_implementation
        self.model.set_attn_implementation(BRANCH_ATTENTION)
        try:
            yield
        finally:
            self.model.set_attn_implementation(attention_before)

    def _sees_each_token(self) -> bool:
        """Return whether the last linear layer is applied to every token, as in decoders, or to a pooled state."""
        ids = torch.full((1, 4), 1 if self._pad_id == 0 else 0, device=self.model.device)
        with torch.no_grad():
            return self._run({"input_ids": ids}).dim() == 3

    def _check(self) -> None:
        """Raise an error if a model that is really cut gives different features.

        Texts alone pass through the same layers in both models, so their features differ only by the rounding of the
        code after the layers, in every type. Batches are compared too, but not as closely in coarse types.

        Raises:
            SetupError: the message names the depth.
        """
        texts = _draw_texts(int(self.model.get_input_embeddings().num_embeddings), self._pad_id)
        kind = type(self.model).__name__
        tolerance = TOLERANCES.get(self.model.dtype, COARSE_BATCH_TOLERANCE)
        is_coarse = torch.finfo(self.model.dtype).eps > torch.finfo(torch.float32).eps
        try:
            alone, batched = self._read_alone(texts), torch.cat(self._read_groups([texts[:2], texts[2:]]))
            # the first and last only, because each runs the model once per text
            for number in {0, len(self.depths) - 1}:
                expected = self._read_cut(texts, self.depths[number])
                for features, allowed in (
                    (alone, tolerance),
                    (batched, COARSE_BATCH_TOLERANCE if is_coarse else tolerance),
                ):
                    difference = compare_features(features[:, number], expected)
                    if not difference <= allowed:  # also true of NaN
                        reason = f"its features after {self.depths[number]} layers differ by {difference:.2%}"
                        raise SetupError(f"{kind} cannot be cut at a layer: {reason}")
        except SetupError:
            raise
        except Exception as error:
            raise SetupError(f"{kind} cannot be cut at a layer: {summarize_error(error)}") from error

    def _read_alone(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """Return the features of texts whose layers are computed for each text alone, shape (texts, depths, width)."""
        inputs = [{"input_ids": torch.tensor([ids], device=self.model.device)} for ids in texts]
        with torch.no_grad():
            if self._reads_each_token:
                ends = [self._record_states(one, lambda state: state[:, -1]) for one in inputs]
                return (
                    self._apply_rest_to_tokens([torch.cat(states) for states in zip(*ends, strict=True)]).float().cpu()
                )
            rows = []
            for one in inputs:
                states = self._record_states(one, lambda state: state)
                rows.append(torch.stack([self._apply_rest(state, one) for state in states], dim=1))
        return torch.cat(rows).float().cpu()

    def _read_cut(self, texts: Sequence[Sequence[int]], depth: int) -> Tensor:
        """Return the input of the last linear layer for each text alone, in a model with only its first layers."""
        layers = list(self._stack.layers)
        self._stack.replace_layers(layers[:depth])
        try:
            with torch.no_grad():
                states = [self._run({"input_ids": torch.tensor([ids], device=self.model.device)}) for ids in texts]
        finally:
            self._stack.replace_layers(layers)
        return torch.stack([state[0, -1] if self._reads_each_token else state[0] for state in states]).float().cpu()


def compare_features(features: Tensor, expected: Tensor) -> float:
    """Return the difference of features from the expected ones, as a share of their magnitude.

    Every feature counts alike, as for a head on standardised features: the result is the root mean square over the
    features of the largest difference of each, divided by its largest magnitude. Rounding is proportional to the
    magnitude, so features of any size give the same result.

    Args:
        features: shape (texts, width).
        expected: the same shape.

    >>> features = torch.tensor([[1.0, 400.0], [2.0, 400.0]])
    >>> round(compare_features(1.01 * features, features), 4)
    0.0099
    """
    magnitude = torch.maximum(features.abs(), expected.abs()).amax(0)
    share = (features - expected).abs().amax(0) / magnitude.clamp(min=torch.finfo(magnitude.dtype).tiny)
    return float(share.square().mean().sqrt())


def _draw_texts(vocabulary: int, pad_id: int) -> list[list[int]]:
    """Draw two pairs of texts without the pad token; the texts of each pair have a common prefix."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(max(vocabulary - 1, 1), (4, 24), generator=generator)
    ids = torch.where(ids >= pad_id, ids + 1, ids)  # one id was left free, so this stays in the vocabulary
    ids[1, :15], ids[3, :9] = ids[0, :15], ids[2, :9]
    # the lengths differ, so that padding is checked too
    return [row[:length].tolist() for row, length in zip(ids, (19, 24, 22, 13), strict=True)]

"""Cut a classifier at a layer: remove the layers after it, and describe the smaller model in the configuration."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from preftemplates_train.errors import SetupError, summarize_error

if TYPE_CHECKING:
    from transformers import PreTrainedModel

OTHER_LISTS = ("token", "architectures", "section")  # such as eos_token_id
"""Parts of the names of lists in a configuration that have no entry per layer, even if their length suggests it."""


class LayerStack(NamedTuple):
    """The list of a model's layers, and its place in the model.

    Attributes:
        owner: the module that has the list as an attribute.
        name: the name of the attribute.
    """

    owner: nn.Module
    name: str

    @property
    def layers(self) -> nn.ModuleList:
        """The list of layers."""
        layers: nn.ModuleList = getattr(self.owner, self.name)
        return layers

    def replace_layers(self, layers: list[nn.Module]) -> None:
        """Replace the model's layers."""
        setattr(self.owner, self.name, nn.ModuleList(layers))


def find_layer_stack(model: PreTrainedModel) -> LayerStack:
    """Return the only list of modules with as many entries as the configuration has layers.

    Lists within the layers of another list do not count: a layer may by chance have as many experts as the model has
    layers.

    Raises:
        SetupError: there is no such list, or there are several side by side.
    """
    number = int(model.config.get_text_config().num_hidden_layers)
    stacks = [
        LayerStack(owner, name)
        for owner in model.modules()
        for name, part in owner.named_children()
        if isinstance(part, nn.ModuleList) and len(part) == number
    ]
    inner = {id(part) for stack in stacks for layer in stack.layers for part in layer.modules()}
    outermost = [stack for stack in stacks if id(stack.layers) not in inner]
    if len(outermost) != 1:
        kind = type(model).__name__
        raise SetupError(
            f"{kind} cannot be cut at a layer: expected one list of {number} layers, found {len(outermost)}"
        )
    return outermost[0]


def cut_config(config: Any, depth: int) -> None:
    """Make a configuration describe the first layers of its model: their number, and lists with an entry per layer.

    Args:
        config: the configuration, which is changed.
        depth: the number of layers that stay, from 1.
    """
    text_config = config.get_text_config()
    number = int(text_config.num_hidden_layers)
    lists = {
        name: value[:depth]
        for name, value in vars(text_config).items()
        if isinstance(value, list | tuple) and len(value) == number and not any(part in name for part in OTHER_LISTS)
    }
    text_config.num_hidden_layers = depth
    for name, value in lists.items():
        setattr(text_config, name, value)


def cut_model(model: PreTrainedModel, depth: int) -> None:
    """Remove the layers of a model after the first ones, in place.

    The modules after the layers stay: a decoder's final norm, an encoder's pooler and the head.

    Args:
        model: the model, with its configuration; both are changed.
        depth: the number of layers that stay, from 1.

    Raises:
        SetupError: the configuration alone cannot describe the rest of the model, so nobody could load it.
    """
    stack = find_layer_stack(model)
    if depth == len(stack.layers):
        return
    check_cut(model, depth)
    stack.replace_layers(list(stack.layers)[:depth])
    cut_config(model.config, depth)


def check_cut(model: PreTrainedModel, depth: int) -> None:
    """Raise an error if the cut configuration, saved and loaded, describes a model other than the first layers.

    Raises:
        SetupError: the message names the first weight that differs, or repeats transformers' error.
    """
    stack = find_layer_stack(model)
    removed = _list_removed_weights(model, stack, depth)
    expected = {name: weights.shape for name, weights in model.state_dict().items() if name not in removed}
    config = deepcopy(model.config)
    try:
        cut_config(config, depth)
        config = type(config).from_dict(config.to_dict())
        with torch.device("meta"):  # names and shapes suffice, so no memory is allocated
            described = {name: weights.shape for name, weights in type(model)(config).state_dict().items()}
    except Exception as error:
        reason = f"its configuration does not describe {depth} layers: {summarize_error(error)}"
        raise SetupError(f"{type(model).__name__} cannot be cut at a layer: {reason}") from error
    for name in sorted(expected.keys() | described.keys()):
        if expected.get(name) != described.get(name):
            reason = f"its configuration for {depth} layers describes a different {name}"
            raise SetupError(f"{type(model).__name__} cannot be cut at a layer: {reason}")


def _list_removed_weights(model: PreTrainedModel, stack: LayerStack, depth: int) -> set[str]:
    path = next(path for path, part in model.named_modules() if part is stack.layers)
    # with the dot at the end, layer 1 is not the beginning of layer 10
    removed = tuple(f"{path}.{number}." for number in range(depth, len(stack.layers)))
    return {name for name in model.state_dict() if name.startswith(removed)}

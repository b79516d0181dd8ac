"""The projector: the modules between vision tower and language model.

backbone record -> paths in the base model -> paths in the whole model -> modules
"""

from collections.abc import Iterator
from typing import Any

from torch import nn

from e5v.model.backbones import Backbone


def find_projector(model: Any, backbone: Backbone) -> dict[str, nn.Module]:
    """Return the modules of an open model's projector by their paths in it; none if it has none.

    A list of modules counts as its members, which is how peft saves them.
    """
    base = dict(model.base_model.named_modules())
    own = {id(module) for path in backbone.projector for module in _members(base.get(path))}
    return {path: module for path, module in model.named_modules() if id(module) in own}


def projector_weights(model: Any, backbone: Backbone) -> dict[str, nn.Parameter]:
    """Return the weights of a projector by their names in the whole model."""
    return {
        f"{path}.{name}": weight
        for path, module in find_projector(model, backbone).items()
        for name, weight in module.named_parameters()
    }


def _members(module: nn.Module | None) -> Iterator[nn.Module]:
    if isinstance(module, nn.ModuleList):
        yield from module
    elif module is not None:
        yield module

"""Handle checkpoints without an output head: words() needs it, vectors do not.

checkpoint without a head -> transformers' random head is replaced -> MissingHead

Base-model classes save no head, and some embedding models are published without one.
"""

from typing import Any

from torch import Tensor, nn

from e5v.errors import ModelError


class MissingHead(nn.Module):
    """Replaces the output head of a checkpoint that has none, and raises when called."""

    def __init__(self, name: str, weight: str) -> None:
        super().__init__()
        self.name, self.weight_name = name, weight

    def forward(self, _: Tensor) -> Tensor:
        """Raise `ModelError`.

        Raises:
            ModelError: always.
        """
        raise ModelError(
            f"{self.name} has no output head ({self.weight_name}), which words() needs"
        )


def head_weights(model: Any) -> set[str]:
    """Return the names of the weights of a model's output head."""
    head = model.get_output_embeddings()
    if head is None:
        return set()
    return {f"{_path(model, head)}.{name}" for name, _ in head.named_parameters()}


def take_head(name: str, model: Any, weight: str) -> None:
    """Replace a model's output head; `weight` is the one missing from the checkpoint `name`."""
    model.set_submodule(_path(model, model.get_output_embeddings()), MissingHead(name, weight))


def has_head(model: Any) -> bool:
    """Check whether the model's checkpoint had an output head."""
    return not isinstance(model.get_output_embeddings(), MissingHead)


def check_head(model: Any) -> None:
    """Raise `ModelError` unless the model has its output head."""
    head = model.get_output_embeddings()
    if isinstance(head, MissingHead):
        head(None)


def _path(model: Any, head: nn.Module) -> str:
    names: dict[int, str] = {id(module): name for name, module in model.named_modules()}
    return names[id(head)]

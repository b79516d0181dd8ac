"""The output head, which words need and no vector does.

checkpoint without a head -> the random one that transformers draws is taken out -> MissingHead

Base-model classes save none, and some embedding models are published without.
"""

from typing import Any

from torch import Tensor, nn

from e5v.errors import ModelError


class MissingHead(nn.Module):
    """Stands where a checkpoint has no output head, and says so when it is needed."""

    def __init__(self, name: str, weight: str) -> None:
        super().__init__()
        self.name, self.weight_name = name, weight

    def forward(self, _: Tensor) -> Tensor:
        """Raise.

        Raises:
            ModelError: always.
        """
        raise ModelError(
            f"{self.name} has no output head ({self.weight_name}), which words() needs"
        )


def head_weights(model: Any) -> set[str]:
    """Name the weights of a model's output head; a head tied to the embedding has none missing."""
    head = model.get_output_embeddings()
    if head is None:
        return set()
    return {f"{_path(model, head)}.{name}" for name, _ in head.named_parameters()}


def take_head(name: str, model: Any, weight: str) -> None:
    """Take the output head out of a model; `weight` is what the checkpoint `name` has not."""
    model.set_submodule(_path(model, model.get_output_embeddings()), MissingHead(name, weight))


def has_head(model: Any) -> bool:
    """Tell whether a model has an output head of its checkpoint's."""
    return not isinstance(model.get_output_embeddings(), MissingHead)


def check_head(model: Any) -> None:
    """Raise `ModelError` unless the model has its output head."""
    head = model.get_output_embeddings()
    if isinstance(head, MissingHead):
        head(None)


def _path(model: Any, head: nn.Module) -> str:
    names: dict[int, str] = {id(module): name for name, module in model.named_modules()}
    return names[id(head)]

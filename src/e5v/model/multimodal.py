"""What e5v needs of the models and processors of transformers, as types.

AutoModelForImageTextToText, AutoProcessor -> MultimodalModel, MultimodalProcessor
"""

from typing import Any, Protocol

import torch


class MultimodalModel(Protocol):
    """What e5v needs of an open model of transformers; other attributes belong to its family."""

    config: Any
    dtype: torch.dtype
    device: torch.device

    def __call__(self, **inputs: Any) -> Any:
        """Run a forward pass."""

    def __getattr__(self, name: str) -> Any:
        """Return a module, or a method, that only some families have."""

    def get_decoder(self) -> Any:
        """Return the language model, without its output head."""


class MultimodalProcessor(Protocol):
    """What e5v needs of a checkpoint's processor: it tokenises texts and prepares images."""

    tokenizer: Any
    image_processor: Any

    def __call__(self, **inputs: Any) -> Any:
        """Prepare a prompt and its images."""

    def __getattr__(self, name: str) -> Any:
        """Return an attribute that only some processors have."""

"""What an image is on its way to the language model: pixels, then image tokens.

picture -> Pixels -> vision tower -> ImageTokens
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class ImageTokens:
    """The language model's input for one image.

    `tokens` replace its placeholder tokens; `deep` are added to the states at those positions after
    each of the first layers (DeepStack, in Qwen3-VL only).
    """

    tokens: Float[Tensor, "n d"]
    deep: tuple[Float[Tensor, "n d"], ...] = ()

    def to(self, device: torch.device | str) -> "ImageTokens":
        """Return the same tokens on a device."""
        return ImageTokens(self.tokens.to(device), tuple(layer.to(device) for layer in self.deep))


@dataclass(frozen=True)
class Pixels:
    """One image, ready for its vision tower.

    `arrays` is what the model's processor returns for one image (first axis 1, or patches);
    `expansion` is the string that replaces its placeholder in the prompt. `tokens` are the output
    of the vision tower if it is already known; the tower is then not run. `content` is a digest of
    the file, if that is known.
    """

    arrays: dict[str, Tensor]
    expansion: str
    tokens: ImageTokens | None = None
    content: bytes = b""

"""Results of embedding a stream of items: a vector, or why there is none.

Without torch, so that what only reads or writes them is imported quickly.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from e5v.errors import ItemError, PromptError

OnError = Literal["raise", "skip"]


@dataclass(frozen=True)
class Encoded:
    """The vector of one item: `vector` (d,) unit float32; `cut` if its text was truncated.

    `is_text` is true for an item without an image. `doubt` names a text of the item that looks like
    an image, and why it is not one: "'cat.jpg' (no such file)"; otherwise it is empty. `tokens`
    counts what the model read, prompt and images included; `digest` identifies the content.
    """

    position: int
    vector: NDArray[np.float32]
    cut: bool
    is_text: bool = True
    doubt: str = ""
    tokens: int = 0
    digest: bytes = b""


@dataclass(frozen=True)
class Skipped:
    """An item skipped with `on_error="skip"`, and its error."""

    position: int
    error: ItemError | PromptError

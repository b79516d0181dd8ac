"""The shape of a model: what its size, its memory and its work follow from.

layers, widths, vocabulary -> parameters -> bytes in each kind of weights
tokens | patches           -> Work: operations in matrix products, in attention, and values

Counted is what e5v computes: no logits, and the last layer's query, output and MLP at the pooled
token only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

Weights = Literal["float32", "bfloat16", "8bit", "4bit"]
WEIGHTS: tuple[Weights, ...] = get_args(Weights)
BITS = {"float32": 32, "bfloat16": 16, "8bit": 8, "4bit": 4}
UNQUANTISED = 16  # bits of a value in a table, where the matrices have 8 or 4
SCALES = 0.5  # bits a value, of the scales that blocks of 64 4-bit values have


@dataclass(frozen=True)
class Work:
    """What an item takes, in floating point operations, a multiply-add being two.

    Attributes:
        products: operations in matrix products with weights.
        attention: operations in attention.
        values: values that are read or written between the two: norms, rotations, activations.
    """

    products: int = 0
    attention: int = 0
    values: int = 0

    @property
    def operations(self) -> int:
        """All operations."""
        return self.products + self.attention


@dataclass(frozen=True)
class Language:
    """A causal language model with gated MLPs, as those of Llama and Qwen.

    `head_width` is that of an attention head, the width of the model by their number if it is 0.
    `tied`: its output head is its table of embeddings, or it has no head.
    """

    layers: int
    width: int
    mlp: int
    heads: int
    kv_heads: int
    vocabulary: int
    tied: bool = False
    head_width: int = 0

    @property
    def attention_width(self) -> int:
        """The width of all heads together."""
        return self.heads * (self.head_width or self.width // self.heads)

    @property
    def matrices(self) -> int:
        """Parameters of the layers' matrices."""
        return self.layers * (self._keys_values + self._others)

    @property
    def tables(self) -> int:
        """Parameters of the embeddings and of the output head."""
        return self.vocabulary * self.width * (1 if self.tied else 2)

    @property
    def _keys_values(self) -> int:
        return 2 * self.width * self.kv_heads * (self.attention_width // self.heads)

    @property
    def _others(self) -> int:
        """Parameters of query, output, gate, up and down."""
        return 2 * self.width * self.attention_width + 3 * self.width * self.mlp

    def work(self, tokens: int) -> Work:
        """Count one item of `tokens`."""
        pairs = tokens * (tokens + 1) // 2
        whole, attended = self.layers - 1, self.attention_width
        products = whole * tokens * (self._keys_values + self._others)
        products += tokens * self._keys_values + self._others
        values = 16 * self.width + 6 * attended + 3 * self.mlp
        return Work(
            products=2 * products,
            attention=4 * attended * (whole * pairs + tokens),
            values=self.layers * tokens * values,
        )


class Vision(Protocol):
    """What makes image tokens of pixels."""

    @property
    def matrices(self) -> int:
        """Parameters of its matrices, with those of the projector."""

    @property
    def tables(self) -> int:
        """Its other parameters."""

    @property
    def width(self) -> int:
        """Of its matrices."""

    def work(self, sequences: Sequence[int]) -> Work:
        """Count one image; patches of one sequence attend to each other."""


@dataclass(frozen=True)
class Tower:
    """A vision transformer, and the projector after it.

    Attributes:
        layers: all of them; `unread` of these are above the one that is read.
        patch_values: pixels' values that one patch is made of.
        gated: its MLP has three matrices instead of two.
        window: patches of a window, beyond which none attends, but in `full` layers; 0 for none.
        projector: (inputs, outputs) of the projector's matrices, one call for each image token.
        merged: patches that become one image token.
        places: positions with a vector of their own.
    """

    layers: int
    width: int
    mlp: int
    patch_values: int
    projector: tuple[tuple[int, int], ...]
    merged: int = 1
    gated: bool = False
    window: int = 0
    full: int = 0
    unread: int = 0
    places: int = 0

    @property
    def _layer(self) -> int:
        return 4 * self.width**2 + (3 if self.gated else 2) * self.width * self.mlp

    @property
    def _after(self) -> int:
        return sum(rows * columns for rows, columns in self.projector)

    @property
    def matrices(self) -> int:
        """Parameters of its matrices, with those of the projector."""
        return self.layers * self._layer + self.patch_values * self.width + self._after

    @property
    def tables(self) -> int:
        """Parameters of its positions."""
        return self.places * self.width

    def work(self, sequences: Sequence[int]) -> Work:
        """Count one image; patches of one sequence attend to each other."""
        patches, read = sum(sequences), self.layers - self.unread
        whole = self.full if self.window else read
        pairs = whole * sum(count**2 for count in sequences)
        pairs += (read - whole) * patches * self.window
        each = read * self._layer + self.patch_values * self.width + self._after // self.merged
        return Work(
            products=2 * patches * each,
            attention=4 * pairs * self.width,
            values=read * patches * (10 * self.width + 3 * self.mlp),
        )


@dataclass(frozen=True)
class FixedTower:
    """A tower of another kind, by what is known of it: `each` operations an image.

    `width` is that of matrices which are multiplied about as fast.
    """

    matrices: int
    each: int
    width: int
    tables: int = 0

    def work(self, sequences: Sequence[int]) -> Work:
        """Count one image, or each of its tiles."""
        return Work(products=self.each * len(sequences))


@dataclass(frozen=True)
class Shape:
    """A multimodal model: its language model and its vision tower.

    `idle` are parameters of matrices that are loaded, and that no text or image runs through.
    """

    language: Language
    vision: Vision
    idle: int = 0

    @property
    def language_parameters(self) -> int:
        """Parameters of the language model; norms and biases are left out."""
        return self.language.matrices + self.language.tables

    @property
    def vision_parameters(self) -> int:
        """Parameters of the vision tower and the projector; norms and biases are left out."""
        return self.vision.matrices + self.vision.tables

    @property
    def parameters(self) -> int:
        """All of them."""
        return self.language_parameters + self.vision_parameters + self.idle

    def memory(self, weights: str) -> int:
        """Return the bytes of the open model in a kind of weights; "float16" is one, too.

        In 8 and 4 bits are the matrices alone; embeddings, head and positions have 16.
        """
        bits: float = BITS.get(weights, UNQUANTISED)
        quantised = bits < UNQUANTISED
        matrices = self.language.matrices + self.vision.matrices + self.idle
        tables = self.language.tables + self.vision.tables
        in_matrices = bits + (SCALES if quantised else 0)
        return int((matrices * in_matrices + tables * (UNQUANTISED if quantised else bits)) // 8)

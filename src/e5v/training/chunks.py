"""How the items of a batch are run through the language model in training, a chunk at a time.

    fixed     any items, planned by tokens -> the encoder also used for embedding -> states
    faithful  24 triplets of texts, left-padded -> the official script's mask     -> states

The chunks of a batch are computed separately and compared together (`gradcache`), so their size
affects memory and speed only, except with the faithful mask, which does not hide all padding.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import torch
from torch import Tensor

from e5v.model.encoder import Encoder, Prompted, add_image_tokens
from e5v.model.failures import model_errors
from e5v.model.image_inputs import Pixels
from e5v.model.token_batches import token_batches
from e5v.training.image_cache import ImageCache
from e5v.training.recipe import Recipe

CPU_CHUNK, GPU_CHUNK = 1_024, 16_384  # tokens whose activations are in memory at once
OFFICIAL_ROWS = 24  # triplets on one of the paper's GPUs
OFFICIAL_MULTIPLE = 8  # widths are padded to a multiple of it


class ChunkPass(Protocol):
    """A way to run prompts through the model."""

    def chunks(self, prompts: Sequence[Prompted], triplets: int) -> list[list[int]]:
        """Return which prompts go together; the first `triplets` of them are the anchors."""

    def add_image_tokens(
        self, prompts: Sequence[Prompted], known: dict[int, Pixels]
    ) -> Sequence[Prompted]:
        """Run the frozen vision tower over those images of a chunk that are not `known`."""

    def states(self, prompts: Sequence[Prompted]) -> AbstractContextManager[Tensor]:
        """Yield the pooled states (n, d) of a chunk; use the block for the backward pass, too."""


@dataclass(frozen=True)
class PackedPass:
    """The encoder used for embedding: no padding where the architecture allows it.

    `cache` keeps image tokens for later steps. If the projector is trained (not `frozen`), images
    stay pixels, and their tokens are made in every pass.
    """

    encoder: Encoder
    budget: int
    cache: ImageCache | None = None
    frozen: bool = True

    def chunks(self, prompts: Sequence[Prompted], triplets: int) -> list[list[int]]:
        """Fill chunks up to the budget, with prompts of similar length."""
        lengths = [len(one.ids) for one in prompts]
        padded = self.encoder.layout != "packed"
        return token_batches(
            lengths, self.budget, padded=padded, alone_above=self.encoder.alone_above
        )

    def add_image_tokens(
        self, prompts: Sequence[Prompted], known: dict[int, Pixels]
    ) -> Sequence[Prompted]:
        """Run the vision tower, unless its tokens change, or the model is only run as a whole."""
        if self.encoder.layout == "whole" or not self.frozen:
            return prompts
        loaded, alone = self.encoder.loaded, self.cache is not None
        made = add_image_tokens(loaded, prompts, known, alone=alone)
        for image in (image for one in made for image in one.images):
            if self.cache is not None:
                self.cache.put(image)
        return made

    def states(self, prompts: Sequence[Prompted]) -> AbstractContextManager[Tensor]:
        """Run the encoder."""
        return self.encoder.passing(prompts)


@dataclass(frozen=True)
class OfficialPass:
    """The official script's padded rows, on which its mask depends.

    Texts are left-padded to a multiple of 8 with the end-of-turn token, and the mask is "the id is
    not 0". Anchors and negatives thus attend to their padding. Positives are padded with id 0,
    which is masked, except for the columns that widen them to the others' width. A real token 0
    ("!" in LLaMA-3) is masked as well.
    """

    encoder: Encoder
    padding: int

    def chunks(self, prompts: Sequence[Prompted], triplets: int) -> list[list[int]]:
        """Take 24 triplets at a time, in the order given: anchors, positives, negatives."""
        kinds = (range(triplets), range(triplets, 2 * triplets), range(2 * triplets, len(prompts)))
        return [
            list(chain.from_iterable(kind[first : first + OFFICIAL_ROWS] for kind in kinds))
            for first in range(0, triplets, OFFICIAL_ROWS)
        ]

    def add_image_tokens(
        self, prompts: Sequence[Prompted], _known: dict[int, Pixels]
    ) -> Sequence[Prompted]:
        """Return the prompts as they are: the official script trains on texts."""
        return prompts

    @contextmanager
    def states(self, prompts: Sequence[Prompted]) -> Iterator[Tensor]:
        """Run the language model on padded rows, as the official script does."""
        ids = self.rows([one.ids for one in prompts])
        model = self.encoder.loaded.language_model
        mask = (ids > 0).long()
        with model_errors(self.encoder.loaded.name):
            output = model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device))
        yield output.last_hidden_state[:, -1]

    def rows(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """Pad a chunk: (3 n, L) ids of n anchors, their n positives and n negatives."""
        count = len(texts) // 3
        blocks = [
            self._pad(texts[:count], self.padding),
            self._pad(texts[count : 2 * count], 0),
            self._pad(texts[2 * count :], self.padding),
        ]
        width = max(block.shape[1] for block in blocks)
        return torch.cat([self._widen(block, width) for block in blocks])

    def _pad(self, texts: Sequence[Sequence[int]], padding: int) -> Tensor:
        longest = max(map(len, texts), default=0)
        width = -(-longest // OFFICIAL_MULTIPLE) * OFFICIAL_MULTIPLE
        return torch.tensor([[padding] * (width - len(ids)) + list(ids) for ids in texts]).long()

    def _widen(self, block: Tensor, width: int) -> Tensor:
        return torch.nn.functional.pad(block, (width - block.shape[1], 0), value=self.padding)


def choose_pass(encoder: Encoder, recipe: Recipe, cache: ImageCache | None = None) -> ChunkPass:
    """Return the way to run prompts that a recipe's mask asks for."""
    if recipe.mask == "faithful":
        return OfficialPass(encoder, encoder.loaded.processor.tokenizer.eos_token_id)
    usual = GPU_CHUNK if encoder.loaded.model.device.type == "cuda" else CPU_CHUNK
    frozen = recipe.train == "language"
    return PackedPass(encoder, recipe.chunk_tokens or usual, cache if frozen else None, frozen)

"""The arithmetic that vectors need, whatever program computes them.

    token and tile counts + Sizes -> floating point operations, a multiply-add being two

Counted is what the pooled state depends on: matrix products of the layers and causal attention.
Left out are logits, padding, tokens that every prompt begins with after their first time, the last
layer's query, output and MLP anywhere but at the pooled token, and vision layers above the one that
is read (the last one, in LLaVA-NeXT).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sizes import Sizes
from e5v.inputs import RawItem


@dataclass(frozen=True)
class Counts:
    """What the items of a run are to the model.

    `tokens[i]` is the length of the i-th prompt, image tokens included, `tiles[i]` how many tiles
    its image is cut into; every prompt begins with the same `shared` tokens.
    """

    tokens: tuple[int, ...]
    tiles: tuple[int, ...]
    shared: int


@dataclass(frozen=True)
class CountJob:
    """Items to count, and the checkpoint whose tokenizer and processor decide."""

    checkpoint: Path
    items: tuple[RawItem, ...]


def count(job: CountJob) -> Counts:
    """Tokenise and tile the items as the model's processor does, without running the model."""
    from e5v import E5V
    from e5v.model.packing import shared_tokens

    model = E5V(job.checkpoint, device="cpu")
    ids: list[list[int]] = []
    tiles: list[int] = []
    for item in job.items:
        prompted = model.prepare(item).prompted
        ids.append(prompted.ids)
        tiles.append(sum(image.arrays["pixel_values"].shape[1] for image in prompted.images))
    common = ids[0][: shared_tokens(ids)]
    shared = len(list(itertools.takewhile(lambda n: n != model.loaded.image_token_id, common)))
    return Counts(tuple(map(len, ids)), tuple(tiles), shared)


def total(sizes: Sizes, counts: Counts) -> int:
    """Count the operations that the vectors of a run need."""
    once = shared_flops(sizes, counts.shared)
    text = sum(own_flops(sizes, tokens, counts.shared) for tokens in counts.tokens)
    return once + text + sum(vision_flops(sizes, tiles) for tiles in counts.tiles)


def own_flops(sizes: Sizes, tokens: int, shared: int = 0) -> int:
    """Count one prompt of `tokens`, of which the first `shared` are computed elsewhere."""
    own, pairs = tokens - shared, _causal_pairs(tokens) - _causal_pairs(shared)
    every = (sizes.layers - 1) * (own * _layer(sizes) + pairs * _pair(sizes))
    pooled = _layer(sizes) - _keys_values(sizes) + tokens * _pair(sizes)
    return every + own * _keys_values(sizes) + pooled


def shared_flops(sizes: Sizes, shared: int) -> int:
    """Count the tokens that every prompt begins with, once; none of them is pooled."""
    every = (sizes.layers - 1) * (shared * _layer(sizes) + _causal_pairs(shared) * _pair(sizes))
    return every + shared * _keys_values(sizes)


def vision_flops(sizes: Sizes, tiles: int) -> int:
    """Count the vision tower, up to the last layer but one, and the projector."""
    width, places = sizes.vision_width, sizes.patches + 1
    layer = 2 * places * (4 * width**2 + 2 * width * sizes.vision_mlp) + 4 * places**2 * width
    embedding = 2 * sizes.patches * 3 * sizes.patch**2 * width
    projector = 2 * sizes.patches * (width * sizes.width + sizes.width**2)
    return tiles * ((sizes.vision_layers - 1) * layer + embedding + projector)


def matrix_shapes(sizes: Sizes) -> Sequence[tuple[int, int]]:
    """List the distinct (inputs, outputs) of the language model's projections."""
    pairs = (
        (sizes.width, sizes.width),
        (sizes.width, sizes.kv_heads * sizes.head_width),
        (sizes.width, sizes.mlp),
        (sizes.mlp, sizes.width),
    )
    return tuple(dict.fromkeys(pairs))


def _layer(sizes: Sizes) -> int:
    """Matrix products of one token in one layer: query, key, value, output, gate, up, down."""
    query_output = 2 * sizes.width * sizes.heads * sizes.head_width
    return 2 * (query_output + 3 * sizes.width * sizes.mlp) + _keys_values(sizes)


def _keys_values(sizes: Sizes) -> int:
    return 2 * 2 * sizes.width * sizes.kv_heads * sizes.head_width


def _pair(sizes: Sizes) -> int:
    """One query looking at one key in all heads: a product with the key, one with the value."""
    return 4 * sizes.heads * sizes.head_width


def _causal_pairs(tokens: int) -> int:
    return tokens * (tokens + 1) // 2


def plain_flops(sizes: Sizes, tokens: int, tiles: int = 0) -> int:
    """Count one prompt with every layer at every token, as limits are mostly stated."""
    text = sizes.layers * (tokens * _layer(sizes) + _causal_pairs(tokens) * _pair(sizes))
    return text + vision_flops(sizes, tiles)
